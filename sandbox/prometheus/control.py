"""The control API of Prometheus, below /_sandbox/prometheus."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.prometheus.series import Failure, Prometheus, Series, ramp, written


class _Series(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=True)
    labels: dict[str, str] = {}
    value: float | None = None
    points: list[tuple[float, float]] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> _Series:
        if (self.value is None) == (self.points is None):
            raise ValueError("a series has either a value or points")
        return self


class _Failure(BaseModel):
    model_config = ConfigDict(extra="forbid")
    status: int = Field(default=422, ge=400, le=599)
    kind: str = "execution"
    text: str = "query processing would load too many samples into memory in query execution"


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    expression: str
    regex: bool = False
    series: list[_Series] = []
    error: _Failure | None = None


def load(prometheus: Prometheus, data: Any) -> None:
    """Sets what one expression answers from plain data: {expression, regex?, series: [{labels?, value | points}]} or {…, error: {status, kind, text}}."""
    body = _Answer.model_validate(data)
    if body.error is not None:
        prometheus.fail(body.expression, Failure(**body.error.model_dump()), body.regex)
        return
    now = prometheus.clock.now()
    series = [Series(ramp(one.points, now) if one.points is not None else one.value or 0.0, one.labels) for one in body.series]
    prometheus.set(body.expression, *series, regex=body.regex)


def control(prometheus: Prometheus) -> list[Route]:
    """The routes that look at and change `prometheus`."""

    def described(series: Series) -> dict[str, Any]:
        value = series.at(prometheus.clock.now())
        return {"labels": dict(series.labels), "value": None if value is None else written(value)}

    async def listing(request: Request) -> JSONResponse:
        """What every expression that was set answers now."""
        answers = prometheus.expressions().items()
        return JSONResponse({text: vars(one) if isinstance(one, Failure) else [described(series) for series in one] for text, one in answers})

    async def put(request: Request) -> JSONResponse:
        """Set what an expression answers from now on: {expression, regex?, series: [{labels?, value | points}]}.

        A value may be "NaN" or "Infinity"; points are [[seconds from now, value], …], straight between them. No series: an empty vector.
        {expression, error: {status, kind, text}}: the query fails.
        """
        load(prometheus, await request.json())
        return JSONResponse({})

    async def forget(request: Request) -> JSONResponse:
        """Forget everything that was set."""
        prometheus.forget()
        return JSONResponse({})

    return [
        Route("/series", listing, methods=["GET"]),
        Route("/series", put, methods=["POST"]),
        Route("/series", forget, methods=["DELETE"]),
    ]
