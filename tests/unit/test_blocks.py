"""Cards as Block Kit: what it looks like, and that Slack can never refuse it. The judge of validity is the sandbox's own checker."""

import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings

from bot.adapters.slack.blocks import blocks, fallback, thread_blocks
from bot.adapters.slack.mrkdwn import fenced, rendered
from bot.core.card import Action, Bold, Card, Channel, CheckResult, Code, Evidence, Link, Person, Ref, Row, State, Time, Verdict
from sandbox.slack.blocks import check_message_blocks
from tests.unit.card_strategies import cards

AT = datetime(2026, 3, 5, 14, 32, tzinfo=UTC)
IDS = {"engineer": "U0ENGINEER"}
APPROVE = Action(label="Approve", command="approve", arguments={"operation": "op-142"}, style="primary")
ROLL_BACK = Action(label="Roll back", command="rollback", arguments={}, style="danger", confirm="Roll back gateway v1.2.0 → v1.1.0 in prod")


def mrkdwn(*spans, limit=3000):
    return rendered(spans, IDS.get, limit)


def texts(message):
    return [block["text"]["text"] for block in message if block["type"] == "section"]


def buttons(message):
    return [element for block in message if block["type"] == "actions" for element in block["elements"]]


def test_a_card_is_one_section_and_one_row_of_buttons():
    card = Card(
        state=State.WAITING,
        headline=(Bold(text="Deploy v1.2.0 to prod"), " · asked by ", Person(name="engineer"), " (until ", Time(at=AT), ")"),
        rows=(Row(name="gateway", text=("v1.1.0 → ", Bold(text="v1.2.0"), " · 5 pods")),),
        checks=(
            CheckResult(check="images", verdict=Verdict.PASSED, text="images found, pinned"),
            CheckResult(check="incidents", verdict=Verdict.WARNING, text="incident #41 (SEV3) is open on gateway"),
        ),
        evidence=(Evidence(title="Diff", text="- a\n+ b"),),
        actions=(APPROVE, ROLL_BACK),
    )
    message = blocks(card, IDS.get)
    assert texts(message) == [
        "⏸ waiting · *Deploy v1.2.0 to prod* · asked by @engineer (until <!date^1772721120^{time}|14:32 UTC>)\n"
        "`gateway` v1.1.0 → *v1.2.0* · 5 pods\n"
        "✅ images found, pinned · ⚠️ incident #41 (SEV3) is open on gateway"
    ]
    assert [button["text"]["text"] for button in buttons(message)] == ["Approve", "Roll back"]
    assert texts(thread_blocks(card, IDS.get))[0].endswith("*Diff*\n```\n- a\n+ b\n```")
    assert message[0]["text"]["verbatim"] is True


def test_progress_is_a_table_of_46_columns():
    rows = (Row(name="gateway", text=("3 of 5 new pods ready",), progress=(3, 5)), Row(name="ml-recommendation", text=("waits for gateway",)))
    (text,) = texts(blocks(Card(headline=("x",), rows=rows), IDS.get))
    assert text == "x\n```\ngateway            ▓▓▓░░ 3 of 5 new pods ready\nml-recommendation  waits for gateway\n```"


def test_a_button_carries_its_request_and_dangerous_ones_say_what_they_will_do():
    approve, roll_back = buttons(blocks(Card(headline=("x",), actions=(APPROVE, ROLL_BACK)), IDS.get))
    assert json.loads(approve["value"]) == {"c": "approve", "a": {"operation": "op-142"}}
    assert (approve["action_id"], approve["style"], "confirm" in approve) == ("request:0", "primary", False)
    assert roll_back["confirm"]["text"]["text"] == "Roll back gateway v1.2.0 → v1.1.0 in prod"
    assert (roll_back["confirm"]["confirm"]["text"], roll_back["confirm"]["style"]) == ("Roll back", "danger")


def test_only_somebody_who_should_be_notified_is_mentioned():
    assert mrkdwn(Person(name="engineer")) == "@engineer"
    assert mrkdwn(Person(name="engineer", notify=True)) == "<@U0ENGINEER>"
    assert mrkdwn(Person(name="U012345", notify=True)) == "<@U012345>"
    assert mrkdwn(Person(name="nobody", notify=True)) == "@nobody"


@pytest.mark.parametrize(
    ("span", "text"),
    [
        ("<!channel> & <@U0ENGINEER>", "&lt;!channel&gt; &amp; &lt;@U0ENGINEER&gt;"),
        ("did you mean `v1.2.0`?", "did you mean `v1.2.0`?"),
        ("an odd ` one", "an odd ˋ one"),
        ("```fence", "ˋˋˋfence"),
        (Bold(text="a & b"), "*a &amp; b*"),
        (Bold(text="2 * 3"), "2 * 3"),
        (Bold(text=""), ""),
        (Code(text="echo `date`\nx"), "`echo ˋdateˋ x`"),
        (Time(at=AT, style="date"), "<!date^1772721120^{date_short_pretty} {time}|Thu 05 Mar 14:32 UTC>"),
        (Time(at=AT, style="ago"), "<!date^1772721120^{time} ({ago})|14:32 UTC>"),
        (Link(url="https://ci/?a=1&b=2|3", text="the <build>"), "<https://ci/?a=1&amp;b=2%7C3|the &lt;build&gt;>"),
        (Link(url="javascript:alert(1)", text="x"), "x (javascript:alert(1))"),
        (Link(url="https://x/ <!here>", text="x"), "x (https://x/ &lt;!here&gt;)"),
        (Channel(name="#devops"), "#devops"),
        (Channel(name="C0123456"), "<#C0123456>"),
        (Ref(key="op-142", text="op-142"), "op-142"),
    ],
)
def test_spans_as_mrkdwn(span, text):
    assert mrkdwn(span) == text


def test_a_long_line_is_cut_between_entities():
    assert mrkdwn("a" * 5, limit=4) == "aaa…"
    assert mrkdwn("&&&", limit=12) == "&amp;&amp;…"
    assert mrkdwn("ab", Link(url="https://example.com", text="a link"), limit=12) == "aba link (h…"
    assert mrkdwn("x" * 3000, "not shown") == "x" * 2999 + "…"


def test_preformatted_text_is_split_at_line_ends_and_cannot_leave_its_fence():
    assert fenced("one\ntwo\nthree", 16) == ["```\none\ntwo\n```", "```\nthree\n```"]
    assert fenced("a```b<c>", 100) == ["```\naˋˋˋb&lt;c&gt;\n```"]
    assert fenced("&&&", 18) == ["```\n&amp;&amp;\n```", "```\n&amp;\n```"]
    assert fenced("", 100) == ["```\n\n```"]


def test_what_does_not_fit_is_left_out_and_said_to_be():
    big = APPROVE.model_copy(update={"arguments": {"x": "y" * 2001}})
    message = blocks(Card(headline=("x",), actions=(APPROVE, big)), IDS.get)
    assert len(buttons(message)) == 1
    assert message[-1]["elements"][0]["text"] == "Left out, because it does not fit into one message: some of the buttons."
    long = thread_blocks(Card(headline=("x",), evidence=(Evidence(title="Log", text="a line\n" * 5000),)), IDS.get)
    assert sum(map(len, texts(long))) < 12_000
    assert "the rest of the text" in long[-1]["elements"][0]["text"]
    assert len(buttons(blocks(Card(headline=("x",), actions=(APPROVE,) * 130), IDS.get))) == 100


def test_an_empty_card_is_still_a_message():
    assert texts(blocks(Card(headline=()), IDS.get)) == ["–"]
    assert fallback(Card(headline=())) == "–"


def test_the_fallback_is_escaped():
    assert fallback(Card(headline=("<!here> & all",), state=State.FAILED)) == "❌ failed · &lt;!here&gt; &amp; all"


SYNTAX = re.compile(r"<[^>]*>")
KNOWN_SYNTAX = re.compile(r"<(@[UW][A-Z0-9]+|#[CG][A-Z0-9]+|!date\^\d+\^[^|]*\|[^|]*|(https?://|mailto:)[^|]*\|.*)>", re.DOTALL)


@settings(deadline=None, max_examples=200)
@given(cards)
def test_slack_accepts_any_card_and_nothing_in_it_becomes_markup_by_itself(card):
    for message in (blocks(card, IDS.get), thread_blocks(card, IDS.get)):
        check_message_blocks(message)
        assert sum(map(len, texts(message))) <= 10_000
        assert len({button["action_id"] for button in buttons(message)}) == len(buttons(message))
        for text in texts(message):
            assert all(KNOWN_SYNTAX.fullmatch(found) for found in SYNTAX.findall(text))
            assert re.search(r"&(?!(amp|lt|gt);)", text) is None
            assert text.count("```") % 2 == 0
    assert 0 < len(fallback(card)) <= 4000
