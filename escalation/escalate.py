"""«Page the next level now»: the decision of a person who does not want to wait, or cannot help."""

from datetime import timedelta

from bot.core.config import Config
from bot.core.errors import Refused
from bot.core.events import Event
from bot.store.incident_tables import EscalationRow
from bot.store.transaction import Transaction
from escalation import book, ladder
from escalation.incident import Incident, State

JUST_NOW = timedelta(minutes=1)
"""How long the last level is left in peace by a button that calls it again: whoever else presses it has seen what the first one saw."""


def escalate(tx: Transaction, config: Config, incident: Incident, level: int | None, actor: str) -> str:
    """Has the next level paged at once, and returns what to say to whoever asked. `level`: the one that he saw paged last (0: none; None: whichever it is).

    An incident that somebody has acknowledged waits for an answer again, as it does in PagerDuty: whoever is paged now gives it. Raises Refused where it is not
    open, pages nobody by any policy, or another level was paged since he looked.
    """
    if not incident.state.open:
        raise Refused(f"{incident.name} is {incident.state}: nobody is paged for it.", f"`/aiec incident reopen {incident.number}` opens it again.")
    if incident.policy is None:
        raise Refused(f"{incident.name} has no escalation policy.", "`/aiec page` pages somebody; `escalation` in aiec.yaml has the policies.")
    book.page(tx, config, incident)
    row = tx.get(EscalationRow, incident.number, lock=True)
    assert row is not None
    there, at = book.ladder_for(tx, row.policy), book.position(row)
    seen = at.level if level is None else level
    hurried = ladder.hurry(at, seen, tx.now)
    pressed_twice = level is not None and level >= there.last and at.paged_at is not None and tx.now - at.paged_at < JUST_NOW
    if hurried is None or pressed_twice:
        when = f" at {row.paged_at:%H:%M} UTC" if row.paged_at else ""
        raise Refused(
            f"L{row.level} was paged already{when}: {', '.join(row.asked) or 'by PagerDuty'}.",
            f"`/aiec incident escalate {incident.number}` pages {'the one above' if row.level < there.last else 'it again'}.",
        )
    tx.record(Event(kind="incident.escalated", subject=incident.name, actor=actor, data={"level": seen}))
    if incident.state is not State.TRIGGERED:
        book.change(tx, config, incident, incident.go(State.TRIGGERED, tx.now, actor), actor, because=f"{actor} asks for more help")
    book.place(row, hurried.model_copy(update={"rounds": row.rounds}))
    tx.save(row)
    if seen >= there.last:
        return f"{incident.name}: L{there.last} is the last level, and is paged again now."
    return f"{incident.name}: L{seen + 1} {there.rung(seen + 1).name} is paged now."
