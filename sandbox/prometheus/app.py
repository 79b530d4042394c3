"""Prometheus' HTTP API (prometheus.io/docs/prometheus/latest/querying/api), as far as queries go."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from sandbox.prometheus.series import Failure, Prometheus, literal, written
from sandbox.prometheus.syntax import mistake

MOST_POINTS = 11_000
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_DURATION = re.compile(r"(?:\d+(?:ms|[smhdwy]))+")


class _Error(Exception):
    def __init__(self, text: str, status: int = 400, kind: str = "bad_data") -> None:
        super().__init__(text)
        self.status, self.kind = status, kind


def asgi(prometheus: Prometheus) -> Starlette:
    """The application."""

    def route(path: str, answer: Callable[[Prometheus, Mapping[str, str]], Any]) -> Route:
        async def serve(request: Request) -> Response:
            return JSONResponse({"status": "success", "data": answer(prometheus, await _parameters(request))})

        return Route(path, serve, methods=["GET", "POST"])

    return Starlette(
        routes=[
            route("/api/v1/query", _query),
            route("/api/v1/query_range", _query_range),
            route("/api/v1/labels", _labels),
            Route("/-/healthy", _says("Prometheus Server is Healthy.\n")),
            Route("/-/ready", _says("Prometheus Server is Ready.\n")),
        ],
        exception_handlers={_Error: _failed},
    )


def _says(text: str) -> Callable[[Request], Awaitable[Response]]:
    async def say(request: Request) -> Response:
        return PlainTextResponse(text)

    return say


def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, _Error)
    return JSONResponse({"status": "error", "errorType": error.kind, "error": str(error)}, error.status)


async def _parameters(request: Request) -> dict[str, str]:
    form = parse_qsl((await request.body()).decode(), keep_blank_values=True) if request.method == "POST" else []
    return {**request.query_params, **dict(form)}


def _query(prometheus: Prometheus, parameters: Mapping[str, str]) -> dict[str, Any]:
    time = _time("time", parameters["time"]) if parameters.get("time") else prometheus.clock.now()
    expression = _expression(parameters)
    number = literal(expression)
    if number is not None:
        return {"resultType": "scalar", "result": _sample(time, number)}
    result = [{"metric": dict(labels), "value": _sample(time, value)} for labels, value in _values(prometheus, expression, time)]
    return {"resultType": "vector", "result": result}


def _query_range(prometheus: Prometheus, parameters: Mapping[str, str]) -> dict[str, Any]:
    start, end = (_time(name, parameters.get(name, "")) for name in ("start", "end"))
    if end < start:
        raise _Error('invalid parameter "end": end timestamp must not be before start time')
    step = _duration("step", parameters.get("step", ""))
    if not step > 0:  # nor NaN
        raise _Error('invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer')
    if (end - start).total_seconds() / step > MOST_POINTS:
        raise _Error("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)")
    expression = _expression(parameters)
    series: dict[tuple[tuple[str, str], ...], list[list[Any]]] = {}
    for number in range(int((end - start).total_seconds() / step) + 1):
        time = start + timedelta(seconds=number * step)
        for labels, value in _values(prometheus, expression, time):
            series.setdefault(tuple(sorted(labels.items())), []).append(_sample(time, value))
    return {"resultType": "matrix", "result": [{"metric": dict(labels), "values": values} for labels, values in series.items()]}


def _labels(prometheus: Prometheus, parameters: Mapping[str, str]) -> list[str]:
    answers = prometheus.expressions().values()
    names = {name for answer in answers if not isinstance(answer, Failure) for series in answer for name in series.labels}
    return sorted(names | {"__name__"}) if names else []


def _expression(parameters: Mapping[str, str]) -> str:
    expression = parameters.get("query", "")
    if text := mistake(expression):
        raise _Error(f'invalid parameter "query": {text}')
    return expression


def _values(prometheus: Prometheus, expression: str, time: datetime) -> list[tuple[Mapping[str, str], float]]:
    number = literal(expression)
    if number is not None:
        return [({}, number)]
    answer = prometheus.look(expression, time)
    if isinstance(answer, Failure):
        raise _Error(answer.text, answer.status, answer.kind)
    samples = ((series.labels, series.at(time)) for series in answer)
    return [(labels, value) for labels, value in samples if value is not None]


def _sample(time: datetime, value: float) -> list[Any]:
    seconds = round(time.timestamp(), 3)
    return [int(seconds) if seconds.is_integer() else seconds, written(value)]


def _time(name: str, text: str) -> datetime:
    try:
        return datetime.fromtimestamp(float(text), UTC)
    except (ValueError, OverflowError):
        pass
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None:
            return time
    except ValueError:
        pass
    what = "Invalid time value for 'time': " if name == "time" else ""
    raise _Error(f'invalid parameter "{name}": {what}cannot parse "{text}" to a valid timestamp')


def _duration(name: str, text: str) -> float:
    """Seconds, from a number or from `1h30m`."""
    if _DURATION.fullmatch(text):
        return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|[smhdwy])", text))
    try:
        seconds = float(text)
    except ValueError:
        raise _Error(f'invalid parameter "{name}": cannot parse "{text}" to a valid duration') from None
    if math.isinf(seconds):
        raise _Error(f'invalid parameter "{name}": cannot parse "{text}" to a valid duration. It overflows int64')
    return seconds
