"""Alertmanager's API v2 (0.25), below /alertmanager."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import cmp_to_key
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.alertmanager import bodies
from sandbox.alertmanager.alerts import Alert
from sandbox.alertmanager.bodies import Refused
from sandbox.alertmanager.labels import Matcher, label_order, pattern
from sandbox.alertmanager.machine import Alertmanager
from sandbox.alertmanager.silences import NotThere, Silence
from sandbox.alertmanager.webhook import encoded

VERSION = {"branch": "HEAD", "buildDate": "20221222-14:51:36", "buildUser": "sandbox", "goVersion": "go1.19.4", "revision": "sandbox", "version": "0.25.0"}
Act = Callable[[Alertmanager, Request], Awaitable[Any]]


def asgi(alertmanager: Alertmanager) -> Starlette:
    """The application."""

    def route(path: str, **acts: Act) -> Route:
        async def serve(request: Request) -> Response:
            alertmanager.play()
            if request.method not in acts:
                raise Refused(405, 405, f"method {request.method} is not allowed, but [{','.join(sorted(acts))}] are")
            answer = await acts[request.method](alertmanager, request)
            return Response() if answer is None else _json(answer)

        return Route(path, serve, methods=["GET", "POST", "PUT", "DELETE", "PATCH"])

    return Starlette(
        routes=[
            route("/api/v2/alerts", GET=_alerts, POST=_post_alerts),
            route("/api/v2/alerts/groups", GET=_groups),
            route("/api/v2/silences", GET=_silences, POST=_post_silence),
            route("/api/v2/silence/{id}", GET=_silence, DELETE=_expire),
            route("/api/v2/status", GET=_status),
            route("/api/v2/receivers", GET=_receivers),
            Route("/-/ready", _ok),
            Route("/-/healthy", _ok),
        ],
        exception_handlers={Refused: _refused, HTTPException: _not_found},
    )


async def _ok(request: Request) -> Response:
    return PlainTextResponse("OK")


def _json(value: Any, status: int = 200) -> Response:
    return Response(encoded(value) + b"\n", status, media_type="application/json")


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    if error.status == 404 and error.text == "":
        return Response(status_code=404)
    return _json(error.text if error.code is None else {"code": error.code, "message": error.text}, error.status)


def _not_found(request: Request, error: Exception) -> Response:
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    if path.startswith("/api/v2/"):
        return _json({"code": 404, "message": f"path {path} was not found"}, 404)
    return PlainTextResponse("404 page not found\n", 404)


async def _alerts(alertmanager: Alertmanager, request: Request) -> Any:
    wanted = _wanted(alertmanager, request)
    return [_alert(alertmanager, alert) for alert in alertmanager.alerts() if wanted(alert)]


async def _groups(alertmanager: Alertmanager, request: Request) -> Any:
    wanted = _wanted(alertmanager, request)
    found = [(labels, [_alert(alertmanager, one) for one in alerts if wanted(one)]) for labels, alerts in alertmanager.groups()]
    shown = sorted(((labels, alerts) for labels, alerts in found if alerts), key=cmp_to_key(_by_labels))
    receiver = {"name": alertmanager.receiver.name}
    return [{"alerts": sorted(alerts, key=lambda one: str(one["fingerprint"])), "labels": labels, "receiver": receiver} for labels, alerts in shown]


def _by_labels(one: tuple[dict[str, str], Any], other: tuple[dict[str, str], Any]) -> int:
    return label_order(one[0], other[0])


def _wanted(alertmanager: Alertmanager, request: Request) -> Callable[[Alert], bool]:
    """The test that the query's parameters stand for: filter, receiver, active, silenced; nothing is ever inhibited."""
    matchers = _matchers(request)
    receiver = request.query_params.get("receiver")
    try:
        received = receiver is None or pattern(receiver).fullmatch(alertmanager.receiver.name) is not None
    except ValueError as error:
        raise Refused(400, None, f"failed to parse receiver param: {error}") from None
    active, silenced = (_truth(request.query_params.get(name)) for name in ("active", "silenced"))

    def wanted(alert: Alert) -> bool:
        quiet = bool(alertmanager.silences.muting(alert.labels, alertmanager.now))
        return received and (silenced if quiet else active) and all(matcher.matches(alert.labels) for matcher in matchers)

    return wanted


def _truth(text: str | None) -> bool:
    """A parameter that is true unless something else is said (go-openapi/swag, ConvertBool)."""
    return text is None or text == "" or text.lower() in ("true", "1", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled")


def _matchers(request: Request) -> list[Matcher]:
    try:
        return [Matcher.parse(text) for text in request.query_params.getlist("filter")]
    except ValueError as error:
        raise Refused(400, None, str(error)) from None


def _alert(alertmanager: Alertmanager, alert: Alert) -> dict[str, Any]:
    by = alertmanager.silences.muting(alert.labels, alertmanager.now)
    assert alert.ends_at is not None
    shown = {
        "annotations": dict(sorted(alert.annotations.items())),
        "endsAt": _time(alert.ends_at),
        "fingerprint": alert.fingerprint,
        "receivers": [{"name": alertmanager.receiver.name}],
        "startsAt": _time(alert.starts_at),
        "status": {"inhibitedBy": [], "silencedBy": by, "state": "suppressed" if by else "active"},
        "updatedAt": _time(alert.updated_at),
    }
    url = {"generatorURL": alert.generator_url} if alert.generator_url else {}
    return {**shown, **url, "labels": dict(sorted(alert.labels.items()))}


def _time(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03}Z"


async def _post_alerts(alertmanager: Alertmanager, request: Request) -> None:
    told = bodies.alerts(await _body(request, "alerts", "models.PostableAlerts"), alertmanager.now, alertmanager.receiver.resolve_timeout)
    if mistakes := alertmanager.put(told):
        raise Refused(400, None, "; ".join(mistakes))


async def _silences(alertmanager: Alertmanager, request: Request) -> Any:
    matchers = _matchers(request)
    listed = alertmanager.silences.all(alertmanager.now)
    return [_shown(alertmanager, silence) for silence in listed if all(_means(silence, matcher) for matcher in matchers)]


def _means(silence: Silence, wanted: Matcher) -> bool:
    return wanted in silence.matchers


async def _silence(alertmanager: Alertmanager, request: Request) -> Any:
    try:
        return _shown(alertmanager, alertmanager.silences[bodies.uuid(request.path_params["id"])])
    except NotThere:
        raise Refused(404, None, "") from None


async def _post_silence(alertmanager: Alertmanager, request: Request) -> Any:
    silence = bodies.silence(await _body(request, "silence", "models.PostableSilence"), alertmanager.now)
    try:
        return {"silenceID": alertmanager.silences.set(silence, alertmanager.now)}
    except NotThere as error:
        raise Refused(404, None, str(error)) from None
    except ValueError as error:
        raise Refused(400, None, str(error)) from None


async def _expire(alertmanager: Alertmanager, request: Request) -> None:
    try:
        alertmanager.silences.expire(bodies.uuid(request.path_params["id"]), alertmanager.now)
    except NotThere as error:
        raise Refused(500, None, str(error)) from None


def _shown(alertmanager: Alertmanager, silence: Silence) -> dict[str, Any]:
    assert silence.updated_at is not None
    return {
        "id": silence.id,
        "status": {"state": silence.state(alertmanager.now)},
        "updatedAt": _time(silence.updated_at),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": _time(silence.ends_at),
        "matchers": [{"isEqual": one.equal, "isRegex": one.regex, "name": one.name, "value": one.value} for one in silence.matchers],
        "startsAt": _time(silence.starts_at),
    }


async def _status(alertmanager: Alertmanager, request: Request) -> Any:
    return {
        "cluster": {"peers": [], "status": "disabled"},
        "config": {"original": bodies.config(alertmanager.receiver)},
        "uptime": _time(alertmanager.started),
        "versionInfo": VERSION,
    }


async def _receivers(alertmanager: Alertmanager, request: Request) -> Any:
    return [{"name": alertmanager.receiver.name}]


async def _body(request: Request, name: str, kind: str) -> Any:
    kind_of_body = request.headers.get("content-type", "application/octet-stream").partition(";")[0].strip().lower()
    sent = await request.body()
    if sent and kind_of_body != "application/json":
        raise Refused(415, 415, f'unsupported media type "{unquote(kind_of_body)}", only [application/json] are allowed')
    return bodies.read(sent, name, kind)
