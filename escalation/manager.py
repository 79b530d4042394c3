"""The manager of escalations: decides whom to page next for all incidents that are due, a batch in one transaction.

A batch costs a few statements however many incidents it holds: those that stand at the same place of the same policy take the same step together. What
people are told in the chat, the incidents' cards too, is for another manager and later: after an outage thousands of pages wait for no message.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import String, and_, bindparam, case, cast, insert, literal, or_, update
from sqlalchemy import select as columns
from sqlmodel import SQLModel, col, select

from bot.core.card import Bold, Card, State, line
from bot.core.config import Config
from bot.store.due import NOW, Due, Look, after, moments
from bot.store.incident_tables import EscalationRow, PageRow
from bot.store.store import Store
from bot.store.tables import EventRow
from bot.store.transaction import Message, Transaction
from escalation import book, ladder, oncall
from escalation.ladder import UNMANNED_AGAIN_AFTER, Ladder, Position, Step
from escalation.oncall import OnCall

BATCH = 5000
UNSEEN: dict[str, Any] = {"synchronize_session": False}
"""What these statements change is not read again in their transaction."""


@dataclass(frozen=True)
class Place:
    """Where escalations stand that take the same step. `started`: somebody was paged since they began; `back`: the clock was set back since."""

    policy: str
    level: int
    rounds: int
    asked: tuple[str, ...]
    started: bool
    back: bool

    def position(self, now: datetime) -> Position:
        """Returns a position that stands there, and is due."""
        paged_at = (now + timedelta(seconds=1) if self.back else now) if self.started else None
        return Position(level=self.level, rounds=self.rounds, asked=self.asked, paged_at=paged_at, next_at=now)


class EscalationManager:
    name = "escalations"
    patience = timedelta(seconds=60)

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config

    def look(self) -> Look:
        return _DUE.there

    async def update(self, now: datetime) -> bool:
        """Takes the next step of a batch of escalations, the longest overdue first, and returns whether there was any."""
        return await self._store.transaction(lambda tx: serve(tx, self._config)) > 0


def serve(tx: Transaction, config: Config, limit: int = BATCH) -> int:
    """Lets every escalation that is due take its step, at most `limit`, and returns how many there were."""
    standing = _standing(tx, limit)
    ladders = {place.policy: book.ladder_for(tx, place.policy) for place in standing}
    manned = {policy: oncall.on_call(config, one, oncall.known(tx, one.name), tx.now, tx.now) for policy, one in ladders.items()}
    for place, incidents in standing.items():
        there, people = ladders[place.policy], manned[place.policy]
        step = ladder.advance(there, oncall.roster(people), place.position(tx.now), tx.now)
        _move(tx, place, step, incidents)
        _record(tx, there, step, incidents)
        if step.level is not None:
            _page(tx, people[step.level], place, incidents)
        elif step.unmanned:
            _shout(tx, config, there, incidents)
    return sum(map(len, standing.values()))


_ROW = EscalationRow
_BACK = or_(
    and_(col(_ROW.paged_at).is_not(None), col(_ROW.paged_at) > NOW, col(_ROW.next_at).is_not(None)),
    and_(col(_ROW.paged_at).is_(None), col(_ROW.next_at) > after(UNMANNED_AGAIN_AFTER)),
)
"""The clock was set back: even whoever found nobody on call just now looks again before that."""
_TIME = or_(col(_ROW.next_at) <= NOW, _BACK)
"""The same rule as `ladder.due`."""
_DUE = Due(select(_ROW).where(_TIME))
_WANTED: Any = (col(_ROW.incident), col(_ROW.policy), col(_ROW.level), col(_ROW.rounds), col(_ROW.asked), col(_ROW.paged_at))
_STANDING = columns(*_WANTED).where(_TIME).order_by(col(_ROW.next_at)).limit(bindparam("limit")).with_for_update(skip_locked=True)


def _standing(tx: Transaction, limit: int) -> Mapping[Place, list[int]]:
    """Returns the incidents that are due, by where they stand; nobody else can take them until the commit."""
    found: dict[Place, list[int]] = defaultdict(list)
    given = {**moments(tx.now), "limit": limit}
    for incident, policy, level, rounds, asked, paged_at in tx.session.execute(_STANDING, given):
        found[Place(policy, level, rounds, tuple(asked), paged_at is not None, paged_at is not None and paged_at > tx.now)].append(incident)
    return found


def _move(tx: Transaction, place: Place, step: Step, incidents: Sequence[int]) -> None:
    after, paged = step.position, step.level is not None
    values = {"level": after.level, "rounds": after.rounds, "asked": [*after.asked], "next_at": after.next_at}
    values |= {"paged_at": after.paged_at} if paged or place.back else {}
    values |= {"stale": True} if paged else {}
    tx.session.execute(update(EscalationRow).where(tx.among(col(EscalationRow.incident), incidents)).values(**values), execution_options=UNSEEN)


def _record(tx: Transaction, there: Ladder, step: Step, incidents: Sequence[int]) -> None:
    said: list[tuple[str, dict[str, Any]]] = [
        ("level.skipped", {"level": skip.level, "name": there.rung(skip.level).name, "because": skip.because}) for skip in step.skipped
    ]
    if step.level is not None:
        data = {"level": step.level, "name": there.rung(step.level).name, "people": [*step.people], "round": step.position.rounds}
        said.append(("page.requested", data))
    if step.unmanned:
        said.append(("page.unmanned", {}))
    columns = SQLModel.metadata.tables["events"].c
    for kind, payload in said:
        subject = literal("#") + cast(col(EscalationRow.incident), String)
        given = {"at": tx.now, "kind": kind, "actor": book.MACHINE, "payload": payload}
        events = select(subject, *(literal(value, columns[name].type) for name, value in given.items()))
        ordered = events.where(tx.among(col(EscalationRow.incident), incidents)).order_by(col(EscalationRow.incident))
        tx.session.execute(insert(EventRow).from_select(["subject", *given], ordered, include_defaults=False))


def _page(tx: Transaction, called: OnCall, place: Place, incidents: Sequence[int]) -> None:
    """Says what should stand in PagerDuty now: the level, and that it is to be paged.

    Who is assigned there already was called for it, by an earlier try or by PagerDuty's own policy. Not so if it may have been for the page before: one for the
    same people or the same level, or one that PagerDuty has not taken yet; then only calls from now on count.
    """
    # What somebody resolved there by itself, while its storm goes on, rings no more.
    base = and_(tx.among(col(PageRow.incident), incidents), col(PageRow.again) == 0, col(PageRow.status) != "resolved")
    calling = and_(col(PageRow.status) == "triggered", col(PageRow.sent_status) == "triggered", col(PageRow.sent_rounds) > 0)
    ringing = and_(base, calling, col(PageRow.sent_level) == called.level)
    repeated = [*tx.session.scalars(select(col(PageRow.key)).where(ringing))] if called.level == place.level else []
    newer = {"version": PageRow.version + 1, "next_at": tx.now}
    repeats = and_(tx.among(col(PageRow.incident), incidents), col(PageRow.again) > 0, col(PageRow.status) != "resolved")
    tx.session.execute(update(PageRow).where(repeats).values(status="resolved", by=None, **newer), execution_options=UNSEEN)
    if repeated:
        _repeat(tx, called, repeated)
    doubtful = or_(literal({*called.people} == {*place.asked}), col(PageRow.sent_level) == called.level, col(PageRow.rounds) > col(PageRow.sent_rounds))
    people = {"people": [*called.users] if called.direct else [], "call": [*called.people]}
    wanted = {"level": called.level, "since": case((doubtful, tx.now), else_=PageRow.since), "status": "triggered", **people, "by": None}
    others = and_(base, ~tx.among(col(PageRow.key), repeated)) if repeated else base
    tx.session.execute(update(PageRow).where(others).values(**wanted, **newer, rounds=PageRow.rounds + 1), execution_options=UNSEEN)


def _repeat(tx: Transaction, called: OnCall, keys: Sequence[str]) -> None:
    """Has the same level paged once more where PagerDuty is still calling it: by a page of its own, as only a new incident there surely rings again."""
    columns = SQLModel.metadata.tables["pages"].c
    copied = ("incident", "service", "title", "body", "priority")
    fresh = PageRow(key="", title="", created_at=tx.now, level=called.level, people=[*called.users], call=[*called.people], next_at=tx.now)
    given = {name: value for name, value in fresh.model_dump().items() if name not in {*copied, "key", "again"} and value is not None}
    ours = tx.among(col(PageRow.key), keys)
    source = select(
        col(PageRow.key) + "-again-" + cast(col(PageRow.rounds) + 1, String),
        col(PageRow.rounds) + 1,
        *(columns[name] for name in copied),
        *(literal(value, columns[name].type) for name, value in given.items()),
    ).where(ours)
    tx.session.execute(insert(PageRow).from_select(["key", "again", *copied, *given], source, include_defaults=False))
    counted = {"rounds": PageRow.rounds + 1, "sent_rounds": PageRow.sent_rounds + 1}
    tx.session.execute(update(PageRow).where(ours).values(**counted), execution_options=UNSEEN)


def _shout(tx: Transaction, config: Config, there: Ladder, incidents: Sequence[int]) -> None:
    """Says it once an hour for all of them, for as long as it lasts."""
    names = ", ".join(f"#{number}" for number in sorted(incidents)[:10]) + (f" and {len(incidents) - 10} more" if len(incidents) > 10 else "")
    again = f"It is looked again every {UNMANNED_AGAIN_AFTER.seconds // 60} minutes. `/aiec oncall override` puts somebody on call."
    card = Card(state=State.NEEDS_YOU, headline=line(Bold(text=f"{names}: nobody is on call at any level of {there.name}")), lines=((again,),))
    tx.send(Message(key=f"unmanned/{there.name}/{tx.now:%Y%m%dT%H}", channel=config.channels.incidents, card=card))
