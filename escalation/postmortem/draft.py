"""The draft of a post-mortem: what the log knows of an incident, said without blame. Pure: the same events make the same draft.

Blameless: what aiec writes names levels, changes and moments, and people only where they spoke for themselves, in the timeline.
"""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from bot.core.chart import Chart
from bot.core.data import Frozen
from bot.core.text import duration
from escalation.incident import Incident, Suspect
from escalation.timeline import Entry, rows

LATE_TO_SEE = timedelta(minutes=5)
"""From here on it is worth a word that an incident began long before anybody was told."""
_BY = re.compile(r" by [^()]+?(?= \(|$)")


class Section(StrEnum):
    """The parts that people write, in their order."""

    SUMMARY = "summary"
    IMPACT = "impact"
    FACTORS = "factors"
    WELL = "well"
    BADLY = "badly"
    LUCKY = "lucky"
    ACTIONS = "actions"

    @property
    def heading(self) -> str:
        return _TITLES[self][0]

    @property
    def prompt(self) -> str:
        """Returns what belongs there."""
        return _TITLES[self][1]


_TITLES = {
    Section.SUMMARY: ("Summary", "In two or three sentences, for somebody who was not there: what broke, for whom, and what ended it."),
    Section.IMPACT: ("Impact", "Who noticed and how much: customers, orders, money, data. With figures where there are some."),
    Section.FACTORS: (
        "Contributing factors",
        "What made it possible, or worse: conditions and decisions as they looked then, not people. Ask why, five times.",
    ),
    Section.WELL: ("What went well", "What helped to see it or to end it sooner?"),
    Section.BADLY: ("What went badly", "What was slow or missing: alerts, rights, runbooks, knowledge?"),
    Section.LUCKY: ("Where we were lucky", "What could easily have been worse, and was not by our doing?"),
    Section.ACTIONS: ("Action items", "What makes it less likely, sooner seen, or sooner over? Each with somebody who does it."),
}


class Part(Frozen):
    """An incident that was merged into this one."""

    number: int
    title: str
    opened_at: datetime


class Change(Frozen):
    """What one of our operations did to production meanwhile. `undone`: it took something back."""

    at: datetime
    name: str
    title: str
    undid: bool = False


class Material(Frozen):
    """All that a draft is made of. `began_at`: when its first alert began to fire; `alerts`: their names, each with how many; `links`: what to look at."""

    incident: Incident
    entries: tuple[Entry, ...] = ()
    began_at: datetime | None = None
    alerts: tuple[tuple[str, int], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    changes: tuple[Change, ...] = ()
    parts: tuple[Part, ...] = ()

    @property
    def own(self) -> tuple[Entry, ...]:
        """Returns what happened to the incident itself: what happened to its parts is told, and counts for nothing."""
        return tuple(entry for entry in self.entries if not entry.of)


class Times(Frozen):
    """The moments that count, the first of each; `resolved` is the last. None: it did not happen, or is not in the log."""

    began: datetime
    detected: datetime
    acknowledged: datetime | None = None
    mitigated: datetime | None = None
    resolved: datetime | None = None


class Draft(Frozen):
    """What aiec says, by section as lines, with the timeline as Markdown. A section that is not there needs a person."""

    number: int
    title: str
    severity: str
    where: str
    private: bool
    times: Times
    said: dict[Section, tuple[str, ...]]
    timeline: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    charts: tuple[Chart, ...] = ()


def draft(material: Material) -> Draft:
    """Returns the draft that the material makes."""
    incident = material.incident
    times = times_of(material)
    said = {
        Section.SUMMARY: tuple(_summary(material, times)),
        Section.FACTORS: tuple(_factors(incident)),
        Section.WELL: tuple(_well(material, times)),
        Section.BADLY: tuple(_badly(material, times)),
    }
    return Draft(
        number=incident.number,
        title=incident.title,
        severity=incident.severity,
        where=" in ".join(part for part in (incident.service, incident.environment) if part),
        private=incident.private,
        times=times,
        said={section: lines for section, lines in said.items() if lines},
        timeline=tuple(rows([*material.entries, *(_entry(change) for change in material.changes)])),
        links=material.links,
    )


def times_of(material: Material) -> Times:
    """Returns when it began, was seen, answered, made bearable, and over."""
    incident, entries = material.incident, material.own
    resolved = [entry.at for entry in entries if entry.kind == "incident.resolved"]
    began = min(incident.opened_at, material.began_at or incident.opened_at)
    return Times(
        began=began,
        detected=incident.opened_at,
        acknowledged=_first(entries, "incident.acknowledged"),
        mitigated=_first(entries, "incident.mitigated"),
        resolved=resolved[-1] if resolved else incident.resolved_at,
    )


def figures(times: Times) -> tuple[tuple[str, datetime | None, str], ...]:
    """Returns the moments as they are said: what, when, and how long after what."""
    return (
        ("Began", times.began, ""),
        ("Detected", times.detected, _after(times.detected, times.began, "it began") or "at once"),
        ("Acknowledged", times.acknowledged, _after(times.acknowledged, times.detected, "it was detected")),
        ("Mitigated", times.mitigated, _after(times.mitigated, times.began, "it began")),
        ("Resolved", times.resolved, _after(times.resolved, times.began, "it began")),
    )


def _after(at: datetime | None, since: datetime, what: str) -> str:
    return f"{duration(at - since)} after {what}" if at is not None and at > since else ""


def _first(entries: Sequence[Entry], *kinds: str) -> datetime | None:
    return next((entry.at for entry in entries if entry.kind in kinds), None)


def _summary(material: Material, times: Times) -> Iterator[str]:
    incident = material.incident
    how = {"alert": "was opened by alerts", "pagerduty": "was opened in PagerDuty"}.get(incident.origin, "was declared")
    about = f" about {where}" if (where := " in ".join(part for part in (incident.service, incident.environment) if part)) else ""
    over = f", and was over after {duration(times.resolved - times.began)}" if times.resolved is not None else ""
    yield f"{incident.severity}{about}: {incident.title}. It {how} on {times.detected:%d %B %Y at %H:%M} UTC{over}."
    if material.parts:
        yield f"It includes {', '.join(f'#{part.number} ({part.title})' for part in material.parts)}, merged into it."
    counted = ", ".join(f"{name}{f' ({count} times)' if count > 1 else ''}" for name, count in material.alerts[:10])
    if counted:
        yield f"Alerts that fired: {counted}{f', and {len(material.alerts) - 10} more' if len(material.alerts) > 10 else ''}."


def _factors(incident: Incident) -> Iterator[str]:
    for suspect in incident.suspects[:5]:
        yield f"Changed shortly before: {_impersonal(suspect)}, {_distance(suspect, incident)}. That it came before does not say that it was the cause."


def _impersonal(suspect: Suspect) -> str:
    return _BY.sub("", suspect.text)


def _distance(suspect: Suspect, incident: Incident) -> str:
    way = "before" if suspect.at <= incident.opened_at else "after"
    return f"{duration(incident.opened_at - suspect.at)} {way} it was detected"


def _well(material: Material, times: Times) -> Iterator[str]:
    unanswered = any(entry.kind == "incident.escalated" for entry in material.own) or _rounds(material.own) > 1
    if times.acknowledged is not None and not unanswered:
        yield f"Somebody was on it {_after(times.acknowledged, times.detected, 'it was detected') or 'at once'}, before anybody else had to be called."
    for change in material.changes:
        if change.undid:
            yield f"{change.name} took a change back at {change.at:%H:%M} UTC: {change.title}."
    updates = sum(entry.kind == "incident.update" for entry in material.own)
    if updates:
        yield f"Others were told how it stood {'once' if updates == 1 else f'{updates} times'}."
    books = dict.fromkeys(str(entry.data.get("runbook")) for entry in material.own if entry.kind == "incident.runbook")
    if books:
        yield f"There was a runbook for it, and it was used: {', '.join(books)}."


def _badly(material: Material, times: Times) -> Iterator[str]:
    entries = material.own
    if times.detected - times.began >= LATE_TO_SEE:
        yield f"It went on for {duration(times.detected - times.began)} before anybody was told."
    if (rounds := _rounds(entries)) > 1 and times.acknowledged is not None:
        yield f"It took {rounds} rounds of paging until somebody answered, {_after(times.acknowledged, times.detected, 'it was detected')}."
    elif rounds > 1:
        yield f"{rounds} rounds of paging found no answer."
    for entry in entries:
        if entry.kind == "level.skipped" and entry.data.get("because") == "nobody":
            yield f"Nobody was on call at L{entry.data.get('level')} ({entry.data.get('name')}) at {entry.at:%H:%M} UTC."
    if (failed := _first(entries, "page.failed", "page.mute")) is not None:
        yield f"A page could not be delivered as it should at {failed:%H:%M} UTC."
    if _first(entries, "page.unmanned") is not None:
        yield "For a while nobody was on call at any level."
    again = sum(entry.kind == "incident.triggered" and bool(entry.data.get("reopened")) for entry in entries)
    if again:
        yield f"It came back {'once' if again == 1 else f'{again} times'} after it had been called resolved."


def _rounds(entries: Sequence[Entry]) -> int:
    """How often somebody was paged before the first answer."""
    answered = _first(entries, "incident.acknowledged")
    return sum(entry.kind in ("page.requested", "level.followed") and (answered is None or entry.at <= answered) for entry in entries)


def _entry(change: Change) -> Entry:
    return Entry(at=change.at, kind="operation", actor="", data={"text": f"{change.name}: {change.title}"})
