"""May the bot do with each kind of object what a folder asks for? Said before anything is tried, with the rule of the Role that would allow it."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bot.core.ports import Cluster, Served

ALWAYS = ("get", "patch")
TO_CREATE = ("create", "delete")
"""Creating is beside patching a verb of its own; whatever is created is deleted again when it is undone."""

TO_REMOVE = ("get", "patch", "create", "delete")


@dataclass(frozen=True)
class Missing:
    """Verbs that we lack on a kind's resource."""

    served: Served
    verbs: tuple[str, ...]

    @property
    def what(self) -> str:
        resource = self.served.resource + (f".{self.served.group}" if self.served.group else "")
        return f"{', '.join(self.verbs)} {resource}"

    @property
    def rule(self) -> str:
        verbs = ", ".join(f'"{verb}"' for verb in self.verbs)
        return f'{{apiGroups: ["{self.served.group}"], resources: ["{self.served.resource}"], verbs: [{verbs}]}}'


async def missing(cluster: Cluster, asked: Mapping[Served, tuple[str, ...]]) -> list[Missing]:
    """Returns what we lack of the verbs that are asked for on each resource."""
    pairs = [(served, verb) for served, verbs in asked.items() for verb in verbs]
    allowed = await asyncio.gather(*(cluster.allowed(verb, served.group, served.resource) for served, verb in pairs))
    denied = [pair for pair, may in zip(pairs, allowed, strict=True) if not may]
    return [*_by_resource(asked, denied)]


def _by_resource(asked: Mapping[Served, tuple[str, ...]], denied: list[tuple[Served, str]]) -> Iterator[Missing]:
    for served in asked:
        verbs = tuple(verb for one, verb in denied if one == served)
        if verbs:
            yield Missing(served, verbs)
