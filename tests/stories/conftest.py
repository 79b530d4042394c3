"""Every story gets a stage of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import Stage, stage


@pytest.fixture
async def bot(tmp_path: Path) -> AsyncIterator[Stage]:
    async with stage(tmp_path) as found:
        yield found
