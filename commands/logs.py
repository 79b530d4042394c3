"""`/aiec logs`: what a service's pods have written, merged by time, searched in linear time, and without secrets."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from bot.command import Command, Context, Read
from bot.core.card import Attachment, Bold, Card, Code, Evidence, Line, line
from bot.core.data import Frozen
from bot.core.durations import notation
from bot.core.errors import AiecError, Forbidden, NotFound, Unauthenticated
from bot.core.loglines import LogLine, Pattern, Sieve, merged, short_names
from bot.core.parse import Param
from bot.core.ports import Cluster, Json
from bot.core.text import printable
from bot.core.workload import container_of
from commands.arguments import Environment, SomeTime
from commands.follow import Asked, follow, there
from commands.target import Target, pods_of

MOST_LINES = 5_000
TAIL = 100
MOST_PODS = 20
AT_ONCE = 5
"""So many logs are read at the same time."""
WITHIN = timedelta(seconds=30)
"""A look that takes longer ends with what it has: the door's own patience is twice that."""
_INLINE_LINES, _INLINE_CHARACTERS = 60, 4_000
_FILE = 512 * 1024


class LogsArguments(Frozen):
    environment: Environment
    target: Target
    since: Annotated[SomeTime | None, Param(option=True, metavar="DURATION", help="only what is not older, such as 15m")] = None
    tail: Annotated[
        int | None,
        Field(ge=1, le=MOST_LINES),
        Param(option=True, metavar="LINES", help="only so many last lines of all pods together, 100 without it; with `--follow` of each, 10 without it"),
    ] = None
    grep: Annotated[str | None, Param(option=True, metavar="RE", help="only lines that match this regular expression (RE2: `(?i)` ignores case)")] = None
    container: Annotated[str | None, Param(option=True, metavar="NAME", help="another container than the service's own, or a pod's first")] = None
    previous: Annotated[bool, Param(option=True, help="what was written before the containers' last restart")] = False
    follow: Annotated[bool, Param(option=True, help="goes on with what is written from now, in a thread of your direct messages, until you stop it")] = False


@dataclass(frozen=True)
class _Reading:
    """What came of one pod's log; `trouble` says why it is not there, or not all of it."""

    sieve: Sieve
    trouble: str = ""


async def _logs(arguments: LogsArguments, context: Context) -> Card:
    if arguments.follow:
        return await follow(Asked(**arguments.model_dump(include={*Asked.__dataclass_fields__})), context)
    cluster = context.world.clusters[arguments.environment]
    pattern = Pattern(arguments.grep) if arguments.grep else None
    found = await pods_of(arguments.target, arguments.environment, context)
    newest = sorted(found.pods, key=lambda pod: pod["metadata"]["creationTimestamp"], reverse=True)[:MOST_PODS]
    chosen = [(pod, _container(pod, arguments.container or found.container, demanded=arguments.container is not None)) for pod in newest]
    turn = asyncio.Semaphore(AT_ONCE)
    deadline = asyncio.get_running_loop().time() + WITHIN.total_seconds()
    readings = await asyncio.gather(*(_read(cluster, pod["metadata"]["name"], container, arguments, pattern, turn, deadline) for pod, container in chosen))
    there = {pod["metadata"]["uid"] for pod in (await pods_of(arguments.target, arguments.environment, context, gone=True)).pods}
    gone = [pod["metadata"]["name"] for pod in newest if pod["metadata"]["uid"] not in there]
    notes = [*_notes(readings, gone), *([f"Only the newest {MOST_PODS} of {len(found.pods)} pods were read."] if len(found.pods) > MOST_PODS else [])]
    return _card(arguments, readings, notes)


async def _read(
    cluster: Cluster, pod: str, container: str, arguments: LogsArguments, pattern: Pattern | None, turn: asyncio.Semaphore, deadline: float
) -> _Reading:
    """Reads one log. Raises Forbidden and Unauthenticated, which would be the same for every pod; what else goes wrong is told of this one."""
    sieve, trouble = Sieve(pod, _tail(arguments), pattern), ""
    pieces = cluster.read_logs(pod, container=container, previous=arguments.previous, since=arguments.since, tail=None if pattern else _tail(arguments))
    try:
        async with turn, asyncio.timeout_at(deadline):
            async for piece in pieces:
                sieve.feed(piece)
                await asyncio.sleep(0)  # what has arrived already comes without a pause, and others want their turn
    except TimeoutError:
        trouble = f"was not read to its end, because that took more than {WITHIN.total_seconds():g} s: narrow it with `--since`"
    except (Forbidden, Unauthenticated):
        raise
    except NotFound as error:
        trouble = f"has none: {error.text.rstrip('.')}"
    except AiecError as error:
        trouble = f"broke off: {error.text.rstrip('.')}"
    sieve.end()
    return _Reading(sieve, trouble)


def _tail(arguments: LogsArguments) -> int:
    return arguments.tail or TAIL


def _container(pod: Json, wanted: str, *, demanded: bool) -> str:
    """The container to read: the one that is wanted, else the pod's default. Raises UsageError when a demanded one is not there."""
    return there(pod, wanted) if demanded else container_of(pod, wanted)


def _notes(readings: Sequence[_Reading], gone: Sequence[str]) -> list[str]:
    said = [f"The log of {one.sieve.pod} {one.trouble}." for one in readings if one.trouble and one.sieve.pod not in gone]
    said += [f"{name} went away while it was read; what it had said until then is here." for name in gone]
    said += [f"Of {one.sieve.pod} only the last lines are kept: together they are longer than 1 MB." for one in readings if one.sieve.dropped]
    return said


def _card(arguments: LogsArguments, readings: Sequence[_Reading], notes: Sequence[str]) -> Card:
    lines = merged([one.sieve for one in readings], _tail(arguments))
    matched = sum(one.sieve.matched for one in readings)
    which = f" that match {arguments.grep}" if arguments.grep else ""
    of = f"the last {len(lines)} of {matched:,} lines" if arguments.grep and matched > len(lines) else f"{len(lines)} line{'s' * (len(lines) != 1)}"
    said: list[Line] = [line(note) for note in notes]
    if not lines:
        said.insert(0, line(_nothing(arguments)))
    pods = len({one.pod for one in lines})
    spread = f" of {pods} pods" if pods > 1 else ""
    card = Card(
        headline=line(Bold(text=f"Log of {arguments.target} in {arguments.environment}"), f" · {of}{which}{spread}", *_options(arguments)),
        lines=tuple(said),
    )
    names = short_names(sorted({one.pod for one in lines}))
    inline = "\n".join(_inline(one, names) for one in lines)
    if not lines:
        return card
    if len(lines) <= _INLINE_LINES and len(inline) <= _INLINE_CHARACTERS:
        legend = f"{lines[0].pod}" if len(names) == 1 else ", ".join(f"{short} = {name}" for name, short in names.items())
        return card.model_copy(update={"evidence": (Evidence(title=f"{lines[0].at:%Y-%m-%d} UTC, {legend}", text=inline),)})
    return card.model_copy(update={"file": Attachment(name=_file_name(arguments, lines[-1].at), text=_whole(lines))})


def _options(arguments: LogsArguments) -> Line:
    since = line(f" · of the last {notation(arguments.since)}") if arguments.since else ()
    previous = line(" · before the last restart") if arguments.previous else ()
    return (*since, *previous, *(line(" · ", Code(text=arguments.container)) if arguments.container else ()))


def _nothing(arguments: LogsArguments) -> str:
    if arguments.grep and arguments.since:
        return f"Nothing of the last {notation(arguments.since)} matches; look further back with a longer `--since`."
    if arguments.grep:
        return "Nothing that the nodes still keep matches."
    if arguments.since:
        return f"Nothing was written in the last {notation(arguments.since)}; without `--since` the last lines are shown, however old."
    return "There is nothing in it."


def _inline(one: LogLine, names: dict[str, str]) -> str:
    return f"{one.at:%H:%M:%S} {f'{names[one.pod]} ' if len(names) > 1 else ''}{one.text}"


def _whole(lines: Sequence[LogLine]) -> str:
    """As much of the end as fits into a file, each line with its time and its pod."""
    texts, size = [], 0
    for one in reversed(lines):
        text = f"{one.at:%Y-%m-%dT%H:%M:%S.%fZ} {one.pod} {one.text}\n"
        size += len(text)
        if size > _FILE:
            texts.append("… what is older does not fit into this file\n")
            break
        texts.append(text)
    return "".join(reversed(texts))


def _file_name(arguments: LogsArguments, last: datetime) -> str:
    target = "".join(character if character.isalnum() or character in "-." else "-" for character in printable(arguments.target))
    return f"{target}-{arguments.environment}-{last:%Y%m%d-%H%M%S}.log"


COMMAND = Command(
    name="logs",
    arguments=LogsArguments,
    does=Read(_logs),
    permission="logs",
    group="look",
    summary="what a service's pods, or one pod, have written, merged by time",
    examples=("logs prod gateway", "logs prod gateway --since 15m --grep 'status=5..'", "logs prod gateway --previous", "logs prod gateway --follow"),
    rules=(
        "Credentials, card numbers and e-mail addresses that are recognised are replaced; the answer is for you alone all the same.",
        "More than a screenful comes as a file in your direct messages.",
        "`--grep` looks at everything since `--since`, or at all that the nodes still keep; `--tail` then counts the lines that match.",
        "A followed log goes on in a thread of your direct messages, until `logs.follow_for` of aiec.yaml is over, or in your terminal until Ctrl-C.",
    ),
)
