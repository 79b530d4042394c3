"""The manager that draws what changed: an incident's card in #incidents, the summary in its own channel, and the questions that were asked about it."""

from datetime import datetime, timedelta

from sqlmodel import col, select

from bot.core.card import Bold, Card, Ref, State, line
from bot.core.config import Config
from bot.core.incident_name import incident_key, summary_key
from bot.destinations import address, mail, slack_of
from bot.store.due import Due, Look
from bot.store.incident_tables import IncidentRow
from bot.store.store import Store
from bot.store.transaction import Message, Transaction
from escalation.card import Room, incident_card, summary_card
from escalation.channel import want
from escalation.incident import Incident
from escalation.postmortem.manager import afterwards
from escalation.tend import settle
from escalation.view import first, paging_of, prevented, room_of, runbooks_of

BATCH = 20


class CardManager:
    """Comes after those that page, so that a page never waits for the drawing of many cards."""

    name = "cards"
    patience = timedelta(seconds=30)

    def __init__(self, store: Store, config: Config) -> None:
        self._store = store
        self._config = config

    def look(self) -> Look:
        return _STALE.there

    async def update(self, now: datetime) -> bool:
        """Draws some of the incidents that have changed since they were drawn, and returns whether there were any."""
        return await self._store.transaction(self._draw) > 0

    def _draw(self, tx: Transaction) -> int:
        rows = _STALE.claim(tx, BATCH)
        for row in rows:
            self._draw_one(tx, row)
            row.stale = False
            tx.save(row)
        return len(rows)

    def _draw_one(self, tx: Transaction, row: IncidentRow) -> None:
        incident = Incident.model_validate(row.document)
        want(tx, self._config, incident)
        settle(tx, incident)
        room, paging, books = room_of(tx, self._config, incident), paging_of(tx, incident), runbooks_of(tx, incident)
        owed = prevented(tx, incident)
        if not incident.private:
            card = first(owed, incident_card(incident, room, paging, books, afterwards(tx, self._config, row, linked=True)))
            tx.send(Message(key=incident_key(incident.number), channel=self._config.channels.incidents, card=card))
            if incident.state.open and self._config.mails(incident.severity):
                where = line("How it goes on: ", Ref(key=incident_key(incident.number), text="its card in Slack"))
                mail(tx, self._config, incident_key(incident.number), card.model_copy(update={"lines": (*card.lines, where)}))
        elif room is not None and room.trouble:
            self._tell(tx, incident, room)
        # What cannot have a channel has its card in #incidents, which says the same; a private one has nothing else.
        if room is not None and (room.id or incident.private):
            # Its post-mortem stands in the same channel, and the last word there waits for no link: the channel may be archived meanwhile.
            card = first(owed, summary_card(incident, room, paging, books, afterwards(tx, self._config, row, linked=False)))
            tx.send(Message(key=summary_key(incident.number), channel=address(incident.number), card=card))

    def _tell(self, tx: Transaction, incident: Incident, room: Room) -> None:
        """A private incident has no other place than its channel: where that cannot be, those who can do something about it are told directly."""
        for name in dict.fromkeys(name for name in (incident.opened_by, incident.commander) if name):
            slack = slack_of(self._config, name)
            if slack is not None:
                headline = line(Bold(text=f"The private channel of {incident.name} cannot be used"))
                card = Card(state=State.NEEDS_YOU, headline=headline, lines=(line(room.trouble),))
                tx.send(Message(key=f"{incident_key(incident.number)}/channel/{slack}", channel=slack, card=card))


_STALE = Due(select(IncidentRow).where(col(IncidentRow.stale)).order_by(col(IncidentRow.id)))
