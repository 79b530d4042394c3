"""Slack as people meet it: forms, and what Slack itself does to the bot."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlmodel import select

from bot.adapters.slack.socket import open_socket
from bot.entry.reception import Reception
from bot.entry.slack import slack_app, slack_envelopes
from bot.store.tables import RequestRow
from sandbox.faults import Fault
from sandbox.slack import actions
from sandbox.slack.state import Message, View
from tests.harness import Somebody, Stage, said


def form(bot: Stage, somebody: Somebody) -> View:
    """The modal that this person has open."""
    view = bot.slack.modal(somebody.name)
    assert view is not None
    return view  # type: ignore[no-any-return]


def options(view: View, label: str) -> list[str]:
    """The names that an input offers."""
    element = next(block["element"] for block in view.blocks if block["type"] == "input" and block["label"]["text"] == label)
    return [option["value"] for option in element["options"]]


def held(view: View) -> dict[str, Any]:
    """What the inputs hold, by field."""
    return {block: next(iter(values.values())) for block, values in view.wire["state"]["values"].items()}


async def submits(bot: Stage, somebody: Somebody, **values: Any) -> None:
    await bot.slack.submits(somebody.name, form(bot, somebody), values)
    await bot.settle()


def public(bot: Stage, channel: str = "devops") -> list[Message]:
    """What the bot says to everybody in a channel, without threads."""
    return [message for message in bot.slack.messages(channel) if message.app and not message.is_reply]


def private(somebody: Somebody, channel: str = "devops") -> list[str]:
    """What the bot says to this person alone."""
    return [said(message) for message in somebody.sees(channel) if message.app and message.visible_to]


async def requests(bot: Stage) -> int:
    return len(await bot.bot.store.read(lambda tx: tx.all(select(RequestRow))))


async def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


# --- forms


async def test_a_command_without_arguments_opens_a_form_which_makes_the_same_request(bot: Stage) -> None:
    assert await bot.engineer.says("/aiec deploy") == ""
    view = form(bot, bot.engineer)
    assert [block["label"]["text"] for block in view.blocks[1:]] == [
        "Environment", "Version", "Service", "Emergency", "Prune", "Take ownership", "Dry run",
    ]  # fmt: skip
    assert await requests(bot) == 0
    await submits(bot, bot.engineer, environment="prod", version="v1.2.0")
    assert bot.slack.modal("engineer") is None
    assert "waiting · *Deploy v1.2.0 to prod*" in bot.last()
    assert "asked by @engineer" in bot.last()
    assert "op-1" in private(bot.engineer)[-1]


async def test_a_form_offers_what_the_person_may_and_keeps_what_was_typed(bot: Stage) -> None:
    await bot.engineer.says('/aiec deploy staging --service gateway --emergency "it burns & <hurts>"')
    view = form(bot, bot.engineer)
    assert options(view, "Environment") == ["staging", "prod"]
    assert options(view, "Service") == ["gateway", "ml-recommendation"]
    assert held(view)["environment"]["selected_option"]["value"] == "staging"
    assert [option["value"] for option in held(view)["service"]["selected_options"]] == ["gateway"]
    assert held(view)["emergency"]["value"] == "it burns & <hurts>"
    await bot.engineer.says("/aiec freeze")
    assert options(form(bot, bot.engineer), "Environment") == ["staging"]
    await bot.lead.says("/aiec freeze prod")
    assert options(form(bot, bot.lead), "Environment") == ["staging", "prod"]
    await submits(bot, bot.lead, reason="the quarter\nends")
    assert "*prod is frozen* until somebody unfreezes it" in bot.last()
    assert "the quarter\nends" in bot.last()


async def test_several_services_and_a_ticked_box_arrive(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod")
    await submits(bot, bot.engineer, version="v1.2.0", service=["ml-recommendation"], dry_run=["dry_run"])
    assert "Rehearsal: Deploy v1.2.0 to prod* · nothing was changed" in private(bot.engineer)[-1]
    assert "gateway" not in private(bot.engineer)[-1].partition("images found")[0]
    assert public(bot) == []


async def test_whoever_may_not_gets_no_form_but_the_reason_and_it_is_recorded(bot: Stage) -> None:
    assert "`deploy` in staging is not granted to you" in await bot.newcomer.says("/aiec deploy")
    assert "`freeze` in prod is not granted to you" in await bot.engineer.says("/aiec freeze prod")
    assert bot.slack.modal("newcomer") is None
    assert bot.slack.modal("engineer") is None
    assert await bot.events("request.denied") == ["newcomer", "engineer"]


async def test_what_is_wrong_in_a_form_is_said_at_its_field_and_mended_there(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod")
    await submits(bot, bot.engineer, version="v1.2.O", emergency="x")
    assert form(bot, bot.engineer).errors == {"version": "*v1.2.O* is not a version; did you mean `v1.2.0`?"}
    assert await requests(bot) == 0
    await submits(bot, bot.engineer, version="v1.2.0", emergency=None)
    assert "Deploy v1.2.0 to prod" in bot.last()


async def test_a_wrong_value_is_answered_by_its_sentence_and_not_by_a_form(bot: Stage) -> None:
    assert "*prd* is not an environment; did you mean `prod`?" in await bot.engineer.says("/aiec deploy prd")
    assert "*gatway* is not a service" in await bot.engineer.says("/aiec deploy --service gatway")
    assert bot.slack.modal("engineer") is None


async def test_a_form_that_somebody_else_submits_is_his_request_and_not_the_openers(bot: Stage) -> None:
    """Slack lets nobody, but a delivery is believed for what it says: whose permission counts is the submitter's."""
    await bot.engineer.says("/aiec deploy prod")
    view = form(bot, bot.engineer)
    view.user = bot.slack.user("newcomer").id
    assert (await bot.slack.transport(actions.submit(bot.slack, "newcomer", view, {"version": "v1.2.0"}))).body == {}
    await bot.settle()
    assert "`deploy` in prod is not granted to you" in private(bot.engineer)[-1]  # the answer goes where the form was asked for
    assert await bot.events("request.denied") == ["newcomer"]
    assert public(bot) == []


async def test_a_form_submitted_after_what_it_was_for_is_over_changes_nothing(bot: Stage) -> None:
    await bot.lead.says("/aiec incident declare SEV3 checkout is slow --service gateway", "incidents")
    await bot.lead.clicks("Update", "incidents")
    view = form(bot, bot.lead)
    await bot.lead.says("/aiec incident resolve #1", "incidents")
    await bot.lead.says("/aiec incident close #1", "incidents")
    before = bot.last("incidents")
    await bot.slack.submits("lead", view, {"text": "we look at it"})
    await bot.settle()
    assert "closed" in private(bot.lead, "incidents")[-1]
    assert bot.last("incidents") == before


async def test_a_form_submitted_twice_is_one_request(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod")
    delivery = actions.submit(bot.slack, "engineer", form(bot, bot.engineer), {"version": "v1.2.0"})
    for _ in range(2):
        assert (await bot.slack.transport(delivery)).body == {}
    await bot.settle()
    assert await requests(bot) == 1
    assert len(public(bot)) == 1


@pytest.mark.parametrize(
    "fault",
    [Fault(kind="status", system="slack", path="views.open", status=500), Fault(kind="hang", system="slack", path="views.open")],
    ids=["an error", "silence"],
)
async def test_where_slack_opens_no_form_the_usage_is_said(bot: Stage, fault: Fault) -> None:
    bot.world.faults.add(fault)
    told = await bot.engineer.says("/aiec deploy")
    assert "`deploy` needs `<env>` and `<version>`." in told
    assert "Usage: `/aiec deploy <env> <version>" in told


async def test_a_form_of_a_direct_message_or_of_another_channel_is_answered_where_it_was_asked_for(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod", "incidents")
    await submits(bot, bot.engineer, version="v1.2.0")
    assert "op-1" in private(bot.engineer, "incidents")[-1]
    assert len(public(bot)) == 1
    assert public(bot, "incidents") == []
    await bot.engineer.says("/aiec history prod", "@aiec")
    await submits(bot, bot.engineer, service="gateway")
    assert "History of `gateway` in prod" in said(bot.engineer.sees("@aiec")[-1])


async def test_a_form_of_an_older_version_is_refused_in_the_form(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod")
    view = form(bot, bot.engineer)
    bot.slack.views[view.id].wire["private_metadata"] = '{"command": "teleport", "origin": {"kind": "slack"}}'
    await submits(bot, bot.engineer, version="v1.2.0")
    assert "another version of aiec" in str(form(bot, bot.engineer).blocks)
    bot.slack.views[view.id].wire |= {"private_metadata": "nonsense", "callback_id": "form"}
    await submits(bot, bot.engineer)
    assert "another version of aiec" in str(form(bot, bot.engineer).blocks)
    assert await requests(bot) == 0


# --- Socket Mode


async def test_by_socket_mode_everything_is_as_by_http(bot: Stage) -> None:
    app = slack_app(Reception(bot.bot), bot.ports.chat)
    async with open_socket(bot.slack.app.app_token, slack_envelopes(app), base_url=bot.sandbox.urls["slack"]) as socket:
        await eventually(lambda: socket.connected)
        await bot.sandbox.deliver_to("http://127.0.0.1:9/nobody-listens-here")
        assert "is not an environment" in await bot.engineer.says("/aiec deploy prd")
        await bot.engineer.says("/aiec deploy prod")
        await submits(bot, bot.engineer, version="v1.2.O")
        assert "is not a version" in form(bot, bot.engineer).errors["version"]
        await submits(bot, bot.engineer, version="v1.2.0")
        await bot.engineer.clicks("Approve")
        assert "your own request" in private(bot.engineer)[-1]
        await bot.lead.clicks("Approve")
        await bot.forward(minutes=1)
        assert "✅ done" in bot.last()


# --- App Home and shortcuts


async def opens_home(bot: Stage, somebody: Somebody) -> View:
    """The person's App Home, as it is published when he opens it."""
    before = bot.slack.homes.get(bot.slack.user(somebody.name).id)
    actions.open_home(bot.slack, somebody.name)
    await eventually(lambda: bot.slack.homes.get(bot.slack.user(somebody.name).id) not in (None, before))
    return bot.slack.homes[bot.slack.user(somebody.name).id]  # type: ignore[no-any-return]


def shown(view: View) -> str:
    return said(Message("", "", "", "", blocks=view.blocks))


def direct(somebody: Somebody) -> str:
    """The latest direct message of the bot."""
    return said(somebody.sees("@aiec")[-1])


async def test_home_shows_what_is_going_on_what_waits_for_me_and_what_i_may(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    mine, leads, newcomers = [shown(await opens_home(bot, somebody)) for somebody in (bot.engineer, bot.lead, bot.newcomer)]
    for home in (mine, leads, newcomers):
        assert "1 operation under way" in home
        assert "Deploy v1.2.0 to prod · waiting" in home
    assert "Approve" in leads
    assert "`gateway` v1.1.0 → *v1.2.0*" in leads
    assert "Approve" not in mine + newcomers
    assert "/aiec deploy prod v1.2.0" in mine
    assert "Deploy…" in mine
    assert "Deploy…" not in newcomers
    assert "/aiec status" in newcomers


async def test_what_is_approved_at_home_is_approved_and_said_there(bot: Stage) -> None:
    await bot.engineer.says("/aiec deploy prod v1.2.0")
    home = await opens_home(bot, bot.lead)
    await bot.slack.clicks("lead", home, "Approve")
    await bot.settle()
    assert "approved by @lead" in bot.last()
    assert "You approved op-1" in direct(bot.lead)
    await bot.slack.clicks("lead", home, "Approve")
    await bot.settle()
    assert "does not wait for an approval any more" in direct(bot.lead)
    assert "Approve" not in shown(await opens_home(bot, bot.lead))
    assert len(public(bot)) == 1


async def test_a_deploy_is_asked_for_from_home_and_by_the_shortcut(bot: Stage) -> None:
    await bot.slack.clicks("engineer", await opens_home(bot, bot.engineer), "Deploy…")
    await submits(bot, bot.engineer, environment="prod", version="v1.2.0", dry_run=["dry_run"])
    assert "Rehearsal: Deploy v1.2.0 to prod* · nothing was changed" in direct(bot.engineer)
    await bot.slack.shortcut("engineer", "form:deploy")
    await eventually(lambda: bot.slack.modal("engineer"))
    await submits(bot, bot.engineer, environment="prod", version="v1.2.0")
    assert "waiting · *Deploy v1.2.0 to prod*" in bot.last()
    assert "op-1" in direct(bot.engineer)


async def test_the_shortcut_tells_who_may_not_in_a_modal(bot: Stage) -> None:
    await bot.slack.shortcut("newcomer", "form:deploy")
    await eventually(lambda: bot.slack.modal("newcomer"))
    assert "`deploy` in staging is not granted to you" in shown(form(bot, bot.newcomer))


async def test_a_button_or_a_shortcut_whose_form_is_not_shown_says_why(bot: Stage) -> None:
    home = await opens_home(bot, bot.engineer)
    bot.world.faults.add(Fault(kind="status", system="slack", path="views.open", status=500, times=1))
    await bot.slack.clicks("engineer", home, "Deploy…")
    await eventually(lambda: bot.slack.modal("engineer"))
    assert "`deploy` needs `<env>` and `<version>`." in shown(form(bot, bot.engineer))
    bot.slack.app.shortcuts.append({"name": "Teleport", "type": "global", "callback_id": "form:teleport"})
    await bot.slack.shortcut("lead", "form:teleport")
    await eventually(lambda: bot.slack.modal("lead"))
    assert "another version of aiec" in shown(form(bot, bot.lead))


async def test_a_home_that_slack_does_not_take_harms_nothing(bot: Stage, caplog: pytest.LogCaptureFixture) -> None:
    bot.world.faults.add(Fault(kind="status", system="slack", path="views.publish", status=500))
    actions.open_home(bot.slack, "engineer")
    await eventually(lambda: "App Home could not be shown" in caplog.text)
    assert bot.slack.homes == {}


async def test_the_manifest_offers_what_is_listened_to(bot: Stage) -> None:
    manifest = yaml.safe_load((Path(__file__).parents[2] / "deploy" / "slack-manifest.yaml").read_text(encoding="utf-8"))
    assert manifest["settings"]["event_subscriptions"]["bot_events"] == bot.slack.app.events
    shortcuts = [(one["name"], one["type"], one["callback_id"]) for one in manifest["features"]["shortcuts"]]
    assert shortcuts == [(one["name"], one["type"], one["callback_id"]) for one in bot.slack.app.shortcuts]
    assert manifest["oauth_config"]["scopes"]["bot"] == bot.slack.app.scopes
