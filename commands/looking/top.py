"""`/aiec top`: what pods and nodes use, against what they may."""

import asyncio
from fractions import Fraction

from bot.command import Command, Context, Read
from bot.core import quantity
from bot.core.card import Bold, Card, Line, Row, State, line
from bot.core.errors import AiecError, NotFound, Unavailable
from bot.core.ports import Cluster, Json
from bot.core.resources import Amounts, add, total
from bot.core.workload import status
from commands.looking.subject import MOST_ROWS, EnvironmentArguments

_TIGHT = Fraction(9, 10)
_MIB = 1024 * 1024


async def _top(arguments: EnvironmentArguments, context: Context) -> Card:
    cluster = context.world.clusters[arguments.environment]
    try:
        measured, pods, nodes = await asyncio.gather(cluster.list("PodMetrics"), cluster.list("Pod"), _nodes(cluster))
    except (NotFound, Unavailable) as error:
        raise type(error)(error.text, "Figures come from metrics-server (API metrics.k8s.io): is it installed and ready?") from error
    by_name = {pod["metadata"]["name"]: pod for pod in pods}
    found = [(one["metadata"]["name"], _used(one), by_name[one["metadata"]["name"]]) for one in measured if one["metadata"]["name"] in by_name]
    ranked = sorted(found, key=lambda one: (-_tightest(one[1], one[2]), one[0]))
    tight = [name for name, used, pod in ranked if _tightest(used, pod) >= _TIGHT]
    sum_ = Amounts()
    for _, used, _ in found:
        sum_ = add(sum_, used)
    word = f"{len(tight)} of {len(found)} pods use more than 90 % of a limit" if tight else f"{len(found)} pods use {_words(sum_)}"
    unmeasured = len(pods) - len(found)
    notes = [f"{unmeasured} of {len(pods)} pods have no figures yet."] if unmeasured > 0 else []
    return Card(
        state=State.NEEDS_YOU if tight else None,
        headline=line(Bold(text=f"Use in {arguments.environment}"), f": {word}"),
        lines=(*((note,) for note in notes), *nodes),
        rows=tuple(Row(name=name, text=line(_against(used, total(pod, "limits"), total(pod)))) for name, used, pod in ranked[:MOST_ROWS]),
    )


async def _nodes(cluster: Cluster) -> list[Line]:
    """A line for each node; where they may not be read, one that says so. Pods are shown in any case."""
    try:
        measured, nodes = await asyncio.gather(cluster.list("NodeMetrics"), cluster.list("Node"))
    except AiecError as error:
        return [line(f"The nodes are not shown: {error.text} {error.hint}".rstrip())]
    capacity = {node["metadata"]["name"]: {name: quantity.parse(text) for name, text in status(node).get("allocatable", {}).items()} for node in nodes}
    return [line(f"{one['metadata']['name']}: {_against(_amounts(one['usage']), capacity.get(one['metadata']['name'], {}), {})}") for one in measured]


def _used(measured: Json) -> Amounts:
    used = Amounts()
    for container in measured["containers"]:
        used = add(used, _amounts(container["usage"]))
    return used


def _amounts(usage: Json) -> Amounts:
    return {name: quantity.parse(usage[name]) for name in ("cpu", "memory") if name in usage}


def _tightest(used: Amounts, pod: Json) -> Fraction:
    """The largest part of a limit that is used; of a pod without limits 0."""
    limits = total(pod, "limits")
    return max((used[name] / limits[name] for name in used if limits.get(name)), default=Fraction(0))


def _against(used: Amounts, limits: Amounts, requests: Amounts) -> str:
    """Returns `cpu 120m of 250m (48 %), memory …`: of the limit where there is one, else against the request."""
    said = []
    for name, amount in used.items():
        if limits.get(name):
            said.append(f"{name} {_amount(name, amount)} of {_amount(name, limits[name])} ({float(100 * amount / limits[name]):.0f} %)")
        elif requests.get(name):
            said.append(f"{name} {_amount(name, amount)}, asked for {_amount(name, requests[name])}, no limit")
        else:
            said.append(f"{name} {_amount(name, amount)}")
    return " · ".join(said)


def _words(used: Amounts) -> str:
    return " and ".join(f"{_amount(name, amount)} of {name}" for name, amount in used.items()) or "nothing"


def _amount(name: str, amount: Fraction) -> str:
    return quantity.text(amount) if name == "cpu" else quantity.memory(Fraction(round(amount / _MIB) * _MIB))


COMMAND = Command(
    name="top",
    arguments=EnvironmentArguments,
    does=Read(_top),
    permission="top",
    group="look",
    summary="what pods and nodes use of CPU and memory, the tightest first",
    examples=("top prod",),
)
