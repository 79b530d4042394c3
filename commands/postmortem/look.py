"""`/aiec postmortem list|show|export`: what is owed, and one as it stands."""

from bot.command import Command, Context, Read
from bot.core.card import Attachment, Bold, Card, Evidence, Line, Row, State, Time, line
from bot.core.data import Frozen
from bot.core.text import cut
from bot.store.postmortem_tables import PostmortemRow
from bot.store.transaction import Transaction
from commands.arguments import ThisIncident
from commands.postmortem.target import drafted
from escalation.circle import may_know
from escalation.incident import Incident
from escalation.postmortem.card import Standing, postmortem_card, row
from escalation.postmortem.document import Written
from escalation.postmortem.draft import Section
from escalation.postmortem.manager import document_of, standing_of, texts_of
from escalation.postmortem.owed import unpublished
from escalation.postmortem.publishing import file_name
from escalation.postmortem.writing import Aside

INLINE = 2_400
"""Characters of a document that a message shows; a longer one is a file."""
SHOWN, ASIDE = 20, 300


class ListArguments(Frozen):
    pass


class ShowArguments(Frozen):
    incident: ThisIncident = None


async def _list(arguments: ListArguments, context: Context) -> Card:
    def read(tx: Transaction) -> list[Standing]:
        return [standing_of(tx, one) for one in unpublished(tx) if may_know(tx, context.config, one.incident, context.request.actor)]

    owed = await context.store.read(read)
    if not owed:
        return Card(state=State.DONE, headline=line("No post-mortem is owed"), lines=(line("`/aiec postmortem start #42` asks for one that is not."),))
    more = (line(f"… and {len(owed) - SHOWN} more"),) if len(owed) > SHOWN else ()
    late = sum(one.due is not None and one.due < context.now for one in owed)
    what = f"{len(owed)} post-mortem{'s are' if len(owed) > 1 else ' is'} owed" + (f", {late} overdue" if late else "")
    return Card(state=State.NEEDS_YOU if late else None, headline=line(what), rows=tuple(row(one, context.now) for one in owed[:SHOWN]), lines=more)


async def _show(arguments: ShowArguments, context: Context) -> Card:
    def read(tx: Transaction) -> tuple[Incident, Standing, str, dict[Section, Written], list[Line]]:
        incident, found = drafted(tx, context, arguments.incident)
        return incident, standing_of(tx, found), document_of(tx, found), texts_of(found), _aside(found)

    incident, stands, text, written, aside = await context.store.read(read)
    card = postmortem_card(stands)
    rows = tuple(_row(section, stands, written.get(section)) for section in Section)
    shown = card.model_copy(update={"rows": rows, "lines": (card.lines[0], *aside), "actions": ()})
    if len(text) <= INLINE:
        return shown.model_copy(update={"evidence": (Evidence(title=f"Post-mortem of {incident.name}", text=text),)})
    return shown.model_copy(update={"file": Attachment(name=file_name(incident), text=text)})


async def _export(arguments: ShowArguments, context: Context) -> Card:
    def read(tx: Transaction) -> tuple[Incident, str]:
        incident, found = drafted(tx, context, arguments.incident)
        return incident, document_of(tx, found)

    incident, text = await context.store.read(read)
    return Card(headline=line(Bold(text=f"Post-mortem of {incident.name}"), ", as Markdown"), file=Attachment(name=file_name(incident), text=text))


def _row(section: Section, stands: Standing, written: Written | None) -> Row:
    """A line of the checklist."""
    if written is not None:
        return Row(name=section.heading, text=line(f"✅ {written.by}, ", Time(at=written.at, style="date")))
    if section in stands.left:
        return Row(name=section.heading, text=line("⚠️ needs you"))
    return Row(name=section.heading, text=line("✅ from the log"))


def _aside(row: PostmortemRow) -> list[Line]:
    def said(one: Aside) -> Line:
        how = f"`/aiec postmortem edit #{row.incident} --add {one.id}` puts it in"
        return line(f"Put aside of {one.by}, for {one.section.heading}: {cut(one.text, ASIDE)} · {how}")

    return [said(Aside.model_validate(one)) for one in row.aside]


LIST = Command(
    name="postmortem list",
    arguments=ListArguments,
    does=Read(_list),
    permission="incident.show",
    group="afterwards",
    summary="the post-mortems that are owed: whose they are, when they are due, what they lack",
    examples=("postmortem list",),
)
SHOW = Command(
    name="postmortem show",
    arguments=ShowArguments,
    does=Read(_show),
    permission="incident.show",
    group="afterwards",
    summary="one as it stands, with the sections that are empty",
    examples=("postmortem show #42",),
    rules=("A long one comes as a file in your direct messages.", "One of an incident that was merged is that of the incident it belongs to."),
)
EXPORT = Command(
    name="postmortem export",
    arguments=ShowArguments,
    does=Read(_export),
    permission="incident.show",
    group="afterwards",
    summary="one as a Markdown file",
    examples=("postmortem export #42",),
)
