"""From what happened to the figures of a month. Pure.

Times from opening to an answer (MTTA) and to the end (MTTR) are means over the incidents that were opened in the month, as far as they have got there. The four
figures of DORA are those of deploys to production.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

from bot.core.data import Frozen
from escalation.trends.facts import PRIVATE, AlertFact, ChangeFact, Facts, IncidentFact, Month, PageFact

NIGHT_FROM, NIGHT_UNTIL = 22, 7
"""The hours of a day at which a page is one at night, on the clock of whoever is paged."""
WEEK = timedelta(days=7)
_TRIED = ("done", "failed", "rolled_back")


class Repeat(Frozen):
    """An alert that came again: how often it began to fire, and how often in the month before."""

    name: str
    service: str
    times: int
    before: int = 0


class Dora(Frozen):
    """`deploys` that ended well, `a_week`; `lead`: the median time from healthy in the environment before (`from_before` of them), else from the request, to
    healthy in production; `failed` of `tried`; `restore`: the median time until what failed was well again."""

    deploys: int = 0
    a_week: float = 0.0
    lead: timedelta | None = None
    from_before: int = 0
    tried: int = 0
    failed: int = 0
    restore: timedelta | None = None

    @property
    def failure_rate(self) -> float | None:
        """Returns the share of changes that failed, in percent."""
        return 100 * self.failed / self.tried if self.tried else None


class Figures(Frozen):
    """The figures of a month up to `until`, its end or the present. `answered` and `resolved`: of how many MTTA and MTTR are the mean."""

    month: Month
    until: datetime
    incidents: int = 0
    private: int = 0
    open: int = 0
    by_severity: dict[str, int] = {}
    by_service: dict[str, int] = {}
    by_cause: dict[str, int] = {}
    answered: int = 0
    mtta: timedelta | None = None
    resolved: int = 0
    mttr: timedelta | None = None
    pages: int = 0
    nights: dict[str, int] = {}
    repeats: tuple[Repeat, ...] = ()
    dora: Dora = Dora()

    @property
    def over(self) -> bool:
        return self.until >= self.month.end

    @property
    def empty(self) -> bool:
        """Whether nothing happened in it."""
        return not (self.incidents or self.pages or self.repeats or self.dora.tried)


def figures(month: Month, facts: Facts, now: datetime) -> Figures:
    """Returns a month's figures."""
    until = min(now, month.end)
    mine = [one for one in facts.incidents if month.has(one.opened)]
    answered = [one.answered - one.opened for one in mine if one.answered is not None]
    resolved = [one.resolved - one.opened for one in mine if one.resolved is not None]
    pages = [one for one in facts.pages if month.has(one.at)]
    return Figures(
        month=month,
        until=until,
        incidents=len(mine),
        private=sum(one.private for one in mine),
        open=sum(one.resolved is None for one in mine),
        by_severity=_counted(mine, lambda one: one.severity),
        by_service=_counted(mine, lambda one: PRIVATE if one.private else one.service or "(no service)"),
        by_cause=_counted(mine, lambda one: PRIVATE if one.private else one.cause),
        answered=len(answered),
        mtta=mean(answered),
        resolved=len(resolved),
        mttr=mean(resolved),
        pages=len(pages),
        nights=dict(Counter(one.person for one in pages if at_night(one)).most_common()),
        repeats=_repeats(facts.alerts),
        dora=dora(month, facts.changes, facts.incidents, until),
    )


def mean(lengths: Sequence[timedelta]) -> timedelta | None:
    """Returns the mean length, None of none."""
    return sum(lengths, timedelta()) / len(lengths) if lengths else None


def middle(lengths: Sequence[timedelta]) -> timedelta | None:
    """Returns the median length, None of none."""
    return timedelta(seconds=median(one.total_seconds() for one in lengths)) if lengths else None


def at_night(page: PageFact) -> bool:
    return page.hour >= NIGHT_FROM or page.hour < NIGHT_UNTIL


def change_in(now: float | None, before: float | None) -> str:
    """Returns by how much a figure has changed, such as `+33%`; nothing where it cannot be said."""
    if now is None or before is None or before == 0:
        return "" if now == before or now is None or before is None else "new"
    percent = round(100 * (now - before) / before)
    return f"{percent:+}%" if percent else "same"


def dora(month: Month, changes: Iterable[ChangeFact], incidents: Sequence[IncidentFact], until: datetime) -> Dora:
    """Returns the four figures. A deploy failed that ended so, that an incident suspects before anything else, or that a rollback of its service followed
    before the next deploy there."""
    ordered = sorted(changes, key=lambda one: one.ended)
    deploys = [one for one in ordered if one.command == "deploy" and one.outcome in _TRIED and month.has(one.ended)]
    blamed = _first_by_suspect(incidents)
    good = [one for one in deploys if one.outcome == "done"]
    lead = [one.ended - (one.ready or one.asked) for one in good]
    healed = [(one, _healed(one, ordered, blamed)) for one in deploys]
    restored = [at for _, (failed, at) in healed if failed and at is not None]
    length = until - month.start
    return Dora(
        deploys=len(good),
        a_week=len(good) / (length / WEEK) if length > timedelta() else 0.0,
        lead=middle(lead),
        from_before=sum(one.ready is not None for one in good),
        tried=len(deploys),
        failed=sum(failed for _, (failed, _) in healed),
        restore=middle(restored),
    )


def _healed(deploy: ChangeFact, ordered: Sequence[ChangeFact], blamed: Mapping[str, IncidentFact]) -> tuple[bool, timedelta | None]:
    """Returns whether a deploy failed, and how long it took until things were well again."""
    if deploy.outcome != "done":
        return True, deploy.ended - deploy.tried if deploy.outcome == "rolled_back" else None
    if (incident := blamed.get(deploy.operation)) is not None:
        return True, incident.restored - incident.opened if incident.restored is not None else None
    after = (one for one in ordered if one.ended > deploy.ended and one.environment == deploy.environment and one.services & deploy.services)
    following = next((one for one in after if one.outcome == "done"), None)
    return (True, following.ended - deploy.ended) if following is not None and following.command == "rollback" else (False, None)


def _first_by_suspect(incidents: Iterable[IncidentFact]) -> dict[str, IncidentFact]:
    found: dict[str, IncidentFact] = {}
    for one in incidents:
        if one.suspects:
            found.setdefault(one.suspects, one)
    return found


def _counted(incidents: Iterable[IncidentFact], of: Callable[[IncidentFact], str]) -> dict[str, int]:
    """Counts by something, the most frequent first."""
    return dict(sorted(Counter(map(of, incidents)).items(), key=lambda one: (-one[1], one[0])))


def _repeats(alerts: Iterable[AlertFact]) -> tuple[Repeat, ...]:
    """Those that came again, by what people call them: an alert of several pods is one where each of these came once."""
    found: dict[tuple[str, str], Repeat] = {}
    for one in alerts:
        if one.times and one.times + one.before > 1:
            known = found.get((one.name, one.service), Repeat(name=one.name, service=one.service, times=0))
            found[one.name, one.service] = known.model_copy(update={"times": known.times + one.times, "before": known.before + one.before})
    return tuple(sorted(found.values(), key=lambda one: (-one.times, -one.before, one.name, one.service)))
