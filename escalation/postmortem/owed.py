"""Which incidents owe a post-mortem, who writes it, and until when: kept in the transaction that changes the incident, so that none is forgotten."""

from sqlmodel import col, select

from bot.core.config import Config, Postmortem
from bot.core.events import Event
from bot.destinations import slack_of
from bot.store.postmortem_tables import PostmortemRow
from bot.store.transaction import Transaction
from escalation.incident import Incident, State
from escalation.reminders import lead, next_reminder

WANTED, DRAFTED, REVIEW, PUBLISHED, MERGED = "wanted", "drafted", "review", "published", "merged"
UNPUBLISHED = (WANTED, DRAFTED, REVIEW)


def follow(tx: Transaction, config: Config, before: Incident, after: Incident) -> None:
    """Keeps up with an incident that changes: one that resolves comes to owe a post-mortem, one that is open again makes it wait."""
    rules = config.postmortem
    if rules is None:
        return
    row = tx.get(PostmortemRow, after.number, lock=True)
    resolved = after.state in (State.RESOLVED, State.CLOSED)
    if row is None:
        if resolved and owes(config, after):
            _count_from_now(tx, rules, PostmortemRow(incident=after.number, state=WANTED, owner=writer(config, after), created_at=tx.now))
    elif after.state is State.MERGED:
        row.state, row.stale, row.remind_at = MERGED, True, None
        tx.save(row)
    elif after.state is State.RESOLVED and before.state is not State.RESOLVED:
        # Also where it was published: it goes on, with everything that was written.
        row.state = DRAFTED if row.state == PUBLISHED else row.state
        row.owner = row.owner or writer(config, after)
        _count_from_now(tx, rules, row)
    elif after.state.open and not before.state.open:
        row.stale, row.remind_at = row.document is not None, None
        tx.save(row)


def owes(config: Config, incident: Incident) -> bool:
    """Tells whether an incident of this severity owes one."""
    severity = config.severities.get(incident.severity)
    return severity is not None and severity.postmortem


def writer(config: Config, incident: Incident) -> str | None:
    """Returns who writes it at first: whoever led it or was on it, else who said that it is over or that it began, else the lead."""
    names = [incident.commander, incident.acknowledged_by, incident.resolved_by, incident.opened_by]
    return next((name for name in names if name and slack_of(config, name) is not None), lead(config))


def ask_for(tx: Transaction, config: Config, incident: Incident, actor: str) -> PostmortemRow:
    """Has one written that is not owed: drafted now, or when the incident resolves. One that is there already stays."""
    row = tx.get(PostmortemRow, incident.number, lock=True)
    if row is not None:
        return row
    row = PostmortemRow(incident=incident.number, state=WANTED, owner=actor, created_at=tx.now, stale=False)
    tx.record(Event(kind="postmortem.wanted", subject=incident.name, actor=actor))
    if incident.state.open or config.postmortem is None:
        return tx.save(row)
    return _count_from_now(tx, config.postmortem, row)


def touch(tx: Transaction, number: int) -> None:
    """Has the post-mortem of an incident looked at anew, as something that stands in it has changed."""
    row = tx.get(PostmortemRow, number, lock=True)
    if row is not None and row.document is not None and row.state in UNPUBLISHED:
        row.stale = True
        tx.save(row)


def unpublished(tx: Transaction) -> list[PostmortemRow]:
    """Returns those that somebody still has to write, the one that is due first at the top."""
    rows = tx.all(select(PostmortemRow).where(col(PostmortemRow.state).in_(UNPUBLISHED)))
    return sorted(rows, key=lambda row: (row.due_at is None, row.due_at or row.created_at, row.incident))


def _count_from_now(tx: Transaction, rules: Postmortem, row: PostmortemRow) -> PostmortemRow:
    row.stale, row.due_at, row.reminded_at = True, tx.now + rules.due, tx.now
    row.remind_at = next_reminder(row.due_at, rules.remind, tx.now)
    return tx.save(row)
