"""The public health URLs of the platform's services, by environment: /platform/prod/health and what is below it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

PATHS = ("/health", "/health/ready", "/health/live")


class Answer(BaseModel):
    """What one path answers: `status` after `latency` seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    status: int = Field(default=200, ge=200, le=599)
    latency: float = Field(default=0.0, ge=0.0)


@dataclass
class Environment:
    """`ready` says whether any pod stands behind the URLs: without one a load balancer answers 503."""

    answers: dict[str, Answer]
    ready: Callable[[], bool] = field(default=lambda: True)


class Platform:
    """The environments by name. What was told wins over what the pods say."""

    def __init__(self) -> None:
        self.environments: dict[str, Environment] = {}

    def add(self, name: str, paths: Sequence[str] = PATHS, ready: Callable[[], bool] = lambda: True) -> None:
        """An environment whose `paths` are healthy while `ready()`."""
        self.environments[name] = Environment({path: Answer() for path in paths}, ready)

    def tell(self, name: str, answer: Answer, path: str | None = None) -> None:
        """Makes `path` (None: every path) of an environment answer so. KeyError if there is no such environment or path."""
        answers = self.environments[name].answers
        for known in list(answers) if path is None else [path]:
            if known not in answers:
                raise KeyError(f"{name} has no {known}; it has {', '.join(answers)}")
            answers[known] = answer

    def look(self, name: str, path: str) -> Answer | None:
        """What a request to `path` of an environment gets now; None if nothing is there."""
        environment = self.environments.get(name)
        answer = environment.answers.get(path) if environment else None
        if environment and answer and answer.status == 200 and not environment.ready():
            return Answer(status=503, latency=answer.latency)
        return answer


def asgi(platform: Platform) -> Starlette:
    """The application: GET /<environment><path>."""

    async def health(request: Request) -> Response:
        answer = platform.look(request.path_params["environment"], f"/{request.path_params['path']}")
        if answer is None:
            return PlainTextResponse("not found\n", 404)
        await asyncio.sleep(answer.latency)
        return JSONResponse({"status": "ok" if answer.status < 400 else "unavailable"}, answer.status)

    return Starlette(routes=[Route("/{environment}/{path:path}", health)])


class _Health(Answer):
    environment: str
    path: str | None = None


def control(platform: Platform) -> list[Route]:
    """The control API of the health URLs, below /_sandbox/platform."""

    async def health(request: Request) -> JSONResponse:
        """What every health URL answers, by environment and path."""
        return JSONResponse(
            {name: {path: platform.look(name, path).model_dump() for path in environment.answers} for name, environment in platform.environments.items()}  # type: ignore[union-attr]
        )

    async def tell(request: Request) -> JSONResponse:
        """Say what they answer: {environment, path?, status?, latency?}. Without a path: all of the environment's; without a status: 200."""
        body = _Health.model_validate_json(await request.body())
        platform.tell(body.environment, Answer(status=body.status, latency=body.latency), body.path)
        return JSONResponse({})

    return [Route("/health", health, methods=["GET"]), Route("/health", tell, methods=["POST"])]
