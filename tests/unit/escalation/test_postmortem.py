"""What is drafted from the log, and how it is read: pure."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bot.core.chart import Chart, Panel, Sample, Series
from escalation.incident import Incident, State, Suspect
from escalation.postmortem.document import Head, Review, Written, empty, markdown
from escalation.postmortem.draft import Change, Draft, Material, Part, Section, draft, times_of
from escalation.timeline import Entry

AT = datetime(2026, 3, 10, 23, 50, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def incident(**fields: Any) -> Incident:
    known = {"number": 42, "title": "error rate 12 %", "severity": "SEV1", "service": "gateway", "environment": "prod", "origin": "alert"}
    return Incident(**{**known, "opened_at": AT, "opened_by": "aiec", "active_at": AT, "state": State.RESOLVED, "resolved_at": AT + 25 * MINUTE, **fields})


def entry(minutes: float, kind: str, actor: str = "aiec", of: str = "", **data: Any) -> Entry:
    return Entry(at=AT + minutes * MINUTE, kind=kind, actor=actor, data=data, of=of)


STORY = (
    entry(0, "incident.opened", origin="alert", severity="SEV1", title="error rate 12 %"),
    entry(0, "page.requested", level=1, name="DevOps Engineer", people=["engineer"], round=1),
    entry(3, "incident.acknowledged", "engineer"),
    entry(5, "incident.note", "engineer", text="<!channel> *I* broke it\n# not a heading", link="https://chat.example/1"),
    entry(8, "incident.update", "engineer", text="we roll back"),
    entry(12, "incident.mitigated", "engineer"),
    entry(25, "incident.resolved", "engineer", text="rolled back"),
)


def made(*entries: Entry, **fields: Any) -> Draft:
    return draft(Material(incident=incident(), entries=entries or STORY, **fields))


def text(one: Draft, written: dict[Section, Written] | None = None, items: tuple[str, ...] = (), **head: Any) -> str:
    return markdown(one, written or {}, items, Head(**{"state": "drafted", "owner": "engineer", **head}))


def test_the_moments_that_count() -> None:
    times = times_of(Material(incident=incident(), entries=STORY, began_at=AT - 2 * MINUTE))
    assert (times.began, times.detected) == (AT - 2 * MINUTE, AT)
    assert (times.acknowledged, times.mitigated, times.resolved) == (AT + 3 * MINUTE, AT + 12 * MINUTE, AT + 25 * MINUTE)
    shown = text(made(began_at=AT - 2 * MINUTE))
    assert "| Detected | 10 Mar 23:50:00 | 2 min after it began |" in shown
    assert "| Acknowledged | 10 Mar 23:53:00 | 3 min after it was detected |" in shown


def test_words_of_people_are_quoted_and_marked_and_nothing_in_them_means_anything() -> None:
    shown = text(made())
    assert "- 23:55 ✎ note of engineer ([said here](https://chat.example/1))\n  > \\<!channel\\> \\*I\\* broke it\n  > # not a heading" in shown
    assert "- 23:58 ✎ public status of engineer\n  > we roll back" in shown


def test_a_link_that_is_none_is_left_out() -> None:
    shown = text(made(entry(1, "incident.note", "engineer", text="see", link="javascript:alert(1)")))
    assert "javascript" not in shown


def test_a_new_day_has_a_heading() -> None:
    shown = text(made())
    assert shown.index("### Tuesday 10 March 2026, UTC") < shown.index("### Wednesday 11 March 2026, UTC")


def test_what_it_says_itself_names_nobody() -> None:
    suspects = (Suspect(text="gateway v1.1.0 → v1.2.0 by senior (op-7)", at=AT - 6 * MINUTE, operation="op-7"),)
    one = draft(Material(incident=incident(suspects=suspects), entries=STORY, changes=(Change(at=AT, name="op-9", title="Roll back gateway", undid=True),)))
    said = " ".join(line for lines in one.said.values() for line in lines)
    assert "gateway v1.1.0 → v1.2.0 (op-7), 6 min before it was detected" in said
    assert "That it came before does not say that it was the cause." in said
    assert "op-9 took a change back" in said
    assert not {"engineer", "senior"} & {*said.replace(",", " ").split()}


def test_what_went_badly_is_what_the_log_saw() -> None:
    one = made(
        entry(0, "page.requested", level=1, name="DevOps Engineer", people=["engineer"]),
        entry(15, "level.skipped", level=2, name="Senior", because="nobody"),
        entry(15, "page.requested", level=3, name="Lead", people=["lead"]),
        entry(16, "page.failed", because="503"),
        entry(20, "incident.acknowledged", "lead"),
        entry(21, "incident.resolved", "lead"),
        entry(22, "incident.triggered", "lead", reopened=True),
        entry(30, "incident.resolved", "lead"),
        began_at=AT - 10 * MINUTE,
    )
    assert one.said[Section.BADLY] == (
        "It went on for 10 min before anybody was told.",
        "It took 2 rounds of paging until somebody answered, 20 min after it was detected.",
        "Nobody was on call at L2 (Senior) at 00:05 UTC.",
        "A page could not be delivered as it should at 00:06 UTC.",
        "It came back once after it had been called resolved.",
    )
    assert Section.WELL not in one.said
    assert one.times.resolved == AT + 30 * MINUTE


def test_an_incident_without_events() -> None:
    one = draft(Material(incident=incident(origin="person", service="", environment="", resolved_at=None, state=State.TRIGGERED)))
    assert [*one.said] == [Section.SUMMARY]
    assert "Nothing about it is in the log." in text(one)
    assert "| Acknowledged | not recorded |  |" in text(one)


def test_its_parts_are_named_and_told_and_count_for_nothing() -> None:
    parts = (Part(number=43, title="carts", opened_at=AT),)
    one = draft(Material(incident=incident(), entries=(entry(1, "incident.acknowledged", "lead", of="#43"), *STORY), parts=parts))
    assert "It includes #43 (carts), merged into it." in one.said[Section.SUMMARY]
    assert one.times.acknowledged == AT + 3 * MINUTE
    assert "- 23:51 #43: acknowledged by lead" in text(one)


def test_many_alerts_in_a_row_are_one_and_their_number() -> None:
    alerts = [entry(minute / 100, "alert.merged", alert=f"HighErrorRate{minute}") for minute in range(500)]
    shown = text(made(*alerts))
    assert shown.count("HighErrorRate") == 1
    assert "and 499 more of that kind" in shown


def test_sections_that_need_a_person_are_empty_and_say_what_belongs_there() -> None:
    one = made()
    assert empty(one, {}, ()) == (Section.IMPACT, Section.FACTORS, Section.BADLY, Section.LUCKY, Section.ACTIONS)
    written = {Section.IMPACT: Written(text="2,300 *checkouts*", by="engineer", at=AT)}
    assert empty(one, written, ("- [ ] act-1",)) == (Section.FACTORS, Section.BADLY, Section.LUCKY)
    shown = text(one, written, ("- [ ] act-1: alert",))
    assert "## Impact\n\n2,300 *checkouts*\n" in shown
    assert "## Action items\n\n- [ ] act-1: alert\n" in shown
    assert f"## Where we were lucky\n\n*Empty. {Section.LUCKY.prompt}*" in shown
    assert "draft, 3 of 7 sections are empty" in shown


def test_what_is_said_of_it_stands_above_and_below() -> None:
    head = {"state": "published", "published_at": AT, "anyway": "the team left", "reviews": (Review(by="lead", at=AT, remark="short"),)}
    shown = text(made(), **head)
    assert "published 10 March 2026" in shown
    assert "Published although sections are empty: the team left" in shown
    assert "- lead, 10 March 2026: short" in shown


def test_a_chart_is_told_in_words() -> None:
    panel = Panel(title="errors", unit="/s", series=(Series(samples=(Sample(at=AT, value=3),)),))
    chart = Chart(title="#42 gateway", start=AT, end=AT + MINUTE, panels=(panel,))
    shown = text(made().model_copy(update={"charts": (chart,)}))
    assert "## Figures: #42 gateway" in shown
    assert "errors" in shown


def test_the_same_events_make_the_same_draft_whatever_their_order() -> None:
    assert draft(Material(incident=incident(), entries=STORY)) == draft(Material(incident=incident(), entries=STORY))
    assert made().timeline == made(*sorted(STORY, key=lambda one: one.at)).timeline
