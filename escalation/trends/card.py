"""A month's figures as people read them: a few lines, tables of 46 columns, a chart of the months before, and a file for spreadsheets. Pure."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from bot.core.card import Attachment, Bold, Card, Evidence, Line, Time, line
from bot.core.chart import Chart, Panel, Sample, Series
from bot.core.text import cut, duration, printable
from escalation.trends.facts import MONTHS, Facts, Month, Owed
from escalation.trends.figures import NIGHT_FROM, NIGHT_UNTIL, Dora, Figures, change_in, figures

SHOWN = 8
"""How many rows of a table are shown; the file has them all."""
LATE = timedelta(hours=1)
"""How much later than planned a review may come without saying so."""
TIMES, COUNTS = (16, 12, 11, 7), (24, 8, 7, 7)
"""The columns of tables in which there are lengths of time, and of those that only count."""
_SEVERITIES = 5


def review(month: Month, facts: Facts, now: datetime) -> Card:
    """Returns the whole review of a month: headline, lines, tables and chart."""
    now_, before = figures(month, facts, now), figures(month.back(), facts, now)
    head = headline(now_, before)
    if now_.empty:
        return Card(headline=head, lines=(*_since(facts, month.start), *_owed_lines(facts.owed)))
    lines = (*summary(now_, before), *_since(facts, month.back().start), *_owed_lines(facts.owed))
    return Card(headline=head, lines=lines, evidence=tables(now_, before), chart=chart(month, facts, now))


def headline(month: Figures, before: Figures) -> Line:
    name = line(Bold(text=f"Review of {month.month.title}"))
    until = () if month.over else line(" until ", Time(at=month.until, style="date"))
    if month.empty:
        return (*name, *until, ": nothing happened" if month.over else ": nothing has happened so far")
    was = f" ({before.incidents} in {before.month.title})" if before.incidents else ""
    return (*name, *until, f": {_many(month.incidents, 'incident')}{was}")


def summary(month: Figures, before: Figures) -> tuple[Line, ...]:
    """Returns what matters most, a line each."""
    found = []
    if month.incidents:
        answered = f"Answered after {duration(month.mtta)}{_was(before.mtta)}" if month.mtta is not None else "None was answered"
        resolved = f"resolved after {duration(month.mttr)}{_was(before.mttr)}" if month.mttr is not None else "none is resolved"
        found.append(line(f"{answered}, {resolved}{f' · {month.open} still open' if month.open else ''}"))
    if month.dora.tried:
        failed = f", {month.dora.failed} failed" if month.dora.failed else ", none failed"
        found.append(line(f"{_many(month.dora.tried, 'deploy')} to production{failed}"))
    if nights := sum(month.nights.values()):
        found.append(line(f"{_many(nights, 'page')} at night ({NIGHT_FROM}:00 to {NIGHT_UNTIL:02}:00 on the clock of whoever was paged)"))
    if month.repeats:
        first = month.repeats[0]
        found.append(line(f"{_many(len(month.repeats), 'alert')} came again, most of all {printable(first.name)} ({first.times} times)"))
    return tuple(found)


def tables(month: Figures, before: Figures) -> tuple[Evidence, ...]:
    """Returns the figures beside those of the month before, in fixed width."""
    head = ("", f"{month.month.start:%b}", f"{before.month.start:%b}", "change")
    incidents = [head, *_incident_rows(month, before), *_rows(month.by_severity, before.by_severity)]
    found = [Evidence(title="Incidents", text=_table(incidents, TIMES))]
    for title, here, then in (("By service", month.by_service, before.by_service), ("By cause", month.by_cause, before.by_cause)):
        if here:
            found.append(Evidence(title=title, text=_table([head, *_rows(here, then)], COUNTS)))
    if month.pages or before.pages:
        people = sorted({*month.nights, *before.nights}, key=lambda name: (-month.nights.get(name, 0), name))
        rows = [("all pages", month.pages, before.pages), *((f"night {name}", month.nights.get(name, 0), before.nights.get(name, 0)) for name in people)]
        found.append(Evidence(title="Pages", text=_table([head, *(_count_row(*row) for row in rows[: SHOWN + 1])], COUNTS)))
    if month.repeats:
        said = [_count_row(f"{one.name} {one.service}".strip(), one.times, one.before) for one in month.repeats[:SHOWN]]
        found.append(Evidence(title="Alerts that came again", text=_table([head, *said], COUNTS) + _more(len(month.repeats))))
    found.append(Evidence(title="Deploys to production (DORA)", text=_table([head, *_dora_rows(month.dora, before.dora)], TIMES) + _measured(month.dora)))
    return tuple(found)


def _incident_rows(month: Figures, before: Figures) -> Iterator[tuple[str, ...]]:
    yield _count_row("all", month.incidents, before.incidents)
    yield _time_row("MTTA", month.mtta, before.mtta)
    yield _time_row("MTTR", month.mttr, before.mttr)


def _dora_rows(month: Dora, before: Dora) -> Iterator[tuple[str, ...]]:
    yield _count_row("deploys", month.deploys, before.deploys)
    yield ("a week", f"{month.a_week:.1f}", f"{before.a_week:.1f}", change_in(month.a_week, before.a_week))
    yield _time_row("lead time", month.lead, before.lead)
    yield ("failure rate", _percent(month.failure_rate), _percent(before.failure_rate), change_in(month.failure_rate, before.failure_rate))
    yield _time_row("time to restore", month.restore, before.restore)


def _measured(month: Dora) -> str:
    if not month.deploys:
        return ""
    asked = month.deploys - month.from_before
    parts = [f"{month.from_before} from healthy in the stage before"] if month.from_before else []
    parts += [f"{asked} from the request"] if asked else []
    return f"\nLead time to healthy in production:\n  {', '.join(parts)}"


def _rows(here: Mapping[str, int], before: Mapping[str, int]) -> list[tuple[str, ...]]:
    """Returns the most frequent, and what is left as one row."""
    names = [*here]
    shown = [_count_row(name, here[name], before.get(name, 0)) for name in names[:SHOWN]]
    rest = names[SHOWN:]
    return [*shown, *([_count_row(f"{len(rest)} others", sum(here[name] for name in rest), sum(before.get(name, 0) for name in rest))] if rest else [])]


def _count_row(name: str, here: int, before: int) -> tuple[str, ...]:
    return (name, str(here), str(before), change_in(here, before))


def _time_row(name: str, here: timedelta | None, before: timedelta | None) -> tuple[str, ...]:
    seconds = [one.total_seconds() if one is not None else None for one in (here, before)]
    return (name, _time(here), _time(before), change_in(*seconds))


def _table(rows: Iterable[Sequence[str]], widths: tuple[int, int, int, int]) -> str:
    """Returns rows in columns, the first at the left, the numbers at the right."""
    lines = []
    for name, *cells in rows:
        first = cut(" ".join(printable(name).split()), widths[0]).ljust(widths[0])
        lines.append((first + "".join(cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))).rstrip())
    return "\n".join(lines)


def _more(count: int) -> str:
    return f"\nand {count - SHOWN} others" if count > SHOWN else ""


def _time(length: timedelta | None) -> str:
    return duration(length) if length is not None else "–"


def _was(length: timedelta | None) -> str:
    return f" ({duration(length)} the month before)" if length is not None else ""


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f} %"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _since(facts: Facts, start: datetime) -> list[Line]:
    """Says where the log does not go back to that moment."""
    if facts.known is None or facts.known <= start:
        return []
    return [line("Pages, alerts and deploys are known from ", Time(at=facts.known, style="date"), " on: the event log begins there")]


def _owed_lines(owed: Owed) -> list[Line]:
    found = []
    for what, names in (("action item is overdue", owed.actions), ("post-mortem is late", owed.postmortems)):
        if names:
            said = what if len(names) == 1 else what.replace(" is", "s are", 1)
            more = f" and {len(names) - SHOWN} more" if names[SHOWN:] else ""
            found.append(line(f"{len(names)} {said}: {'; '.join(map(printable, names[:SHOWN]))}{more}"))
    return found


def chart(month: Month, facts: Facts, now: datetime) -> Chart | None:
    """Returns incidents by severity, and how long they took, of the last months up to this one; None where there were none."""
    months = [month.back(count) for count in reversed(range(MONTHS))]
    each = [figures(one, facts, now) for one in months]
    severities = sorted({severity for one in each for severity in one.by_severity})[:_SEVERITIES]
    counts = tuple(
        Series(name=severity, samples=tuple(Sample(at=one.month.start, value=one.by_severity.get(severity, 0)) for one in each)) for severity in severities
    )
    panels = [Panel(title="Incidents a month", series=counts)] if counts else []
    for title, name in (("Time to answer, mean", "mtta"), ("Time to resolve, mean", "mttr")):
        if samples := _minutes(each, name):
            panels.append(Panel(title=title, unit="min", series=(Series(samples=samples),)))
    if not panels:
        return None
    return Chart(title=f"{MONTHS} months up to {month.title}", start=months[0].start, end=month.start + timedelta(days=1), panels=tuple(panels))


def _minutes(each: Sequence[Figures], name: str) -> tuple[Sample, ...]:
    found = ((one.month.start, getattr(one, name)) for one in each)
    return tuple(Sample(at=at, value=length.total_seconds() / 60) for at, length in found if length is not None)


def as_csv(month: Figures, before: Figures, owed: Owed) -> Attachment:
    """Returns all figures as a table for spreadsheets: figure, of what, value, unit, the month before."""
    out = io.StringIO()
    sheet = csv.writer(out, lineterminator="\n")
    sheet.writerow(["month", "figure", "of", "value", "unit", "month_before"])
    late = (("overdue action items", "", len(owed.actions), "", ""), ("late post-mortems", "", len(owed.postmortems), "", ""))
    for figure, of, value, unit, was in (*_cells(month, before), *late):
        sheet.writerow([month.month.name, figure, _harmless(of), value, unit, was])
    return Attachment(name=f"aiec-trends-{month.month.name}.csv", text=out.getvalue())


def _harmless(text: str) -> str:
    """A spreadsheet would take what begins so for a formula."""
    said = " ".join(printable(text).split())
    return f"'{said}" if said[:1] in ("=", "+", "-", "@") else said


def _cells(month: Figures, before: Figures) -> Iterator[tuple[str, str, object, str, object]]:
    yield "incidents", "", month.incidents, "", before.incidents
    for name, here, then in (
        ("incidents by severity", month.by_severity, before.by_severity),
        ("incidents by service", month.by_service, before.by_service),
        ("incidents by cause", month.by_cause, before.by_cause),
        ("pages at night", month.nights, before.nights),
    ):
        for of in dict.fromkeys([*here, *then]):
            yield name, of, here.get(of, 0), "", then.get(of, 0)
    yield "pages", "", month.pages, "", before.pages
    for one in month.repeats:
        yield "alert came again", f"{one.name} {one.service}".strip(), one.times, "", one.before
    for name, length, was in (("MTTA", month.mtta, before.mtta), ("MTTR", month.mttr, before.mttr)):
        yield name, "", _seconds(length), "s", _seconds(was)
    yield "deploys", "", month.dora.deploys, "", before.dora.deploys
    yield "deploys a week", "", round(month.dora.a_week, 2), "", round(before.dora.a_week, 2)
    yield "lead time", "", _seconds(month.dora.lead), "s", _seconds(before.dora.lead)
    yield "change failure rate", "", _rounded(month.dora.failure_rate), "%", _rounded(before.dora.failure_rate)
    yield "time to restore", "", _seconds(month.dora.restore), "s", _seconds(before.dora.restore)


def _seconds(length: timedelta | None) -> object:
    return "" if length is None else round(length.total_seconds())


def _rounded(value: float | None) -> object:
    return "" if value is None else round(value, 1)
