"""When people are reminded, and who: a pure rule."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.core.config import Config
from escalation.reminders import LATE_AFTER, Reminder, absent, lead, next_reminder, recipients, reminder, standing

DUE = datetime(2026, 3, 10, 12, tzinfo=UTC)
DRAFTED = DUE - timedelta(hours=48)
BEFORE = (timedelta(hours=24), timedelta(hours=4), timedelta())
HOUR = timedelta(hours=1)


def at(hours: float, since: datetime = DRAFTED) -> Reminder | None:
    return reminder(DUE, BEFORE, since, DUE + hours * HOUR)


def found(one: Reminder | None) -> Reminder:
    assert one is not None
    return one


def test_nothing_is_said_before_the_first_moment() -> None:
    assert at(-47) is None
    assert at(-24.01) is None
    assert next_reminder(DUE, BEFORE, DRAFTED) == DUE - 24 * HOUR


def test_each_moment_has_its_own() -> None:
    assert found(at(-24)).when == "before"
    assert at(-23, since=DUE - 24 * HOUR) is None
    assert found(at(-4, since=DUE - 24 * HOUR)).when == "before"
    assert found(at(0, since=DUE - 4 * HOUR)).when == "at"
    assert found(at(24, since=DUE)).when == "after"


def test_what_was_missed_is_one_late_reminder_that_says_what_is_true_now() -> None:
    one = found(at(5))
    assert (one.when, one.planned, one.late, one.lead) == ("after", DUE, 5 * HOUR, False)
    assert at(5, since=DUE + 5 * HOUR) is None
    assert found(at(-3)).late == HOUR


def test_the_lead_is_told_after_two_days_and_then_weekly() -> None:
    assert not found(at(24, since=DUE)).lead
    assert found(at(48, since=DUE + 24 * HOUR)).lead
    assert next_reminder(DUE, BEFORE, DUE + timedelta(days=6)) == DUE + timedelta(days=7)
    assert next_reminder(DUE, BEFORE, DUE + timedelta(days=7)) == DUE + timedelta(days=14)


def test_what_was_drafted_after_a_moment_is_not_late_for_it() -> None:
    assert at(-3, since=DUE - 4 * HOUR) is None


def test_how_it_stands() -> None:
    assert standing(DUE, DUE - 4 * HOUR) == "due in 4 h"
    assert standing(DUE, DUE + timedelta(seconds=30)) == "due now"
    assert standing(DUE, DUE + timedelta(days=2)) == "2 d overdue"


def test_who_gets_it() -> None:
    config = _config()
    assert lead(config) == "lead"
    ordinary, much_later = found(at(0, since=DUE - HOUR)), found(at(48, since=DUE))
    assert recipients(config, "engineer", ordinary) == ("engineer",)
    assert recipients(config, "engineer", much_later) == ("engineer", "lead")
    assert recipients(config, "lead", much_later) == ("lead",)
    assert recipients(config, None, ordinary) == ("lead",)
    assert recipients(config, "somebody-who-left", ordinary) == ("lead",)
    assert recipients(config, "U0SLACKONLY", much_later) == ("U0SLACKONLY", "lead")
    assert recipients(config, "phoneonly", ordinary) == ("lead",)
    assert recipients(config, "engineer", ordinary, {"engineer"}) == ("lead",)


def test_why_somebody_cannot_be_told() -> None:
    config = _config()
    assert [absent(config, name) for name in ("engineer", "U0SLACKONLY")] == ["", ""]
    assert absent(config, None) == "nobody has it"
    assert absent(config, "left") == "left is not in aiec.yaml any more"
    assert absent(config, "phoneonly") == "phoneonly has no Slack account in aiec.yaml"
    assert absent(config, "engineer", {"engineer"}) == "the Slack account of engineer is deactivated"


def test_who_the_lead_is() -> None:
    levels = [{"name": "one", "answer_within": "15m", "people": ["engineer"]}, {"name": "two", "answer_within": "15m", "people": ["cto"]}]
    people: dict[str, object] = {"engineer": {}, "cto": {}}
    assert lead(_config(people=people, escalation={"policies": {"default": {"levels": levels}}})) == "cto"
    assert lead(_config(postmortem={"lead": "engineer"})) == "engineer"
    assert lead(_config(people={})) is None
    assert recipients(_config(people={}), None, found(at(0))) == ()


def _config(**more: object) -> Config:
    env = {"namespace": "shop", "channel": "#devops", "approvals": 0}
    channels = {"incidents": "#incidents", "alerts": "#alerts", "digest": "#alerts"}
    document = {
        "platform": "shop",
        "environments": {"prod": env},
        "services": {},
        "channels": channels,
        "people": {"engineer": {"slack": "U0E"}, "lead": {"slack": "U0L"}, "phoneonly": {}},
    }
    return Config.model_validate(document | more)


offsets = st.lists(st.integers(0, 200).map(lambda hours: hours * HOUR), max_size=5)
jumps = st.lists(st.integers(1, 400).map(lambda quarters: quarters * HOUR / 4), min_size=1, max_size=60)


@given(offsets, jumps)
def test_whenever_one_looks_one_reminder_goes_out_at_most_and_none_is_left_behind(before: list[timedelta], steps: list[timedelta]) -> None:
    since, now, sent = DRAFTED, DRAFTED, 0
    for step in steps:
        now += step
        one = reminder(DUE, before, since, now)
        expected = next_reminder(DUE, before, since) <= now
        assert (one is not None) == expected
        if one is not None:
            assert since < one.planned <= now
            assert (one.late is not None) == (now - one.planned > LATE_AFTER)
            assert (one.when == "before") == (now < DUE)
            since, sent = now, sent + 1
            assert reminder(DUE, before, since, now) is None
    if now >= DUE + timedelta(days=8):
        assert sent


@given(offsets, st.integers(-500, 5000))
def test_there_always_is_a_next_one(before: list[timedelta], hours: int) -> None:
    since = DUE + hours * HOUR
    upcoming = next_reminder(DUE, before, since)
    assert since < upcoming <= max(since, DUE) + timedelta(days=7)
