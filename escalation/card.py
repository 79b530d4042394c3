"""An incident as cards: its one message in #incidents, the summary in its own channel, and its line in a list. Pure: they depend on what is given alone."""

from collections.abc import Sequence
from datetime import timedelta

from bot.core.card import Action, Bold, Card, Channel, Line, Person, Row, Span, Time, line
from bot.core.card import State as Mark
from bot.core.data import Frozen
from bot.core.text import cut, duration
from escalation.incident import ROLES, Incident, State, Suspect

TITLE = 150
TOLD = 600
SUSPECTS = 3
RUNBOOKS = 3

MARKS = {
    State.TRIGGERED: Mark.NEEDS_YOU,
    State.ACKNOWLEDGED: Mark.RUNNING,
    State.MITIGATED: Mark.RUNNING,
    State.RESOLVED: Mark.DONE,
    State.CLOSED: Mark.DONE,
    State.MERGED: Mark.DONE,
}


class Room(Frozen):
    """The incident's own channel: its name, its `id` once it is there, and why it is not, or no longer. `absent`: who could not be invited, with the reason."""

    name: str
    id: str = ""
    trouble: str = ""
    absent: tuple[str, ...] = ()


class Paging(Frozen):
    """How far paging is: the level that was paged last (0: none yet), the highest one, and who was asked."""

    level: int = 0
    last: int = 0
    asked: tuple[str, ...] = ()


def incident_card(incident: Incident, room: Room | None = None, paging: Paging | None = None, runbooks: Sequence[str] = (), afterwards: Line = ()) -> Card:
    """Returns the message of an incident in #incidents; `runbooks` are those that can be started for it, `afterwards` says how its post-mortem stands."""
    return Card(
        state=MARKS[incident.state],
        headline=line(Bold(text=title(incident)), *_state(incident, paging), *_where(room)),
        lines=(*_told(incident), *_suspects(incident), *_people(incident), *((afterwards,) if afterwards else ()), *_trouble(room)),
        actions=_actions(incident, paging, runbooks),
    )


def summary_card(incident: Incident, room: Room | None = None, paging: Paging | None = None, runbooks: Sequence[str] = (), afterwards: Line = ()) -> Card:
    """Returns the first message of the incident's own channel, which edits itself as the other does: it does not say where it is, but how one works here."""
    card = incident_card(incident, room, paging, runbooks, afterwards)
    how = line("`/aiec incident note …` or 📌 on a message adds to the timeline, `/aiec incident update …` says publicly how it stands.")
    return card.model_copy(
        update={
            "headline": line(Bold(text=title(incident)), *_state(incident, paging)),
            "lines": (*card.lines, *((how,) if incident.state.open else ())),
        }
    )


def row(incident: Incident) -> Row:
    """Returns the incident's line in a list."""
    by = incident.acknowledged_by if incident.state in (State.ACKNOWLEDGED, State.MITIGATED) else incident.resolved_by
    who: tuple[Span, ...] = (" by ", Person(name=by)) if by else ()
    what = f"{_lock(incident)}{incident.severity} {_titled(incident)} · {incident.state}"
    return Row(name=incident.name, text=line(what, *who, " · since ", Time(at=incident.opened_at, style="date")))


def title(incident: Incident) -> str:
    """Returns `#42 SEV1 gateway: error rate 12 %`."""
    return f"{_lock(incident)}{incident.name} {incident.severity} {_titled(incident)}"


def _lock(incident: Incident) -> str:
    return "🔒 " if incident.private else ""


def _titled(incident: Incident) -> str:
    known = incident.service.casefold() in incident.title.casefold()
    return cut(incident.title if known else f"{incident.service}: {incident.title}", TITLE)


def _state(incident: Incident, paging: Paging | None) -> list[Span]:
    match incident.state:
        case State.TRIGGERED if paging is not None and paging.level:
            return [f" · nobody has answered yet, L{paging.level} ", *_names(paging.asked), " is paged" if len(paging.asked) == 1 else " are paged"]
        case State.TRIGGERED:
            return [" · nobody is on it yet"]
        case State.RESOLVED | State.CLOSED:
            ended = incident.resolved_at or incident.opened_at
            closed = ", closed" if incident.state is State.CLOSED else ""
            return [" · resolved by ", Person(name=incident.resolved_by or "aiec"), f" after {duration(ended - incident.opened_at)}{closed}"]
        case State.MERGED:
            return [f" · belongs to #{incident.merged_into} now"]
        case _:
            return [" · mitigated," if incident.state is State.MITIGATED else " ·", *_answered(incident)]


def _answered(incident: Incident) -> list[Span]:
    if incident.acknowledged_by is None or incident.acknowledged_at is None:
        return [" acknowledged by nobody"]
    since = {"alert": "the alert", "pagerduty": "PagerDuty"}.get(incident.origin, "it was declared")
    return [" acknowledged by ", Person(name=incident.acknowledged_by), f", {duration(incident.acknowledged_at - incident.opened_at)} after {since}"]


def _names(people: Sequence[str]) -> list[Span]:
    found: list[Span] = []
    for place, name in enumerate(people):
        found += [", " if place else "", Person(name=name)]
    return found


def _where(room: Room | None) -> list[Span]:
    return [" · ", Channel(name=room.name, id=room.id)] if room is not None and room.id and not room.trouble else []


def _told(incident: Incident) -> list[Line]:
    if not incident.told or incident.told_at is None:
        return []
    return [line(Bold(text="Status"), " at ", Time(at=incident.told_at), f": {cut(incident.told, TOLD)}")]


def _suspects(incident: Incident) -> list[Line]:
    return [line(Bold(text="Suspect"), f": {one.text}, {_before(one, incident)}") for one in incident.suspects[:SUSPECTS]]


def _before(suspect: Suspect, incident: Incident) -> str:
    distance = incident.opened_at - suspect.at
    event = "the first alert" if incident.origin == "alert" else "this"
    return f"{duration(distance)} {'before' if distance >= timedelta() else 'after'} {event}"


def _people(incident: Incident) -> list[Line]:
    if incident.state is State.MERGED:
        return []
    spans: list[Span] = []
    for role in ROLES:
        holder = incident.role(role)
        if holder is not None or (role != "scribe" and incident.state.open):
            spans.append(f"{' · ' if spans else ''}{role.capitalize()} ")
            spans.append(Person(name=holder) if holder else "nobody")
    if incident.alerts:
        firing = f", {incident.firing} still firing" if incident.firing and incident.firing < incident.alerts else ""
        spans.append(f"{' · ' if spans else ''}{_count(incident.alerts, 'alert')} in {_count(incident.groups, 'group')}{firing}")
    if incident.update_due is not None and incident.state.open:
        spans += [" · next update due " if spans else "Next update due ", Time(at=incident.update_due, style="ago")]
    return [tuple(spans)] if spans else []


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _trouble(room: Room | None) -> list[Line]:
    if room is None:
        return []
    found = [line(Bold(text="Channel"), f": {room.trouble}")] if room.trouble else []
    return found + ([line(Bold(text="Not invited"), f": {', '.join(room.absent)}")] if room.absent else [])


def _actions(incident: Incident, paging: Paging | None, runbooks: Sequence[str]) -> tuple[Action, ...]:
    named = {"incident": incident.name}
    match incident.state:
        case State.CLOSED | State.MERGED:
            return ()
        case State.RESOLVED:
            return (
                Action(label="Close", command="incident close", arguments=named, confirm=f"Close {incident.name}? It then stays as it is, for ever."),
                Action(label="Reopen", command="incident reopen", arguments=named, confirm=f"Open {incident.name} again? Somebody will be paged."),
            )
    resolve = Action(label="Resolve", command="incident resolve", arguments=named)
    first = Action(label="Acknowledge", command="incident ack", arguments=named) if incident.state is State.TRIGGERED else resolve
    others = [Action(label="Update", command="incident update", arguments=named), *_louder(incident, paging), *_free_roles(incident)]
    return (
        first.model_copy(update={"style": "primary"}),
        *([resolve] if first is not resolve else []),
        *others,
        *_books(incident, runbooks),
        *_logs(incident),
        *_back(incident),
    )


def _books(incident: Incident, runbooks: Sequence[str]) -> list[Action]:
    named = {"incident": incident.name}
    return [Action(label=f"Start runbook: {name}", command="runbook start", arguments={"runbook": name, **named}) for name in runbooks[:RUNBOOKS]]


def _logs(incident: Incident) -> list[Action]:
    if not incident.service or not incident.environment:
        return []
    return [Action(label="Logs", command="logs", arguments={"environment": incident.environment, "target": incident.service, "since": "15m"})]


def _louder(incident: Incident, paging: Paging | None) -> list[Action]:
    """The button carries the level that it was drawn for, so that a stale one pages nobody who was paged already."""
    if paging is None or not paging.level:
        return []
    label = f"Escalate to L{paging.level + 1}" if paging.level < paging.last else f"Page L{paging.last} again"
    return [Action(label=label, command="incident escalate", arguments={"incident": incident.name, "level": paging.level})]


def _free_roles(incident: Incident) -> list[Action]:
    free = [role for role in ROLES if incident.role(role) is None and role != "scribe"]
    return [Action(label=f"Take {role}", command="incident assign", arguments={"incident": incident.name, "role": role}) for role in free]


def _back(incident: Incident) -> list[Action]:
    """What aiec itself has done is undone as that operation; what came past it by a deploy of the version before. That is an emergency: the figures that a
    deploy looks at first are bad now, and that is why.
    """
    why = "an incident" if incident.private else f"incident {incident.name}"
    found: dict[str, Action] = {}
    for one in incident.suspects[:SUSPECTS]:
        if one.operation:
            found.setdefault(one.operation, _undo(one))
        elif one.back:
            arguments = {"environment": one.environment, "version": one.back, "service": [one.service], "emergency": f"rollback for {why}"}
            confirm = f"Deploy {one.back} of {one.service} to {one.environment}? It asks for the approval that a deploy there needs."
            label = f"Roll back {one.service} to {one.back}"
            found[label] = Action(label=label, command="deploy", arguments=arguments, style="danger", confirm=confirm)
    return [*found.values()]


def _undo(suspect: Suspect) -> Action:
    arguments = {"environment": suspect.environment, "operation": suspect.operation}
    confirm = f"Undo {suspect.operation} in {suspect.environment}, all that is still of it? Whoever has acknowledged this incident needs no approval for it."
    return Action(label=f"Roll back {suspect.operation}", command="rollback", arguments=arguments, style="danger", confirm=confirm)
