"""The sender against the sandbox's Slack: what is said once, what is tried again, and what is given up."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlmodel import select

from bot.adapters.slack.chat import open_chat
from bot.core.card import Card, Ref, line
from bot.core.errors import Unavailable
from bot.core.ports import MessageRef
from bot.engine import LEASE as ENGINE_LEASE
from bot.engine import Engine
from bot.entry.http import serve
from bot.outbox import LEASE, OutboxManager
from bot.store.incident_tables import ChannelRow
from bot.store.store import Store
from bot.store.tables import EventRow, MessageRow
from bot.store.transaction import Message
from sandbox.clock import Clock
from sandbox.faults import Fault, Faults
from sandbox.middleware import Faulty
from sandbox.slack import Workspace, asgi
from tests.databases import with_schema

START = datetime(2026, 5, 3, 3, 0, tzinfo=UTC)
SCOPES = ["chat:write", "channels:read", "channels:join", "channels:history", "groups:read", "groups:history"]


class Desk:
    """The outbox between a database and a workspace, with a clock that is moved by hand."""

    def __init__(self, store: Store, workspace: Workspace, faults: Faults, chat: Any) -> None:
        self.store, self.workspace, self.faults, self.chat = store, workspace, faults, chat
        self.outbox = OutboxManager(store, chat)

    async def queue(self, text: str, key: str = "op-1", **more: Any) -> None:
        headline = more.pop("headline", line(text))
        message = Message(key=key, channel=more.pop("channel", "#devops"), card=Card(headline=headline), **more)
        await self.store.transaction(lambda tx: tx.send(message))

    async def send(self) -> None:
        """Everything that is due now."""
        while await self.outbox.update(self.store.clock.now()):
            pass

    async def after(self, seconds: float) -> None:
        self.workspace.clock.advance(seconds)  # type: ignore[attr-defined]
        await self.send()

    def row(self, key: str = "op-1") -> MessageRow:
        found = self.store.look(lambda tx: tx.get(MessageRow, key))
        assert found is not None
        return found

    def waits(self, key: str = "op-1") -> float | None:
        """Seconds until the message is tried again; None: never."""
        due = self.row(key).next_at
        return None if due is None else (due - self.store.clock.now()).total_seconds()

    def shown(self, user: str | None = None) -> list[str]:
        return [message.plain for message in self.workspace.messages("devops", user)]

    def events(self, kind: str) -> list[dict[str, Any]]:
        return self.store.look(lambda tx: [row.payload for row in tx.all(select(EventRow).where(EventRow.kind == kind))])


@pytest.fixture
async def desk(tmp_path) -> AsyncIterator[Desk]:
    clock = Clock.manual(START)
    workspace = Workspace(clock, seed=1)
    workspace.setup(
        users=[{"id": "U0ENGINEER", "name": "engineer"}],
        channels=[{"name": "devops", "members": ["engineer", "aiec"]}, {"name": "old", "members": ["aiec"]}],
        app={"user": "U0AIEC", "name": "aiec", "scopes": SCOPES},
    )
    faults = Faults()
    store = Store(with_schema(tmp_path / "aiec.db"), clock, durable=False)
    async with serve(Faulty(asgi(workspace), "slack", faults), "127.0.0.1", 0) as port:
        workspace.base_url = f"http://127.0.0.1:{port}"
        async with open_chat(workspace.app.token, mention=lambda _: None, base_url=f"{workspace.base_url}/api/") as chat:
            yield Desk(store, workspace, faults, chat)
    store.close()


# ---- one thing, one message


async def test_a_key_is_one_message_that_is_edited(desk):
    await desk.queue("asked")
    await desk.send()
    await desk.queue("done")
    await desk.send()
    assert desk.shown() == ["done"]
    assert desk.waits() is None
    assert [event["version"] for event in desk.events("message.sent")] == [1, 2]


async def test_the_same_content_again_is_no_work(desk):
    await desk.queue("asked")
    await desk.send()
    await desk.queue("asked")
    assert desk.waits() is None


async def test_edits_keep_a_second_between_them_and_the_latest_wins(desk):
    await desk.queue("0")
    await desk.send()
    seen = []
    for step in range(1, 31):
        await desk.queue(f"{step}")
        await desk.after(0.1)
        seen += desk.shown()
    edits = [text for place, text in enumerate(seen) if text != ([*["0"], *seen])[place]]
    assert edits == ["1", "11", "21"]
    await desk.after(1)
    assert desk.shown() == ["30"]


async def test_what_was_newer_before_the_first_post_is_posted_as_it_is_then(desk):
    await desk.queue("asked")
    await desk.queue("approved")
    await desk.send()
    assert desk.shown() == ["approved"]
    assert len(desk.events("message.sent")) == 1


# ---- what goes wrong


async def test_a_throttled_message_waits_as_long_as_slack_says_and_the_channel_with_it(desk):
    desk.faults.add(Fault(kind="status", status=429, retry_after=7, path="chat.postMessage", times=1))
    for number in (1, 2, 3):
        await desk.queue(f"{number}", key=f"op-{number}")
    await desk.send()
    assert desk.shown() == []
    assert [desk.waits(f"op-{number}") for number in (1, 2, 3)] == [7, 7, 7]
    await desk.after(6)
    assert desk.shown() == []
    searches = desk.faults.add(Fault(kind="latency", path="conversations.history"))
    await desk.after(1)
    assert desk.shown() == ["1", "2", "3"]
    assert desk.faults.met(searches) == 0, "a call that was not executed leaves nothing to look for"


@pytest.mark.parametrize(
    "fault", [Fault(kind="status", status=503), Fault(kind="drop"), Fault(kind="garbage"), Fault(kind="drop_after")], ids=lambda fault: fault.kind
)
async def test_a_slack_that_does_not_answer_is_asked_again_ever_more_rarely_and_gets_one_message(desk, fault):
    desk.faults.add(fault.model_copy(update={"path": "chat.postMessage"}), "weather")
    await desk.queue("asked")
    pauses = []
    for _ in range(8):
        await desk.send()
        pauses.append(desk.waits())
        if desk.row().ref_ts:
            break
        desk.workspace.clock.advance(pauses[-1])
    if fault.kind in ("status", "drop"):
        assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
    desk.faults.clear()
    await desk.send()
    assert desk.shown() == ["asked"]


async def test_an_answer_that_was_lost_is_found_by_its_key_also_in_a_thread(desk):
    await desk.queue("asked")
    await desk.send()
    desk.faults.add(Fault(kind="drop_after", path="chat.postMessage", times=1))
    await desk.queue("details", key="op-1/evidence", thread_of="op-1")
    await desk.send()
    await desk.after(2)
    (parent, reply) = desk.workspace.messages("devops")
    assert (parent.plain, reply.plain, reply.is_reply) == ("asked", "details", True)
    assert desk.row("op-1/evidence").ref_ts == reply.ts


async def test_a_message_that_was_posted_before_the_process_died_is_adopted_and_brought_up_to_date(desk):
    await desk.queue("asked")
    desk.faults.add(Fault(kind="kill", at="answer", call=lambda: None, path="chat.postMessage", times=1))
    await desk.outbox.update(START)
    assert (desk.shown(), desk.row().ref_ts) == (["asked"], None)
    await desk.queue("approved")
    await desk.after(LEASE.total_seconds())
    assert desk.shown() == ["approved"]


async def test_a_token_that_is_not_accepted_is_no_reason_to_give_up(desk):
    desk.workspace.revoked = True
    await desk.queue("asked")
    await desk.send()
    assert desk.waits() == 2
    desk.workspace.revoked = False
    await desk.after(2)
    assert desk.shown() == ["asked"]


async def test_a_message_that_somebody_deletes_is_posted_anew(desk):
    await desk.queue("asked")
    await desk.send()
    channel = desk.workspace.channel("devops")
    del channel.messages[desk.row().ref_ts]
    await desk.queue("approved")
    await desk.after(2)
    assert desk.shown() == ["approved"]


async def test_what_a_channel_refuses_is_said_and_comes_when_that_is_mended(desk):
    desk.workspace.channel("old").archived = True
    await desk.queue("asked", channel="#old")
    await desk.queue("details", key="op-1/evidence", channel="#old", thread_of="op-1")
    await desk.send()
    await desk.after(61)
    assert "archived" in desk.row().gave_up
    assert [event["channel"] for event in desk.events("message.undeliverable")] == ["#old"]
    await desk.queue("done", channel="#old")
    desk.workspace.channel("old").archived = False
    await desk.after(61)
    await desk.after(2)
    assert [message.text for message in desk.workspace.messages("old")] == ["done", "details"]
    assert (desk.row().gave_up, desk.waits()) == (None, None)


async def test_what_a_channel_refuses_for_a_day_is_given_up(desk):
    desk.workspace.channel("old").archived = True
    await desk.queue("asked", channel="#old")
    await desk.queue("details", key="op-1/evidence", channel="#old", thread_of="op-1")
    await desk.send()
    await desk.after(24 * 3600)
    await desk.after(61)
    assert desk.row("op-1/evidence").gave_up == "the message that it belongs under could not be posted"
    await desk.queue("done", channel="#old")
    assert desk.waits() is None


async def test_what_slack_finds_invalid_is_given_up_and_holds_up_nothing_else(desk):
    await desk.queue("invalid", key="x" * 9000)
    await desk.queue("valid")
    await desk.send()
    assert desk.shown() == ["valid"]
    assert "metadata_too_large" in desk.row("x" * 9000).gave_up


async def test_a_silent_slack_does_not_hold_a_turn_for_ever(desk):
    class Silent:
        """Every call takes as long as the adapter's time limit."""

        calls = 0

        async def post(self, *_: object, **__: object) -> None:
            self.calls += 1
            desk.workspace.clock.advance(10)
            raise Unavailable("Slack did not answer.")

    silent = Silent()
    for number in range(20):
        await desk.queue("asked", key=f"op-{number}")
    await OutboxManager(desk.store, silent).update(desk.store.clock.now())
    assert silent.calls == 2
    assert all(desk.row(f"op-{number}").lease_until is None for number in range(20))


# ---- threads, links, private answers


async def test_a_reply_waits_for_its_parent(desk):
    desk.faults.add(Fault(kind="status", status=503, path="chat.postMessage", times=1))
    await desk.queue("asked")
    await desk.queue("details", key="a-detail", thread_of="op-1")
    await desk.send()
    assert desk.shown() == []
    await desk.after(1)
    await desk.after(1)
    await desk.after(1)
    parent, reply = desk.workspace.messages("devops")
    assert (parent.plain, reply.plain, reply.thread_ts) == ("asked", "details", parent.ts)


async def test_a_reference_becomes_a_link_once_the_message_stands(desk):
    ref = line(Ref(key="op-1", text="op-1"), " waits")
    await desk.queue("", key="request-1", headline=ref, only_for="U0ENGINEER")
    await desk.send()
    assert desk.shown("engineer") == []
    await desk.queue("asked")
    await desk.after(1)
    answer = desk.workspace.messages("devops", "engineer")[-1]
    link = await desk.chat.permalink(MessageRef(desk.row().ref_channel, desk.row().ref_ts))
    assert answer.visible_to == "U0ENGINEER"
    assert link in str(answer.blocks)


async def test_an_answer_does_not_wait_for_ever_for_what_it_links_to_nor_for_what_is_deleted(desk):
    ref = line(Ref(key="op-1", text="op-1"), " waits")
    await desk.queue("", key="request-1", headline=ref, only_for="U0ENGINEER")
    for _ in range(25):
        await desk.after(1)
    assert desk.shown("engineer") == ["op-1 waits"]
    await desk.queue("asked")
    await desk.send()
    desk.workspace.channel("devops").messages.clear()
    await desk.queue("", key="request-2", headline=ref, only_for="U0ENGINEER")
    await desk.send()
    assert desk.shown("engineer") == ["op-1 waits"]


async def test_a_private_answer_takes_the_response_url_while_it_lives(desk):
    channel = desk.workspace.channel("devops").id
    url = desk.workspace.make_hook("commands", channel, "U0ENGINEER")
    await desk.queue("first", key="request-1", channel=channel, only_for="U0ENGINEER", response_url=url)
    await desk.send()
    desk.workspace.clock.advance(31 * 60)
    await desk.queue("second", key="request-2", channel=channel, only_for="U0ENGINEER", response_url=url)
    await desk.send()
    assert desk.shown() == []
    assert desk.shown("engineer") == ["first", "second"]


async def test_a_private_answer_for_a_channel_that_was_archived_meanwhile_is_told_directly(desk):
    desk.workspace.channel("old").archived = True
    await desk.queue("done", key="request-1", channel=desk.workspace.channel("old").id, only_for="U0ENGINEER")
    await desk.send()
    direct = [message for channel in desk.workspace.channels.values() if channel.kind == "im" for message in channel.messages.values()]
    assert [message.plain for message in direct] == ["done"]
    assert (desk.waits("request-1"), desk.row("request-1").gave_up) == (None, None)


# ---- two senders


async def test_the_late_note_of_a_sender_that_lost_the_lock_is_dropped(desk):
    first, second = Engine(desk.store, [], "first"), Engine(desk.store, [], "second")
    await first.hold()
    await desk.queue("asked")

    class Slow:
        """Posts, and learns of it only after the other one has taken over and sent the message as well."""

        async def post(self, *args: Any, **more: Any) -> Any:
            posted = await desk.chat.post(*args, **more)
            desk.workspace.clock.advance(ENGINE_LEASE.total_seconds())
            assert await second.hold()
            await desk.send()
            return posted

    await OutboxManager(desk.store, Slow()).update(START)
    assert desk.shown() == ["asked"]
    assert len(desk.events("message.sent")) == 1


async def test_an_edit_that_comes_late_does_not_stand_over_newer_words(desk):
    first, second = Engine(desk.store, [], "first"), Engine(desk.store, [], "second")
    await first.hold()
    await desk.queue("asked")
    await desk.send()

    class Slow:
        """Edits only after the other one has taken over and said something newer."""

        async def update(self, *args: Any, **more: Any) -> None:
            desk.workspace.clock.advance(ENGINE_LEASE.total_seconds())
            assert await second.hold()
            await desk.queue("done")
            await desk.send()
            assert desk.shown() == ["done"]
            await desk.chat.update(*args, **more)

    await desk.queue("running")
    await desk.after(0)
    desk.workspace.clock.advance(2)
    await desk.queue("undoing")
    await OutboxManager(desk.store, Slow()).update(desk.store.clock.now())
    assert desk.shown() == ["undoing"]
    await desk.after(2)
    assert desk.shown() == ["done"]


# ---- an incident's own channel


async def room(desk: Desk, **fields: Any) -> None:
    await desk.store.transaction(lambda tx: tx.session.merge(ChannelRow(incident=42, name="inc-42", **fields)))


async def test_a_message_waits_for_the_channel_of_its_incident(desk: Desk) -> None:
    await desk.queue("hello", channel="incident:42")
    await desk.send()
    await room(desk)
    await desk.after(10)
    assert desk.shown() == []
    assert desk.row().attempts == 0
    await room(desk, slack=desk.workspace.channel("devops").id)
    await desk.after(10)
    assert desk.shown() == ["hello"]


async def test_where_there_can_be_no_such_channel_it_goes_under_the_incidents_message(desk: Desk) -> None:
    await room(desk, trouble="nobody may make channels")
    await desk.queue("the card", key="incident-42")
    await desk.queue("hello", channel="incident:42")
    await desk.send()
    await desk.after(2)
    card, reply = desk.workspace.messages("devops")
    assert (card.plain, reply.plain) == ("the card", "hello")
    assert reply.thread_ts == card.ts


async def test_what_is_private_goes_nowhere_else(desk: Desk) -> None:
    await room(desk, trouble="nobody may make channels", private=True)
    await desk.queue("the card", key="incident-42")
    await desk.queue("secret", channel="incident:42")
    await desk.after(120)
    assert desk.shown() == ["the card"]
    assert desk.row().gave_up == "nobody may make channels"
    await room(desk, slack=desk.workspace.channel("old").id, private=True)
    await desk.after(60)
    assert [message.plain for message in desk.workspace.messages("old")] == ["secret"]


async def test_in_a_channel_that_was_archived_with_its_incident_all_stays_as_it_is(desk: Desk) -> None:
    await desk.queue("the card", key="incident-42")
    await room(desk, slack=desk.workspace.channel("old").id)
    await desk.queue("hello", channel="incident:42")
    await desk.send()
    desk.workspace.channel("old").archived = True
    await room(desk, slack=desk.workspace.channel("old").id, archived=True, version=2, sent_version=2)
    await desk.queue("hello again", channel="incident:42")
    await desk.queue("a late word", key="op-2", channel="incident:42")
    await desk.after(2)
    await desk.after(2)
    assert [message.plain for message in desk.workspace.messages("old")] == ["hello"]
    assert (desk.waits(), desk.events("message.undeliverable")) == (None, [])
    assert desk.shown() == ["the card", "a late word"]


async def test_a_channel_that_refuses_is_looked_at_at_once(desk: Desk) -> None:
    await room(desk, slack=desk.workspace.channel("old").id)
    desk.workspace.channel("old").archived = True
    await desk.queue("hello", channel="incident:42")
    await desk.send()
    found = desk.store.look(lambda tx: tx.get(ChannelRow, 42))
    assert found is not None
    assert found.next_at == desk.store.clock.now()
