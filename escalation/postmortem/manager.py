"""The manager of post-mortems: drafts those that are owed, keeps their messages as they stand, and reminds their owners."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlmodel import col, or_, select

from bot.core.card import Attachment, Card, Line, Ref, line
from bot.core.chart import Chart, Mark
from bot.core.config import Config
from bot.core.events import Event
from bot.core.figures import BEFORE, drawn, figures_of
from bot.core.incident_name import incident_key
from bot.core.ports import Chat, World
from bot.destinations import address, slack_of
from bot.store.due import NOW, Due, Look
from bot.store.incident_tables import ChannelRow, IncidentRow
from bot.store.postmortem_tables import PostmortemRow
from bot.store.store import Store
from bot.store.tables import MessageRow
from bot.store.transaction import Message, Transaction
from escalation.actions import book as actions
from escalation.actions.item import Item
from escalation.circle import circle
from escalation.incident import Incident
from escalation.postmortem.card import Place, Standing, link_line, over_card, postmortem_card, reminder_card
from escalation.postmortem.document import Head, Review, Written, empty, markdown
from escalation.postmortem.draft import Draft, Section, draft
from escalation.postmortem.material import material
from escalation.postmortem.owed import DRAFTED, MERGED, PUBLISHED, WANTED
from escalation.reminders import Reminder
from escalation.reminding import deactivated, remind
from escalation.timeline import escaped

BATCH = 10


class PostmortemManager:
    name = "postmortems"
    patience = timedelta(seconds=30)

    def __init__(self, store: Store, config: Config, chat: Chat | None, world: Callable[[], World]) -> None:
        self._store = store
        self._config = config
        self._chat = chat
        self._world = world

    def look(self) -> Look:
        return or_(_STALE.there, _REMIND.there)

    async def update(self, now: datetime) -> bool:
        """Drafts what is out of date and sends the reminders that are due, a batch of each, and returns whether there was anything."""
        for number in await self._store.read(lambda tx: [row.incident for row in _STALE.rows(tx, BATCH)]):
            made = await self._store.read(lambda tx, number=number: _drafted(tx, number))  # type: ignore[misc]
            before = await self._store.read(lambda tx, number=number: _known(tx, number))  # type: ignore[misc]
            charts = await self._charts(made, before) if made is not None else ()
            await self._store.transaction(lambda tx, number=number, made=made, charts=charts: _keep(tx, self._config, number, made, charts))  # type: ignore[misc]
        if owners := await self._store.read(lambda tx: [row.owner for row in _REMIND.rows(tx, BATCH)]):
            gone = await deactivated(self._chat, self._config, owners)
            await self._store.transaction(lambda tx: _remind(tx, self._config, gone))
        return True

    async def _charts(self, made: Draft, before: Draft | None) -> tuple[Chart, ...]:
        """Returns the figures of the service that suffered, from before it began until it was over; none where none can be seen. What was drawn before of
        the same time is not drawn again."""
        if before is not None and before.times == made.times:
            return before.charts
        service, _, _ = made.where.partition(" in ")
        wanted = figures_of(service, self._config.services[service]) if service in self._config.services else []
        if not wanted or made.times.resolved is None:
            return ()
        marks = [(made.times.detected, "detected"), (made.times.mitigated, "mitigated"), (made.times.resolved, "resolved")]
        seen = tuple(Mark(at=at, label=label) for at, label in marks if at is not None)
        world = self._world()
        end = min(made.times.resolved + BEFORE, world.now)
        chart, _ = await drawn(world, wanted, f"#{made.number} {service}", made.times.began - BEFORE, end, seen)
        return (chart,) if chart is not None else ()


_STALE = Due(select(PostmortemRow).where(col(PostmortemRow.stale)).order_by(col(PostmortemRow.incident)))
_REMIND = Due(select(PostmortemRow).where(col(PostmortemRow.remind_at) <= NOW).order_by(col(PostmortemRow.remind_at)))


def draft_of(row: PostmortemRow) -> Draft | None:
    """Returns what aiec has drafted, None where that is still to be done."""
    return Draft.model_validate(row.document) if row.document is not None else None


def texts_of(row: PostmortemRow) -> dict[Section, Written]:
    """Returns what people wrote."""
    return {Section(section): Written.model_validate(text) for section, text in row.written.items()}


def items_of(tx: Transaction, number: int) -> list[str]:
    """Returns the action items that came of an incident, as lines of Markdown."""
    return [_item(item) for item in actions.items_of(tx, number)]


def _item(item: Item) -> str:
    done = {"done": "x"}.get(item.state, " ")
    dropped = f", dropped: {escaped(item.because)}" if item.state == "dropped" else ""
    issue = f" [issue]({item.url})" if item.url else ""
    return f"- [{done}] {item.name}: {escaped(' '.join(item.text.split()))} ({escaped(item.owner)}, due {item.due:%d %B %Y}{dropped}){issue}"


def document_of(tx: Transaction, row: PostmortemRow) -> str:
    """Returns the whole post-mortem as Markdown; there has to be a draft."""
    made = draft_of(row)
    assert made is not None
    reviews = tuple(Review.model_validate(review) for review in row.reviews)
    head = Head(state=row.state, owner=row.owner, published_at=row.published_at, anyway=row.anyway if row.state == PUBLISHED else "", reviews=reviews)
    return markdown(made, texts_of(row), items_of(tx, row.incident), head)


def standing_of(tx: Transaction, row: PostmortemRow) -> Standing:
    """Returns how a post-mortem stands."""
    found = tx.get(IncidentRow, row.incident)
    incident = Incident.model_validate(found.document) if found is not None else None
    made = draft_of(row)
    return Standing(
        name=f"#{row.incident}",
        title=f"{incident.severity} {incident.title}" if incident is not None else "",
        state=row.state,
        owner=row.owner,
        reviewer=row.reviewer,
        due=row.due_at,
        left=empty(made, texts_of(row), items_of(tx, row.incident)) if made is not None else tuple(Section),
        open=incident is not None and incident.state.open,
        published_by=row.published_by,
        published_at=row.published_at,
        anyway=row.anyway,
        places=tuple(Place.model_validate(place) for place in row.places),
        merged_into=incident.merged_into if incident is not None and row.state == MERGED else None,
        aside=len(row.aside),
    )


def key_of(number: int) -> str:
    """Returns the key of a post-mortem's message."""
    return f"{incident_key(number)}/postmortem"


def tell(tx: Transaction, config: Config, row: PostmortemRow) -> None:
    """Keeps its message as it stands now, and has the incident's card drawn anew, which leads to it."""
    found = tx.get(IncidentRow, row.incident)
    if found is None or row.document is None:
        return
    stands = standing_of(tx, row)
    card = postmortem_card(stands)
    for key, channel, thread in places(tx, config, row, found.private):
        tx.send(Message(key=key, channel=channel, card=card, thread_of=thread))
    if row.state == PUBLISHED and tx.get(MessageRow, said := f"{key_of(row.incident)}/published/{row.edition}") is not None:
        tx.send(Message(key=said, channel=config.channels.incidents, card=card))
    _settle(tx, row, stands)
    found.stale = True
    tx.save(found)


def announce(tx: Transaction, config: Config, row: PostmortemRow, incident: Incident) -> None:
    """Shows a published one to those who may see it: as a file, in #incidents, and of a private incident where it is spoken of."""
    file = Card(
        headline=line(f"Post-mortem of {incident.name}"), file=Attachment(name=f"{key_of(row.incident)}.md".replace("/", "-"), text=document_of(tx, row))
    )
    if incident.private:
        for key, channel, thread in places(tx, config, row, private=True):
            tx.send(Message(key=f"{key}/file/{row.edition}", channel=channel, card=file, thread_of=thread or key))
        return
    key = f"{key_of(row.incident)}/published/{row.edition}"
    tx.send(Message(key=key, channel=config.channels.incidents, card=postmortem_card(standing_of(tx, row))))
    tx.send(Message(key=f"{key}/file", channel=config.channels.incidents, card=file, thread_of=key))


def afterwards(tx: Transaction, config: Config, incident: IncidentRow, *, linked: bool) -> Line:
    """Returns what an incident's card says of its post-mortem, with the way there where it is `linked`; nothing while there is none."""
    row = tx.get(PostmortemRow, incident.number)
    if row is None or row.document is None or row.state == MERGED:
        return ()
    where = places(tx, config, row, incident.private)
    return link_line(standing_of(tx, row), Ref(key=where[0][0], text="Post-mortem") if where and linked else "Post-mortem")


def _settle(tx: Transaction, row: PostmortemRow, stands: Standing, *, again: bool = False) -> None:
    """Takes the buttons off reminders that ask nobody any more: of one that is published, or that somebody else writes now, or all as there is another one
    (`again`)."""
    prefix = f"{key_of(row.incident)}/reminder/"
    for message in tx.all(select(MessageRow).where(col(MessageRow.key).startswith(prefix, autoescape=True))):
        said = Card.model_validate(message.card)
        over = row.state in (PUBLISHED, MERGED) or message.key.rpartition("/")[2] != row.owner
        if said.actions and (over or again):
            tx.send(Message(key=message.key, channel=message.channel, card=over_card(stands, said, again=not over)))


def places(tx: Transaction, config: Config, row: PostmortemRow, private: bool) -> list[tuple[str, str, str | None]]:
    """Returns where a post-mortem is spoken of: key, channel, and the message it goes under. In the incident's own channel while there is one, else under the
    incident's message in #incidents; of a private incident nowhere but in its channel, and once that is archived to the owner alone."""
    key = key_of(row.incident)
    channel = tx.get(ChannelRow, row.incident)
    if channel is not None and not channel.archived and (private or not channel.trouble):
        return [(key, address(row.incident), None)]
    if not private:
        return [(f"{key}/incidents", config.channels.incidents, incident_key(row.incident))]
    slack = slack_of(config, row.owner) if row.owner is not None else None
    return [(f"{key}/{slack}", slack, None)] if slack is not None else []


def _drafted(tx: Transaction, number: int) -> Draft | None:
    found = material(tx, number)
    return draft(found) if found is not None else None


def _known(tx: Transaction, number: int) -> Draft | None:
    row = tx.get(PostmortemRow, number)
    return draft_of(row) if row is not None else None


def _keep(tx: Transaction, config: Config, number: int, made: Draft | None, charts: tuple[Chart, ...]) -> None:
    row = tx.get(PostmortemRow, number, lock=True)
    if row is None or not row.stale:
        return
    row.stale = False
    if made is not None and row.state != MERGED:
        before, row.state = draft_of(row), DRAFTED if row.state == WANTED else row.state
        row.document = made.model_copy(update={"charts": charts}).model_dump(mode="json")
        row.drafted_at = tx.now
        _absorb(tx, row)
        tx.record(Event(kind="postmortem.drafted", subject=f"#{number}", data={"owner": row.owner, "again": before is not None}))
        tx.save(row)
        tell(tx, config, row)
        for chart in charts if before is None or before.charts != charts else ():
            _say_chart(tx, config, row, chart, made.private)
        return
    tx.save(row)
    tell(tx, config, row)


def _say_chart(tx: Transaction, config: Config, row: PostmortemRow, chart: Chart, private: bool) -> None:
    for key, channel, thread in places(tx, config, row, private):
        said = Card(headline=line(f"Figures of {chart.title}"), chart=chart)
        tx.send(Message(key=f"{key}/figures/{row.drafted_at:%Y%m%dT%H%M%S}", channel=channel, card=said, thread_of=thread or key))


def _absorb(tx: Transaction, row: PostmortemRow) -> None:
    """Takes over what people wrote for incidents that were merged into this one, below what stands here."""
    parts = tx.all(select(PostmortemRow).where(PostmortemRow.state == MERGED).order_by(col(PostmortemRow.incident)))
    written = dict(row.written)
    for part in parts:
        found = tx.get(IncidentRow, part.incident)
        if found is None or not part.written or Incident.model_validate(found.document).merged_into != row.incident:
            continue
        for section, text in part.written.items():
            here, theirs = written.get(section), f"{text['text']}\n\n(from the post-mortem of #{part.incident})"
            written[section] = {**text, "text": f"{here['text']}\n\n{theirs}" if here is not None else theirs}
        part.written = {}
        tx.save(part)
    row.written = written


def _remind(tx: Transaction, config: Config, gone: frozenset[str]) -> None:
    for row in _REMIND.claim(tx, BATCH):
        event = Event(kind="postmortem.reminded", subject=f"#{row.incident}")
        remind(tx, config, row, row.due_at, gone, event, lambda one, people, why, row=row: _tell(tx, config, row, one, people, why))  # type: ignore[misc]
        tx.save(row)


def _tell(tx: Transaction, config: Config, row: PostmortemRow, one: Reminder, people: Sequence[str], why: str) -> Sequence[str]:
    """Only the last reminder has buttons."""
    if row.document is None:
        return ()
    stands = standing_of(tx, row)
    _settle(tx, row, stands, again=True)
    for name in people:
        if (slack := slack_of(config, name)) is not None:
            key = f"{key_of(row.incident)}/reminder/{one.planned:%Y%m%dT%H%M%S}/{name}"
            tx.send(Message(key=key, channel=slack, card=reminder_card(_as_seen_by(tx, row, stands, name), one, tx.now, name, why)))
    return people


def _as_seen_by(tx: Transaction, row: PostmortemRow, stands: Standing, name: str) -> Standing:
    """What a private incident is about is nobody's business but its people's, also not the lead's who is told that its post-mortem is overdue."""
    found = tx.get(IncidentRow, row.incident)
    known = found is None or not found.private or name in circle(tx, Incident.model_validate(found.document))
    return stands if known else stands.model_copy(update={"title": "A private incident"})
