"""One ASGI application for everything: each system below its prefix, behind the faults in force, the control API, and the workspace page."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from sandbox import alertmanager, control, github, kubernetes, pagerduty, platform, prometheus, registry, slack
from sandbox.middleware import Faulty, OwnPageOnly
from sandbox.slack import SocketMode
from sandbox.world import World

PAGE = Path(__file__).parent / "workspace"


def application(world: World, sockets: SocketMode, host: control.Host) -> Starlette:
    """The application for one world, which `host` serves."""
    systems = {
        "kubernetes": kubernetes.asgi(world.kubernetes),
        "slack": slack.asgi(world.slack, sockets),
        "registry": registry.asgi(world.registry),
        "prometheus": prometheus.asgi(world.prometheus),
        "alertmanager": alertmanager.asgi(world.alertmanager),
        "platform": platform.asgi(world.platform),
        "pagerduty": pagerduty.asgi(world.pagerduty),
        "github": github.asgi(world.github),
    }
    faulty = {name: Faulty(app, name, world.faults) for name, app in systems.items()}
    routes: list[BaseRoute] = [
        Mount("/_sandbox", control.asgi(world, host)),
        *(Mount(f"/{name}", app) for name, app in faulty.items()),
        # An OCI client puts /v2/ at the root of the host that it is given.
        Route("/v2{rest:path}", faulty["registry"]),
        Route("/token", faulty["registry"]),
    ]
    if PAGE.is_dir():
        routes.append(Mount("/", StaticFiles(directory=PAGE, html=True)))
    return Starlette(routes=routes, middleware=[Middleware(OwnPageOnly)])
