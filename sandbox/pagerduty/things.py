"""The REST API's other things: users, services, policies, schedules, priorities, maintenance windows, webhook subscriptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.pagerduty import wire
from sandbox.pagerduty.errors import Refused, invalid, unknown
from sandbox.pagerduty.rest import Answer, Asked, Handler, read_time
from sandbox.pagerduty.state import Json, Override, Subscription, Window


def lister(name: str, found: Callable[[Asked], dict[str, Any]], shown: Callable[[Any, Any], Json]) -> Handler:
    """Returns the handler of `GET /{name}`; `query` is searched in names and e-mail addresses."""

    def listing(asked: Asked) -> Answer:
        text = (asked.one("query") or "").lower()
        every = found(asked).values()
        return asked.listed(name, [shown(asked.account, one) for one in every if text in one.name.lower() or text in getattr(one, "email", "").lower()])

    return listing


def getter(name: str, found: Callable[[Asked], dict[str, Any]], shown: Callable[[Any, Any], Json]) -> Handler:
    """Returns the handler of `GET /…/{id}`."""

    def get(asked: Asked) -> Answer:
        one = found(asked).get(asked.ids[0])
        if one is None:
            raise unknown()
        return Answer(200, {name: shown(asked.account, one)})

    return get


def me(asked: Asked) -> Answer:
    """GET /users/me: for a user's own token."""
    if asked.user is None:
        raise invalid("This endpoint requires a user-level API key")
    return Answer(200, {"user": wire.user(asked.account, asked.account.users[asked.user])})


def priority(account: Any, one: Any) -> Json:
    return wire.full(wire.ref(account, "priority", one.id, one.name)) | {"name": one.name, "description": "", "color": "a8171c"}


ABILITIES = ["coordinated_responding", "event_rules", "teams", "urgencies"]


def abilities(asked: Asked) -> Answer:
    """GET /abilities."""
    return Answer(200, {"abilities": ABILITIES})


def ability(asked: Asked) -> Answer:
    """GET /abilities/{name}: 204 if the account has it."""
    if asked.ids[0] not in ABILITIES:
        raise unknown()
    return Answer(204, None)


# --- overrides of schedules


def create_overrides(asked: Asked) -> Answer:
    """POST /schedules/{id}/overrides: {overrides: [{start, end, user}]}. Each is answered on its own."""
    account, schedule = asked.account, asked.account.schedules.get(asked.ids[0])
    if schedule is None:
        raise unknown()
    answers = []
    for one in asked.body.get("overrides") or [asked.body.get("override") or {}]:
        start, end = read_time(one.get("start"), "start"), read_time(one.get("end"), "end")
        user = (one.get("user") or {}).get("id")
        if user not in account.users or start >= end:
            answers.append({"status": 400, "errors": ["User Not Found" if start < end else "Override must end after its start"]})
            continue
        made = Override(account.make_id("Q", 14), user, start, end)
        schedule.overrides.append(made)
        answers.append({"status": 201, "override": _override(asked, made)})
    account.changed()
    return Answer(201, {"overrides": answers})


def overrides(asked: Asked) -> Answer:
    """GET /schedules/{id}/overrides in `since` to `until`."""
    schedule = asked.account.schedules.get(asked.ids[0])
    since, until = asked.time("since"), asked.time("until")
    if schedule is None:
        raise unknown()
    if since is None or until is None:
        raise invalid("since and until are required")
    return Answer(200, {"overrides": [_override(asked, one) for one in schedule.overrides if one.start < until and one.end > since]})


def _override(asked: Asked, one: Override) -> Json:
    user = None if one.user is None else wire.user_ref(asked.account, one.user)
    return {"id": one.id, "start": wire.time(one.start), "end": wire.time(one.end), "user": user}


# --- maintenance


def create_window(asked: Asked) -> Answer:
    """POST /maintenance_windows. One that began already begins now."""
    account, given = asked.account, asked.entity("maintenance_window")
    start, end = read_time(given.get("start_time"), "start_time"), read_time(given.get("end_time"), "end_time")
    services = [str(one.get("id")) for one in given.get("services") or []]
    if not services or any(one not in account.services for one in services):
        raise invalid("Services can't be blank" if not services else "Service Not Found")
    start = max(start, account.now())
    if end <= start:
        raise invalid("End time must be in the future and after the start time")
    number = max((one.number for one in account.windows.values()), default=0) + 1
    made = Window(account.make_id("P", 7), services, start, end, str(given.get("description") or ""), asked.requester, number)
    account.windows[made.id] = made
    account.changed()
    return Answer(201, {"maintenance_window": wire.window(account, made)})


def windows(asked: Asked) -> Answer:
    """GET /maintenance_windows: `filter` is past, future, ongoing, open (ongoing or future) or all."""
    now, kind = asked.account.now(), asked.one("filter") or "all"
    keep: dict[str, Callable[[Window], bool]] = {
        "past": lambda one: one.end <= now,
        "future": lambda one: one.start > now,
        "ongoing": lambda one: one.start <= now < one.end,
        "open": lambda one: one.end > now,
        "all": lambda one: True,
    }
    if kind not in keep:
        raise invalid("Filter is invalid")
    services = {*asked.many("service_ids")}
    found = [one for one in asked.account.windows.values() if keep[kind](one) and (not services or services & {*one.services})]
    return asked.listed("maintenance_windows", [wire.window(asked.account, one) for one in found])


def update_window(asked: Asked) -> Answer:
    """PUT /maintenance_windows/{id}: another end, start or description."""
    one, given = _window(asked), asked.entity("maintenance_window")
    start = read_time(given["start_time"], "start_time") if given.get("start_time") else one.start
    end = read_time(given["end_time"], "end_time") if given.get("end_time") else one.end
    if end <= max(start, asked.account.now()):
        raise invalid("End time must be in the future and after the start time")
    one.start, one.end, one.description = start, end, str(given.get("description") or one.description)
    asked.account.changed()
    return Answer(200, {"maintenance_window": wire.window(asked.account, one)})


def end_window(asked: Asked) -> Answer:
    """DELETE /maintenance_windows/{id}: one in the future is deleted, one that is going on ends, one that is over stays."""
    one, now = _window(asked), asked.account.now()
    if one.end <= now:
        raise Refused(405, 2001, "The maintenance window has already ended")
    if one.start > now:
        del asked.account.windows[one.id]
    one.end = now
    asked.account.changed()
    return Answer(204, None)


def _window(asked: Asked) -> Window:
    found = asked.account.windows.get(asked.ids[0])
    if found is None:
        raise unknown()
    return found


# --- webhook subscriptions


def subscription(account: Any, one: Subscription) -> Json:
    """A subscription; its secrets are never shown."""
    account.webhooks.recover()
    where = ("service_reference", one.services[0]) if one.services else ("account_reference", None)
    return {
        "id": one.id,
        "type": "webhook_subscription",
        "active": one.active,
        "delivery_method": {
            "id": f"{one.id}D",
            "type": "http_delivery_method",
            "url": one.url,
            "secret": None,
            "temporarily_disabled": one.disabled_until is not None,
            "custom_headers": [],
        },
        "description": one.description or None,
        "events": one.events,
        "filter": {"type": where[0]} | ({"id": where[1]} if where[1] else {}),
    }


def subscriptions(asked: Asked) -> Answer:
    return asked.listed("webhook_subscriptions", [subscription(asked.account, one) for one in asked.account.webhooks.subscriptions.values()])


def create_subscription(asked: Asked) -> Answer:
    """POST /webhook_subscriptions. The answer alone shows the secret."""
    given = asked.entity("webhook_subscription")
    where, method = given.get("filter") or {}, given.get("delivery_method") or {}
    if not method.get("url") or not given.get("events"):
        raise invalid("Delivery method url can't be blank" if not method.get("url") else "Events can't be blank")
    services = [str(where["id"])] if where.get("type") == "service_reference" else None
    if services and services[0] not in asked.account.services:
        raise invalid("Filter Service Not Found")
    secret = asked.account.make_key() * 2
    made = asked.account.webhooks.subscribe(str(method["url"]), secret, [str(one) for one in given["events"]], services)
    made.description = str(given.get("description") or "")
    body = subscription(asked.account, made)
    return Answer(200, {"webhook_subscription": body | {"delivery_method": body["delivery_method"] | {"secret": secret}}})


def get_subscription(asked: Asked) -> Answer:
    return Answer(200, {"webhook_subscription": subscription(asked.account, _subscription(asked))})


def enable_subscription(asked: Asked) -> Answer:
    """POST /webhook_subscriptions/{id}/enable: ends a temporary disabling."""
    asked.account.webhooks.enable(_subscription(asked))
    return get_subscription(asked)


def ping_subscription(asked: Asked) -> Answer:
    asked.account.webhooks.ping(_subscription(asked))
    return Answer(202, None)


def remove_subscription(asked: Asked) -> Answer:
    del asked.account.webhooks.subscriptions[_subscription(asked).id]
    return Answer(204, None)


def _subscription(asked: Asked) -> Subscription:
    found = asked.account.webhooks.subscriptions.get(asked.ids[0])
    if found is None:
        raise unknown()
    return found
