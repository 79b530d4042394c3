"""What must hold of incidents when it has been quiet for long: both sides agree, nothing received is lost, and messages say what the rows say."""

from collections import Counter
from collections.abc import Iterable
from itertools import chain

from sqlmodel import col, select

from bot.core.config import Config
from bot.core.incident_name import incident_key
from bot.store.incident_tables import AlertRow, EscalationRow, IncidentRow, PageRow
from bot.store.store import Store
from bot.store.tables import EventRow, MessageRow, RequestRow
from bot.store.transaction import Transaction
from escalation.card import incident_card
from escalation.incident import Incident, State
from escalation.view import paging_of, room_of
from sandbox.pagerduty import Incident as Page
from sandbox.world import World
from tests.simulation import ending
from tests.simulation.oncall import user_id
from tests.simulation.vigil import Vigil

FATES = ("opened", "merged", "suppressed", "resolved", "rejected")
THERE = {State.TRIGGERED: "triggered", State.ACKNOWLEDGED: "acknowledged", State.MITIGATED: "acknowledged"}
"""How an incident stands in PagerDuty; in any other state it is resolved there."""


def problems(store: Store, world: World, config: Config, vigil: Vigil, key: bytes, *, twice: bool) -> list[str]:
    """Returns what does not hold. `twice` as in `ending.problems`."""

    def find(tx: Transaction) -> list[str]:
        found = chain(
            _fates(tx, vigil),
            _firing(tx, world),
            _pages(tx, world),
            _strays(tx, world),
            _notes(tx, world),
            _told(tx),
            _cards(tx, config),
            ending.requests(tx),
            ending.messages(tx, world.slack, twice=twice),
            ending.audit(tx, key),
        )
        return [*found]

    return store.look(find)


def _fates(tx: Transaction, vigil: Vigil) -> Iterable[str]:
    """Every received alert has exactly one fate, written down once for each time that it was decided."""
    rows: dict[tuple[str, object], list[AlertRow]] = {}
    for row in tx.all(select(AlertRow)):
        rows.setdefault((row.fingerprint, row.starts_at), []).append(row)
    for one in sorted(vigil.received):
        found = rows.get(one, [])
        if len(found) != 1 or found[0].fate not in FATES:
            yield f"the alert {one[0]} of {one[1]:%H:%M:%S} was received, and has the fates {[row.fate for row in found]}"
    for row in chain.from_iterable(rows.values()):
        decided = [event for event in tx.all(select(EventRow).where(EventRow.kind == f"alert.{row.fate}")) if _about(event, row)]
        if not decided:
            yield f"the log does not know that the alert {row.name} of {row.starts_at:%H:%M:%S} was {row.fate}"


def _about(event: EventRow, row: AlertRow) -> bool:
    data = event.payload or {}
    return data.get("fingerprint") == row.fingerprint and data.get("starts_at") == row.starts_at.isoformat()


def _told(tx: Transaction) -> Iterable[str]:
    """An event of PagerDuty is taken in once, however often it was delivered."""
    told = Counter(row.document["arguments"]["event"]["id"] for row in tx.all(select(RequestRow)) if row.document["command"] == "pager event")
    for event, times in told.items():
        if times > 1:
            yield f"PagerDuty's event {event} was taken in {times} times"


def _firing(tx: Transaction, world: World) -> Iterable[str]:
    """What fires here fires there, and the other way round."""
    there = {alert.fingerprint: alert for alert in world.alertmanager.alerts()}
    here = {row.fingerprint: row for row in tx.all(select(AlertRow).where(AlertRow.status == "firing"))}
    for fingerprint in sorted(here.keys() - there.keys()):
        yield f"the alert {here[fingerprint].name} of {here[fingerprint].service} is over, and fires here still"
    for fingerprint in sorted(there.keys() - here.keys()):
        yield f"the alert {dict(there[fingerprint].labels)} fires, and nobody here knows"


def _pages(tx: Transaction, world: World) -> Iterable[str]:
    """What was resolved here is resolved there and the other way round, and who has to be called is being called."""
    by_key: dict[str, list[Page]] = {}
    for page in world.pagerduty.incidents.values():
        by_key.setdefault(page.key, []).append(page)
    ids = world.pagerduty.incidents
    for row in tx.all(select(PageRow).where(col(PageRow.incident).is_not(None), PageRow.rounds > 0)):
        found = tx.get(IncidentRow, row.incident)
        assert found is not None
        incident = Incident.model_validate(found.document)
        page = ids.get(row.remote or "") or (by_key.get(row.key) or [None])[-1]
        stands = page.status if page is not None else "never there"
        wanted = THERE.get(incident.state, "resolved")
        if row.again and stands in ("resolved", "never there"):
            continue
        if incident.state in (State.CLOSED, State.MERGED) and page is not None and page.reopened is not None:
            continue  # a person has opened it again there; here what is closed stays closed
        if incident.storm and stands == "resolved":
            continue  # each of its services may be resolved by itself
        if page is None and row.remote is None and wanted != "triggered":
            continue  # answered before PagerDuty had it: nobody is called for nothing
        if stands != wanted:
            yield f"{incident.name} is {incident.state}, and its page {row.key} is {stands} in PagerDuty (wanted here: {row.status})"
    for incident_row in tx.all(select(IncidentRow).where(IncidentRow.state == State.TRIGGERED)):
        if tx.get(EscalationRow, incident_row.id) is not None and not _called(tx, world, incident_row.number):
            yield f"#{incident_row.id} waits for an answer, and nobody is called for it in PagerDuty"


def _strays(tx: Transaction, world: World) -> Iterable[str]:
    """Nothing is open in PagerDuty that no row knows, and nothing was ever opened there under a key of ours that is no page's."""
    rows = tx.all(select(PageRow))
    keys, ids = {row.key for row in rows}, {row.remote for row in rows}
    for page in world.pagerduty.incidents.values():
        if (page.open and page.id not in ids and page.key not in keys) or (page.key.startswith("aiec-") and page.key not in keys):
            yield f"nobody knows of PagerDuty's incident {page.title!r} ({page.key})"


def _notes(tx: Transaction, world: World) -> Iterable[str]:
    """What somebody has noted in PagerDuty stands in the timeline once."""
    written = sum(note.user != user_id("aiec") for page in world.pagerduty.incidents.values() for note in page.notes)
    known = [event for event in tx.all(select(EventRow).where(EventRow.kind == "incident.note")) if (event.payload or {}).get("via") == "pagerduty"]
    if len(known) > written:
        yield f"{written} notes were written in PagerDuty, and the timelines have {len(known)} of them"


def _called(tx: Transaction, world: World, number: int) -> bool:
    rows = tx.all(select(PageRow).where(PageRow.incident == number))
    keys, ids = {row.key for row in rows}, {row.remote for row in rows}
    return any(page.status == "triggered" and page.assignees for page in world.pagerduty.incidents.values() if page.key in keys or page.id in ids)


def _cards(tx: Transaction, config: Config) -> Iterable[str]:
    """The message of every incident says how it stands; a private one has none in #incidents."""
    for row in tx.all(select(IncidentRow)):
        incident = Incident.model_validate(row.document)
        message = tx.get(MessageRow, incident_key(incident.number))
        if row.state != incident.state or row.stale:
            yield f"{incident.name} is {incident.state}, and its row says {row.state}{', stale' if row.stale else ''}"
        if incident.private:
            if message is not None:
                yield f"the private {incident.name} has a message in #incidents"
        elif message is None or message.card != incident_card(incident, room_of(tx, config, incident), paging_of(tx, incident)).model_dump(mode="json"):
            yield f"the message of {incident.name} does not say how it stands"
