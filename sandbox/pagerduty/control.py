"""The control API of PagerDuty, below /_sandbox/pagerduty: do what people do with their phones, arrange who is on call, and let things go wrong."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.routing import Route

from sandbox.pagerduty import lifecycle, page, phones
from sandbox.pagerduty.account import PagerDuty
from sandbox.pagerduty.errors import Refused
from sandbox.pagerduty.state import Agent, Json, Override, Subscription, Window
from sandbox.routes import Act, route


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Act(_Body):
    user: str
    incident: str


class _User(_Body):
    user: str


class _Service(_Body):
    service: str


class _OnCall(_Body):
    schedule: str
    user: str | None
    start: AwareDatetime | None = None
    end: AwareDatetime | None = None


class _Maintenance(_Body):
    service: str
    seconds: float = Field(default=3600, ge=0)


class _Token(_Body):
    token: str | None = None


class _Limit(_Body):
    rest: int = Field(default=0, ge=0)
    events: int = Field(default=0, ge=0)


class _Trouble(_Body):
    kind: Literal["drop", "delay", "duplicate", "reorder"]
    times: int = Field(default=1, ge=0)
    seconds: float = Field(default=60, ge=0)


class _Replay(_Body):
    event: str | None = None


class _Subscription(_Body):
    subscription: str | None = None
    url: str | None = None
    secrets: list[str] | None = Field(default=None, min_length=1)
    active: bool | None = None


def control(account: PagerDuty) -> list[Route]:
    """The routes. What cannot be done is answered with 400 or 404 and `{"error": sentence}`."""
    return [*_reading(account), *_people(account), *_duty(account), *_access(account), *_webhooks(account)]


def _route(account: PagerDuty, path: str, act: Act, method: str = "POST") -> Route:
    """What is due happens before and afterwards."""

    async def played(request: Request) -> Json:
        account.play()
        try:
            answer: Json = await act(request)
        except Refused as refused:
            raise ValueError("; ".join(refused.errors) or str(refused)) from refused
        account.play()
        return answer

    played.__doc__ = act.__doc__
    return route(path, played, method)


def _reading(account: PagerDuty) -> list[Route]:
    async def state(request: Request) -> Json:
        """What the page shows: {now, levels: [{policy, level, minutes, people}], phones: [{user, ringing, told, …}], incidents}."""
        return page.state(account)

    async def incidents(request: Request) -> Json:
        """All incidents, with what the REST API does not say: the level that each has reached, and its notifications."""
        return {"incidents": page.incidents(account)}

    return [_route(account, "/state", state, "GET"), _route(account, "/incidents", incidents, "GET")]


def _people(account: PagerDuty) -> list[Route]:
    async def asked(request: Request) -> tuple[Any, Agent]:
        body = _Act.model_validate_json(await request.body())
        return account.incident(body.incident), Agent("user", account.user(body.user).id)

    async def acknowledge(request: Request) -> Json:
        """A user acknowledges an incident on their phone: {user, incident: id, number or key}."""
        incident, agent = await asked(request)
        lifecycle.acknowledge(account, incident, agent, "mobile")
        return {}

    async def resolve(request: Request) -> Json:
        """A user resolves an incident on their phone: {user, incident}."""
        incident, agent = await asked(request)
        lifecycle.resolve(account, incident, agent, "mobile")
        return {}

    async def escalate(request: Request) -> Json:
        """A user cannot take an incident and hands it on to the next level: {user, incident}."""
        incident, agent = await asked(request)
        level = lifecycle.next_level(account, incident)
        if level is None:
            raise ValueError("nobody is on call after this level")
        lifecycle.escalate(account, incident, level, agent, "mobile")
        return {"level": level}

    async def miss(request: Request) -> Json:
        """A user does not hear what rings now: {user}. Their next notification rule, and the escalation, come in their time. Answers {missed}."""
        return {"missed": phones.miss(account, _User.model_validate_json(await request.body()).user)}

    return [
        _route(account, "/acknowledge", acknowledge), _route(account, "/resolve", resolve),
        _route(account, "/escalate", escalate), _route(account, "/miss", miss),
    ]  # fmt: skip


def _duty(account: PagerDuty) -> list[Route]:
    async def oncall(request: Request) -> Json:
        """Put somebody else on call: {schedule: id or name, user or null: nobody, start?, end?}; from now, for a day, unless told."""
        body = _OnCall.model_validate_json(await request.body())
        schedule = next((one for one in account.schedules.values() if body.schedule in (one.id, one.name)), None)
        if schedule is None:
            raise LookupError(f"no schedule {body.schedule!r}; there are {', '.join(account.schedules)}")
        start = body.start or account.now()
        end = body.end or start + timedelta(days=1)
        if end <= start:
            raise ValueError("end must be after start")
        user = None if body.user is None else account.user(body.user).id
        schedule.overrides.append(Override(account.make_id("Q", 14), user, start, end))
        account.changed()
        return {}

    async def maintenance(request: Request) -> Json:
        """Put a service in maintenance: {service, seconds?: 3600}; 0 seconds end what is going on."""
        body = _Maintenance.model_validate_json(await request.body())
        service, now = account.service(body.service), account.now()
        if body.seconds:
            end, number = now + timedelta(seconds=body.seconds), len(account.windows) + 1
            made = Window(account.make_id("P", 7), [service.id], now, end, "by the sandbox", next(iter(account.users), ""), number)
            account.windows[made.id] = made
        else:
            for one in account.windows.values():
                one.end = min(one.end, now) if one.covers(service.id, now) else one.end
        account.changed()
        return {}

    return [_route(account, "/oncall", oncall), _route(account, "/maintenance", maintenance)]


def _access(account: PagerDuty) -> list[Route]:
    async def remove_user(request: Request) -> Json:
        """Delete a user: {user}."""
        account.remove_user(_User.model_validate_json(await request.body()).user)
        return {}

    async def remove_service(request: Request) -> Json:
        """Delete a service with its incidents: {service}."""
        account.remove_service(_Service.model_validate_json(await request.body()).service)
        return {}

    async def revoke(request: Request) -> Json:
        """Revoke an API token, or all of them: {token?}. Calls with it are answered with 401."""
        body = _Token.model_validate_json(await request.body() or b"{}")
        if body.token is None:
            account.tokens.clear()
        else:
            del account.tokens[body.token]
        return {}

    async def limits(request: Request) -> Json:
        """Answer the next requests with 429: {rest?: how many, events?: how many}."""
        body = _Limit.model_validate_json(await request.body())
        account.limited, account.events_limited = body.rest, body.events
        return {}

    return [
        _route(account, "/remove_user", remove_user), _route(account, "/remove_service", remove_service),
        _route(account, "/revoke", revoke), _route(account, "/limits", limits),
    ]  # fmt: skip


def _webhooks(account: PagerDuty) -> list[Route]:
    def found(which: str | None) -> Subscription:
        there = account.webhooks.subscriptions
        one = there.get(which) if which else next(iter(there.values()), None)
        if one is None:
            raise LookupError(f"no subscription {which or ''}; there are {', '.join(there) or 'none'}")
        return one

    async def listing(request: Request) -> Json:
        """The subscriptions, what waits to be delivered, and what was."""
        return page.webhooks(account)

    async def subscription(request: Request) -> Json:
        """Change a subscription (the first, unless named), or make one: {subscription?, url?, secrets?: [all sign], active?}."""
        body = _Subscription.model_validate_json(await request.body())
        one = found(body.subscription) if account.webhooks.subscriptions else account.webhooks.subscribe("", "sandbox-webhook-secret")
        one.url = one.url if body.url is None else body.url
        one.secrets = one.secrets if body.secrets is None else body.secrets
        one.active = one.active if body.active is None else body.active
        account.changed()
        return {"subscription": one.id}

    async def trouble(request: Request) -> Json:
        """Let the next deliveries go wrong: {kind: drop, delay, duplicate or reorder, times?: 1, seconds?: 60 (of a delay)}."""
        body = _Trouble.model_validate_json(await request.body())
        setattr(account.webhooks.troubles, body.kind, body.times)
        if body.kind == "delay":
            account.webhooks.troubles.seconds = body.seconds
        return {}

    async def replay(request: Request) -> Json:
        """Deliver something once more that was delivered before: {event?: its id}; the latest unless told."""
        return {"event": account.webhooks.replay(_Replay.model_validate_json(await request.body() or b"{}").event).event}

    return [
        _route(account, "/webhooks", listing, "GET"), _route(account, "/webhooks/subscription", subscription),
        _route(account, "/webhooks/trouble", trouble), _route(account, "/webhooks/replay", replay),
    ]  # fmt: skip
