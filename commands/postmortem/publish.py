"""`/aiec postmortem review|publish`: somebody else reads it, and then everybody may."""

from typing import Annotated

from bot.command import Bookkeeping, Command, Context
from bot.core.card import Action, Bold, Card, Person, State, line
from bot.core.data import Frozen
from bot.core.errors import Refused
from bot.core.events import Event
from bot.core.parse import Param
from bot.destinations import slack_of
from bot.store.transaction import Message, Transaction
from commands.arguments import ThisIncident
from commands.postmortem.target import drafted
from escalation.incident import Incident
from escalation.postmortem.document import Review
from escalation.postmortem.draft import Section
from escalation.postmortem.manager import announce, key_of, standing_of, tell
from escalation.postmortem.owed import DRAFTED, PUBLISHED, REVIEW
from escalation.reminders import lead


class ReviewArguments(Frozen):
    incident: ThisIncident = None
    person: Annotated[str | None, Param(choices="people", kind="person", metavar="person", help="who shall read it; the lead, unless given")] = None
    ok: Annotated[bool, Param(option=True, help="you have read it, and it can be published")] = False
    remark: Annotated[str, Param(option=True, metavar="TEXT", help="you have read it, and this is missing or wrong")] = ""


class PublishArguments(Frozen):
    incident: ThisIncident = None
    anyway: Annotated[str, Param(option=True, metavar="REASON", help="why it is published although sections are empty; it says so")] = ""


def _review(arguments: ReviewArguments, context: Context, tx: Transaction) -> Card | None:
    if arguments.ok or arguments.remark:
        return _read(arguments, context, tx)
    incident, row = drafted(tx, context, arguments.incident)
    if row.state == PUBLISHED:
        raise Refused(f"The post-mortem of {incident.name} is published already.")
    me, given = context.request.actor.name, arguments.person or lead(context.config)
    person = given and (context.config.person(given) or given)
    if person is None or person in (row.owner, me):
        raise Refused("Somebody else than its writer has to read it.", f"Name him: `/aiec postmortem review {incident.name} @senior`.")
    row.state, row.reviewer = REVIEW, person
    tx.save(row)
    tx.record(Event(kind="postmortem.review", subject=incident.name, actor=me, data={"person": person}))
    tell(tx, context.config, row)
    if (slack := slack_of(context.config, person)) is not None:
        tx.send(Message(key=_asked(incident.number, person), channel=slack, card=asking(incident, me)))
    return Card(headline=line(Person(name=person), f" is asked to read the post-mortem of {incident.name}."))


def asking(incident: Incident, by: str | None = None) -> Card:
    """Returns what somebody is told who shall read it, `by` whom he is asked where that is said."""
    named = {"incident": incident.name}
    what = Bold(text=f"post-mortem of {incident.name}")
    return Card(
        state=State.NEEDS_YOU,
        headline=line(Person(name=by), " asks you to read the ", what) if by is not None else line("You are asked to read the ", what),
        lines=(line(f"{incident.severity} {incident.title}"), line(f"`/aiec postmortem review {incident.name} --remark …` says what is missing.")),
        actions=(
            Action(label="Show", command="postmortem show", arguments=named, style="primary"),
            Action(label="Looks good", command="postmortem review", arguments={**named, "ok": True}),
        ),
    )


def _read(arguments: ReviewArguments, context: Context, tx: Transaction) -> Card | None:
    incident, row = drafted(tx, context, arguments.incident)
    me = context.request.actor.name
    if row.state == PUBLISHED:
        raise Refused(f"The post-mortem of {incident.name} is published already.")
    if me == row.owner:
        raise Refused(f"You write the post-mortem of {incident.name}: somebody else has to read it.")
    row.reviews = [*row.reviews, Review(by=me, at=tx.now, remark=arguments.remark).model_dump(mode="json")]
    row.state, row.reviewer = (DRAFTED, None) if arguments.remark else (row.state, row.reviewer)
    tx.save(row)
    tx.record(Event(kind="postmortem.read", subject=incident.name, actor=me, data={"remark": arguments.remark}))
    tell(tx, context.config, row)
    said = line(Person(name=me), f" has read the post-mortem of {incident.name}{': ' + arguments.remark if arguments.remark else ' and would publish it'}")
    asked = Card(state=State.DONE, headline=line("You have read the ", Bold(text=f"post-mortem of {incident.name}")))
    if (mine := context.request.actor.slack) is not None and row.reviewer in (me, None):
        tx.send(Message(key=_asked(incident.number, me), channel=mine, card=asked))
    if row.owner is not None and (slack := slack_of(context.config, row.owner)) is not None:
        named = {"incident": incident.name}
        following = Action(label="Continue writing", command="postmortem edit", arguments=named, style="primary")
        card = Card(state=State.NEEDS_YOU if arguments.remark else None, headline=said, actions=(following,) if arguments.remark else ())
        tx.send(Message(key=f"{key_of(incident.number)}/read/{context.request.key}", channel=slack, card=card))
    return Card(headline=line(f"Your {'remark is' if arguments.remark else 'word is'} noted in the post-mortem of {incident.name}."))


def _asked(number: int, person: str) -> str:
    return f"{key_of(number)}/review/{person}"


def _publish(arguments: PublishArguments, context: Context, tx: Transaction) -> Card | None:
    incident, row = drafted(tx, context, arguments.incident)
    me = context.request.actor.name
    if incident.state.open:
        raise Refused(f"{incident.name} is open again, so that its story is not over.", f"`/aiec incident resolve {incident.name}` says that it is.")
    left = standing_of(tx, row).left
    if left and not arguments.anyway:
        raise Refused(
            f"{len(left)} of {len(Section)} sections of the post-mortem of {incident.name} are empty: {', '.join(one.heading for one in left)}.",
            f"`/aiec postmortem edit {incident.name}` fills them; `/aiec postmortem publish {incident.name} --anyway REASON` does without, and says why.",
        )
    row.state, row.edition, row.anyway = PUBLISHED, row.edition + 1, arguments.anyway if left else ""
    row.published_at, row.published_by, row.remind_at = tx.now, me, None
    row.places, row.attempts, row.lease_until = [], 0, None
    # What is private is published to its own people alone.
    row.next_at = None if incident.private else tx.now
    tx.save(row)
    empty = [section.value for section in left]
    tx.record(Event(kind="postmortem.published", subject=incident.name, actor=me, data={"edition": row.edition, "anyway": row.anyway, "empty": empty}))
    tell(tx, context.config, row)
    announce(tx, context.config, row, incident)
    where = "its own people alone, for it is private" if incident.private else f"everybody, in {context.config.channels.incidents}"
    return Card(headline=line(f"The post-mortem of {incident.name} is published, to {where}."))


REVIEW_COMMAND = Command(
    name="postmortem review",
    arguments=ReviewArguments,
    does=Bookkeeping(_review),
    permission="incident.postmortem",
    group="afterwards",
    summary="ask somebody to read it, or say that you have",
    examples=("postmortem review #42 @senior", "postmortem review #42 --ok", 'postmortem review #42 --remark "the queue is missing"'),
)
PUBLISH = Command(
    name="postmortem publish",
    arguments=PublishArguments,
    does=Bookkeeping(_publish),
    permission="incident.postmortem",
    group="afterwards",
    summary="show it to everybody, and keep it where post-mortems are kept",
    examples=("postmortem publish #42", 'postmortem publish #42 --anyway "the team is gone until Monday"'),
    rules=(
        "With empty sections only with --anyway and a reason, which stands in it.",
        "It is a file in Slack, and where configured one in a folder and a pull request at GitHub; what cannot be reached is tried again.",
        "That of a private incident stays in its private channel.",
    ),
)
