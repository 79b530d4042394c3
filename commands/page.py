"""`/aiec page`: somebody is to be called, for something that is no incident.

It is bookkeeping, as a message is: a row that says what PagerDuty should show, which the manager of pages sends. Nothing is planned or approved that has to
wake somebody at once.
"""

import hashlib
from typing import Annotated

from bot.command import Bookkeeping, Command, Context
from bot.core.card import Bold, Card, Person, Span, State, line
from bot.core.data import Frozen
from bot.core.errors import UsageError
from bot.core.events import Event
from bot.core.parse import Param
from bot.core.suggest import did_you_mean, quoted
from bot.store.incident_tables import PageRow
from bot.store.transaction import Message, Transaction
from commands.oncall import level_of, policy_of
from escalation import oncall
from escalation.notices import names


class Arguments(Frozen):
    whom: Annotated[str, Param(kind="person", metavar="level|person", help="a level of the escalation policy (L2, or its name), or one person alone")]
    why: Annotated[str, Param(rest=True, metavar="why", help="what they are told")]


def _page(arguments: Arguments, context: Context, tx: Transaction) -> Card | None:
    config, me = context.config, context.request.actor.name
    key = f"aiec-{config.platform}-page-{hashlib.sha256(context.request.key.encode()).hexdigest()[:16]}"
    level, users, people, whom = _whom(arguments.whom, context, tx)
    title = f"{arguments.why} (asked by {me})"
    body = f"{me} pages {whom} by aiec: {arguments.why}. It belongs to no incident."
    tx.save(PageRow(key=key, title=title, body=body, level=level, people=users, call=[*people], created_at=tx.now, next_at=tx.now))
    tx.record(Event(kind="page.requested", subject=key, actor=me, data={"level": level, "people": [*people], "why": arguments.why, "round": 1}))
    spans: tuple[Span, ...] = (Person(name=me), " pages ", *names(people))
    tx.send(
        Message(key=f"page/{key}", channel=config.channels.incidents, card=Card(state=State.WAITING, headline=line(*spans, ": ", Bold(text=arguments.why))))
    )
    for name in people:
        slack = config.people[name].slack if name in config.people else None
        if slack is not None:
            card = Card(
                state=State.NEEDS_YOU,
                headline=line(Bold(text=f"{me} pages you: {arguments.why}")),
                lines=(line("It belongs to no incident; acknowledge it in PagerDuty."),),
            )
            tx.send(Message(key=f"page/{key}/{name}", channel=slack, card=card))
    unreachable = [name for name in people if context.world.pager is not None and name in config.people and not config.people[name].pagerduty]
    lines = tuple(
        line(f"{name} has no `pagerduty` id: PagerDuty calls L{level} instead; the number is {config.people[name].phone or 'not in aiec.yaml'}")
        for name in unreachable
    )
    return Card(headline=line("You page ", *names(people)), lines=lines)


def _whom(said: str, context: Context, tx: Transaction) -> tuple[int, list[str], tuple[str, ...], str]:
    """Returns the level, the PagerDuty ids to page instead of it, who that is, and how to call it."""
    config = context.config
    person = config.person(said)
    if person is not None:
        id = config.people[person].pagerduty
        return 1, [id] if id else [], (person,), person
    there = policy_of(config, None)
    try:
        level = level_of(there, said)
    except UsageError as error:
        raise UsageError(f"*{quoted(said)}* is neither a level nor anybody of `people`{did_you_mean(said, [*config.people])}", error.hint) from None
    called = oncall.on_call(config, there, oncall.known(tx, there.name), tx.now, tx.now)[level]
    return level, [*called.users] if called.direct else [], called.people, f"L{level}"


COMMAND = Command(
    name="page",
    arguments=Arguments,
    does=Bookkeeping(_page),
    permission="page",
    group="people and pages",
    summary="call somebody now, for something that is no incident",
    examples=('page L2 "the migration needs a second pair of eyes"', "page @lead the customer waits in the call"),
    rules=("Whoever does not answer is called by PagerDuty's own rules. For something broken, declare an incident: aiec then calls until somebody answers.",),
)
