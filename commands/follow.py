"""`/aiec logs … --follow`, `/aiec logs stop`: a log that goes on in a thread of the person's direct messages, or in his terminal."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from bot.command import Bookkeeping, Command, Context
from bot.core.card import Bold, Card, Ref, Time, line
from bot.core.data import Frozen
from bot.core.errors import Refused, UsageError
from bot.core.follows import Followed
from bot.core.loglines import Pattern
from bot.core.parse import Param
from bot.core.ports import Json
from bot.core.workload import containers
from bot.follows import begin, stop
from bot.store.transaction import Transaction
from commands.target import pods_of, selectors

TAIL = 10


@dataclass(frozen=True)
class Asked:
    """What `logs` was asked for."""

    environment: str
    target: str
    since: timedelta | None
    tail: int | None
    grep: str | None
    container: str | None
    previous: bool


async def follow(asked: Asked, context: Context) -> Card:
    """Looks whether there is something to follow, writes down at once that it is, and returns where its lines will stand. In a terminal they come there, which
    is for whoever made the request to see to. Raises UsageError, NotFound, Refused.
    """
    followed = await resolved(asked, context)
    title, request = f"Following the {followed.title}", context.request
    if request.origin.kind == "terminal":
        return Card(headline=line(Bold(text=title), " · Ctrl-C ends it"))
    if request.actor.slack is None:
        raise Refused("Nobody can be shown a followed log here.", "Ask in Slack, or in a terminal.")
    length = context.config.logs.follow_for
    begun = await context.store.transaction(lambda tx: begin(tx, followed, request.actor, request.key, length))
    where = Ref(key=begun.name, text="in your direct messages")
    return Card(headline=line(Bold(text=title), " ", where, " until ", Time(at=begun.until), "."))


async def resolved(asked: Asked, context: Context) -> Followed:
    """Returns what is followed, by the selectors that find its pods. Raises UsageError and NotFound."""
    if asked.previous:
        raise UsageError("What was written before a restart does not go on: `--previous` and `--follow` do not go together.", "Leave one of them out.")
    if asked.grep:
        Pattern(asked.grep)
    found = await pods_of(asked.target, asked.environment, context)
    for pod in found.pods if asked.container else ():
        there(pod, asked.container or "")
    labels, fields = await selectors(asked.target, asked.environment, context)
    return Followed(
        environment=asked.environment,
        target=asked.target,
        labels=labels,
        fields=fields,
        container=asked.container or found.container,
        demanded=asked.container is not None,
        grep=asked.grep or "",
        tail=asked.tail or TAIL,
        since=asked.since,
    )


def there(pod: Json, container: str) -> str:
    """Returns the container that somebody named. Raises UsageError where the pod has none of that name."""
    names = [one["name"] for one in containers(pod)]
    if container not in names:
        raise UsageError(f"*{container}* is not a container of {pod['metadata']['name']}.", f"There are {', '.join(names)}.")
    return container


class StopArguments(Frozen):
    follow: Annotated[str, Param(metavar="follow", help="which one, such as follow-3; without it the one that you follow")] = ""


def _stop(arguments: StopArguments, context: Context, tx: Transaction) -> Card | None:
    over = stop(tx, context.request.actor, arguments.follow)
    return None if context.request.origin.message else Card(headline=line(f"No longer following the {over.followed.title}."))


STOP = Command(
    name="logs stop",
    arguments=StopArguments,
    does=Bookkeeping(_stop),
    group="look",
    summary="follow a log no longer",
    examples=("logs stop",),
)
