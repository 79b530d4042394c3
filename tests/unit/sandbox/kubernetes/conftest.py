from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from sandbox.kubernetes import asgi, control
from tests.unit.sandbox.kubernetes.cluster_driver import Driver


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
async def port(driver: Driver) -> AsyncIterator[int]:
    """Where the cluster is served, below /kubernetes, with the Deployment `web` ready; its control API is below /control."""
    driver.deploy()
    driver.until(driver.complete)
    app = Starlette(routes=[Mount("/kubernetes", asgi(driver.cluster)), Mount("/control", routes=control(driver.cluster))])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off", ws="websockets-sansio"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await running
