"""The manager that keeps, as soon as an incident is opened, what would be gone an hour later; and who may have caused it."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlmodel import col, select

from bot.core.card import Card, Evidence, line
from bot.core.config import Config
from bot.core.incident_name import incident_key, summary_key
from bot.core.ports import World
from bot.core.text import cut
from bot.destinations import address
from bot.store.due import Due, Look
from bot.store.incident_tables import EvidenceRow, IncidentRow
from bot.store.store import Store
from bot.store.transaction import Message, Transaction
from escalation.book import MACHINE, change
from escalation.channel import wanted
from escalation.gather import Gathered, gather
from escalation.incident import Incident, State
from escalation.suspects import ours

BATCH = 5
SAID = 2_400
"""Characters of each piece that are said in the thread: `/aiec incident show` has all of it."""


class EvidenceManager:
    name = "evidence"
    patience = timedelta(seconds=60)

    def __init__(self, store: Store, config: Config, world: Callable[[], World]) -> None:
        self._store = store
        self._config = config
        self._world = world

    def look(self) -> Look:
        return _FRESH.there

    async def update(self, now: datetime) -> bool:
        """Looks at production for some of the incidents that were opened since, and returns whether there were any."""
        rows = await self._store.read(lambda tx: [Incident.model_validate(row.document) for row in _FRESH.rows(tx, BATCH)])
        found = await asyncio.gather(*(self._look(incident) for incident in rows))
        for incident, gathered in zip(rows, found, strict=True):
            await self._store.transaction(lambda tx, number=incident.number, gathered=gathered: _keep(tx, self._config, number, gathered))  # type: ignore[misc]
        return bool(rows)

    async def _look(self, incident: Incident) -> Gathered:
        own = await self._store.read(lambda tx: ours(tx, incident))
        return await gather(self._world(), self._config, incident, own)


def kept(tx: Transaction, number: int) -> list[Evidence]:
    """Returns the evidence of an incident, in the order in which it was gathered."""
    rows = tx.all(select(EvidenceRow).where(EvidenceRow.incident == number).order_by(col(EvidenceRow.id)))
    return [Evidence(title=f"{row.title}, {row.at:%H:%M:%S} UTC", text=row.text) for row in rows]


_FRESH = Due(
    select(IncidentRow)
    .where(col(IncidentRow.state).in_([state for state in State if state.open]), col(IncidentRow.gathered_at).is_(None))
    .order_by(col(IncidentRow.id)),
)


def _keep(tx: Transaction, config: Config, number: int, gathered: Gathered) -> None:
    row = tx.get(IncidentRow, number, lock=True)
    if row is None or row.gathered_at is not None:
        return
    row.gathered_at = tx.now
    tx.save(row)
    for piece in gathered.evidence:
        tx.save(EvidenceRow(incident=number, title=piece.title, text=piece.text, at=gathered.at))
    before = Incident.model_validate(row.document)
    said = [piece.title for piece in gathered.evidence]
    data = {"text": ", ".join(said), "unseen": [*gathered.unseen], "suspects": [one.text for one in gathered.suspects]}
    after = change(tx, config, before, before.model_copy(update={"suspects": gathered.suspects}), MACHINE, "evidence", **data)
    for about, card in _cards(after, gathered).items():
        key = f"{incident_key(number)}/{about}"
        if not after.private:
            tx.send(Message(key=key, channel=config.channels.incidents, card=card, thread_of=incident_key(number)))
        elif wanted(config, after):
            tx.send(Message(key=key, channel=address(number), card=card, thread_of=summary_key(number)))


def _cards(incident: Incident, gathered: Gathered) -> dict[str, Card]:
    """What is said of it in a thread, by what it is about."""
    cards: dict[str, Card] = {}
    if gathered.evidence or gathered.unseen:
        cards["evidence"] = Card(
            headline=line(f"Evidence of {incident.name}, as it was at {gathered.at:%H:%M:%S} UTC"),
            lines=tuple(line(f"Not seen: {text}") for text in gathered.unseen),
            evidence=tuple(piece.model_copy(update={"text": cut(piece.text, SAID)}) for piece in gathered.evidence),
        )
    if gathered.chart is not None or gathered.undrawn:
        cards["figures"] = Card(headline=line(f"Figures of the hour before {incident.name}"), lines=gathered.undrawn, chart=gathered.chart)
    return cards
