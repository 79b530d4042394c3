"""The control API of Alertmanager and of the rules behind it, below /_sandbox/alertmanager."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.routing import Route

from sandbox.alertmanager.alerts import Alert
from sandbox.alertmanager.labels import Matcher
from sandbox.alertmanager.machine import MISHAPS_TEXT, Alertmanager, Mishap
from sandbox.alertmanager.rules import Rules
from sandbox.alertmanager.silences import Silence
from sandbox.alertmanager.webhook import Receiver
from sandbox.routes import route


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Fire(_Body):
    labels: dict[str, str]
    annotations: dict[str, str] = {}


class _Resolve(_Body):
    labels: dict[str, str]


class _Silence(_Body):
    matchers: list[str] = Field(min_length=1)
    seconds: float = Field(gt=0)
    by: str = "somebody"
    comment: str = ""


class _Mishap(_Body):
    kind: Mishap
    times: int = Field(default=1, ge=1)
    seconds: float = Field(default=0.0, ge=0)


def control(alertmanager: Alertmanager, rules: Rules) -> list[Route]:
    """The routes."""
    return [*_alerts(alertmanager, rules), *_silences(alertmanager), *_telling(alertmanager)]


def _alerts(alertmanager: Alertmanager, rules: Rules) -> list[Route]:
    async def listing(request: Request) -> Any:
        """What fires: [{name, severity, summary, labels, since, silenced}], where `silenced` is {by, comment, until} or null."""
        return [_shown(alertmanager, alert) for alert in alertmanager.alerts()]

    async def fire(request: Request) -> Any:
        """Fire an alert by hand, until it is resolved so: {labels, annotations?}. Answers {fingerprint}."""
        body = _Fire.model_validate_json(await request.body())
        return {"fingerprint": rules.fire(body.labels, body.annotations)}

    async def resolve(request: Request) -> Any:
        """Resolve the alerts fired by hand that have these labels: {labels}. Answers {resolved: fingerprints}."""
        return {"resolved": rules.resolve(_Resolve.model_validate_json(await request.body()).labels)}

    async def rule_states(request: Request) -> Any:
        """The rules: [{alert, severity, query, for, state}], where `state` is inactive, pending or firing."""
        return [
            {"alert": one.alert, "severity": one.labels.get("severity"), "query": one.query, "for": one.hold, "state": state} for one, state in rules.states()
        ]

    return [route("/alerts", listing, "GET"), route("/fire", fire), route("/resolve", resolve), route("/rules", rule_states, "GET")]


def _silences(alertmanager: Alertmanager) -> list[Route]:
    async def silences(request: Request) -> Any:
        """The silences in force: [{id, matchers, by, comment, until}]."""
        now = alertmanager.clock.now()
        return [_silence(one) for one in alertmanager.silences.all(now) if one.state(now) == "active"]

    async def silence(request: Request) -> Any:
        """Silence alerts from now on: {matchers: ["alertname=A", …], seconds, by?, comment?}. Answers {id}."""
        body = _Silence.model_validate_json(await request.body())
        matchers = tuple(Matcher.parse(text) for text in body.matchers)
        known = alertmanager.silences
        now = alertmanager.now
        return {"id": known.set(Silence("", matchers, now, now + timedelta(seconds=body.seconds), body.by, body.comment), now)}

    return [route("/silences", silences, "GET"), route("/silences", silence)]


def _telling(alertmanager: Alertmanager) -> list[Route]:
    async def receiver(request: Request) -> Any:
        """Whom Alertmanager tells, and when; the token is left out."""
        return alertmanager.receiver.model_dump(exclude={"token"})

    async def configure(request: Request) -> Any:
        """Change some of it, as by a reload of the configuration; times are in seconds, and max_alerts 0 means all."""
        changes = Receiver.model_validate_json(await request.body()).model_dump(exclude_unset=True)
        alertmanager.configure(alertmanager.receiver.model_copy(update=changes))
        return alertmanager.receiver.model_dump(exclude={"token"})

    async def deliveries(request: Request) -> Any:
        """The latest attempts to tell the receiver, oldest first: [{number, at, url, group_key, alerts, state, attempt, over, answer, mishap}]."""
        alertmanager.play()
        return [delivery.json() for delivery in alertmanager.deliveries]

    async def mishap(request: Request) -> Any:
        body = _Mishap.model_validate_json(await request.body())
        alertmanager.mishap(body.kind, body.times, body.seconds)
        return {}

    mishap.__doc__ = f"Say what happens to the next deliveries: {{kind, times?, seconds?}}. Kinds:\n\n{MISHAPS_TEXT}"
    return [
        route("/receiver", receiver, "GET"),
        route("/receiver", configure),
        route("/deliveries", deliveries, "GET"),
        route("/mishap", mishap),
    ]


def _shown(alertmanager: Alertmanager, alert: Alert) -> dict[str, Any]:
    by = alertmanager.silences.muting(alert.labels, alertmanager.now)
    return {
        "fingerprint": alert.fingerprint,
        "name": alert.name,
        "severity": alert.labels.get("severity"),
        "summary": alert.annotations.get("summary", ""),
        "labels": dict(alert.labels),
        "since": alert.starts_at.isoformat(),
        "silenced": _silence(alertmanager.silences[by[0]]) if by else None,
    }


def _silence(silence: Silence) -> dict[str, Any]:
    matchers = [f"{one.name}{'=' if one.equal else '!'}{'~' if one.regex else '' if one.equal else '='}{one.value}" for one in silence.matchers]
    return {"id": silence.id, "matchers": matchers, "by": silence.created_by, "comment": silence.comment, "until": silence.ends_at.isoformat()}
