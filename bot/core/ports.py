"""The outside world as interfaces. Adapters implement them; planning, steps and managers see nothing else of the outside.

Every method raises only `bot.core.errors`: `Unavailable` (did not answer: a write may have happened), `Throttled`, `Unauthenticated`, `Forbidden`, `NotFound`,
`Conflict`, `Invalid`. No method retries by sleeping: whoever calls has a `next_at`.
"""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

from bot.core.alerting import Alerting
from bot.core.backups import Backups, Scratch
from bot.core.card import Card
from bot.core.chart import Series
from bot.core.codehost import CodeHost
from bot.core.errors import Unavailable
from bot.core.form import Form
from bot.core.pager import Pager
from bot.core.rooms import Rooms
from bot.core.shelf import Shelf
from bot.core.works import Works

Json = dict[str, Any]


@dataclass(frozen=True)
class Served:
    """How an API server serves a kind: the API group and the resource, as RBAC has them, and whether its objects are a namespace's."""

    group: str
    resource: str
    namespaced: bool


@dataclass(frozen=True)
class Output:
    """A piece of what a command writes, of any size."""

    stream: Literal["stdout", "stderr"]
    data: bytes


class Cluster(Protocol):
    """One environment: a namespace of a Kubernetes cluster. Objects are the API's own JSON; kinds are their singular names (`Deployment`), and those that aiec
    itself does not know have their API in front (`monitoring.coreos.com/v1/ServiceMonitor`).
    """

    namespace: str

    async def get(self, kind: str, name: str) -> Json | None:
        """Returns the object, or None when it does not exist."""
        ...

    async def list(self, kind: str, *, labels: str = "", fields: str = "") -> list[Json]:
        """Returns the namespace's objects of that kind (`Node`: the cluster's), restricted by selectors in the API's notation."""
        ...

    async def patch(self, kind: str, name: str, operations: Sequence[Json], *, subresource: str = "", dry_run: bool = False) -> Json:
        """Applies a JSON Patch (RFC 6902) to the object, or to its subresource (`scale`), and returns that as it is now. Raises Conflict when a `test` is
        refused.

        A `test` for null passes when the member is absent from an object that is there, and is refused when that object is absent too.
        """
        ...

    async def create(self, thing: Json) -> Json:
        """Creates the object and returns it as it is now. Raises Conflict when one of that name is there."""
        ...

    async def apply(self, thing: Json, *, force: bool = False, dry_run: bool = False) -> Json:
        """Applies the object server-side as our field manager, creating it where it is not there, and returns it as it is now (with `dry_run`: would be).

        Raises Contested when fields that it would change belong to others, unless `force` takes them over. With a uid and a resourceVersion in it: Conflict
        when the object has changed since, or is gone.
        """
        ...

    async def served(self, kind: str) -> Served | None:
        """Returns how the server serves the kind, or None when it does not know it."""
        ...

    async def kinds(self) -> tuple[str, ...]:
        """Returns every kind of which a namespace can have objects that somebody creates, with its API in front: the server's own and those of others."""
        ...

    async def delete(self, kind: str, name: str, *, as_seen: Json) -> None:
        """Deletes the object if it still is `as_seen` or is gone. Raises Conflict when it has changed since."""
        ...

    async def logs(self, pod: str, *, container: str, previous: bool = False, tail: int = 20) -> str:
        """Returns the last lines of a container's log, at most 64 KiB; empty when there are none yet."""
        ...

    def read_logs(
        self, pod: str, *, container: str, previous: bool = False, since: timedelta | None = None, tail: int | None = None, follow: bool = False
    ) -> AsyncGenerator[bytes, None]:
        """Yields a container's log as it comes, in pieces of any size; each line has its time in front (RFC 3339) and a space. `since`: how far back, from now;
        `tail`: only so many last lines; `follow`: goes on until the container ends. Raises NotFound, in the kubelet's words, when there is no such pod or log.
        """
        ...

    def exec(self, pod: str, *, container: str, command: Sequence[str], stdin: AsyncIterable[bytes] | None = None) -> AsyncIterator[Output]:
        """Runs a command in a container, without a shell, and yields what it writes as it comes, no faster than it is taken. `stdin`: what it reads.

        Ends only when the cluster said that the command succeeded. Raises CommandFailed when it said anything else, Unavailable when the connection ended
        without a word on that, NotFound for no such pod.
        """
        ...

    def changes(self) -> AsyncIterator[None]:
        """Yields whenever a workload or a pod of the namespace changes (several changes may be one), until it is closed. Recovers from 410 and lost connections
        by itself, with a back-off."""
        ...

    async def ready(self) -> None:
        """Asks nothing of the cluster. Raises Unavailable as long as nothing says where it is: its kubeconfig is missing, or makes no sense."""
        ...

    async def version(self) -> str:
        """Returns the server's version, such as `v1.36.3`."""
        ...

    async def allowed(self, verb: str, group: str, resource: str, subresource: str = "") -> bool:
        """Returns whether our credentials may do this in the namespace, or, of what belongs to none, on the cluster (SelfSubjectAccessReview)."""
        ...


class Registry(Protocol):
    async def digest(self, image: str) -> str | None:
        """Returns the digest (`sha256:…`) that the reference `host/name:tag` has now, or None when there is no such tag or repository."""
        ...

    async def tags(self, repository: str) -> list[str]:
        """Returns the repository's tags, empty when there is no such repository. Used for «did you mean»."""
        ...


@dataclass(frozen=True)
class Probe:
    """An HTTP health check's answer: `status` is None when there was no HTTP answer; `text` says what happened in words."""

    status: int | None
    text: str
    seconds: float


class Prober(Protocol):
    async def probe(self, url: str, timeout: timedelta) -> Probe:
        """GETs the URL once. Never raises for what the far end does."""
        ...


class Metrics(Protocol):
    async def query(self, expression: str) -> list[float]:
        """Returns what a PromQL expression is now: one number (perhaps NaN) for each series. Raises Invalid when the expression itself is refused."""
        ...

    async def query_range(self, expression: str, start: datetime, end: datetime, step: timedelta) -> list[Series]:
        """Returns what the expression was from `start` to `end`, every `step`, one line for each series; moments without a number are left out."""
        ...


@dataclass(frozen=True)
class MessageRef:
    """Where a message is: Slack's channel id and `ts`; of a picture, its file's id."""

    channel: str
    ts: str


@dataclass(frozen=True)
class Said:
    """A message of somebody: his Slack id, and the text with Slack's own marks in it (`&amp;`, `<@U…>`)."""

    user: str
    text: str


@dataclass(frozen=True)
class Account:
    """Who we are in a chat. `missing`: the scopes that were not granted, each with what needs it."""

    name: str
    workspace: str
    missing: Mapping[str, tuple[str, ...]]


class Chat(Rooms, Protocol):
    async def account(self) -> Account:
        """Returns who the token makes us, and what it lacks."""
        ...

    async def accepts(self, app_token: str) -> None:
        """Asks whether deliveries may come over a connection of ours with this app-level token. Raises Unauthenticated or Forbidden."""
        ...

    async def channels(self) -> Mapping[str, bool]:
        """Returns the channels that we can see, by `#name` and by id, and whether we are in them. Archived ones are left out."""
        ...

    async def post(self, channel: str, card: Card, *, key: str, thread: MessageRef | None = None, only_for: str | None = None) -> MessageRef:
        """Posts a card with `key` as its metadata, joining a public channel if needed. `channel`: an id or `#name`; `only_for`: the one Slack user who sees it.
        A chart is posted as a picture; where that cannot be, in words, with the reason.

        Raises Refused when it can never be delivered there (archived, deleted, private and not invited), with what a person can do.
        """
        ...

    async def update(self, ref: MessageRef, card: Card, *, key: str, thread: MessageRef | None = None) -> None:
        """Edits a message; `thread` is where it was posted. A card with a chart is left as it stands. Raises NotFound when it has been deleted."""
        ...

    async def find(self, channel: str, key: str, since: datetime, *, thread: MessageRef | None = None) -> MessageRef | None:
        """Returns our own message of that key posted after `since` (in that thread), or None: how a sender recovers from a crash in flight."""
        ...

    def acknowledgement(self, card: Card) -> Json:
        """Returns the body that says the card to whoever typed the command that is being acknowledged."""
        ...

    async def respond(self, response_url: str, card: Card) -> None:
        """Answers a command privately (five times within 30 minutes)."""
        ...

    def modal(self, card: Card) -> Json:
        """Returns the card as a modal, for the acknowledgement of a submitted form."""
        ...

    async def open_modal(self, trigger_id: str, content: Form | Card, metadata: str = "") -> None:
        """Shows a form, or a card, to whom the trigger (three seconds old at most) came from; `metadata` comes back with what is submitted."""
        ...

    async def publish_home(self, user: str, cards: Sequence[Card]) -> None:
        """Shows the cards, one below the other, in the App Home of the Slack user with this id."""
        ...

    async def permalink(self, ref: MessageRef) -> str: ...

    async def message(self, ref: MessageRef) -> Said | None:
        """Returns what somebody's message says, in a thread or not, or None when it is gone."""
        ...

    async def active(self, user: str) -> bool:
        """Returns whether the account of this Slack user id is there and not deactivated."""
        ...

    async def group_members(self, handle: str) -> frozenset[str]:
        """Returns the Slack user ids of the user group with this handle (without `@`). Raises NotFound when there is none."""
        ...


class Mailer(Protocol):
    async def send(self, to: Sequence[str], card: Card, *, key: str) -> None:
        """Mails the card to these addresses. Raises Refused when the server takes nothing for them, Invalid when it refuses the message for ever."""
        ...

    async def reach(self) -> None:
        """Asks the server whether it would take something from us."""
        ...


@dataclass(frozen=True)
class World:
    """The outside as planning and steps see it. `clusters`: by environment; `metrics`, `pager`, `alerting`, `code`, `shelf`, `backups`, `scratch`: None when
    there is no Prometheus, PagerDuty, Alertmanager, repository, no folder of runbooks, no place for backups, no server to try them on; `works`: what goes on
    beside the engine; `seal`: encrypts a Secret; `held`: whether the lock that lets this process act is still its own;
    `grafana`: its URL, empty where there is none.
    """

    clusters: Mapping[str, Cluster]
    registry: Registry
    prober: Prober
    now: datetime
    metrics: Metrics | None = None
    held: Callable[[], bool] = lambda: True
    pager: Pager | None = None
    alerting: Alerting | None = None
    code: CodeHost | None = None
    shelf: Shelf | None = None
    grafana: str = ""
    works: Works | None = None
    backups: Backups | None = None
    scratch: Scratch | None = None
    seal: Callable[[bytes], bytes] | None = None

    def about_to_act(self) -> None:
        """Raises Unavailable when another process may have taken over, as after this one stood still: called right before each change, with nothing awaited
        in between.
        """
        if not self.held():
            raise Unavailable("This process stood still for too long, and another one may act now.", "Nothing was done; it is looked at again.")
