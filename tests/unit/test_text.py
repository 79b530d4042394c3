from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings

from bot.core.card import Bold, Card, Channel, CheckResult, Code, Evidence, Link, Person, Row, State, Time, Verdict
from bot.core.text import check_lines, columns, duration, plain, printable, summary, table, words, wrap
from tests.unit.card_strategies import cards

AT = datetime(2026, 3, 5, 14, 32, tzinfo=UTC)
SAO_PAULO = ZoneInfo("America/Sao_Paulo")

WAITING = Card(
    state=State.WAITING,
    headline=(Bold(text="Deploy v1.2.0 to prod"), " · asked by ", Person(name="engineer"), " · until ", Time(at=AT)),
    lines=((Bold(text="Try"), ": ", Code(text="approve op-142")),),
    rows=(Row(name="gateway", text=("3 of 5 new pods ready",), progress=(3, 5)), Row(name="ml-recommendation", text=("waits for gateway",))),
    checks=(
        CheckResult(check="images", verdict=Verdict.PASSED, text="images found, pinned"),
        CheckResult(check="window", verdict=Verdict.WAIVED, text="outside of the change window"),
        CheckResult(check="freeze", verdict=Verdict.BLOCKED, text="frozen until Monday", hint="ask @lead"),
    ),
    evidence=(Evidence(title="Last lines of gateway-7", text="Traceback:\n\tKeyError: 'PAYMENTS_URL'\n"),),
)


def test_a_card_in_a_terminal_reads_from_the_most_important_to_the_details():
    assert plain(WAITING, 100, UTC, colour=False) == [
        "⏸ waiting · Deploy v1.2.0 to prod · asked by @engineer · until 14:32 UTC",
        "Try: `approve op-142`",
        "gateway            ▓▓▓▓▓▓░░░░ 3 of 5 new pods ready",
        "ml-recommendation  waits for gateway",
        "❌ frozen until Monday → ask @lead",
        "✅ images found, pinned · ⚠️ outside of the change window (waived)",
        "",
        "Last lines of gateway-7",
        "  Traceback:",
        "      KeyError: 'PAYMENTS_URL'",
    ]


def test_a_command_is_offered_as_the_terminal_wants_it():
    offered = Card(
        headline=("*prd* is not an environment; ", Code(text="/aiec help"), " says more"),
        lines=(('Usage: `/aiec deploy <env> <version>`, for example `/aiec deploy prod v1.2.0 --emergency "why"`',), (Code(text="/aiec"), " or `status`")),
        rows=(Row(name="op-3", text=(Code(text="/aiec show op-3"),)),),
        checks=(CheckResult(check="lock", verdict=Verdict.BLOCKED, text="lead holds prod", hint="`/aiec unlock prod` frees it"),),
    )
    assert plain(offered, 200, UTC, colour=False) == [
        '*prd* is not an environment; `aiec exec "help"` says more',
        'Usage: `aiec exec "deploy <env> <version>"`, for example `aiec exec \'deploy prod v1.2.0 --emergency "why"\'`',
        "`aiec exec` or `status`",
        'op-3  `aiec exec "show op-3"`',
        '❌ lead holds prod → `aiec exec "unlock prod"` frees it',
    ]


def test_the_summary_is_one_line_with_the_state_in_words():
    assert summary(WAITING) == "⏸ waiting · Deploy v1.2.0 to prod · asked by @engineer · until 14:32 UTC"
    assert summary(Card(headline=("a\nb " * 500,))).endswith("…")
    assert len(summary(Card(headline=("ab " * 500,)))) == 300


def test_rows_fit_a_phone_by_a_shorter_bar_and_by_continuing_below():
    rows = (*WAITING.rows, Row(name="a-service-with-a-very-long-name", text=("new pods crash at start (CrashLoopBackOff, exit 1)",)))
    assert table(rows, 46) == [
        "gateway                ▓▓▓░░ 3 of 5 new pods",
        "                       ready",
        "ml-recommendation      waits for gateway",
        "a-service-with-a-ver…  new pods crash at start",
        "                       (CrashLoopBackOff, exit",
        "                       1)",
    ]
    assert table(WAITING.rows, 46)[0] == "gateway            ▓▓▓░░ 3 of 5 new pods ready"


@pytest.mark.parametrize(
    ("progress", "bar"), [((0, 5), "░░░░░░░░░░"), ((5, 5), "▓▓▓▓▓▓▓▓▓▓"), ((7, 5), "▓▓▓▓▓▓▓▓▓▓"), ((0, 0), "░░░░░░░░░░"), ((1, 300), "░░░░░░░░░░")]
)
def test_a_bar_is_full_only_when_all_is_done(progress, bar):
    assert table((Row(name="gateway", text=(), progress=progress),), 80) == [f"gateway  {bar}"]


def test_times_are_said_in_the_readers_zone_and_relative_only_where_that_was_asked():
    assert words((Time(at=AT),), SAO_PAULO) == "11:32"
    assert words((Time(at=AT, style="date"),)) == "Thu 05 Mar 14:32 UTC"
    assert words((Time(at=AT, style="ago"),), SAO_PAULO, AT + timedelta(minutes=3)) == "11:32 (3 min ago)"
    assert words((Time(at=AT, style="ago"),), SAO_PAULO, AT - timedelta(hours=2, minutes=5)) == "11:32 (in 2 h 5 min)"
    assert words((Time(at=AT, style="ago"),)) == "14:32 UTC"


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(), "0 s"),
        (timedelta(seconds=40.9), "40 s"),
        (timedelta(seconds=72), "1 min 12 s"),
        (timedelta(hours=2), "2 h"),
        (timedelta(hours=2, seconds=5), "2 h"),
        (timedelta(days=3, hours=4, minutes=5), "3 d 4 h"),
        (timedelta(seconds=-90), "1 min 30 s"),
    ],
)
def test_lengths_of_time_have_two_units_at_most(length, text):
    assert duration(length) == text


def test_links_and_channels_are_readable_without_a_mouse():
    line = (Link(url="https://ci/1", text="the build"), " ", Link(url="https://ci/2", text="https://ci/2"), " ", Channel(name="#devops"), Channel(name="x"))
    assert words(line) == "the build (https://ci/1) https://ci/2 #devops#x"


def test_what_a_program_logged_cannot_drive_the_terminal_or_reorder_the_line():
    assert printable("\x1b[31mred\x1b[0m \x1b]0;title\x07bell\x07 a\u202eb \x9b2J\r\nend\x00") == "red bell ab 2J\nend"


def test_colour_is_closed_on_every_line():
    lines = plain(Card(state=State.FAILED, headline=(Bold(text="a long bold headline that is broken"),), lines=((Code(text="x y"),),)), 20, UTC, colour=True)
    assert len(lines) == 4
    assert all(line.count("\x1b[") == 2 * line.count("\x1b[0m") for line in lines)
    assert lines[-1] == "\x1b[36mx\x1b[0m \x1b[36my\x1b[0m"


def test_a_check_without_a_text_says_its_name():
    assert check_lines((CheckResult(check="quota", verdict=Verdict.PASSED, text=""),)) == ["✅ quota"]
    assert check_lines(()) == []


def test_long_words_are_broken_and_wide_characters_take_two_columns():
    assert wrap("a bcdefgh", 4) == ["a", "bcde", "fgh"]
    assert wrap("日本語", 4) == ["日本", "語"]
    assert wrap("", 4) == [""]
    assert columns("日本") == 4
    assert columns("e\u0301") == 1


@settings(deadline=None)
@given(cards)
def test_any_card_fits_the_terminal_and_holds_no_control_characters(card):
    without_evidence = card.model_copy(update={"evidence": ()})
    for line in plain(without_evidence, 46, UTC, colour=False):
        assert columns(line) <= 46
    assert all(printable(line) == line and "\n" not in line for line in plain(card, 46, UTC, colour=False))
    assert "\n" not in summary(card)
