"""Charts as pictures, drawn by `bot.adapters.plot` in a process that lives for one picture (docs/deploying.md says what that costs)."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path

from bot.core.chart import Chart
from bot.core.errors import Throttled, Unavailable

PATIENCE = timedelta(seconds=5)
AGAIN_AFTER = timedelta(seconds=1)
TIME_LIMIT = timedelta(minutes=2)
"""A hundred times what a picture takes: on a machine that has more to do than it can, it comes late, and only what hangs is given up."""
_PACKAGES = Path(__file__).parents[2]


@asynccontextmanager
async def open_drawing(patience: timedelta = PATIENCE, time_limit: timedelta = TIME_LIMIT) -> AsyncIterator["Drawing"]:
    """Yields what draws charts. matplotlib keeps its list of fonts in a folder that lasts as long as the block: making it takes as long as drawing."""
    with contextlib.ExitStack() as stack:
        # Most processes (`aiec exec`) draw nothing.
        drawing = Drawing(cache(lambda: stack.enter_context(tempfile.TemporaryDirectory(prefix="aiec-charts-"))), patience, time_limit)
        try:
            yield drawing
        finally:
            await drawing.close()


class Drawing:
    """One picture at a time: each takes 70 MiB while it is drawn. `folder` is where matplotlib may write; `patience` is how long a caller waits, `time_limit`
    how long a picture may take."""

    def __init__(self, folder: Callable[[], str], patience: timedelta = PATIENCE, time_limit: timedelta = TIME_LIMIT) -> None:
        self._folder = folder
        self._patience = patience.total_seconds()
        self._time_limit = time_limit.total_seconds()
        self._one = asyncio.Lock()
        self._begun: dict[Chart, asyncio.Task[bytes]] = {}

    async def __call__(self, chart: Chart) -> bytes:
        """Returns the chart as a PNG. Raises Unavailable when it could not be drawn, and Throttled while it is still being drawn: ask again then."""
        if chart not in self._begun:
            self._begun[chart] = asyncio.create_task(self._picture(chart), name="a chart")
        task = self._begun[chart]
        await asyncio.wait({task}, timeout=self._patience)
        if not task.done():
            raise Throttled("The chart is still being drawn.", AGAIN_AFTER)
        self._begun.pop(chart, None)
        return task.result()

    async def close(self) -> None:
        """Ends what is still being drawn."""
        for task in self._begun.values():
            task.cancel()
        await asyncio.gather(*self._begun.values(), return_exceptions=True)

    async def _picture(self, chart: Chart) -> bytes:
        async with self._one:
            try:
                return await asyncio.wait_for(self._draw(chart), self._time_limit)
            except TimeoutError as error:
                raise Unavailable(f"The chart could not be drawn within {self._time_limit:.0f} s.") from error
            except OSError as error:
                raise Unavailable(f"The chart could not be drawn: {error.strerror or error}.") from error

    async def _draw(self, chart: Chart) -> bytes:
        # Nothing of our environment, which has secrets in it, is needed there.
        environ = {"MPLCONFIGDIR": self._folder(), "PYTHONPATH": str(_PACKAGES), "PATH": os.defpath, "OPENBLAS_NUM_THREADS": "1"}
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(sys.executable, "-P", "-m", "bot.adapters.plot", env=environ, stdin=pipe, stdout=pipe, stderr=pipe)
        try:
            drawn, complaint = await process.communicate(chart.model_dump_json().encode())
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            last = (complaint.decode(errors="replace").strip().splitlines() or [f"exit {process.returncode}"])[-1]
            raise Unavailable(f"The chart could not be drawn: {last}")
        return drawn
