"""A running sandbox with a clock that stands still, and an HTTP client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest

from sandbox.server import Sandbox
from sandbox.world import Scenario, World

START = datetime(2026, 5, 3, 3, 0, tzinfo=UTC)
SCENARIO: Scenario = {
    "app": {"commands": [{"command": "/go", "description": "", "usage_hint": "", "should_escape": False}]},
    "users": [{"id": "U0ANA", "name": "ana"}],
    "channels": [{"name": "ops", "members": ["ana"]}],
    "images": [{"name": "team/gateway", "tags": ["v1.0.0", "v1.1.0"]}],
    "metrics": [{"expression": "errors", "series": [{"value": 0.01}]}],
    "health": {"prod": {}},
}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(World.build(SCENARIO, seed=7, start=START)) as running:
        yield running


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox.url, timeout=5) as client:
        yield client
