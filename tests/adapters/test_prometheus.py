"""The adapter on the sandbox's Prometheus, and on answers that only a broken one gives."""

import math
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from bot.adapters.prometheus import PrometheusMetrics, open_prometheus
from bot.core.errors import AiecError, Forbidden, Invalid, Unauthenticated, Unavailable
from sandbox.faults import Fault
from sandbox.prometheus import Failure, Series
from sandbox.server import Sandbox
from sandbox.world import World


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(World.build({})) as found:
        yield found


@pytest.fixture
async def metrics(sandbox: Sandbox) -> AsyncIterator[PrometheusMetrics]:
    async with open_prometheus(sandbox.urls["prometheus"], time_limit=timedelta(seconds=0.5)) as found:
        yield found


async def test_every_series_is_a_number(sandbox: Sandbox, metrics: PrometheusMetrics) -> None:
    sandbox.world.prometheus.set("up", Series(1.0, {"pod": "a"}), Series(0.25, {"pod": "b"}))
    assert await metrics.query("up") == [1.0, 0.25]
    assert await metrics.query("1.5") == [1.5]
    assert await metrics.query("unknown") == []
    sandbox.world.prometheus.set("ratio", float("nan"))
    assert math.isnan((await metrics.query("ratio"))[0])


async def test_a_range_is_a_line_for_each_series_without_what_is_no_number(sandbox: Sandbox, metrics: PrometheusMetrics) -> None:
    start = datetime(2026, 5, 3, 3, 0, tzinfo=UTC)

    def value(at: datetime) -> float | None:
        return {0: 0.5, 10: math.nan, 20: None}.get((at - start).seconds, 2.0)

    sandbox.world.prometheus.set("x", Series(value, {"pod": "a", "__name__": "x", "zone": "b"}), Series(3.0))
    first, second = await metrics.query_range("x", start, start + timedelta(seconds=39), timedelta(seconds=10))
    assert (first.name, second.name) == ("pod=a, zone=b", "")
    assert [((sample.at - start).seconds, sample.value) for sample in first.samples] == [(0, 0.5), (30, 2.0)]
    assert [sample.value for sample in second.samples] == [3.0] * 4
    assert await metrics.query_range("unknown", start, start, timedelta(seconds=1)) == []
    with pytest.raises(Invalid, match="unclosed left parenthesis"):
        await metrics.query_range("sum(", start, start, timedelta(seconds=1))


async def test_an_expression_that_is_refused_is_invalid_in_prometheus_words(sandbox: Sandbox, metrics: PrometheusMetrics) -> None:
    with pytest.raises(Invalid, match="parse error: unclosed left parenthesis"):
        await metrics.query("sum(rate(")
    sandbox.world.prometheus.fail("many", Failure(422, "execution", "many-to-many matching not allowed"))
    with pytest.raises(Invalid, match="many-to-many matching not allowed"):
        await metrics.query("many")


@pytest.mark.parametrize("fault", ["status", "hang", "drop", "garbage"])
async def test_no_answer_is_unavailable(sandbox: Sandbox, metrics: PrometheusMetrics, fault: str) -> None:
    sandbox.world.faults.add(Fault.model_validate({"kind": fault, "system": "prometheus", **({"status": 503} if fault == "status" else {})}))
    with pytest.raises(Unavailable, match="Prometheus"):
        await metrics.query("up")


def answers(respond: Callable[[httpx.Request], httpx.Response]) -> httpx.MockTransport:
    return httpx.MockTransport(respond)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, "who are you", Unauthenticated),
        (403, "no", Forbidden),
        (302, "", Unavailable),
        (200, "<html>", Unavailable),
        (200, '{"status":"success","data":{"resultType":"vector","result":[{"value":[1]}]}}', Unavailable),
        (200, '{"status":"success","data":{"resultType":"matrix","result":[]}}', Invalid),
        (200, '{"status":"success","data":{"resultType":"string","result":[1,"x"]}}', Invalid),
        (404, "404 page not found", Unavailable),
    ],
)
async def test_other_answers(status: int, body: str, error: type[AiecError]) -> None:
    async with open_prometheus("http://prometheus:9090", answers(lambda _: httpx.Response(status, text=body))) as metrics:
        with pytest.raises(error):
            await metrics.query("up")


@pytest.mark.parametrize(
    "data", ["[]", '{"result":[{"metric":{},"values":[[1]]}]}', '{"result":[{"metric":{},"values":[[1e99,"1"]]}]}', '{"result":[1]}', "null"]
)
async def test_a_range_that_is_none(data: str) -> None:
    answer = httpx.Response(200, text=f'{{"status":"success","data":{data}}}')
    async with open_prometheus("http://prometheus:9090", answers(lambda _: answer)) as metrics:
        with pytest.raises(Unavailable, match="not a query's result"):
            await metrics.query_range("up", datetime(2026, 5, 3, tzinfo=UTC), datetime(2026, 5, 3, tzinfo=UTC), timedelta(seconds=1))


async def test_the_password_goes_to_prometheus_and_into_no_message() -> None:
    seen: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(401)

    async with open_prometheus("http://ops:s3cret@prometheus:9090/prefix", answers(respond)) as metrics:
        with pytest.raises(Unauthenticated) as refused:
            await metrics.query("up")
    assert seen == ["Basic b3BzOnMzY3JldA=="]
    assert "s3cret" not in refused.value.text + refused.value.hint
