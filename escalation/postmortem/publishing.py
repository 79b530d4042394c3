"""The manager that brings published post-mortems to where they are kept outside of Slack, and tries again for as long as that cannot be done."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlmodel import col, select

from bot.core.config import Config
from bot.core.errors import AiecError, Throttled
from bot.core.events import Event
from bot.core.library import Library, Text
from bot.store.due import NOW, Due, Look, free
from bot.store.incident_tables import IncidentRow
from bot.store.postmortem_tables import PostmortemRow
from bot.store.store import Store
from bot.store.transaction import Transaction
from escalation.channel import name_of
from escalation.incident import Incident
from escalation.postmortem.card import Place
from escalation.postmortem.document import named
from escalation.postmortem.manager import document_of, draft_of, tell
from escalation.postmortem.owed import PUBLISHED

BATCH = 5
LEASE = timedelta(minutes=2)
FIRST_AGAIN, LAST_AGAIN = timedelta(minutes=1), timedelta(hours=1)


class PublishManager:
    """`libraries`: where they are kept, by a key that stays the same."""

    name = "publications"
    patience = timedelta(seconds=60)

    def __init__(self, store: Store, config: Config, libraries: Mapping[str, Library]) -> None:
        self._store = store
        self._config = config
        self._libraries = libraries

    def look(self) -> Look:
        return _DUE.there

    async def update(self, now: datetime) -> bool:
        """Brings some of those that are due to their places, and returns whether there were any."""
        for number, edition in await self._store.transaction(_claim):
            text, places = await self._store.read(lambda tx, number=number: _made(tx, number))  # type: ignore[misc]
            tried = [await self._put(key, library, text, places.get(key)) for key, library in self._libraries.items()]
            await self._store.transaction(lambda tx, number=number, edition=edition, tried=tried: _note(tx, self._config, number, edition, tried))  # type: ignore[misc]
        return True

    async def _put(self, key: str, library: Library, text: Text, known: Place | None) -> tuple[Place, timedelta | None]:
        """Returns what came of a place, and how long it asks to wait, where it does."""
        if known is not None and known.done:
            return known, None
        try:
            return Place(key=key, name=library.name, done=True, where=await library.put(text)), None
        except Throttled as error:
            return Place(key=key, name=library.name, trouble=error.text), error.retry_after
        except AiecError as error:
            return Place(key=key, name=library.name, trouble=f"{error.text} {error.hint}".strip()), None


_DUE = Due(select(PostmortemRow).where(col(PostmortemRow.next_at) <= NOW, free(PostmortemRow.lease_until)).order_by(col(PostmortemRow.next_at)))


def file_name(incident: Incident) -> str:
    """Returns how the file of an incident's post-mortem is called, always the same."""
    return f"{incident.opened_at:%Y-%m-%d}-{name_of(incident)}.md"


def _claim(tx: Transaction) -> list[tuple[int, int]]:
    claimed = []
    for row in _DUE.claim(tx, BATCH):
        row.lease_until = tx.now + LEASE
        tx.save(row)
        claimed.append((row.incident, row.edition))
    return claimed


def _made(tx: Transaction, number: int) -> tuple[Text, dict[str, Place]]:
    row, found = tx.get(PostmortemRow, number), tx.get(IncidentRow, number)
    assert row is not None
    assert found is not None
    draft = draft_of(row)
    assert draft is not None
    about = f"postmortem-{number}" if row.edition == 1 else f"postmortem-{number}-{row.edition}"
    text = Text(name=file_name(Incident.model_validate(found.document)), title=named(draft), text=document_of(tx, row), about=about)
    return text, {place["key"]: Place.model_validate(place) for place in row.places}


def _note(tx: Transaction, config: Config, number: int, edition: int, tried: list[tuple[Place, timedelta | None]]) -> None:
    row = tx.get(PostmortemRow, number, lock=True)
    if row is None or row.edition != edition:
        return
    before = {place["key"]: place for place in row.places}
    row.lease_until = None
    row.places = [place.model_dump(mode="json") for place, _ in tried]
    for place, _ in tried:
        if place.done and not before.get(place.key, {}).get("done"):
            tx.record(Event(kind="postmortem.kept", subject=f"#{number}", data={"place": place.name, "where": place.where}))
        elif place.trouble and place.trouble != before.get(place.key, {}).get("trouble"):
            tx.record(Event(kind="postmortem.not_kept", subject=f"#{number}", data={"place": place.name, "because": place.trouble}))
    waits = [wait or min(FIRST_AGAIN * 2**row.attempts, LAST_AGAIN) for place, wait in tried if not place.done]
    row.attempts = min(row.attempts + 1, 10) if waits else 0
    row.next_at = tx.now + min(waits) if waits and row.state == PUBLISHED else None
    tx.save(row)
    tell(tx, config, row)
