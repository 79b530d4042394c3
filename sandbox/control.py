"""The control API below /_sandbox/: moves the clock, sets faults, resets, and offers what every system offers. GET /_sandbox/ documents it."""

from __future__ import annotations

import html
import inspect
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from pydantic import AwareDatetime, BaseModel, ConfigDict, model_validator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from sandbox import alertmanager, github, kubernetes, pagerduty, platform, prometheus, registry, slack, troubles
from sandbox.clock import Clock
from sandbox.faults import KINDS_TEXT, Fault, Faults
from sandbox.world import World


class Host(Protocol):
    """What serves the world. `keep` is the transport of the connection that asks."""

    async def reset(self, keep: Any) -> None: ...

    def disconnect(self, keep: Any) -> None: ...


def asgi(world: World, host: Host) -> Starlette:
    """The application for one world."""

    async def reset(request: Request) -> JSONResponse:
        """Make the world as it was at the start. Other connections are closed."""
        await host.reset(request.scope["state"]["transport"])
        return JSONResponse({})

    async def disconnect(request: Request) -> JSONResponse:
        """Close every other connection: watches, streams, requests under way."""
        host.disconnect(request.scope["state"]["transport"])
        return JSONResponse({})

    async def scenario(request: Request) -> JSONResponse:
        """The scenario and the seed that the world was made from."""
        return JSONResponse({"seed": world.seed, "scenario": world.scenario})

    routes = [
        *_clock(world.clock),
        *_faults(world.faults),
        *troubles.control(world.troubles),
        Route("/reset", reset, methods=["POST"]),
        Route("/disconnect", disconnect, methods=["POST"]),
        Route("/scenario", scenario, methods=["GET"]),
        Mount("/kubernetes", routes=kubernetes.control(world.kubernetes)),
        Mount("/slack", routes=slack.control(world.slack)),
        Mount("/registry", routes=registry.control(world.registry)),
        Mount("/prometheus", routes=prometheus.control(world.prometheus)),
        Mount("/alertmanager", routes=alertmanager.control(world.alertmanager, world.rules)),
        Mount("/platform", routes=platform.control(world.platform)),
        Mount("/pagerduty", routes=pagerduty.control(world.pagerduty)),
        Mount("/github", routes=github.control(world.github)),
    ]
    index = Route("/", _index(routes), methods=["GET"])
    return Starlette(routes=[index, *routes], exception_handlers={ValueError: _wrong, KeyError: _unknown})


REGISTRY_DOWN = "registry-down"


class _Rule(Fault):
    name: str | None = None


class _Down(BaseModel):
    model_config = ConfigDict(extra="forbid")
    down: bool


class _Move(BaseModel):
    model_config = ConfigDict(extra="forbid")
    advance: float | None = None
    advance_to: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> _Move:
        if (self.advance is None) == (self.advance_to is None):
            raise ValueError("give either advance (seconds) or advance_to (a time with its zone)")
        return self


def _clock(clock: Clock) -> list[Route]:
    async def now(request: Request) -> JSONResponse:
        """The sandbox's time: {now}."""
        return JSONResponse({"now": clock.now().isoformat()})

    async def move(request: Request) -> JSONResponse:
        """Move time forward: {advance: seconds} or {advance_to: "2026-05-03T12:00:00Z"}."""
        body = _Move.model_validate_json(await request.body())
        clock.advance(_seconds(body, clock.now()))
        return JSONResponse({"now": clock.now().isoformat()})

    return [Route("/clock", now, methods=["GET"]), Route("/clock", move, methods=["POST"])]


def _seconds(move: _Move, now: datetime) -> float:
    if move.advance_to is not None:
        return (move.advance_to - now).total_seconds()
    assert move.advance is not None
    return move.advance


def _faults(faults: Faults) -> list[Route]:
    def described(name: str, fault: Fault) -> dict[str, Any]:
        return {"name": name, "met": faults.met(name), **fault.model_dump(exclude_defaults=True, exclude={"name"})}

    async def listing(request: Request) -> JSONResponse:
        """The rules in force, and how many requests each has met."""
        return JSONResponse([described(name, fault) for name, fault in faults.list().items()])

    async def add(request: Request) -> JSONResponse:
        fault = _Rule.model_validate_json(await request.body())
        return JSONResponse(described(faults.add(fault, fault.name), fault))

    add.__doc__ = (
        "Add a rule: {kind, system?, method?, path?, skip?, times?, probability?, name?, …}. Kinds:\n\n"
        f"{KINDS_TEXT}\n\n{inspect.cleandoc(Fault.__doc__ or '')}"
    )

    async def clear(request: Request) -> JSONResponse:
        """Withdraw all rules."""
        faults.clear()
        return JSONResponse({})

    async def withdraw(request: Request) -> JSONResponse:
        """Withdraw the rule of this name."""
        faults.clear(request.path_params["name"])
        return JSONResponse({})

    async def registry_down(request: Request) -> JSONResponse:
        """Take the registry down or bring it back: {down: bool}. While it is down every connection to it is closed."""
        if _Down.model_validate_json(await request.body()).down:
            faults.add(Fault(kind="drop", system="registry"), REGISTRY_DOWN)
        elif REGISTRY_DOWN in faults.list():
            faults.clear(REGISTRY_DOWN)
        return JSONResponse({})

    return [
        Route("/registry/down", registry_down, methods=["POST"]),
        Route("/faults", listing, methods=["GET"]),
        Route("/faults", add, methods=["POST"]),
        Route("/faults", clear, methods=["DELETE"]),
        Route("/faults/{name}", withdraw, methods=["DELETE"]),
    ]


def _documented(routes: list[BaseRoute], prefix: str) -> list[dict[str, str]]:
    entries = []
    for route in routes:
        if isinstance(route, Mount):
            entries += _documented(list(route.routes), prefix + route.path)
        elif isinstance(route, Route):
            methods = ", ".join(sorted((route.methods or set()) - {"HEAD"}))
            entries.append({"method": methods, "path": prefix + route.path, "text": inspect.getdoc(route.endpoint) or ""})
    return entries


def _index(routes: list[BaseRoute]) -> Callable[[Request], Any]:
    async def index(request: Request) -> Response:
        """Every route of the control API, from its own description: HTML for a browser, JSON for everybody else."""
        entries = _documented(routes, request.scope["root_path"])
        if "text/html" not in request.headers.get("accept", ""):
            return JSONResponse(entries)
        rows = "".join(f"<h2>{e['method']} <code>{html.escape(e['path'])}</code></h2><pre>{html.escape(e['text'])}</pre>" for e in entries)
        return HTMLResponse(f"<!doctype html><title>Sandbox: control API</title><style>{_STYLE}</style><h1>Control API</h1>{rows}")

    return index


_STYLE = "body{font:15px system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}h2{font-size:1rem;margin:1.5rem 0 .3rem}pre{white-space:pre-wrap;margin:0}"


def _wrong(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 400)


def _unknown(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": f"there is no {error.args[0]}" if error.args else "not found"}, 404)
