"""Action items: how they are said, when they are due, how they are shown, and which of them should have prevented an alert. Pure."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.text import words
from escalation.actions.item import SHOWN, Fired, Item, State, card, digest, moment, preventing, reminder, row, split_owner
from escalation.reminders import Reminder

NOW = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)


def item(number: int = 7, *, due: timedelta = timedelta(days=1), alerts: tuple[str, ...] = (), **more: object) -> Item:
    return Item.model_validate(
        {
            "number": number,
            "incident": 42,
            "text": "raise the pool",
            "owner": "engineer",
            "since": NOW - timedelta(days=30),
            "due": NOW + due,
            "alerts": alerts,
            **more,
        }
    )


@pytest.mark.parametrize(
    ("said", "text", "owner"),
    [
        ('"raise the pool" @engineer', "raise the pool", "engineer"),
        ("raise the pool @engineer", "raise the pool", "engineer"),
        ("“raise the pool”  @U0ENGINEER ", "raise the pool", "U0ENGINEER"),
        ("raise the pool", "raise the pool", None),
        ('alert on "queue too long"', 'alert on "queue too long"', None),
        ("ask @vendor for a limit", "ask @vendor for a limit", None),
        ("write to ops@example.com", "write to ops@example.com", None),
        ("raise\nthe   pool @lead", "raise the pool", "lead"),
        ("@engineer", "", "engineer"),
        ('""', "", None),
    ],
)
def test_what_is_to_be_done_and_by_whom(said: str, text: str, owner: str | None) -> None:
    assert split_owner(said) == (text, owner)


@given(st.text())
def test_any_text_is_understood(said: str) -> None:
    text, owner = split_owner(said)
    assert text == " ".join(text.split())
    assert owner is None or f"@{owner}" in said


@pytest.mark.parametrize(
    ("said", "due"),
    [
        ("7d", NOW + timedelta(days=7)),
        ("2026-12-10", datetime(2026, 12, 10, 23, 59, tzinfo=UTC)),
        ("2026-12-10T18:00", datetime(2026, 12, 10, 18, 0, tzinfo=UTC)),
        (" 2026-12-10T18:00+02:00 ", datetime(2026, 12, 10, 16, 0, tzinfo=UTC)),
    ],
)
def test_when_it_is_due(said: str, due: datetime) -> None:
    assert moment(said, NOW) == due


@pytest.mark.parametrize("said", ["", "soon", "2026-13-01", "10.12.2026"])
def test_what_is_no_day(said: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        moment(said, NOW)


def fired(fingerprint: str, name: str = "HighErrorRate", service: str = "gateway", at: datetime = NOW) -> Fired:
    return Fired(fingerprint=fingerprint, name=name, service=service, at=at)


def test_of_items_that_should_have_prevented_an_alert_the_very_same_alert_goes_first() -> None:
    alike = item(1, due=timedelta(days=-9), alerts=fired("f1").marks())
    same = item(2, due=timedelta(days=-2), alerts=fired("f2").marks())
    other = item(3, due=timedelta(days=-9), alerts=(*fired("f3", "QueueGrowing").marks(), *fired("f4", "", "").marks()))
    items = [alike, same, other]
    assert preventing(items, [fired("f2")], NOW) == same
    assert preventing(items, [fired("new")], NOW) == alike
    assert preventing(items, [fired("new", service="payments")], NOW) is None
    assert preventing(items, [fired("new", "", "")], NOW) is None


def test_only_what_is_overdue_should_have_prevented_it() -> None:
    alert = fired("f1")
    assert preventing([item(due=timedelta(minutes=1), alerts=alert.marks())], [alert], NOW) is None
    assert preventing([item(due=timedelta(0), alerts=alert.marks())], [alert], NOW) is not None
    assert preventing([item(due=timedelta(days=-1), alerts=alert.marks(), state=State.DONE)], [alert], NOW) is None


def test_what_fired_before_the_item_was_there_has_not_come_back() -> None:
    overdue = item(due=timedelta(days=-1), alerts=fired("f1").marks())
    assert preventing([overdue], [fired("f1", at=overdue.since)], NOW) is None
    assert preventing([overdue], [fired("f1", at=overdue.since + timedelta(seconds=1))], NOW) == overdue


def reminded(to: str, *, why: str = "", late: timedelta | None = None) -> list[str]:
    one = Reminder(when="after", due=NOW - timedelta(days=2), planned=NOW, late=late, lead=True)
    return [words(each) for each in reminder(item(due=timedelta(days=-2)), one, NOW, to, why).lines]


def test_a_reminder_says_why_it_is_whose_and_how_late() -> None:
    assert len(reminded("engineer")) == 1
    assert reminded("lead")[1:] == ["@engineer was reminded, too"]
    assert reminded("lead", why="engineer is gone")[1:] == ["It comes to you because engineer is gone: give it to somebody"]
    assert "This reminder is 5 h late" in reminded("engineer", late=timedelta(hours=5))[1]


def test_its_buttons_go_when_it_is_over() -> None:
    assert [one.label for one in card(item()).actions] == ["Done", "Assign to…", "Later"]
    done = card(item(state=State.DROPPED, ended_by="lead", ended_at=NOW, because="the queue is gone"))
    assert done.actions == ()
    assert words(done.lines[1]) == "dropped by @lead, Mon 23 Nov 14:00 UTC: the queue is gone"


def test_a_row_says_how_late_it_is() -> None:
    assert "2 d overdue" in words(row(item(due=timedelta(days=-2)), NOW).text)
    assert "due in 1 d" in words(row(item(), NOW).text)
    assert "issue 12" in words(row(item(url="https://github.com/acme/shop/issues/12"), NOW).text)


def test_the_digest_has_what_is_due_first_at_its_top_and_says_how_many_more_there_are() -> None:
    shown = digest([item(number, due=timedelta(days=9 - number)) for number in range(1, SHOWN + 4)], NOW)
    assert words(shown.headline) == "18 action items open, 10 of them overdue"
    assert [one.name for one in shown.rows][:2] == ["act-18", "act-17"]
    assert len(shown.rows) == SHOWN
    assert words(shown.lines[0]) == "and 3 more: `/aiec action list` has them all"
    assert words(digest([item()], NOW).headline) == "1 action item open, none of them overdue"
