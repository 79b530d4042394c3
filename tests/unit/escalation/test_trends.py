"""The figures of a month from plain rows, and how they are shown."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest

from bot.core.text import words
from escalation.trends.card import as_csv, review
from escalation.trends.facts import PRIVATE, AlertFact, ChangeFact, Facts, IncidentFact, Month, Owed, PageFact, month_of
from escalation.trends.figures import change_in, dora, figures

NOVEMBER = Month(year=2026, month=11)
OCTOBER = Month(year=2026, month=10)
AFTER = datetime(2026, 12, 1, 9, tzinfo=UTC)


def at(day: int, hour: int = 12, minute: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def incident(number: int, opened: datetime, answered: int | None = 4, resolved: int | None = 60, **more: object) -> IncidentFact:
    minutes = {"answered": answered, "restored": resolved, "resolved": resolved}
    times = {name: opened + timedelta(minutes=value) if value is not None else None for name, value in minutes.items()}
    fields = {"severity": "SEV2", "service": "gateway", "cause": "HighErrorRate", "private": False, **times, **more}
    return IncidentFact(number=number, opened=opened, **fields)  # type: ignore[arg-type]


def deploy(name: str, ended: datetime, outcome: str = "done", command: str = "deploy", ready: datetime | None = None, *services: str) -> ChangeFact:
    asked, tried = ended - timedelta(minutes=10), ended - timedelta(minutes=3)
    return ChangeFact(name, command, "prod", frozenset(services or ("gateway",)), asked, tried, ended, outcome, ready)


def test_a_month_begins_and_ends_in_utc_and_knows_those_before() -> None:
    december = Month(year=2026, month=12)
    assert (december.start, december.end) == (datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert december.back(12) == Month(year=2025, month=12)
    assert month_of(datetime.fromisoformat("2026-11-30T23:30:00-03:00")) == december


def test_incidents_are_counted_by_severity_service_and_cause_in_the_month_that_they_were_opened_in() -> None:
    facts = Facts(
        incidents=(
            incident(1, at(31, month=10)),
            incident(2, at(1, 0)),
            incident(3, at(30, 23, 59), severity="SEV1", service=""),
            incident(4, at(1, 0, month=12)),
        )
    )
    found = figures(NOVEMBER, facts, AFTER)
    assert (found.incidents, found.by_severity, found.by_service) == (2, {"SEV1": 1, "SEV2": 1}, {"(no service)": 1, "gateway": 1})
    assert found.by_cause == {"HighErrorRate": 2}
    assert figures(OCTOBER, facts, AFTER).incidents == 1


def test_mtta_and_mttr_are_means_over_those_that_have_got_there() -> None:
    facts = Facts(incidents=(incident(1, at(2), 4, 60), incident(2, at(3), 8, None), incident(3, at(4), None, 30)))
    found = figures(NOVEMBER, facts, AFTER)
    assert (found.answered, found.mtta) == (2, timedelta(minutes=6))
    assert (found.resolved, found.mttr, found.open) == (2, timedelta(minutes=45), 1)
    assert figures(OCTOBER, facts, AFTER).mtta is None


def test_a_private_incident_is_counted_and_never_named() -> None:
    facts = Facts(incidents=(incident(1, at(2), private=True, service="vault", cause="LeakedKey"),))
    card = review(NOVEMBER, facts, AFTER)
    found = figures(NOVEMBER, facts, AFTER)
    assert (found.incidents, found.private, found.by_severity) == (1, 1, {"SEV2": 1})
    assert (found.by_service, found.by_cause) == ({PRIVATE: 1}, {PRIVATE: 1})
    assert "vault" not in card.model_dump_json() + as_csv(found, found, Owed()).text
    assert "LeakedKey" not in card.model_dump_json() + as_csv(found, found, Owed()).text


def test_pages_at_night_are_those_on_the_clock_of_whoever_is_paged() -> None:
    hours = {"engineer": (22, 3, 7), "senior": (21, 6)}
    pages = tuple(PageFact(name, at(5), hour) for name, several in hours.items() for hour in several)
    found = figures(NOVEMBER, Facts(pages=pages), AFTER)
    assert (found.pages, found.nights) == (5, {"engineer": 2, "senior": 1})


def test_an_alert_came_again_when_the_same_fingerprint_fired_twice_or_also_in_the_month_before() -> None:
    alerts = (AlertFact("A", "gateway", 1), AlertFact("A", "gateway", 1), AlertFact("B", "", 3), AlertFact("C", "redis", 1, before=2), AlertFact("D", "", 0, 5))
    found = figures(NOVEMBER, Facts(alerts=alerts), AFTER).repeats
    assert [(one.name, one.times, one.before) for one in found] == [("B", 3, 0), ("C", 1, 2)]


def test_dora_counts_deploys_that_ended_well_and_those_that_failed() -> None:
    changes = (
        deploy("op-1", at(2), ready=at(1)),
        deploy("op-2", at(3)),
        deploy("op-3", at(4), "rolled_back"),
        deploy("op-4", at(5), "cancelled"),
        deploy("op-5", at(6, month=10)),
    )
    found = dora(NOVEMBER, changes, (), NOVEMBER.end)
    assert (found.deploys, found.tried, found.failed) == (2, 3, 1)
    assert found.a_week == pytest.approx(2 / (30 / 7))
    assert found.lead == (timedelta(days=1) + timedelta(minutes=10)) / 2
    assert found.from_before == 1
    assert found.restore == timedelta(minutes=3)


def test_a_deploy_failed_that_a_rollback_of_its_service_follows_before_the_next_one() -> None:
    back = deploy("op-2", at(2, 13), command="rollback")
    assert dora(NOVEMBER, (deploy("op-1", at(2)), back), (), AFTER).restore == timedelta(hours=1)
    assert dora(NOVEMBER, (deploy("op-1", at(2)), deploy("op-3", at(2, 12, 30)), back), (), AFTER).failed == 1
    other = deploy("op-2", at(2, 13), "done", "rollback", None, "ml-recommendation")
    assert dora(NOVEMBER, (deploy("op-1", at(2)), other), (), AFTER).failed == 0


def test_a_deploy_failed_that_an_incident_suspects_first_until_that_was_well() -> None:
    suspected = incident(1, at(2, 12, 5), resolved=25, suspects="op-1")
    found = dora(NOVEMBER, (deploy("op-1", at(2)), deploy("op-2", at(3))), (suspected,), AFTER)
    assert (found.failed, found.failure_rate, found.restore) == (1, 50, timedelta(minutes=25))


@pytest.mark.parametrize(("now", "before", "said"), [(12, 9, "+33%"), (9, 12, "-25%"), (3, 3, "same"), (0, 0, ""), (2, 0, "new"), (None, 2, ""), (2, None, "")])
def test_a_change_is_said_in_percent_where_it_can_be(now: float | None, before: float | None, said: str) -> None:
    assert change_in(now, before) == said


def test_an_empty_month_says_so_and_the_current_one_until_when() -> None:
    assert words(review(NOVEMBER, Facts(), AFTER).headline) == "Review of November 2026: nothing happened"
    assert review(NOVEMBER, Facts(), AFTER).evidence == ()
    assert words(review(NOVEMBER, Facts(), at(26, 14)).headline) == "Review of November 2026 until Thu 26 Nov 14:00 UTC: nothing has happened so far"
    some = Facts(incidents=(incident(1, at(2)), incident(2, at(2, month=10))))
    assert words(review(NOVEMBER, some, at(26, 14)).headline) == "Review of November 2026 until Thu 26 Nov 14:00 UTC: 1 incident (1 in October 2026)"


def full() -> Facts:
    incidents = tuple(
        incident(n, at(1 + n % 27, month=10 + n % 2), 4 + n, 700 * n, service=f"service-with-a-long-name-{n % 12}", cause=f"Alert{n % 11}") for n in range(40)
    )
    pages = tuple(PageFact(name, at(5), 3) for name in ("engineer", "somebody.with.a.very.long.name"))
    return Facts(incidents, pages, tuple(AlertFact(f"Alert{n}", "gateway", n) for n in range(12)), (deploy("op-1", at(2)),), known=at(20, month=10))


def test_tables_fit_46_columns_and_say_what_they_leave_out() -> None:
    card = review(NOVEMBER, full(), AFTER)
    lines = [line for one in card.evidence for line in one.text.splitlines()]
    assert max(map(len, lines)) <= 46
    assert len(card.evidence) == 6
    text = "\n".join(lines)
    assert "and 2 others" in text
    assert "all                       20         20   same" in text
    assert "1 from the request" in text
    assert "the event log begins there" in words(card.lines[-1])


def test_the_chart_shows_six_months_and_stands_in_words_by_days() -> None:
    chart = review(NOVEMBER, full(), AFTER).chart
    assert chart is not None
    assert (chart.title, chart.start) == ("6 months up to November 2026", datetime(2026, 6, 1, tzinfo=UTC))
    assert [sample.value for sample in chart.panels[0].series[0].samples] == [0, 0, 0, 0, 20, 20]
    assert [(panel.title, panel.unit) for panel in chart.panels[1:]] == [("Time to answer, mean", "min"), ("Time to resolve, mean", "min")]


def test_where_no_incident_was_there_is_no_chart() -> None:
    card = review(NOVEMBER, Facts(changes=(deploy("op-1", at(3)),)), AFTER)
    assert "1 deploy to production" in words(card.lines[0])
    assert card.chart is None


def test_the_file_has_every_figure_and_no_formula() -> None:
    facts = Facts(incidents=(incident(1, at(2), cause="=HYPERLINK(1)"),), pages=(PageFact("engineer", at(5), 3),), changes=(deploy("op-1", at(2)),))
    found = as_csv(figures(NOVEMBER, facts, AFTER), figures(OCTOBER, facts, AFTER), Owed((), ("#1",)))
    rows = [*csv.DictReader(io.StringIO(found.text))]
    assert found.name == "aiec-trends-2026-11.csv"
    said = {(row["figure"], row["of"]): row["value"] for row in rows}
    assert said["MTTA", ""] == "240"
    assert said["incidents by cause", "'=HYPERLINK(1)"] == "1"
    assert said["pages at night", "engineer"] == "1"
    assert (said["deploys", ""], said["lead time", ""]) == ("1", "600")
    assert (said["overdue action items", ""], said["late post-mortems", ""]) == ("0", "1")
    assert {row["month"] for row in rows} == {"2026-11"}


def test_what_is_owed_is_named_as_far_as_it_fits() -> None:
    owed = Owed(actions=tuple(f"act-{number} raise the pool (engineer)" for number in range(1, 11)), postmortems=("#4 (lead)",))
    said = [words(one) for one in review(NOVEMBER, Facts(owed=owed), AFTER).lines]
    assert said[0].startswith("10 action items are overdue: act-1 raise the pool (engineer); act-2")
    assert said[0].endswith("act-8 raise the pool (engineer) and 2 more")
    assert said[1] == "1 post-mortem is late: #4 (lead)"
