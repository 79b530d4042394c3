"""`aiec check` on the sandbox: each thing that is wrong yields its line, and nothing else changes."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from bot import scenario
from bot.adapters.slack.scopes import SCOPES
from bot.app import opened, running
from bot.check import examine
from bot.checks.configuration import known_permissions
from bot.checks.finding import Finding, Level
from bot.checks.live import live
from bot.checks.needs import NEEDS
from bot.settings import Settings, load
from sandbox.faults import Fault
from sandbox.kubeconfig import kubeconfig
from sandbox.kubernetes.access import Rule, User
from sandbox.server import Sandbox
from sandbox.slack import facts
from sandbox.world import World

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
OURS = {name: value for name, value in os.environ.items() if not name.startswith("AIEC_")}
"""The environment without what the tests themselves are told by it, which aiec would wonder about."""


@dataclass
class Checked:
    """A sandbox, and settings that fit it until a test changes them."""

    sandbox: Sandbox
    folder: Path
    data: Json
    environ: dict[str, str]

    def settings(self) -> Settings:
        (self.folder / "aiec.yaml").write_text(yaml.safe_dump(self.data, sort_keys=False))
        return load(self.environ, self.folder)

    async def finds(self, level: Level, subject: str = "", **how: Any) -> list[Finding]:
        found = await examine(self.settings(), **how)
        return [one for one in found if one.level is level and one.subject.startswith(subject)]

    async def wrong(self, subject: str = "", **how: Any) -> list[str]:
        return [one.text for one in await self.finds(Level.WRONG, subject, **how)]


@pytest.fixture
async def checked(tmp_path: Path) -> AsyncIterator[Checked]:
    async with Sandbox(World.build(scenario.on_sandbox().scenario)) as sandbox:
        app = sandbox.world.slack.app
        (tmp_path / "kubeconfig").write_text(kubeconfig(sandbox.urls["kubernetes"]))
        data = scenario.config(scenario.on_sandbox(), sandbox.urls["platform"])
        data["terminal"] = {}
        for service in data["services"].values():
            service.pop("gates", None)
        yield Checked(
            sandbox,
            tmp_path,
            data,
            {
                "AIEC_CONFIG": str(tmp_path / "aiec.yaml"),
                "DATABASE_URL": f"sqlite:///{tmp_path / 'aiec.db'}",
                "SLACK_BOT_TOKEN": app.token,
                "SLACK_SIGNING_SECRET": app.signing_secret,
                "SLACK_API_URL": sandbox.urls["slack"],
                "KUBECONFIG": str(tmp_path / "kubeconfig"),
                "REGISTRY_URL": sandbox.urls["registry"],
                "GITHUB_API_URL": sandbox.urls["github"],
                "AIEC_AUDIT_KEY": "a key of tests",
                "AIEC_PORT": "0",
            },
        )


async def test_nothing_is_wrong_where_everything_is_there(checked: Checked) -> None:
    found = await examine(checked.settings())
    assert [one for one in found if one.level in (Level.WRONG, Level.WARNING)] == []
    said = {one.subject for one in found if one.level is Level.OK}
    assert {"database", "slack", "slack scopes", "slack deliveries", "slack channels", "cluster prod", "rights prod", "services prod"} <= said
    assert {"registry gateway", "health prod", "AIEC_AUDIT_KEY", "aiec.yaml", "github", "github rights", "github workflows"} <= said
    assert {"PROMETHEUS_URL", "SLACK_APP_TOKEN", "GITHUB_TOKEN"} <= {one.subject for one in found if one.level is Level.OFF}
    assert not (checked.folder / "aiec.db").exists()


async def test_an_unsigned_log_is_a_warning(checked: Checked) -> None:
    del checked.environ["AIEC_AUDIT_KEY"]
    assert [one.text for one in await checked.finds(Level.WARNING)] == ["not set"]
    assert await checked.wrong() == []


async def test_a_variable_that_is_misspelt_is_a_warning(checked: Checked) -> None:
    checked.environ["AIEC_PROT"] = "1"
    assert "did you mean AIEC_PORT?" in (await checked.finds(Level.WARNING, "environment"))[0].text


async def test_a_permission_that_is_no_command_is_a_warning_with_the_nearest(checked: Checked) -> None:
    checked.data["permissions"].append({"who": ["lead"], "may": ["deplou"]})
    (found,) = await checked.finds(Level.WARNING, "permissions")
    assert "`deplou` is no command; did you mean `deploy`?" in found.text


async def test_people_without_slack_who_may_something_are_named(checked: Checked) -> None:
    del checked.data["people"]["senior"]["slack"]
    assert "senior may do something and has no Slack id" in (await checked.finds(Level.WARNING, "people"))[0].text


async def test_more_approvals_than_people_is_wrong(checked: Checked) -> None:
    checked.data["environments"]["prod"]["approvals"] = 5
    checked.data["permissions"] = [{"who": ["engineer", "lead"], "may": ["*"]}]
    assert await checked.wrong("prod") == ["a deploy needs 6 people (5 to approve), and only 2 may"]


async def test_gates_are_looked_at_and_want_a_prometheus(checked: Checked) -> None:
    checked.data["services"]["gateway"]["gates"] = [{"promql": "up", "below": 1}]
    assert "PROMETHEUS_URL is not set" in (await checked.wrong("gate gateway"))[0]
    checked.environ["PROMETHEUS_URL"] = checked.sandbox.urls["prometheus"]
    checked.sandbox.world.prometheus.set("up", 0.5)
    assert [one.text for one in await checked.finds(Level.OK, "gate gateway")] == ["gateway `up` 0.5 < 1"]


async def test_runbooks_that_are_refused_are_named_with_their_line(checked: Checked) -> None:
    assert "security-incident, service-outage" in (await checked.finds(Level.OK, "runbooks"))[0].text
    (checked.folder / "runbooks").mkdir()
    (checked.folder / "runbooks" / "broken.md").write_text("# Broken\n\n## Look\n\n```aiec\nstatsu prod\n```\n")
    checked.environ["AIEC_RUNBOOK_DIR"] = str(checked.folder / "runbooks")
    checked.data["runbooks"] = [{"match": {"alertname": "X"}, "runbook": "absent"}]
    broken, absent = await checked.wrong("runbooks")
    assert broken.startswith(f"{checked.folder}/runbooks/broken.md:6: *statsu* is not a command; did you mean `status`?")
    assert absent == "aiec.yaml suggests absent, and there is none"


async def test_where_post_mortems_are_kept_has_to_be_writable(checked: Checked) -> None:
    checked.environ["AIEC_POSTMORTEM_DIR"] = str(checked.folder / "postmortems")
    checked.environ["GITHUB_TOKEN"] = "github_pat_good"
    checked.data["postmortem"]["github"] = {"repository": PLATFORM}
    (wrong,) = await checked.wrong("post-mortems")
    assert "No such file or directory" in wrong
    (checked.folder / "postmortems").mkdir()
    folder, github = [one.text for one in await checked.finds(Level.OK, "post-mortems")]
    assert folder.endswith("postmortems can be written")
    assert github == f"GitHub {PLATFORM}: {PLATFORM} can be reached; pull requests go to its branch main"
    checked.sandbox.world.github.tokens["github_pat_good"] = frozenset({"statuses"})
    assert f"GITHUB_TOKEN may not write to {PLATFORM}" in (await checked.wrong("post-mortems"))[0]
    assert not [*(checked.folder / "postmortems").iterdir()]


PLATFORM = "aiecommerce/platform"


async def test_github_is_asked_for_the_repository_each_right_and_each_workflow(checked: Checked) -> None:
    checked.environ["GITHUB_TOKEN"] = "github_pat_good"
    assert [one.text for one in await checked.finds(Level.OK, "github")] == [
        f"{PLATFORM} (public)",
        f"{PLATFORM}: Contents, Actions, Commit statuses, Checks can be read",
        f"{PLATFORM} has performance-tests (performance-tests.yml)",
    ]
    checked.data["environments"]["prod"]["promotion"]["gates"] = [{"workflow": "performance"}]
    (found,) = await checked.finds(Level.WRONG)
    assert found.text == f"{PLATFORM} has no workflow 'performance'; did you mean `performance-tests.yml`?"
    assert found.breaks == "deploys: the gate blocks them"


async def test_a_gate_on_a_workflow_wants_a_repository(checked: Checked) -> None:
    checked.data["github"] = None
    (found,) = await checked.finds(Level.WRONG)
    assert found.text == "no repository is configured, and performance-tests must succeed before deploys"
    assert "github: {repository: owner/name}" in found.fix
    checked.data["environments"]["prod"]["promotion"]["gates"] = []
    assert await checked.wrong() == []


async def test_a_repository_that_github_does_not_show_is_wrong(checked: Checked) -> None:
    checked.sandbox.world.github.add(PLATFORM, private=True)
    (found,) = await checked.finds(Level.WRONG, "github")
    assert "is private, which cannot be told apart without GITHUB_TOKEN" in found.text
    assert found.fix == "Set GITHUB_TOKEN, or correct the repository in aiec.yaml."
    checked.data["services"]["gateway"]["repository"] = "aiecommerce/gateway"
    checked.environ["GITHUB_TOKEN"] = "github_pat_good"
    assert [text.partition(" at ")[0] for text in await checked.wrong("github")] == ["aiecommerce/gateway does not exist"]


async def test_a_token_of_github_that_expired_is_wrong_and_one_that_expires_soon_a_warning(checked: Checked) -> None:
    checked.environ["GITHUB_TOKEN"] = "github_pat_good"
    github = checked.sandbox.world.github
    github.tokens["github_pat_good"] = frozenset({"actions", "checks", "contents", "statuses"})
    github.expires["github_pat_good"] = github.clock.now() + timedelta(days=5)
    assert ["GITHUB_TOKEN expires on" in one.text for one in await checked.finds(Level.WARNING, "github")] == [True]
    github.expires["github_pat_good"] = github.clock.now() - timedelta(days=5)
    assert "does not accept GITHUB_TOKEN: it is wrong, expired or revoked" in (await checked.wrong("github"))[0]


async def test_a_right_that_the_token_lacks_is_named(checked: Checked) -> None:
    checked.environ["GITHUB_TOKEN"] = "github_pat_good"
    github = checked.sandbox.world.github
    github.add(PLATFORM, private=True)
    github.tokens["github_pat_good"] = frozenset({"contents", "statuses"})
    found = await checked.finds(Level.WRONG, "github")
    assert [one.text for one in found] == [f"GITHUB_TOKEN may not read {right} of {PLATFORM}" for right in ("Actions", "Checks")]
    assert found[0].fix == "give the token read access to Actions (docs/configuration.md)"
    assert "ci: workflows" in found[1].fix
    checked.data["github"]["ci"] = "workflows"
    github.tokens["github_pat_good"] = frozenset({"contents", "statuses", "actions"})
    assert await checked.wrong("github") == []


async def test_issues_of_action_items_need_a_token_and_a_repository_that_not_everybody_reads(checked: Checked) -> None:
    checked.data["github"]["issues"] = "aiecommerce/afterwards"
    assert "GITHUB_TOKEN is not set" in (await checked.wrong("github issues"))[0]
    checked.environ["GITHUB_TOKEN"] = "github_pat_good"
    assert "aiecommerce/afterwards does not exist" in (await checked.wrong("github issues"))[0]
    repository = checked.sandbox.world.github.add("aiecommerce/afterwards")
    (found,) = await checked.finds(Level.WARNING, "github issues")
    assert "is public: everybody can read the action items" in found.text
    repository.private = True
    assert [one.text for one in await checked.finds(Level.OK, "github issues")] == ["action items have their issues in aiecommerce/afterwards"]
    repository.has_issues = False
    assert "issues switched off" in (await checked.wrong("github issues"))[0]


async def test_a_github_that_asks_to_wait_is_wrong(checked: Checked) -> None:
    checked.sandbox.world.github.limit(0, 600)
    assert "asks to wait for" in (await checked.wrong("github"))[0]


async def test_a_folder_that_is_not_there_is_wrong_for_sqlite(checked: Checked) -> None:
    checked.environ["DATABASE_URL"] = f"sqlite:///{checked.folder}/nowhere/aiec.db"
    (text,) = await checked.wrong("database")
    assert "nowhere cannot be written to" in text


async def test_a_file_that_is_no_database_is_wrong(checked: Checked) -> None:
    (checked.folder / "aiec.db").write_text("this is a text " * 100)
    (text,) = await checked.wrong("database")
    assert "not a database" in text


async def test_a_postgresql_that_is_not_there_is_wrong(checked: Checked) -> None:
    checked.environ["DATABASE_URL"] = f"postgresql://aiec:secret@127.0.0.1:{closed_port()}/aiec"
    (text,) = await checked.wrong("database")
    assert "refused" in text
    assert "secret" not in text


async def test_a_revoked_token_is_wrong(checked: Checked) -> None:
    checked.environ["SLACK_BOT_TOKEN"] = "xoxb-revoked"
    assert "Slack does not accept the bot token" in (await checked.wrong("slack"))[0]


async def test_a_missing_scope_is_wrong_and_says_what_needs_it(checked: Checked) -> None:
    checked.sandbox.world.slack.app.scopes.remove("usergroups:read")
    (found,) = await checked.finds(Level.WRONG, "slack scopes")
    assert found.text == "`usergroups:read` was not granted"
    assert found.breaks == "usergroups.list, usergroups.users.list"


async def test_without_a_signing_secret_or_an_app_token_nothing_arrives(checked: Checked) -> None:
    del checked.environ["SLACK_SIGNING_SECRET"]
    assert await checked.wrong("slack deliveries") == ["neither SLACK_SIGNING_SECRET nor SLACK_APP_TOKEN is set"]


async def test_an_app_level_token_is_tried(checked: Checked) -> None:
    checked.environ["SLACK_APP_TOKEN"] = checked.sandbox.world.slack.app.app_token
    assert [one.text for one in await checked.finds(Level.OK, "slack deliveries")] == ["by Socket Mode; Slack accepts the app-level token"]
    checked.environ["SLACK_APP_TOKEN"] = "xapp-revoked"
    (text,) = await checked.wrong("slack deliveries")
    assert text.startswith("SLACK_APP_TOKEN: ")


async def test_a_channel_that_cannot_be_seen_is_wrong(checked: Checked) -> None:
    checked.data["environments"]["prod"]["channel"] = "#devopps"
    (found,) = await checked.finds(Level.WRONG, "slack channels")
    assert found.text == "#devopps cannot be seen; did you mean `#devops`?"
    assert "environments.prod.channel" in found.breaks


async def test_a_user_group_that_does_not_exist_is_a_warning(checked: Checked) -> None:
    checked.data["permissions"].append({"who": ["@nobody"], "may": ["deploy"]})
    assert [one.text for one in await checked.finds(Level.WARNING, "slack groups")] == ["there is no user group @nobody"]


async def test_a_context_that_does_not_exist_is_wrong_for_its_environment_alone(checked: Checked) -> None:
    checked.data["environments"]["prod"]["context"] = "elsewhere"
    (text,) = await checked.wrong()
    assert "elsewhere" in text
    assert "rights staging" in {one.subject for one in await checked.finds(Level.OK)}


async def test_a_namespace_that_does_not_exist_is_wrong(checked: Checked) -> None:
    checked.data["environments"]["prod"]["namespace"] = "nowhere"
    assert await checked.wrong() == ["there is no namespace nowhere"]


async def test_a_workload_that_does_not_exist_is_wrong(checked: Checked) -> None:
    checked.data["services"]["gateway"]["name"]["prod"] = "gateway-productoin"
    (text,) = await checked.wrong()
    assert text.startswith("there is no Deployment gateway-productoin in prod; did you mean `gateway-production`?")


async def test_a_container_that_does_not_exist_is_wrong(checked: Checked) -> None:
    checked.data["services"]["gateway"]["container"] = "app"
    assert len(await checked.wrong("service gateway")) == 2
    assert (await checked.wrong("service gateway"))[1].startswith("Deployment gateway-production in prod has no container app")


def rules(namespace: str, *without: str) -> tuple[Rule, ...]:
    needs = [need for need in NEEDS if need.what not in without]
    return tuple(Rule((need.verb,), ("/".join(filter(None, (need.resource, need.subresource))),), "" if need.clusterwide else namespace) for need in needs)


async def test_a_right_that_is_missing_is_named_with_what_it_breaks(checked: Checked) -> None:
    granted = rules("aiecommerce", "patch deployments.apps") + rules("aiecommerce-staging", "list nodes")
    checked.sandbox.world.kubernetes.access.declare("sandbox", User("aiec", granted))
    (found,) = await checked.finds(Level.WRONG)
    assert found.text == "we may not patch deployments.apps in namespace aiecommerce"
    assert found.breaks == "deploy, rollback, restart, and undoing them"


CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: gateway-config}\n"
GATEWAY = """apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec: {selector: {matchLabels: {app: gateway}}, template: {metadata: {labels: {app: gateway}}, spec: {containers: [{name: gateway}]}}}
"""


def from_folder(checked: Checked, **files: str) -> None:
    """Makes the gateway a service of a folder; `_` in a name is the `/` of a subfolder."""
    named = {"staging": GATEWAY.replace("NAME", "gateway"), "prod": GATEWAY.replace("NAME", "gateway-production")}
    for name, text in {**{f"{environment}_own": text for environment, text in named.items()}, **files}.items():
        file = checked.folder / "gateway" / f"{name.replace('_', '/')}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    checked.data["services"]["gateway"] |= {"strategy": "manifests", "manifests": "gateway"}


async def test_a_folder_of_manifests_is_looked_at_for_each_environment(checked: Checked) -> None:
    from_folder(checked, prod_config=CONFIG)
    assert await checked.wrong() == []
    said = [one.text for one in await checked.finds(Level.OK, "folder gateway")]
    assert said == ["1 object for staging, of kinds that we may change", "2 objects for prod, of kinds that we may change"]


async def test_a_mistake_in_a_folder_is_wrong_with_its_place(checked: Checked) -> None:
    widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\n"
    from_folder(checked, prod_config=CONFIG.replace("ConfigMap", "Secret"), staging_config=widget)
    (staging, prod) = await checked.finds(Level.WRONG)
    assert staging.text == "staging/config.yaml:2: the cluster knows no Widget of example.com/v1; correct it, or install what brings that kind."
    assert prod.text.startswith("prod/config.yaml:2: a Secret has no place in a folder of manifests")
    assert (prod.breaks, prod.fix) == ("deploys of gateway to prod", "correct the folder (services.gateway.manifests)")


async def test_rights_that_a_folder_needs_are_named_by_kind_with_their_rule(checked: Checked) -> None:
    from_folder(checked, config=CONFIG)
    reading = tuple(Rule((verb,), ("configmaps",), "aiecommerce") for verb in ("get", "patch"))
    checked.sandbox.world.kubernetes.access.declare("sandbox", User("aiec", rules("aiecommerce") + rules("aiecommerce-staging", "list nodes") + reading))
    (staging, prod) = await checked.finds(Level.WRONG)
    assert staging.text == "we may not get, patch configmaps in namespace aiecommerce-staging"
    assert prod.text == "we may not create, delete configmaps in namespace aiecommerce"
    assert prod.fix == 'add this rule to aiec\'s role: {apiGroups: [""], resources: ["configmaps"], verbs: ["create", "delete"]}'


async def test_an_optional_right_that_is_missing_is_a_warning(checked: Checked) -> None:
    nodes = ("list nodes", "list nodes.metrics.k8s.io")
    granted = rules("aiecommerce", *nodes) + rules("aiecommerce-staging", *nodes)
    checked.sandbox.world.kubernetes.access.declare("sandbox", User("aiec", granted))
    assert sorted(one.text for one in await checked.finds(Level.WARNING)) == sorted(f"we may not {one}" for one in nodes * 2)
    assert await checked.wrong() == []


async def test_what_is_optional_in_a_namespace_is_not_given_by_the_role_of_the_cluster(checked: Checked) -> None:
    checked.data["services"]["postgres"] |= {"deploy": True, "image": "ghcr.io/aiecommerce/platform/postgres"}
    granted = rules("aiecommerce", "delete pods") + rules("aiecommerce-staging")
    checked.sandbox.world.kubernetes.access.declare("sandbox", User("aiec", granted))
    (found,) = await checked.finds(Level.WARNING, "rights prod")
    assert (found.text, found.fix) == ("we may not delete pods", "bind the Role of deploy/managed-namespace in that namespace")


async def test_where_nothing_is_allowed_it_is_said_once(checked: Checked) -> None:
    checked.sandbox.world.kubernetes.access.declare("sandbox", User("aiec", rules("aiecommerce-staging")))
    assert await checked.wrong() == ["we may do nothing in namespace aiecommerce, or it does not exist"]


async def test_a_token_that_the_cluster_refuses_is_wrong(checked: Checked) -> None:
    checked.sandbox.world.kubernetes.access.declare("another", User("aiec"))
    assert all("does not accept our credentials" in text for text in await checked.wrong("cluster"))


async def test_a_repository_without_tags_is_wrong(checked: Checked) -> None:
    checked.data["services"]["gateway"]["image"] = "ghcr.io/aiecommerce/platform/gatewai"
    (text,) = await checked.wrong()
    assert text == "ghcr.io/aiecommerce/platform/gatewai has no tags, or does not exist"


async def test_a_health_url_that_answers_an_error_is_wrong(checked: Checked) -> None:
    checked.sandbox.world.faults.add(Fault(kind="status", system="platform", path="prod/health/ready", status=503))
    (found,) = await checked.finds(Level.WRONG, "health prod")
    assert "503" in found.text
    assert found.breaks == "a deploy to prod would be taken for unhealthy"


async def test_prometheus_is_asked_when_it_is_set(checked: Checked) -> None:
    checked.environ["PROMETHEUS_URL"] = checked.sandbox.urls["prometheus"]
    assert [one.text for one in await checked.finds(Level.OK, "prometheus")] == ["answers"]
    checked.sandbox.world.faults.add(Fault(kind="status", system="prometheus", status=500))
    assert "500" in (await checked.wrong("prometheus"))[0]


@pytest.mark.parametrize(("kind", "words"), [("hang", "no answer within 1 s"), ("drop", "")])
async def test_it_ends_in_time_when_everything_is_down(checked: Checked, kind: Any, words: str) -> None:
    checked.sandbox.world.faults.add(Fault(kind=kind))
    checked.environ["PROMETHEUS_URL"] = checked.sandbox.urls["prometheus"]
    started = time.monotonic()
    found = await checked.finds(Level.WRONG, patience=1.0)
    assert time.monotonic() - started < 20
    subjects = {one.subject for one in found}
    assert {"slack", "cluster staging", "cluster prod", "registry gateway", "registry ml-recommendation", "health prod", "prometheus", "github"} <= subjects
    assert all(words in one.text for one in found if one.subject != "slack deliveries")


async def test_the_running_bot_is_asked_whether_it_keeps_up(checked: Checked) -> None:
    async with opened(checked.settings()) as bot, running(bot, checked.settings()) as port:
        async with asyncio.timeout(20):
            while not await bot.engine.hold():
                await asyncio.sleep(0.05)
        checked.environ["AIEC_PORT"] = str(port)
        said = [one.text for one in await checked.finds(Level.OK, "live", live_too=True)]
        assert any(text.startswith("engine: ticked by") for text in said)
        assert "operations move when they are due" in said
        assert await checked.wrong(live_too=True) == []


async def test_an_environment_whose_kubeconfig_is_missing_is_said_once_and_looked_after_when_it_comes(checked: Checked) -> None:
    checked.data["environments"]["staging"]["context"] = "elsewhere"
    there, later = Path(checked.environ["KUBECONFIG"]), checked.folder / "later"
    checked.environ["KUBECONFIG"] = f"{there}:{later}"
    (wrong,) = await checked.finds(Level.WRONG)
    assert (wrong.subject, wrong.breaks) == ("cluster staging", "everything in staging")
    assert "does not serve environment staging" in wrong.text
    channel = checked.data["environments"]["staging"]["channel"].removeprefix("#")
    said = lambda: [message.plain for message in checked.sandbox.world.slack.messages(channel)]  # noqa: E731
    async with opened(checked.settings()) as bot, running(bot, checked.settings()):
        assert await bot.ports.clusters["prod"].list("Deployment") != []
        async with asyncio.timeout(60):
            while not said():
                await asyncio.sleep(0.05)
        (message,) = said()
        assert "⚠️ needs you · *aiec cannot look after staging*" in message
        assert "does not serve environment staging" in message
    other = yaml.safe_load(kubeconfig(checked.sandbox.urls["kubernetes"]))
    other["contexts"][0]["name"] = "elsewhere"
    async with opened(checked.settings()) as bot, running(bot, checked.settings()):
        later.write_text(yaml.safe_dump(other))
        async with asyncio.timeout(60):
            while "✅ done · *aiec looks after staging again*" not in said()[-1]:
                await asyncio.sleep(0.05)
        assert await bot.ports.clusters["staging"].list("Deployment") != []
        assert len(said()) == 1
    assert await checked.wrong() == []


async def test_a_bot_that_does_not_run_is_wrong(checked: Checked) -> None:
    checked.environ["AIEC_PORT"] = str(closed_port())
    assert "nothing that is aiec answers" in (await checked.wrong("live", live_too=True))[0]


LATE = "aiec_outbox_age_seconds 90\naiec_outbox_pending 3\naiec_operations_overdue_seconds 75\naiec_engine_failures 2\n"
UNTAKEN = "aiec_deliveries_age_seconds 80\naiec_delivery_failures 3\n"


async def test_a_bot_that_lags_is_wrong(checked: Checked) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/readyz":
            return httpx.Response(503, json={"ok": False, "parts": [{"part": "engine", "ok": False, "text": "nobody holds the engine lock"}]})
        return httpx.Response(200, text=LATE + UNTAKEN)

    found = await live(checked.settings(), httpx.MockTransport(answer))
    assert [(one.level, one.text) for one in found] == [
        (Level.WRONG, "engine: nobody holds the engine lock"),
        (Level.WRONG, "the oldest message has waited for 90 s (3 are not sent)"),
        (Level.WRONG, "an operation should have moved 75 s ago"),
        (Level.WRONG, "what a webhook brought is not taken in for 80 s"),
        (Level.WARNING, "3 deliveries of webhooks failed by a mistake of aiec since it started"),
        (Level.WARNING, "2 updates failed since it started"),
    ]


async def aiec(checked: Checked, *arguments: str) -> subprocess.CompletedProcess[str]:
    checked.settings()
    environ = {**OURS, **checked.environ, "PYTHONPATH": str(ROOT)}
    call = [sys.executable, "-m", "bot", "check", *arguments]
    return await asyncio.to_thread(subprocess.run, call, env=environ, cwd=checked.folder, capture_output=True, text=True, timeout=60)


@pytest.mark.slow
async def test_its_exit_code_and_output_serve_scripts(checked: Checked) -> None:
    ended = await aiec(checked, "--output", "json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert {one["level"] for one in json.loads(ended.stdout)} <= {"ok", "off"}
    checked.data["services"]["gateway"]["container"] = "app"
    ended = await aiec(checked)
    assert ended.returncode == 1
    assert "wrong    service gateway: Deployment gateway in staging has no container app" in ended.stdout
    assert ended.stdout.endswith("2 wrong, 0 warnings\n")


async def test_a_configuration_that_cannot_be_read_is_a_line_too(checked: Checked) -> None:
    checked.environ["AIEC_LOG_FORMAT"] = "xml"
    with pytest.raises(Exception, match="AIEC_LOG_FORMAT"):
        checked.settings()
    environ = {**OURS, **checked.environ, "PYTHONPATH": str(ROOT)}
    call = [sys.executable, "-m", "bot", "check"]
    ended = await asyncio.to_thread(subprocess.run, call, env=environ, cwd=checked.folder, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "wrong    settings: AIEC_LOG_FORMAT: expected text or json, found 'xml'" in ended.stdout


def test_a_finding_is_one_line() -> None:
    found = Finding(Level.WRONG, "slack", "two\nlines.", "it", "that.")
    assert found.line() == "wrong    slack: two lines · breaks: it · do: that"
    assert replace(found, breaks="", fix="").line() == "wrong    slack: two lines"


def granted(path: str) -> list[tuple[str, str, str]]:
    role = yaml.safe_load((ROOT / "deploy" / path).read_text())
    return sorted((verb, group, resource) for one in role["rules"] for group in one["apiGroups"] for resource in one["resources"] for verb in one["verbs"])


@pytest.mark.parametrize(("path", "clusterwide"), [("managed-namespace/role.yaml", False), ("procedures/role.yaml", False), ("nodes/clusterrole.yaml", True)])
def test_what_is_checked_is_what_the_roles_of_deploy_grant(path: str, clusterwide: bool) -> None:
    needs = [need for need in NEEDS if need.clusterwide is clusterwide and need.procedures is path.startswith("procedures/")]
    assert sorted((need.verb, need.group, "/".join(filter(None, (need.resource, need.subresource)))) for need in needs) == granted(path)


def test_the_scopes_are_those_of_the_manifest_and_of_the_methods_that_are_called() -> None:
    manifest = yaml.safe_load((ROOT / "deploy" / "slack-manifest.yaml").read_text())
    assert sorted({scope for scopes in SCOPES.values() for scope in scopes}) == manifest["oauth_config"]["scopes"]["bot"]
    sources = "".join(path.read_text() for path in (ROOT / "bot" / "adapters" / "slack").glob("*.py") if path.name != "scopes.py")
    called = {name for name in re.findall(r'"([a-z]+\.[a-zA-Z.]+)"', sources) if name in facts.METHODS and facts.METHODS[name].token == "bot"}
    assert called
    assert called <= SCOPES.keys()
    documented = {name: {facts.METHODS[name].scope_for(kind) for kind in ("public", "private")} - {None} for name in SCOPES if name in facts.METHODS}
    assert documented == {name: {*SCOPES[name]} for name in documented}


def test_every_permission_that_a_command_asks_for_is_known() -> None:
    asked = {name for path in (ROOT / "commands").rglob("*.py") for name in re.findall(r'allows\("([^"]+)"', path.read_text())}
    assert asked
    assert asked <= known_permissions()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
