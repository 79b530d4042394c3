"""What people do in the client, what the app is sent for it, and what they see of its answer."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.clock import Clock
from sandbox.slack import Delivery, Incomplete, Message, Reply, View, actions
from sandbox.slack.responses import respond
from tests.unit.sandbox.slack.conftest import Slack

BUTTONS = {
    "type": "actions",
    "block_id": "b",
    "elements": [
        {"type": "button", "text": {"type": "plain_text", "text": "Approve"}, "action_id": "approve", "value": "op-1", "style": "primary"},
        {
            "type": "button",
            "text": {"type": "plain_text", "text": "Roll back"},
            "action_id": "rollback",
            "confirm": {"text": {"type": "plain_text", "text": "Sure?"}},
        },
        {
            "type": "static_select",
            "action_id": "level",
            "options": [{"text": {"type": "plain_text", "text": "Level two"}, "value": "L2"}],
        },
    ],
}


class App:
    """Stands for the app: keeps what it was sent, and answers what it was told."""

    def __init__(self, slack: Slack) -> None:
        self.got: list[Delivery] = []
        self.reply = Reply()
        slack.transport = self.take

    async def take(self, delivery: Delivery) -> Reply:
        self.got.append(delivery)
        return self.reply


@pytest.fixture
def app(slack: Slack) -> App:
    return App(slack)


def card(slack: Slack) -> Message:
    slack.api("chat.postMessage", channel="#devops", text="Deploy?", blocks=[BUTTONS])
    return slack.messages("devops")[-1]


async def test_a_command_reaches_the_app_and_its_answer_the_user_alone(slack: Slack, app: App) -> None:
    app.reply = Reply({"text": "on it"})
    await slack.says("engineer", "#devops", "/do  ask @lead & @devops-team about #random <now>")
    payload = app.got[0].payload
    assert (payload["command"], payload["user_id"], payload["channel_name"]) == ("/do", "U0ENGINEER", "devops")
    random = slack.channel("random").id
    assert payload["text"] == f"ask <@U0LEAD|lead> &amp; <!subteam^S0DEVOPS|@devops-team> about <#{random}|random> &lt;now&gt;"
    assert [message.text for message in slack.messages("devops", "engineer")] == ["on it"]
    assert slack.messages("devops", "lead") == []


async def test_an_answer_in_channel_is_seen_by_everybody(slack: Slack, app: App) -> None:
    app.reply = Reply({"text": "done", "response_type": "in_channel"})
    await slack.says("engineer", "#devops", "/do it")
    assert [message.text for message in slack.messages("devops", "lead")] == ["done"]


@pytest.mark.parametrize(("failure", "code"), [("timeout", "operation_timeout"), ("connection_failed", "dispatch_failed"), ("http_error", "dispatch_failed")])
async def test_a_command_that_fails_says_so_to_the_user(slack: Slack, app: App, failure: str, code: str) -> None:
    app.reply = Reply(failure=failure)
    await slack.says("engineer", "#devops", "/do it")
    assert [message.text for message in slack.messages("devops", "engineer")] == [f'/do failed with the error "{code}"']


async def test_an_unknown_command_never_reaches_the_app(slack: Slack, app: App) -> None:
    await slack.says("engineer", "#devops", "/undo it")
    assert app.got == []
    assert slack.messages("devops", "engineer")[0].text == "/undo is not a valid command."


async def test_one_talks_where_one_is(slack: Slack) -> None:
    with pytest.raises(LookupError, match="lead is not in #random"):
        await slack.says("lead", "#random", "hello")
    with pytest.raises(LookupError, match="no user 'nobody'"):
        await slack.says("nobody", "#random", "hello")


async def test_a_click_says_what_was_pressed_and_by_whom(slack: Slack, app: App) -> None:
    message = card(slack)
    await slack.clicks("lead", message, "Approve")
    payload = app.got[0].payload
    (action,) = payload["actions"]
    assert (payload["type"], payload["user"]["id"], action["action_id"], action["value"], action["block_id"]) == (
        "block_actions",
        "U0LEAD",
        "approve",
        "op-1",
        "b",
    )
    assert payload["message"]["ts"] == payload["container"]["message_ts"] == message.ts
    await slack.clicks("lead", message, "level", value="Level two")
    assert app.got[1].payload["actions"][0]["selected_option"]["value"] == "L2"
    with pytest.raises(LookupError, match="there are Approve, Roll back, level"):
        await slack.clicks("lead", message, "Reject")


async def test_a_confirmation_that_is_denied_sends_nothing(slack: Slack, app: App) -> None:
    message = card(slack)
    await slack.clicks("lead", message, "Roll back", confirm=False)
    assert app.got == []
    await slack.clicks("lead", message, "Roll back")
    assert app.got[0].payload["actions"][0]["action_id"] == "rollback"


async def test_a_stale_screen_still_shows_its_buttons(slack: Slack, app: App) -> None:
    message = card(slack)
    slack.api("chat.update", channel=message.channel, ts=message.ts, text="done", blocks=[{"type": "divider"}])
    await slack.clicks("lead", message, "Approve")
    assert app.got[0].payload["message"]["blocks"][0]["type"] == "divider"
    with pytest.raises(LookupError):
        await slack.clicks("lead", slack.messages("devops")[0], "Approve")


async def test_a_click_that_fails_is_seen_by_who_clicked(slack: Slack, app: App) -> None:
    app.reply = Reply(failure="timeout")
    await slack.clicks("lead", card(slack), "Approve")
    assert slack.messages("devops", "lead")[-1].text == "This app didn't respond in time."


async def test_a_response_url_writes_replaces_and_deletes_five_times(slack: Slack, app: App) -> None:
    message = card(slack)
    await slack.clicks("lead", message, "Approve")
    path = app.got[0].payload["response_url"].removeprefix(slack.base_url)
    assert respond(slack, path, {"text": "only you"}).ok
    assert [one.text for one in slack.messages("devops", "lead")] == ["Deploy?", "only you"]
    assert respond(slack, path, {"text": "approved", "replace_original": True}).ok
    assert slack.messages("devops")[0].text == "approved"
    assert respond(slack, path, {}).body["error"] == "no_text"
    assert respond(slack, path, {"text": "all", "response_type": "in_channel"}).ok
    assert respond(slack, path, {"delete_original": True}).ok
    assert [one.text for one in slack.messages("devops", "engineer")] == ["all"]
    assert (respond(slack, path, {"text": "x"}).status, respond(slack, path, {"text": "x"}).body["error"]) == (404, "used_url")


async def test_a_response_url_lives_for_thirty_minutes(slack: Slack, app: App, clock: Clock) -> None:
    await slack.says("engineer", "#devops", "/do it")
    path = app.got[0].payload["response_url"].removeprefix(slack.base_url)
    clock.advance(30 * 60 + 1)
    assert respond(slack, path, {"text": "x"}).body["error"] == "expired_url"


def form(**change: Any) -> dict[str, Any]:
    name = {"type": "plain_text_input", "action_id": "name", "max_length": 10}
    level = {"type": "static_select", "action_id": "level", "options": [{"text": {"type": "plain_text", "text": "Level two"}, "value": "L2"}]}
    return {
        "type": "modal",
        "callback_id": "form",
        "title": {"type": "plain_text", "text": "Form"},
        "submit": {"type": "plain_text", "text": "Go"},
        "blocks": [
            {"type": "input", "block_id": "n", "label": {"type": "plain_text", "text": "Name"}, "element": name},
            {"type": "input", "block_id": "l", "label": {"type": "plain_text", "text": "Level"}, "element": level, "optional": True},
        ],
    } | change


async def opened(slack: Slack, app: App) -> View:
    await slack.says("engineer", "#devops", "/do it")
    assert slack.api("views.open", trigger_id=app.got[-1].payload["trigger_id"], view=form()).ok
    view = slack.modal("engineer")
    assert view is not None
    return view


async def test_a_modal_is_filled_in_and_submitted(slack: Slack, app: App) -> None:
    view = await opened(slack, app)
    await slack.submits("engineer", view, {"Name": "gateway", "level": "Level two"})
    payload = app.got[-1].payload
    assert (payload["type"], payload["view"]["callback_id"]) == ("view_submission", "form")
    values = payload["view"]["state"]["values"]
    assert values["n"]["name"] == {"type": "plain_text_input", "value": "gateway"}
    assert values["l"]["level"]["selected_option"]["value"] == "L2"
    assert slack.modal("engineer") is None


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "Name: this is a required field"),
        ({"name": "x" * 11}, "at most 10 characters"),
        ({"name": "x", "level": "L9"}, "level has no option 'L9'; it has Level two"),
        ({"name": "x", "colour": "red"}, "the view has no input colour"),
    ],
)
async def test_the_client_does_not_let_one_submit(slack: Slack, app: App, values: dict[str, Any], sentence: str) -> None:
    view = await opened(slack, app)
    with pytest.raises(Incomplete, match=sentence):
        await slack.submits("engineer", view, values)
    assert slack.modal("engineer") is not None


async def test_the_app_answers_a_submission_with_errors_or_another_view(slack: Slack, app: App) -> None:
    view = await opened(slack, app)
    app.reply = Reply({"response_action": "errors", "errors": {"n": "no such service"}})
    await slack.submits("engineer", view, {"name": "x"})
    assert slack.modal("engineer").errors == {"n": "no such service"}  # type: ignore[union-attr]
    app.reply = Reply({"response_action": "update", "view": form(title={"type": "plain_text", "text": "Again"})})
    await slack.submits("engineer", view, {"name": "x"})
    assert slack.modal("engineer").wire["title"]["text"] == "Again"  # type: ignore[union-attr]
    app.reply = Reply({"response_action": "push", "view": form(title={"type": "plain_text", "text": "Above"})})
    await slack.submits("engineer", view, {"name": "x"})
    assert slack.modal("engineer").wire["previous_view_id"] == view.id  # type: ignore[union-attr]
    app.reply = Reply({"response_action": "clear"})
    await slack.submits("engineer", slack.modal("engineer"), {"name": "x"})  # type: ignore[arg-type]
    assert slack.modal("engineer") is None


@pytest.mark.parametrize(
    "reply",
    [
        Reply(failure="timeout"),
        Reply({"response_action": "errors", "errors": {"nowhere": "x"}}),
        Reply({"response_action": "update", "view": {"type": "modal"}}),
        Reply({"response_action": "dance"}),
    ],
)
async def test_a_submission_that_fails_leaves_the_modal_open_and_says_so(slack: Slack, app: App, reply: Reply) -> None:
    view = await opened(slack, app)
    app.reply = reply
    await slack.submits("engineer", view, {"name": "x"})
    assert slack.modal("engineer").notice == actions.TROUBLE  # type: ignore[union-attr]


async def test_a_trigger_is_exchanged_once_within_three_seconds(slack: Slack, app: App, clock: Clock) -> None:
    await slack.says("engineer", "#devops", "/do it")
    trigger = app.got[0].payload["trigger_id"]
    assert slack.error("views.open", trigger_id="1.2.x", view=form()) == "invalid_trigger_id"
    assert slack.error("views.open", view=form()) == "invalid_arguments"
    assert slack.api("views.open", trigger_id=trigger, view=form()).ok
    assert slack.error("views.open", trigger_id=trigger, view=form()) == "exchanged_trigger_id"
    await slack.says("engineer", "#devops", "/do it")
    clock.advance(3.001)
    assert slack.error("views.open", trigger_id=app.got[1].payload["trigger_id"], view=form()) == "expired_trigger_id"


async def test_views_are_updated_pushed_and_guarded_by_their_hash(slack: Slack, app: App) -> None:
    view = await opened(slack, app)
    old = view.wire["hash"]
    updated = slack.api("views.update", view_id=view.id, hash=old, view=form(external_id="mine")).body["view"]
    assert updated["hash"] != old
    assert slack.error("views.update", view_id=view.id, hash=old, view=form()) == "hash_conflict"
    assert slack.error("views.update", view_id="V0NONE", view=form()) == "not_found"
    assert slack.api("views.update", external_id="mine", view=form(external_id="mine")).ok
    for _ in range(2):
        trigger = slack.make_trigger("U0ENGINEER", view.id)
        assert slack.api("views.push", trigger_id=trigger, view=form()).ok
    assert slack.error("views.push", trigger_id=slack.make_trigger("U0ENGINEER", view.id), view=form()) == "push_limit_reached"
    assert slack.error("views.push", trigger_id=slack.make_trigger("U0ENGINEER"), view=form()) == "not_found"
    assert slack.error("views.open", trigger_id=slack.make_trigger("U0ENGINEER"), view=form(external_id="mine")) == "duplicate_external_id"


async def test_closing_a_modal_tells_the_app_when_it_asked(slack: Slack, app: App) -> None:
    await slack.closes("engineer", await opened(slack, app))
    assert len(app.got) == 1
    view = await opened(slack, app)
    slack.api("views.update", view_id=view.id, view=form(notify_on_close=True))
    await slack.closes("engineer", view)
    assert app.got[-1].payload["type"] == "view_closed"
    with pytest.raises(LookupError, match="that view is closed"):
        await slack.submits("engineer", view, {"name": "x"})


async def test_shortcuts_carry_their_message(slack: Slack, app: App) -> None:
    message = card(slack)
    await slack.shortcut("lead", "note", message)
    await slack.shortcut("lead", "new")
    assert [delivery.payload["type"] for delivery in app.got] == ["message_action", "shortcut"]
    assert app.got[0].payload["message"]["text"] == "Deploy?"
    with pytest.raises(LookupError, match="no global shortcut 'note'"):
        await slack.shortcut("lead", "note")


def test_a_home_tab_is_published_and_its_buttons_pressed(slack: Slack) -> None:
    home = {"type": "home", "blocks": [BUTTONS]}
    assert slack.error("views.publish", user_id="U0LEAD", view=form()) == "invalid_arguments"
    first = slack.api("views.publish", user_id="U0LEAD", view=home).body["view"]
    assert slack.error("views.publish", user_id="U0LEAD", view=home, hash="1.x") == "hash_conflict"
    assert slack.api("views.publish", user_id="U0LEAD", view=home, hash=first["hash"]).body["view"]["id"] == first["id"]
    delivery = actions.click(slack, "lead", slack.homes["U0LEAD"], "Approve")
    assert delivery is not None
    assert delivery.payload["container"] == {"type": "view", "view_id": first["id"]}


def events(slack: Slack) -> list[tuple[str, str]]:
    taken = [delivery.payload["event"] for delivery in slack.outgoing]
    slack.outgoing.clear()
    return [(event["type"], event.get("channel_type") or event.get("reaction") or event.get("user", "")) for event in taken]


async def test_the_app_hears_of_what_it_subscribed_to_where_it_is(slack: Slack) -> None:
    await slack.says("engineer", "#devops", "hello @bot")
    assert events(slack) == [("message", "channel"), ("app_mention", "U0ENGINEER")]
    await slack.says("engineer", "#random", "hello @bot")
    assert events(slack) == []
    await slack.says("lead", "@bot", "hello")
    assert events(slack) == [("message", "im")]
    actions.react(slack, "lead", slack.messages("devops")[0], "eyes")
    assert events(slack) == [("reaction_added", "eyes")]
    actions.open_home(slack, "lead")
    assert events(slack) == [("app_home_opened", "U0LEAD")]


def test_the_same_seed_and_calls_give_the_same_answers(slack: Slack, clock: Clock) -> None:
    other = Slack(clock, seed=1)
    other.setup(app={"user": "U0BOT", "name": "bot", "scopes": slack.app.scopes})
    again = Slack(clock, seed=1)
    again.setup(app={"user": "U0BOT", "name": "bot", "scopes": slack.app.scopes})
    for name in ("a", "b"):
        assert other.api("conversations.create", name=name).body == again.api("conversations.create", name=name).body
