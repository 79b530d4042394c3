"""Prometheus' query API (prometheus.io/docs/prometheus/latest/querying/api): figures at one moment, and over time."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from bot.adapters.http import FAILURES, open_client, read, why
from bot.core.chart import Sample, Series
from bot.core.errors import AiecError, Forbidden, Invalid, Unauthenticated, Unavailable
from bot.core.suggest import quoted
from bot.core.text import cut

TIME_LIMIT = timedelta(seconds=10)
ANSWER_LIMIT = 1024 * 1024
_HINT = "Look at Prometheus, or correct PROMETHEUS_URL."


@asynccontextmanager
async def open_prometheus(
    url: str, transport: httpx.AsyncBaseTransport | None = None, time_limit: timedelta = TIME_LIMIT
) -> AsyncIterator["PrometheusMetrics"]:
    """Yields Prometheus at `url`, which may carry `user:password@`."""
    async with open_client(url, transport) as client:
        yield PrometheusMetrics(client, time_limit)


class PrometheusMetrics:
    """Implements `ports.Metrics`. `time_limit` is for a whole answer."""

    def __init__(self, client: httpx.AsyncClient, time_limit: timedelta = TIME_LIMIT) -> None:
        self._client = client
        self._host = client.base_url.netloc.decode()
        self._time_limit = time_limit.total_seconds()

    async def query(self, expression: str) -> list[float]:
        """Returns what the expression is now, one number for each series."""
        return self._values(expression, await self._ask("api/v1/query", {"query": expression}))

    async def query_range(self, expression: str, start: datetime, end: datetime, step: timedelta) -> list[Series]:
        """Returns what the expression was over time. A series is called by its labels (`pod=a, zone=b`)."""
        times = {"start": f"{start.timestamp():.3f}", "end": f"{end.timestamp():.3f}", "step": f"{step.total_seconds():g}"}
        data = await self._ask("api/v1/query_range", {"query": expression, **times})
        try:
            return [_series(one) for one in data["result"]]
        except (TypeError, LookupError, ValueError, AttributeError, OverflowError) as error:
            raise self._nonsense() from error

    async def _ask(self, path: str, parameters: Mapping[str, str]) -> Any:
        """Returns an answer's data. By POST, because an expression may be longer than a URL."""
        try:
            async with asyncio.timeout(self._time_limit), self._client.stream("POST", path, data=parameters) as response:
                content = await read(response, ANSWER_LIMIT)
        except FAILURES as error:
            raise Unavailable(f"Prometheus ({self._host}) cannot be asked: {why(error)}.", _HINT) from error
        answer = _json(content)
        if not response.is_success:
            raise self._refused(response.status_code, answer)
        return answer.get("data")

    def _nonsense(self) -> Unavailable:
        return Unavailable(f"Prometheus ({self._host}) answers with something that is not a query's result.", _HINT)

    def _refused(self, status: int, answer: dict[str, Any]) -> AiecError:
        said = cut(" ".join(str(answer.get("error") or f"HTTP {status}").split()), 200)
        if status == 401:
            return Unauthenticated(f"Prometheus ({self._host}) does not accept our credentials.", "PROMETHEUS_URL may carry user:password@.")
        if status == 403:
            return Forbidden(f"Prometheus ({self._host}) refuses our credentials the query.", "PROMETHEUS_URL may carry user:password@.")
        # 400: it cannot be parsed; 422: it cannot be executed (too many samples, ambiguous matching).
        if status in (400, 422) and answer.get("error"):
            return Invalid(f"Prometheus refuses the expression: {said}")
        return Unavailable(f"Prometheus ({self._host}) does not answer the query: {said}.", _HINT)

    def _values(self, expression: str, data: Any) -> list[float]:
        try:
            match data["resultType"]:
                case "vector":
                    return [float(series["value"][1]) for series in data["result"]]
                case "scalar":
                    return [float(data["result"][1])]
                case other:
                    raise Invalid(f"The expression yields a {quoted(str(other))}, not a number: {quoted(expression)}", "Wrap a range in rate() or sum().")
        except (TypeError, LookupError, ValueError) as error:
            raise self._nonsense() from error


def _series(data: dict[str, Any]) -> Series:
    name = ", ".join(f"{label}={value}" for label, value in sorted(data["metric"].items()) if label != "__name__")
    samples = ((float(at), float(value)) for at, value in data["values"])
    return Series(name=name, samples=tuple(Sample(at=datetime.fromtimestamp(at, UTC), value=value) for at, value in samples if math.isfinite(value)))


def _json(content: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(content)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
