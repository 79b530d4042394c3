"""`aiec check` of PagerDuty and Alertmanager: each thing that would spoil a page yields its line."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot import scenario
from bot.check import examine
from bot.checks.finding import Finding, Level
from bot.checks.paging import EVENTS
from bot.config_file import read
from bot.settings import SHIPPED, load
from sandbox.faults import Fault
from sandbox.kubeconfig import kubeconfig
from sandbox.server import Sandbox
from sandbox.world import World

HOOK = "https://aiec.example.com/webhooks/pagerduty"


@dataclass
class Checked:
    """A sandbox, and settings that fit it until a test changes them."""

    sandbox: Sandbox
    folder: Path
    data: dict[str, Any]
    environ: dict[str, str]

    @property
    def account(self) -> Any:
        return self.sandbox.world.pagerduty

    async def found(self) -> list[Finding]:
        (self.folder / "aiec.yaml").write_text(yaml.safe_dump(self.data, sort_keys=False))
        return [one for one in await examine(load(self.environ, self.folder)) if one.subject.startswith(("pagerduty", "alertmanager", "PAGER", "ALERT"))]

    async def bad(self) -> list[str]:
        return [one.line() for one in await self.found() if one.level in (Level.WRONG, Level.WARNING)]


@pytest.fixture
async def checked(tmp_path: Path) -> AsyncIterator[Checked]:
    async with Sandbox(World.build(scenario.on_sandbox().scenario)) as sandbox:
        account = sandbox.world.pagerduty
        account.webhooks.subscriptions.clear()
        account.webhooks.subscribe(HOOK, "secret", [*EVENTS], ["PSERVICE"], "PWEBHOOK")
        (tmp_path / "kubeconfig").write_text(kubeconfig(sandbox.urls["kubernetes"]))
        data = scenario.config(scenario.on_sandbox(), sandbox.urls["platform"])
        escalation = read(SHIPPED).escalation
        assert escalation is not None
        data["escalation"] = escalation.model_dump(mode="json", by_alias=True)
        environ = {
            "AIEC_CONFIG": str(tmp_path / "aiec.yaml"),
            "DATABASE_URL": f"sqlite:///{tmp_path / 'aiec.db'}",
            "KUBECONFIG": str(tmp_path / "kubeconfig"),
            "REGISTRY_URL": sandbox.urls["registry"],
            "PAGERDUTY_API_TOKEN": "pagerduty-sandbox",
            "PAGERDUTY_FROM": "lead@example.com",
            "PAGERDUTY_ROUTING_KEY": "pagerduty-sandbox-routing-key",
            "PAGERDUTY_WEBHOOK_SECRET": "secret",
            "PAGERDUTY_API_URL": sandbox.urls["pagerduty"],
            "PAGERDUTY_EVENTS_URL": sandbox.urls["pagerduty_events"],
            "ALERTMANAGER_TOKEN": "a-token-that-nobody-guesses",
            "ALERTMANAGER_URL": sandbox.urls["alertmanager"],
        }
        yield Checked(sandbox, tmp_path, data, environ)


async def test_nothing_is_wrong_where_everything_is_there(checked: Checked) -> None:
    found = await checked.found()
    assert [one.line() for one in found if one.level is not Level.OK] == []
    assert [one.line() for one in found] == [
        "ok       pagerduty sender: pages are made by lead@example.com",
        "ok       pagerduty: AIECommerce: 4 levels, each slower than ours, at high urgency, and nothing undoes an acknowledgement",
        f"ok       pagerduty webhooks: they go to {HOOK}",
        "ok       alertmanager: answers, version 0.25.0",
    ]


async def test_what_is_not_configured_is_off(checked: Checked) -> None:
    for name in [name for name in checked.environ if name.startswith(("PAGER", "ALERT"))]:
        del checked.environ[name]
    assert {one.subject: one.level for one in await checked.found()} == dict.fromkeys(
        ["PAGERDUTY_API_TOKEN", "PAGERDUTY_ROUTING_KEY", "PAGERDUTY_WEBHOOK_SECRET", "ALERTMANAGER_TOKEN", "ALERTMANAGER_URL"], Level.OFF
    )


async def test_a_level_that_is_not_slower_than_ours(checked: Checked) -> None:
    checked.account.policies["PPOLICY"].levels[0].delay = timedelta(minutes=15)
    assert await checked.bad() == [
        "wrong    pagerduty policy default: level 1 waits 15 min in PagerDuty, and 15 min in aiec.yaml · breaks: PagerDuty pages the next level before"
        " us: twice, or too early · do: let it wait longer in PagerDuty, such as 20 min"
    ]


async def test_levels_that_differ_in_number_and_a_level_without_anybody(checked: Checked) -> None:
    checked.account.policies["PPOLICY"].levels.pop()
    checked.account.schedules["PSSENIOR"].users.clear()
    short, empty = await checked.bad()
    assert short.startswith("wrong    pagerduty policy default: PagerDuty has 3 levels, `escalation.policies.default` has 4")
    assert empty.startswith("warning  pagerduty policy default: nobody is on call at level 2 in PagerDuty")


async def test_a_service_that_would_spoil_pages(checked: Checked) -> None:
    service = checked.account.services["PSERVICE"]
    service.urgency, service.acknowledgement_timeout, service.auto_resolve_timeout = "low", timedelta(minutes=30), timedelta(hours=4)
    checked.account.policies["PPOLICY"].loops = 0
    lines = await checked.bad()
    assert [line.partition(" · ")[0] for line in lines] == [
        "wrong    pagerduty service: the urgency of AIECommerce is low, not high",
        "wrong    pagerduty service: an acknowledgement is undone after 30 min",
        "wrong    pagerduty service: incidents resolve by themselves after 4 h",
        "warning  pagerduty policy: it is not repeated",
    ]
    assert all(" · breaks: " in line and " · do: " in line for line in lines)


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("PAGERDUTY_API_TOKEN", "revoked", "wrong    pagerduty: PagerDuty does not accept the API token"),
        ("PAGERDUTY_FROM", "nobody@example.com", "wrong    pagerduty sender: no user of PagerDuty has the address"),
        ("PAGERDUTY_FROM", "", "warning  pagerduty sender: PAGERDUTY_FROM is not set"),
        ("PAGERDUTY_API_TOKEN", "", "wrong    pagerduty: PAGERDUTY_ROUTING_KEY is set, and PAGERDUTY_API_TOKEN is not"),
        ("PAGERDUTY_WEBHOOK_SECRET", "", "wrong    pagerduty webhooks: PagerDuty sends them, and PAGERDUTY_WEBHOOK_SECRET is not set"),
        ("PAGERDUTY_API_URL", "http://127.0.0.1:1", "wrong    pagerduty: PagerDuty cannot be asked: it refuses the connection"),
        ("ALERTMANAGER_TOKEN", "", "wrong    alertmanager: ALERTMANAGER_URL is set, and ALERTMANAGER_TOKEN is not"),
        ("ALERTMANAGER_TOKEN", "guess", "warning  alertmanager: ALERTMANAGER_TOKEN has fewer than 16 characters"),
        ("ALERTMANAGER_URL", "http://127.0.0.1:1", "wrong    alertmanager: Alertmanager (127.0.0.1:1) cannot be asked: it refuses the connection"),
    ],
)
async def test_a_variable_that_is_not_right(checked: Checked, variable: str, value: str, line: str) -> None:
    checked.environ[variable] = value
    (bad,) = await checked.bad()
    assert bad.startswith(line)


@pytest.mark.parametrize(("key", "what"), [("service", "no service"), ("policy", "no escalation policy")])
async def test_a_service_or_policy_that_does_not_exist(checked: Checked, key: str, what: str) -> None:
    checked.data["escalation"]["pagerduty"][key] = "PGONE"
    if key == "service":
        checked.account.webhooks.subscriptions["PWEBHOOK"].services = None
    (bad,) = await checked.bad()
    assert what in bad
    assert f"escalation.pagerduty.{key}" in bad


async def test_no_service_is_named(checked: Checked) -> None:
    checked.data["escalation"]["pagerduty"] = None
    (bad,) = await checked.bad()
    assert bad.startswith("wrong    pagerduty: PAGERDUTY_API_TOKEN is set, and aiec.yaml names no service and policy")


async def test_webhooks_that_do_not_come(checked: Checked) -> None:
    subscription = checked.account.webhooks.subscriptions["PWEBHOOK"]
    subscription.events.remove("incident.resolved")
    assert [line.partition(" · ")[0] for line in await checked.bad()] == [f"warning  pagerduty webhooks: the subscription to {HOOK} lacks resolved"]
    subscription.active = False
    assert [line.partition(" · ")[0] for line in await checked.bad()] == [f"wrong    pagerduty webhooks: the subscription to {HOOK} is switched off"]
    subscription.url = "https://elsewhere.example.com/"
    assert [line.partition(" · ")[0] for line in await checked.bad()] == [
        "wrong    pagerduty webhooks: no subscription of our service goes to …/webhooks/pagerduty"
    ]


async def test_a_pagerduty_that_does_not_answer_is_one_line(checked: Checked) -> None:
    checked.sandbox.world.faults.add(Fault.model_validate({"kind": "status", "status": 503, "system": "pagerduty"}))
    lines = await checked.bad()
    assert lines
    assert all(line.startswith("wrong    pagerduty: PagerDuty could not do GET") for line in lines)
