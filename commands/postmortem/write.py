"""`/aiec postmortem start|edit|assign`: what people do to write one."""

from collections.abc import Mapping
from typing import Annotated

from bot.command import Bookkeeping, Command, Context
from bot.core.card import Action, Card, Evidence, Line, Person, Time, line
from bot.core.data import Frozen
from bot.core.errors import Refused, UsageError
from bot.core.events import Event
from bot.core.form import Opening
from bot.core.parse import Param
from bot.core.text import cut
from bot.destinations import slack_of
from bot.store.postmortem_tables import PostmortemRow
from bot.store.transaction import Message, Transaction
from commands.arguments import IncidentName, ThisIncident
from commands.incident.target import with_names
from commands.postmortem.target import drafted, found, incident_of
from escalation.incident import Incident
from escalation.postmortem import writing
from escalation.postmortem.card import postmortem_card
from escalation.postmortem.document import Written
from escalation.postmortem.draft import Section
from escalation.postmortem.manager import draft_of, standing_of, tell, texts_of
from escalation.postmortem.owed import PUBLISHED, ask_for
from escalation.postmortem.writing import Aside, Saved

LOG_SHOWN = 400


class StartArguments(Frozen):
    incident: IncidentName


class EditArguments(Frozen):
    incident: ThisIncident = None
    summary: Annotated[str, Param(option=True, kind="lines", metavar="TEXT", help=Section.SUMMARY.prompt)] = ""
    impact: Annotated[str, Param(option=True, kind="lines", metavar="TEXT", help=Section.IMPACT.prompt)] = ""
    contributing_factors: Annotated[str, Param(option=True, kind="lines", metavar="TEXT", help=Section.FACTORS.prompt)] = ""
    went_well: Annotated[str, Param(option=True, kind="lines", metavar="TEXT", help=Section.WELL.prompt)] = ""
    went_badly: Annotated[str, Param(option=True, kind="lines", metavar="TEXT", help=Section.BADLY.prompt)] = ""
    lucky: Annotated[str, Param(option=True, kind="lines", metavar="TEXT", help=Section.LUCKY.prompt)] = ""
    action_items: Annotated[str, Param(option=True, kind="lines", metavar="TEXT", help=Section.ACTIONS.prompt)] = ""
    add: Annotated[int | None, Param(option=True, metavar="N", help="puts in a text that was put aside")] = None
    seen: Annotated[str, Param(option=True, metavar="MARKS", help="which texts you saw; the form says it")] = ""


class AssignArguments(Frozen):
    incident: ThisIncident = None
    person: Annotated[str, Param(choices="people", kind="person", metavar="person", help="who writes it from now on")]


FIELDS = {
    Section.SUMMARY: "summary",
    Section.IMPACT: "impact",
    Section.FACTORS: "contributing_factors",
    Section.WELL: "went_well",
    Section.BADLY: "went_badly",
    Section.LUCKY: "lucky",
    Section.ACTIONS: "action_items",
}


def _start(arguments: StartArguments, context: Context, tx: Transaction) -> Card | None:
    incident = incident_of(tx, context, arguments.incident)
    row = ask_for(tx, context.config, incident, context.request.actor.name)
    if row.document is not None:
        raise Refused(
            f"{incident.name} has a post-mortem: it is {row.state}, and {row.owner or 'nobody'} writes it.", f"`/aiec postmortem show {incident.name}`"
        )
    when = "when the incident resolves" if incident.state.open else "now"
    return Card(headline=line(f"The post-mortem of {incident.name} is drafted {when}; ", Person(name=row.owner or "nobody"), " writes it."))


def _opens(arguments: EditArguments, context: Context, tx: Transaction) -> Opening | None:
    """Returns the form with the texts as they are, where nothing to write was given."""
    if arguments.seen or arguments.add is not None or _given(arguments, context):
        return None
    incident, row = drafted(tx, context, arguments.incident)
    written, draft = texts_of(row), draft_of(row)
    said = draft.said if draft is not None else {}
    return Opening(
        summary=f"{incident.name} {incident.severity} {incident.title}. What stands in the log is in it already; what you write stands above that.",
        values={FIELDS[section]: text for section, text in writing.held(written).items()},
        carried={"incident": incident.name, "seen": writing.seen_of(written)},
        hidden=("add",),
        hints={FIELDS[section]: _hint(section, written.get(section), said.get(section, ())) for section in Section},
    )


def _hint(section: Section, written: Written | None, said: tuple[str, ...]) -> str:
    if written is not None and len(written.text) > writing.ROOM:
        return f"{len(written.text):,} characters are there, which is more than this field takes. What you write here is added below them."
    log = cut(" ".join(said), LOG_SHOWN)
    return f"{section.prompt} The log says: {log}" if log else section.prompt


def _given(arguments: EditArguments, context: Context) -> dict[Section, str]:
    texts = {section: with_names(context, str(getattr(arguments, field))).strip() for section, field in FIELDS.items()}
    return {section: text for section, text in texts.items() if text}


def _edit(arguments: EditArguments, context: Context, tx: Transaction) -> Card | None:
    incident, row = drafted(tx, context, arguments.incident)
    written, given, me = texts_of(row), _given(arguments, context), context.request.actor.name
    if arguments.add is not None:
        saved = _put_in(row, written, arguments.add, tx)
    elif arguments.seen:
        next_id = max((int(one["id"]) for one in row.aside), default=0) + 1
        saved = writing.submitted(written, given, _seen(arguments.seen), me, tx.now, next_id)
    elif given:
        saved = writing.typed(written, given, me, tx.now)
    else:
        raise UsageError("There is nothing to write.", f'For example `/aiec postmortem edit {incident.name} --impact "2,300 checkouts failed"`.')
    row.written = {section: text.model_dump(mode="json") for section, text in saved.written.items()}
    row.aside = [*row.aside, *(one.model_dump(mode="json") for one in saved.aside)]
    if saved.changed:
        versions = {section: saved.written[section].text if section in saved.written else "" for section in saved.changed}
        tx.record(Event(kind="postmortem.edited", subject=incident.name, actor=me, data={"texts": versions}))
    for one in saved.aside:
        tx.record(Event(kind="postmortem.put_aside", subject=incident.name, actor=me, data={"section": one.section, "text": one.text}))
    tx.save(row)
    tell(tx, context.config, row)
    return _answer(incident, row, saved, tx)


def _seen(carried: str) -> dict[Section, str]:
    try:
        return writing.read_seen(carried)
    except ValueError as error:
        raise UsageError("That form is from another version of aiec, so that nothing was saved.", "Open it again, and write there.") from error


def _put_in(row: PostmortemRow, written: Mapping[Section, Written], number: int, tx: Transaction) -> Saved:
    """Puts a text that was put aside below what stands in its section, as its writer's."""
    one = next((Aside.model_validate(one) for one in row.aside if one["id"] == number), None)
    if one is None:
        raise Refused(f"There is no text {number} put aside any more: somebody has put it in.")
    row.aside = [other for other in row.aside if other["id"] != number]
    return writing.typed(written, {one.section: one.text}, one.by, tx.now)


def _answer(incident: Incident, row: PostmortemRow, saved: Saved, tx: Transaction) -> Card:
    """Says what was saved, and shows both texts where somebody else has changed the same one meanwhile."""
    changed = ", ".join(section.heading for section in saved.changed)
    published = row.state == PUBLISHED
    again = f" It was published without this: `/aiec postmortem publish {incident.name}` publishes it again." if published and changed else ""
    said = f"Saved in the post-mortem of {incident.name}: {changed}.{again}" if changed else f"Nothing changed in the post-mortem of {incident.name}."
    lines: list[Line] = []
    evidence: list[Evidence] = []
    actions: list[Action] = []
    for one in saved.aside:
        theirs = saved.written.get(one.section)
        who: Line = (Person(name=theirs.by), " changed ") if theirs is not None else ("Somebody emptied ",)
        at: Line = (" at ", Time(at=theirs.at)) if theirs is not None else ()
        lines.append(line(*who, one.section.heading, *at, ", while you wrote: that stays, and yours is kept beside it."))
        evidence += [Evidence(title=f"{one.section.heading}, as it is", text=theirs.text)] if theirs is not None else []
        evidence.append(Evidence(title=f"{one.section.heading}, as you wrote it", text=one.text))
        actions.append(
            Action(label=f"Add mine to {one.section.heading}", command="postmortem edit", arguments={"incident": incident.name, "add": one.id}, style="primary")
        )
    left = standing_of(tx, row).left
    if not lines and left:
        lines.append(line(f"Still empty: {', '.join(section.heading for section in left)}."))
    return Card(headline=line(said), lines=tuple(lines), evidence=tuple(evidence), actions=tuple(actions))


def _assign(arguments: AssignArguments, context: Context, tx: Transaction) -> Card | None:
    incident, row = found(tx, context, arguments.incident)
    me, given = context.request.actor.name, arguments.person
    person = context.config.person(given) or given
    if row.owner == person:
        raise Refused(f"{'You write' if person == me else f'{person} writes'} the post-mortem of {incident.name} already.")
    if row.state == PUBLISHED:
        raise Refused(f"The post-mortem of {incident.name} is published: nobody has to write it any more.")
    tx.record(Event(kind="postmortem.assigned", subject=incident.name, actor=me, data={"person": person, "instead_of": row.owner or ""}))
    row.owner = person
    tx.save(row)
    tell(tx, context.config, row)
    slack = slack_of(context.config, person)
    if slack is not None and person != me and row.document is not None:
        card = postmortem_card(standing_of(tx, row))
        asked = card.model_copy(update={"headline": line(Person(name=me), " gave you a post-mortem to write · ", *card.headline)})
        tx.send(Message(key=f"incident-{incident.number}/postmortem/reminder/assigned-{context.request.key}/{person}", channel=slack, card=asked))
    return Card(headline=line("The post-mortem of ", incident.name, " is ", Person(name=person), "'s to write now."))


START = Command(
    name="postmortem start",
    arguments=StartArguments,
    does=Bookkeeping(_start),
    permission="incident.postmortem",
    group="afterwards",
    summary="have one drafted for an incident that owes none; you write it",
    examples=("postmortem start #42",),
    rules=("Incidents whose severity says so owe one: it is drafted when they resolve.",),
)
EDIT = Command(
    name="postmortem edit",
    arguments=EditArguments,
    does=Bookkeeping(_edit),
    permission="incident.postmortem",
    group="afterwards",
    summary="write into it, in a form or by section",
    examples=("postmortem edit #42", 'postmortem edit #42 --impact "2,300 checkouts failed"'),
    rules=(
        "Without a text a form opens that holds what stands there; what is typed here is added below it.",
        "When two people write at once nothing is lost: what was saved first stays, the other text is kept beside it and can be added.",
    ),
    opens=_opens,
)
ASSIGN = Command(
    name="postmortem assign",
    arguments=AssignArguments,
    does=Bookkeeping(_assign),
    permission="incident.postmortem",
    group="afterwards",
    summary="give it to somebody else to write, who is told",
    examples=("postmortem assign #42 @senior",),
)
