"""The pager port over PagerDuty's REST API v2, and its Events API v2 where that fails. Nothing is tried again here: whoever calls decides when."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from pagerduty import RestApiV2Client

from bot.adapters.pagerduty import reading
from bot.adapters.pagerduty.connection import Connection
from bot.adapters.pagerduty.errors import AlreadyResolved, NotIncluded, UnknownSender
from bot.core.errors import AiecError, Conflict, Invalid, NotFound, Unavailable
from bot.core.foreign import items, mapping, moment, text
from bot.core.pager import Page, PagerIncident, Setup, Shift, Subscription
from bot.core.suggest import did_you_mean, quoted
from bot.core.text import cut

Json = Mapping[str, Any]
T = TypeVar("T")

LONGEST_TITLE = 1_024
LONGEST_KEY = 255
LONGEST_TEXT = 25_000
PAGE = 100
MOST = 10_000
"""How far PagerDuty pages through a list."""
_OPEN = ("triggered", "acknowledged")


class PagerDutyPager:
    """Implements `bot.core.pager.Pager`. `service` and `policy` are ids."""

    def __init__(self, connection: Connection, service: str, policy: str) -> None:
        self._connection = connection
        self._service = service
        self._policy = policy

    async def open(self, page: Page) -> str:
        """PagerDuty refuses a key that an open incident has: that one is adopted then."""
        wanted: dict[str, Any] = {
            "type": "incident",
            "title": cut(" ".join(page.title.split()), LONGEST_TITLE),
            "service": _reference("service", self._service),
            "incident_key": _key(page.key),
            "urgency": "high",
            "body": {"type": "incident_body", "details": cut(page.body, LONGEST_TEXT)},
        }
        if page.to:
            wanted["assignments"] = _assignments(page.to)
        else:
            wanted["escalation_policy"] = _reference("escalation_policy", self._policy)
        if page.priority is not None:
            wanted["priority"] = await self._priority(page.priority)
        try:
            made = await self._ask(lambda rest: rest.rpost("/incidents", json={"incident": wanted}))
        except UnknownSender:
            raise
        except Invalid:
            adopted = await self.find(page.key)
            if adopted is None or adopted.status == "resolved":
                raise
            return await self._adopted(adopted, page)
        id = text(made["id"])
        # An incident begins at the first level, whatever is asked for.
        if page.level > 1 and not page.to:
            await self.raise_level(id, page.level)
        return id

    async def _adopted(self, incident: PagerIncident, page: Page) -> str:
        """Brings an incident to whom the page is for, unless they were paged already or somebody has acknowledged it."""
        if incident.status == "triggered" and not await self._called(incident, page):
            await (self.reassign(incident.id, page.to) if page.to else self.raise_level(incident.id, page.level))
        return incident.id

    async def _called(self, incident: PagerIncident, page: Page) -> bool:
        """Returns whether those whom the page is for were called for it already. An incident begins at the first level."""
        if not incident.called(page.since):
            return False
        if page.to or page.level == 1:
            return {*page.to} <= {*incident.assignees}
        return any(shift.user in incident.assignees for shift in await self._on_call({}) if shift.level == page.level)

    async def read(self, id: str) -> PagerIncident | None:
        try:
            return await self._ask(lambda rest: reading.incident(rest.rget(_path("incidents", id))))
        except NotFound:
            return None

    async def find(self, key: str) -> PagerIncident | None:
        """Asked for a key, PagerDuty also finds incidents which an alert of that key has joined; those are as good."""
        if not key:
            return None
        wanted = {"incident_key": _key(key), "service_ids[]": self._service, "date_range": "all", "sort_by": "created_at:desc", "limit": 25}
        found = await self._ask(lambda rest: [reading.incident(one) for one in rest.rget("/incidents", params=wanted)])
        return next((one for one in found if one.key == _key(key)), found[0] if found else None)

    async def raise_level(self, id: str, level: int) -> None:
        await self._change(id, {"escalation_level": level})

    async def acknowledge(self, id: str, by: str | None = None) -> None:
        await self._change(id, {"status": "acknowledged"}, by)

    async def resolve(self, id: str, by: str | None = None) -> None:
        try:
            await self._put(id, {"status": "resolved"}, by)
        except AlreadyResolved:
            return

    async def reassign(self, id: str, users: Sequence[str]) -> None:
        await self._change(id, {"assignments": _assignments(users)})

    async def note(self, id: str, text: str, by: str | None = None) -> None:
        body = {"note": {"content": cut(text, LONGEST_TEXT)}}
        await self._for(by, lambda sent: lambda rest: rest.rpost(_path("incidents", id, "notes"), json=body, **sent))

    async def prioritise(self, id: str, priority: str | None) -> None:
        await self._put(id, {"priority": None if priority is None else await self._priority(priority)})

    async def merge(self, into: str, ids: Sequence[str]) -> None:
        sources = {"source_incidents": [_reference("incident", id) for id in ids]}
        await self._ask(lambda rest: rest.rput(_path("incidents", into, "merge"), json=sources))

    async def recent(self, since: datetime) -> list[PagerIncident]:
        """PagerDuty cannot be asked for what changed: the open ones are asked for, and the resolved ones from the last on."""
        open = await self._list("/incidents", "incidents", {"statuses[]": list(_OPEN), "service_ids[]": self._service, "date_range": "all"})
        wanted = {"statuses[]": ["resolved"], "service_ids[]": self._service, "date_range": "all", "sort_by": "resolved_at:desc"}
        resolved = await self._list("/incidents", "incidents", wanted, until=lambda one: reading.incident(one).updated_at < since)
        found = {one.id: one for one in self._read(lambda: [reading.incident(one) for one in [*open, *resolved]])}
        return [one for one in found.values() if one.status != "resolved" or one.updated_at >= since]

    async def on_call(self, since: datetime, until: datetime) -> list[Shift]:
        return await self._on_call({"since": since.isoformat(), "until": until.isoformat()})

    async def signal(self, page: Page) -> None:
        details = {"body": cut(page.body, LONGEST_TEXT), "level": page.level, "service": page.service}
        await self._connection.signal(
            lambda events: events.trigger(
                cut(" ".join(page.title.split()), LONGEST_TITLE), page.service or "aiec", _key(page.key), severity="critical", custom_details=details
            )
        )

    async def maintain(self, description: str, start: datetime, end: datetime, services: Sequence[str]) -> str:
        windows = await self._list("/maintenance_windows", "maintenance_windows", {"service_ids[]": list(services), "filter": "open"})
        for window in windows:
            # The start moves to the present when it lies in the past.
            if window.get("description") == description and moment(window.get("end_time")) == end.replace(microsecond=0):
                return text(window.get("id"))
        wanted = {
            "type": "maintenance_window",
            "start_time": start.isoformat(),
            "end_time": end.replace(microsecond=0).isoformat(),
            "description": description,
            "services": [_reference("service", service) for service in services],
        }
        return await self._ask(lambda rest: text(rest.rpost("/maintenance_windows", json={"maintenance_window": wanted})["id"]))

    async def end_maintenance(self, id: str) -> None:
        try:
            await self._ask(lambda rest: rest.rdelete(_path("maintenance_windows", id)))
        except Conflict:
            # It has ended; perhaps by our own request, whose answer was lost.
            return

    async def setup(self) -> Setup:
        service = await self._named("service", self._service)
        policy = await self._named("escalation policy", self._policy)
        shifts = await self._on_call({})
        return self._read(lambda: reading.setup(service, policy, shifts))

    async def priorities(self) -> tuple[str, ...]:
        return tuple(await self._priorities())

    async def user(self, email: str | None = None) -> str | None:
        wanted = (email or self._connection.rest.default_from or "").lower()
        if not wanted:
            return None
        found = await self._list("/users", "users", {"query": wanted})
        return next((text(one.get("id")) for one in found if text(one.get("email")).lower() == wanted), None)

    async def subscriptions(self) -> list[Subscription]:
        """A team's subscription counts, though the service may be another team's."""
        found = await self._list("/webhook_subscriptions", "webhook_subscriptions", {})
        ours = [one for one in found if _filter(one) != "service_reference" or one["filter"].get("id") == self._service]
        return self._read(lambda: [reading.subscription(one) for one in ours])

    async def _on_call(self, times: Json) -> list[Shift]:
        found = await self._list("/oncalls", "oncalls", {"escalation_policy_ids[]": self._policy, **times})
        return self._read(lambda: [reading.shift(one) for one in found])

    async def _named(self, what: str, id: str) -> Json:
        path = _path("services" if what == "service" else "escalation_policies", id)
        try:
            return await self._ask(lambda rest: mapping(rest.rget(path)))
        except NotFound as error:
            key = "service" if what == "service" else "policy"
            raise NotFound(f"PagerDuty has no {what} {quoted(id)}.", f"Correct `escalation.pagerduty.{key}` in aiec.yaml.") from error

    async def _priorities(self) -> dict[str, str]:
        """Ids by name, the highest first."""
        try:
            found = await self._list("/priorities", "priorities", {})
        except (NotFound, NotIncluded):
            # They are not enabled.
            return {}
        return {text(one.get("name") or one.get("summary")): text(one.get("id")) for one in found}

    async def _priority(self, name: str) -> Json:
        known = await self._priorities()
        if name not in known:
            raise Invalid(f"PagerDuty has no priority {quoted(name)}{did_you_mean(name, [*known])}.", f"There are: {', '.join(known) or 'none'}.")
        return _reference("priority", known[name])

    async def _change(self, id: str, change: Json, by: str | None = None) -> None:
        """Changes an incident that must not be resolved: PagerDuty would open it again."""
        incident = await self.read(id)
        if incident is None:
            raise NotFound(f"PagerDuty has no incident {quoted(id)}.", "It was deleted with its service, or belongs to another account.")
        if incident.status == "resolved":
            raise Conflict(f"PagerDuty's incident {id} is resolved already.", "Open a new incident instead.")
        await self._put(id, change, by)

    async def _put(self, id: str, change: Json, by: str | None = None) -> None:
        body = {"incident": {"type": "incident_reference", **change}}
        await self._for(by, lambda sent: lambda rest: rest.rput(_path("incidents", id), json=body, **sent))

    async def _for(self, by: str | None, call: Callable[[Json], Callable[[Any], Any]]) -> None:
        """Makes a call in that person's name; somebody whom PagerDuty does not know is stood for by PAGERDUTY_FROM."""
        if by is not None:
            try:
                await self._ask(call({"headers": {"From": by}}))
            except UnknownSender:
                pass
            else:
                return
        await self._ask(call({}))

    async def _list(self, path: str, name: str, params: Json, until: Callable[[Json], bool] = lambda one: False) -> list[Json]:
        """All objects of a list, or those before the first for which `until` holds. One request a page: an answer that never ends cannot hold a thread."""
        found: list[Json] = []
        while True:
            answer = await self._ask(partial(_page, path, {"limit": PAGE, "offset": len(found), **params}))
            some = answer.get(name)
            if not isinstance(some, list):
                raise _unreadable()
            for one in items(some):
                if self._read(partial(until, one)):
                    return found
                found.append(one)
            if not answer.get("more") or not some or len(found) + PAGE > MOST:
                return found

    async def _ask(self, call: Callable[[RestApiV2Client], T]) -> T:
        return await self._connection.ask(call)

    @staticmethod
    def _read(read: Callable[[], T]) -> T:
        try:
            return read()
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise _unreadable() from error


def _unreadable() -> AiecError:
    return Unavailable("PagerDuty answers with something that cannot be read.", "Look at status.pagerduty.com, or correct PAGERDUTY_API_URL.")


def _page(path: str, params: Json, rest: RestApiV2Client) -> Json:
    return mapping(rest.jget(path, params=dict(params)))


def _path(*parts: str) -> str:
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _reference(kind: str, id: str) -> Json:
    return {"id": id, "type": f"{kind}_reference"}


def _assignments(users: Sequence[str]) -> list[Json]:
    return [{"assignee": _reference("user", user)} for user in users]


def _key(key: str) -> str:
    return key[:LONGEST_KEY]


def _filter(subscription: Json) -> str:
    return text(mapping(subscription.get("filter")).get("type"))
