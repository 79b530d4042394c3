"""What a command is: declared once, so that Slack, the terminal, runbooks, help and the docs all come from the same declaration.

There are three kinds and no fourth. A `Read` returns a card. A `Bookkeeping` is one transaction on our own database. A `Change` touches anything outside: it
returns a plan, and the plan becomes an operation.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from bot.core.access import Decision, allowed
from bot.core.card import Card
from bot.core.config import Config
from bot.core.form import Opening
from bot.core.plan import Plan
from bot.core.ports import World
from bot.core.request import Request
from bot.store.store import Store
from bot.store.transaction import Transaction

A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True)
class Context:
    """What a command may use: the request, the configuration, the world to read, our own records to read, and the groups that the actor is in.
    `groups_as_of`: of when those are, where Slack does not say now."""

    request: Request
    config: Config
    world: World
    store: Store
    commands: Mapping[str, "Command[Any]"]
    groups: frozenset[str] | None = frozenset()
    groups_as_of: datetime | None = None

    @property
    def now(self) -> datetime:
        return self.world.now

    def allows(self, permission: str, environment: str | None) -> Decision:
        """Returns whether the actor may do this there, with the reason."""
        return allowed(self.config, self.request.actor, self.groups, permission, environment)


@dataclass(frozen=True)
class Read(Generic[A]):
    """Reads the world and our records, and returns what it saw."""

    run: Callable[[A, Context], Awaitable[Card]]


@dataclass(frozen=True)
class Bookkeeping(Generic[A]):
    """One transaction; returns the private answer, or None when a message that it queued says it all. Raises Refused or Denied to do nothing."""

    apply: Callable[[A, Context, Transaction], Card | None]


@dataclass(frozen=True)
class Change(Generic[A]):
    """Plans by reading only. `rehearsal` tells from the arguments whether the plan is only to be shown."""

    plan: Callable[[A, Context], Awaitable[Plan]]
    rehearsal: Callable[[A], bool] = lambda _: False


@dataclass(frozen=True)
class Command(Generic[A]):
    """`name` is one word, or two where a noun has several verbs (`incident ack`).

    `permission` is what the actor must hold in the environment that the arguments name; empty when `does` decides by itself.
    `group` is what people want by it («change production», «look», …). `internal`: only our own machinery asks for it (a webhook, a schedule), never a person.
    `opens`: the form in which a person in the chat goes on, where the arguments say nothing to do yet; None where they do. It only reads.
    """

    name: str
    arguments: type[A]
    does: Read[A] | Bookkeeping[A] | Change[A]
    summary: str
    group: str
    examples: tuple[str, ...]
    permission: str = ""
    rules: tuple[str, ...] = ()
    internal: bool = False
    opens: Callable[[A, Context, Transaction], Opening | None] | None = None


def environment_of(arguments: BaseModel) -> str | None:
    """Returns the environment that a command's arguments name, or None."""
    found = getattr(arguments, "environment", None)
    return found if isinstance(found, str) else None
