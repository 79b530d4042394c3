"""The chat port against the sandbox's Slack, over HTTP."""

import asyncio
import re
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from json import dumps, loads
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest
import yaml

from bot.adapters.slack.chat import SlackChat, open_chat
from bot.core.card import Action, Card, Evidence, Person, State
from bot.core.chart import Chart, Panel, Sample, Series
from bot.core.errors import AiecError, Conflict, Forbidden, Invalid, NotFound, Refused, Throttled, Unauthenticated, Unavailable
from bot.core.ports import MessageRef
from bot.entry.http import serve
from sandbox.clock import Clock
from sandbox.faults import Fault, Faults
from sandbox.middleware import Faulty
from sandbox.slack import Workspace, asgi
from sandbox.slack.responses import respond

START = datetime(2026, 5, 3, 3, 0, tzinfo=UTC)
MANIFEST = yaml.safe_load((Path(__file__).parents[2] / "deploy" / "slack-manifest.yaml").read_text(encoding="utf-8"))
SCOPES = MANIFEST["oauth_config"]["scopes"]["bot"]
PIXEL = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0"
CHART = Chart(
    title="Deploy v1.2.0 to prod",
    start=START,
    end=START + timedelta(minutes=10),
    panels=(Panel(title="error rate", unit="/s", series=(Series(samples=(Sample(at=START, value=0.5),)),), limit=1),),
)
PICTURE = Card(headline=("Figures of op-142",), lines=(("error rate & more",),), chart=CHART)
CARD = Card(state=State.RUNNING, headline=("Deploy v1.2.0 to prod",), evidence=(Evidence(title="Log", text="line"),))


@pytest.fixture
def workspace():
    slack = Workspace(Clock.manual(START), seed=1)
    slack.setup(
        users=[{"id": "U0ENGINEER", "name": "engineer"}, {"id": "U0LEAD", "name": "lead"}],
        usergroups=[{"id": "S0DEVOPS", "handle": "devops", "users": ["engineer", "lead"]}],
        channels=[
            {"name": "devops", "members": ["engineer", "aiec"]},
            {"name": "random", "members": ["engineer"]},
            {"name": "secret", "members": ["lead"], "kind": "private"},
            {"name": "war-room", "members": ["lead", "aiec"], "kind": "private"},
            *({"name": f"other-{number}"} for number in range(1100)),
        ],
        app={"user": "U0AIEC", "name": "aiec", "scopes": list(SCOPES)},
    )
    return slack


@pytest.fixture
def faults():
    return Faults()


async def drawn(chart):
    """Stands for the drawing, which has tests of its own: a PNG of one pixel's head."""
    return PIXEL


@pytest.fixture
async def chat(workspace, faults):
    async with serve(Faulty(asgi(workspace), "slack", faults), "127.0.0.1", 0) as port:
        workspace.base_url = f"http://127.0.0.1:{port}"
        async with open_chat(workspace.app.token, mention={"lead": "U0LEAD"}.get, base_url=f"{workspace.base_url}/api/", draw=drawn) as opened:
            yield opened


async def refusal(call) -> AiecError:
    with pytest.raises(AiecError) as caught:
        await call
    return caught.value


async def test_a_message_is_posted_edited_and_found_again_by_its_key(chat, workspace):
    ref = await chat.post("#devops", CARD, key="op-142")
    assert ref == MessageRef(workspace.channel("devops").id, workspace.messages("devops")[0].ts)
    await chat.update(ref, CARD.model_copy(update={"state": State.DONE}), key="op-142")
    (message,) = workspace.messages("devops")
    assert message.blocks[0]["text"]["text"] == "✅ done · Deploy v1.2.0 to prod"
    assert message.text == "✅ done · Deploy v1.2.0 to prod"
    assert message.metadata == {"event_type": "aiec", "event_payload": {"key": "op-142"}}
    assert await chat.find("#devops", "op-142", START) == ref
    assert await chat.find(ref.channel, "op-143", START) is None
    assert await chat.find("#devops", "op-142", START + timedelta(minutes=10)) is None
    assert await chat.permalink(ref) == f"{workspace.base_url}/archives/{ref.channel}/p{ref.ts.replace('.', '')}"


async def test_a_search_reads_every_page_of_the_history(chat, workspace):
    first = await chat.post("#devops", CARD, key="first")
    for number in range(250):
        await workspace.says("engineer", "#devops", f"message {number}")
    assert await chat.find("#devops", "first", START) == first


async def test_evidence_stands_in_the_thread_also_after_an_edit(chat, workspace):
    parent = await chat.post("#devops", CARD, key="op-142")
    reply = await chat.post("#devops", CARD, key="op-142:details", thread=parent)
    assert "```\nline\n```" not in workspace.messages("devops")[0].blocks[0]["text"]["text"]
    await chat.update(reply, CARD, key="op-142:details", thread=parent)
    (message,) = workspace.thread(workspace.messages("devops")[0])
    assert message.blocks[0]["text"]["text"].endswith("*Log*\n```\nline\n```")
    assert await chat.find("#devops", "op-142:details", START, thread=parent) == reply
    assert await chat.find("#devops", "op-142:details", START) is None


async def test_an_ephemeral_message_is_seen_by_one_person(chat, workspace):
    await chat.post("#devops", CARD, key="r-1", only_for="U0ENGINEER")
    assert workspace.messages("devops") == []
    assert [message.text for message in workspace.messages("devops", "engineer")] == ["⏳ running · Deploy v1.2.0 to prod"]
    error = await refusal(chat.post("#devops", CARD, key="r-2", only_for="U0LEAD"))
    assert (error.code, "not in the channel" in error.text) == ("refused", True)


async def test_a_message_is_found_where_the_bot_posts_without_being_a_member(chat, workspace):
    workspace.app.scopes.append("chat:write.public")
    ref = await chat.post("#random", CARD, key="op-142")
    assert workspace.app.user not in workspace.channel("random").members
    assert await chat.find("#random", "op-142", START) == ref


async def test_somebody_is_mentioned_by_id(chat, workspace):
    await chat.post("#devops", Card(headline=(Person(name="lead", notify=True), " is paged")), key="x")
    assert workspace.messages("devops")[0].blocks[0]["text"]["text"] == "<@U0LEAD> is paged"
    assert workspace.messages("devops")[0].text == "@lead is paged"


async def test_a_public_channel_is_joined_and_a_private_one_says_how_to_be_invited(chat, workspace):
    assert await chat.find("#random", "x", START) is None
    await chat.post("#random", CARD, key="x")
    assert workspace.messages("random")[-1].text == "⏳ running · Deploy v1.2.0 to prod"
    assert (await chat.post("#war-room", CARD, key="x")).channel == workspace.channel("war-room").id
    for private in ("#secret", workspace.channel("secret").id):
        error = await refusal(chat.post(private, CARD, key="x"))
        assert isinstance(error, Refused)
        assert "/invite @aiec" in error.hint


async def test_a_direct_message_is_not_looked_for_and_may_be_said_again(chat, workspace):
    await chat.post("U0ENGINEER", CARD, key="page/1")
    assert await chat.find("U0ENGINEER", "page/1", START) is None


async def test_where_nothing_can_be_posted_is_refused_with_what_to_do(chat, workspace):
    assert (await chat.post("#other-1099", CARD, key="x")).channel == workspace.channel("other-1099").id
    workspace.channel("other-1099").archived = True
    archived = await refusal(chat.post("#other-1099", CARD, key="y"))
    assert isinstance(archived, Refused)
    assert "archived" in archived.text
    for missing in ("#no-such", "C0NOSUCH", "#other-1099"):
        assert isinstance(await refusal(chat.post(missing, CARD, key="x")), Refused)


async def test_a_name_that_moved_to_another_channel_is_looked_up_again(chat, workspace):
    await chat.post("#devops", CARD, key="x")
    workspace.channel("devops").archived = True
    workspace.channel("devops").name = "devops-old"
    workspace.channel("random").name = "devops"
    assert isinstance(await refusal(chat.post("#devops", CARD, key="y")), Refused)
    assert (await chat.post("#devops", CARD, key="y")).channel == workspace.channel("devops").id


async def test_an_edit_of_what_is_gone_or_not_ours_says_so(chat, workspace):
    ref = await chat.post("#devops", CARD, key="x")
    await workspace.says("engineer", "#devops", "hello")
    theirs = workspace.messages("devops")[-1]
    assert isinstance(await refusal(chat.update(MessageRef(ref.channel, theirs.ts), CARD, key="x")), NotFound)
    assert isinstance(await refusal(chat.update(MessageRef(ref.channel, "1.000001"), CARD, key="x")), NotFound)
    assert isinstance(await refusal(chat.permalink(MessageRef(ref.channel, "1.000001"))), NotFound)
    workspace.channel("devops").archived = True
    assert isinstance(await refusal(chat.update(ref, CARD, key="x")), Refused)


async def test_a_response_url_answers_privately_five_times(chat, workspace):
    url = workspace.make_hook("commands", workspace.channel("devops").id, "U0ENGINEER")
    for _ in range(5):
        await chat.respond(url, CARD)
    assert workspace.messages("devops") == []
    answers = workspace.messages("devops", "engineer")
    assert len(answers) == 5
    assert "*Log*" in answers[0].blocks[0]["text"]["text"]
    error = await refusal(chat.respond(url, CARD))
    assert isinstance(error, Refused)
    assert "five answers" in error.text


async def test_a_response_url_that_refuses_the_content_is_told_apart(chat, workspace, faults):
    faults.add(Fault(kind="status", status=400, path="commands"))
    url = workspace.make_hook("commands", workspace.channel("devops").id, "U0ENGINEER")
    assert isinstance(await refusal(chat.respond(url, CARD)), Invalid)


async def test_a_user_group_is_known_by_its_handle(chat):
    assert await chat.group_members("devops") == {"U0ENGINEER", "U0LEAD"}
    assert "@nobody" in (await refusal(chat.group_members("nobody"))).text


async def test_an_account_that_is_deactivated_or_unknown_is_not_active(chat, workspace):
    assert await chat.active("U0LEAD")
    workspace.users["U0LEAD"].deleted = True
    assert not await chat.active("U0LEAD")
    assert not await chat.active("U0NOBODY")
    workspace.app.scopes.remove("users:read")
    assert isinstance(await refusal(chat.active("U0LEAD")), Forbidden)


async def test_a_missing_scope_is_named_with_the_method_that_needs_it(chat, workspace):
    for scope in SCOPES:
        workspace.app.scopes.remove(scope)
    error = await refusal(chat.group_members("devops"))
    assert isinstance(error, Forbidden)
    assert "usergroups.list" in error.text
    assert "usergroups:read" in error.text
    assert isinstance(await refusal(chat.post("C0X", CARD, key="x")), Forbidden)


@pytest.mark.parametrize("scope", sorted(set(SCOPES) - {"commands", "reactions:read"}))
async def test_every_scope_of_the_manifest_is_needed(chat, workspace, scope):
    workspace.app.scopes.remove(scope)

    async def everything():
        await chat.post("#random", CARD, key="x")
        for channel in ("#random", "#war-room"):
            await chat.find(channel, "x", START)
        await chat.group_members("devops")
        assert await chat.active("U0LEAD")
        posted = await chat.post("#devops", PICTURE, key="p")
        assert posted.ts.startswith("F"), "files:write"
        for private in (False, True):
            await chat.create_room(f"inc-42-{'private' if private else 'public'}", private=private)

    with pytest.raises((AiecError, AssertionError)) as missed:
        await everything()
    assert scope in str(missed.value)


def test_the_documentation_gives_a_reason_for_every_scope_of_the_manifest():
    documentation = (Path(__file__).parents[2] / "docs" / "slack.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z:]+)` \|", documentation, re.MULTILINE) == sorted(SCOPES)


async def test_a_revoked_token_is_told_apart(chat, workspace):
    workspace.revoke()
    assert isinstance(await refusal(chat.group_members("devops")), Unauthenticated)
    async with aiohttp.ClientSession() as session:
        stranger = SlackChat("xoxb-wrong", session, mention=lambda _: None, base_url=f"{workspace.base_url}/api/")
        assert isinstance(await refusal(stranger.permalink(MessageRef("C", "1"))), Unauthenticated)


async def test_too_many_calls_say_how_long_to_wait(chat, faults, workspace):
    faults.add(Fault(kind="status", status=429, retry_after=17, path="chat.postMessage"))
    error = await refusal(chat.post("C0X", CARD, key="x"))
    assert isinstance(error, Throttled)
    assert error.retry_after == timedelta(seconds=17)
    faults.add(Fault(kind="status", status=429, path="commands"))
    hurried = await refusal(chat.respond(f"{workspace.base_url}/commands/x", CARD))
    assert isinstance(hurried, Throttled)


@pytest.mark.parametrize("fault", [Fault(kind="status", status=500), Fault(kind="status", status=503), Fault(kind="garbage")], ids=["500", "503", "garbage"])
async def test_an_answer_that_is_none_leaves_open_what_happened(chat, faults, workspace, fault):
    channel = workspace.channel("devops").id
    url = workspace.make_hook("commands", channel, "U0ENGINEER")
    faults.add(fault)
    assert isinstance(await refusal(chat.post(channel, CARD, key="x")), Unavailable)
    assert isinstance(await refusal(chat.group_members("devops")), Unavailable)
    if fault.kind == "status":
        assert isinstance(await refusal(chat.respond(url, CARD)), Unavailable)


async def test_silence_and_a_closed_port_are_unavailable(workspace, faults, chat):
    faults.add(Fault(kind="hang"))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.2)) as session:
        hasty = SlackChat(workspace.app.token, session, mention=lambda _: None, base_url=f"{workspace.base_url}/api/")
        assert isinstance(await refusal(hasty.post("C0X", CARD, key="x")), Unavailable)
        nowhere = SlackChat(workspace.app.token, session, mention=lambda _: None, base_url="http://127.0.0.1:9/api/")
        assert isinstance(await refusal(nowhere.permalink(MessageRef("C", "1"))), Unavailable)
        assert isinstance(await refusal(nowhere.respond("http://127.0.0.1:9/x", CARD)), Unavailable)


class InProcess:
    """A session without a network: the workspace itself answers."""

    closed = False

    def __init__(self, workspace):
        self.workspace = workspace

    @asynccontextmanager
    async def request(self, method, url, *, json=None, params=None, data=None, **_rest):
        path = url.removeprefix(self.workspace.base_url)
        if path.startswith("/api/"):
            answer = self.workspace.call(path.removeprefix("/api/"), {**(params or {}), **(json or {})}, self.workspace.app.token)
        else:
            answer = respond(self.workspace, path, loads(data))

        async def read():
            return answer.body

        async def text():
            return dumps(answer.body)

        yield SimpleNamespace(status=answer.status, headers=answer.headers, content_type="application/json", json=read, text=text)


async def test_a_simulation_needs_no_network(workspace):
    chat = SlackChat(workspace.app.token, InProcess(workspace), mention=lambda _: None, base_url=f"{workspace.base_url}/api/")
    ref = await chat.post("#random", CARD, key="op-142")
    await chat.update(ref, CARD.model_copy(update={"state": State.DONE}), key="op-142")
    assert await chat.find("#random", "op-142", START) == ref
    await chat.respond(workspace.make_hook("commands", ref.channel, "U0ENGINEER"), CARD)
    assert [message.text for message in workspace.messages("random", "engineer")][-2:] == [
        "✅ done · Deploy v1.2.0 to prod",
        "⏳ running · Deploy v1.2.0 to prod",
    ]
    workspace.down = True
    assert isinstance(await refusal(chat.post("#random", CARD, key="x")), Unavailable)


async def test_what_slack_finds_invalid_is_not_tried_again(chat):
    error = await refusal(chat.post("#devops", CARD, key="x" * 9000))
    assert isinstance(error, Invalid)
    assert "metadata_too_large" in error.text


async def test_a_chart_is_a_picture_with_its_words_beside_it(chat, workspace):
    parent = await chat.post("#devops", CARD, key="op-142")
    ref = await chat.post("#devops", PICTURE, key="op-142/figures", thread=parent)
    (reply,) = workspace.thread(workspace.messages("devops")[0])
    assert reply.text == "Figures of op-142\nerror rate &amp; more"
    (file,) = reply.files
    assert (file["id"], file["name"], file["title"], file["mimetype"]) == (ref.ts, "aiec-op-142-figures.png", "Deploy v1.2.0 to prod", "image/png")
    assert file["alt_txt"] == "Deploy v1.2.0 to prod; error rate: min 0.5, max 0.5, last 0.5 /s (limit 1 /s); 03:00 to 03:10 UTC"
    assert await chat.find("#devops", "op-142/figures", START, thread=parent) == ref
    assert await chat.find("#devops", "op-14/figures", START, thread=parent) is None
    await chat.update(ref, PICTURE, key="op-142/figures", thread=parent)
    assert workspace.thread(workspace.messages("devops")[0]) == [reply]


async def test_a_chart_that_only_one_person_sees_is_said_in_words(chat, workspace):
    await chat.post("#devops", PICTURE, key="r-1", only_for="U0ENGINEER")
    (message,) = workspace.messages("devops", "engineer")
    assert "error rate: min 0.5, max 0.5, last 0.5 /s (limit 1 /s)" in message.plain


async def test_a_chart_that_cannot_be_drawn_is_said_in_words_with_the_reason(workspace, chat):
    async def undrawn(chart):
        raise Unavailable("The chart could not be drawn within 120 s.")

    async with open_chat(workspace.app.token, mention=lambda _: None, base_url=f"{workspace.base_url}/api/", draw=undrawn) as poor:
        parent = await poor.post("#devops", CARD, key="op-142")
        ref = await poor.post("#devops", PICTURE, key="op-142/figures", thread=parent)
        assert await poor.find("#devops", "op-142/figures", START, thread=parent) == ref
    (reply,) = workspace.thread(workspace.messages("devops")[0])
    assert "could not be drawn within 120 s" in reply.plain
    assert "error rate: min 0.5" in reply.plain


async def test_a_picture_for_a_channel_that_the_bot_was_taken_out_of_joins_it_again(chat, workspace):
    parent = await chat.post("#devops", CARD, key="op-142")
    workspace.leave("devops", "aiec")
    await chat.post("#devops", PICTURE, key="op-142/figures", thread=parent)
    assert [reply.files[0]["name"] for reply in workspace.thread(workspace.messages("devops")[0])] == ["aiec-op-142-figures.png"]


async def test_many_posts_at_once_list_the_channels_once(chat, workspace, faults):
    listing = faults.add(Fault(kind="latency", path="conversations.list"))
    await asyncio.gather(*(chat.post(f"#other-{number}", CARD, key=str(number)) for number in range(20)))
    assert faults.met(listing) == 2


async def test_the_buttons_say_which_message_they_are_of(chat, workspace):
    await chat.post("#devops", Card(headline=("x",), actions=(Action(label="Go", command="status"),)), key="op-142")
    assert workspace.messages("devops")[0].blocks[-1]["block_id"] == "0:op-142"


# ---- channels that come and go


async def test_a_channel_is_made_described_filled_and_archived(chat, workspace):
    id = await chat.create_room("inc-42-gateway", private=False)
    await chat.describe_room(id, topic="SEV1 · a < b & c", purpose="Incident #42")
    assert await chat.invite(id, ["U0ENGINEER", "U0LEAD"]) == {}
    room = await chat.room(id)
    assert (room.name, room.topic, room.purpose, room.archived, room.member, room.ours) == (
        "inc-42-gateway",
        "SEV1 · a < b & c",
        "Incident #42",
        False,
        True,
        True,
    )
    assert room.created == START
    assert workspace.channel("inc-42-gateway").members == ["U0AIEC", "U0ENGINEER", "U0LEAD"]
    await chat.archive_room(id)
    await chat.archive_room(id)
    assert (await chat.find_room("inc-42-gateway")).archived
    assert (await chat.find_room("random")).ours is False
    assert await chat.find_room("nowhere") is None
    assert await chat.room("C0NOWHERE") is None


async def test_those_who_cannot_be_invited_are_named_and_keep_nobody_out(chat, workspace):
    id = await chat.create_room("inc-42-gateway", private=True)
    assert await chat.invite(id, ["U0NOBODY", "U0LEAD"]) == {"U0NOBODY": "no such Slack account"}
    assert "U0LEAD" in workspace.channel(id).members
    assert await chat.invite(id, ["U0LEAD", "U0AIEC"]) == {}
    assert await chat.invite(id, ["U0NOBODY"]) == {"U0NOBODY": "no such Slack account"}


async def test_a_channel_that_cannot_be_made_says_why(chat, workspace):
    assert isinstance(await refusal(chat.create_room("random", private=False)), Conflict)
    workspace.admins_create_channels = True
    error = await refusal(chat.create_room("inc-42", private=False))
    assert isinstance(error, Refused)
    assert "only some people may do that" in error.text
    workspace.app.scopes.remove("groups:write")
    error = await refusal(chat.create_room("inc-42", private=True))
    assert isinstance(error, Forbidden)
    assert "`groups:write`" in error.text


async def test_the_bot_comes_back_into_a_public_channel_and_not_into_a_private_one(chat, workspace):
    public, private = await chat.create_room("inc-1", private=False), await chat.create_room("inc-2", private=True)
    for channel in (public, private):
        workspace.leave(channel, "aiec")
    assert (await chat.room(public)).member is False
    await chat.describe_room(public, topic="here again")
    assert (await chat.room(public)).member is True
    assert await chat.room(private) is None
