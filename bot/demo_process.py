"""The demo's bot from outside: a process that is started, told the time, and killed when somebody on the page wants to see what happens then."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bot.core.errors import AiecError

if TYPE_CHECKING:
    from sandbox.server import Sandbox

AGAIN_AFTER = 5.0  # seconds until a dead one is started again, as Kubernetes would
LOOK_EVERY = 0.05
MOVED = 0.01  # seconds by which a clock that was not moved never differs
_PACKAGES = Path(__file__).parents[1]


@asynccontextmanager
async def bot_process(folder: Path) -> AsyncIterator["BotProcess"]:
    """Yields the process, which keeps its files in the folder. It begins to import at once, beside whatever its starter has to do, and ends with the block."""
    process = BotProcess(folder, await _spawned(folder))
    try:
        yield process
    finally:
        await process.end()


async def _spawned(folder: Path) -> asyncio.subprocess.Process:
    path = os.pathsep.join([str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])])
    environ = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(folder)}  # what a killed process leaves goes with the folder
    pipe = asyncio.subprocess.PIPE
    # A session of its own: Ctrl-C is for the demo, which then ends it.
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "bot.demo_bot", stdin=pipe, stdout=pipe, env=environ, start_new_session=True)


class BotProcess:
    def __init__(self, folder: Path, process: asyncio.subprocess.Process) -> None:
        self.folder = folder
        self._process = process
        self._told = 0.0

    @asynccontextmanager
    async def running(self, sandbox: "Sandbox", environ: Mapping[str, str], *, killed_by: str) -> AsyncIterator[None]:
        """Lets it run for as long as the block lasts, on this environment and the sandbox's clock; the trouble `killed_by` kills it.
        Raises AiecError when it does not start."""
        await self._start(sandbox, environ)
        tending = asyncio.create_task(self._tend(sandbox, environ, killed_by), name="demo's bot")
        try:
            yield
        finally:
            tending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await tending

    async def end(self) -> None:
        """Ends it. Nothing of it is needed any more."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()

    async def _start(self, sandbox: "Sandbox", environ: Mapping[str, str]) -> None:
        self._told = _ahead(sandbox)
        self._tell(json.dumps({"environ": dict(environ), "folder": str(self.folder), "ahead": self._told}))
        assert self._process.stdout is not None
        port = await self._process.stdout.readline()
        if not port:
            raise AiecError("The demo's bot did not start.", "What it said stands above.")
        url = f"http://127.0.0.1:{int(port)}"
        await sandbox.deliver_to(f"{url}/slack/events")
        await sandbox.webhooks_to(f"{url}/webhooks/pagerduty")
        await sandbox.alerts_to(f"{url}/webhooks/alertmanager", environ["ALERTMANAGER_TOKEN"])

    async def _tend(self, sandbox: "Sandbox", environ: Mapping[str, str], killed_by: str) -> None:
        """Tells it when the clock was moved, kills it on demand, and starts it again whenever it is dead."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            wanted = sandbox.world.troubles.is_on(killed_by)
            if wanted:
                await self._kill()
            if self._process.returncode is None:
                if abs(_ahead(sandbox) - self._told) > MOVED:
                    self._told = _ahead(sandbox)
                    self._tell(str(self._told))
                continue
            until = asyncio.get_running_loop().time() + AGAIN_AFTER
            while asyncio.get_running_loop().time() < until and wanted == sandbox.world.troubles.is_on(killed_by):
                await asyncio.sleep(LOOK_EVERY)  # whoever ends the trouble on the page need not wait
            self._process = await _spawned(self.folder)
            with contextlib.suppress(AiecError):  # it said why, and is tried again
                await self._start(sandbox, environ)
                if wanted and killed_by in sandbox.world.troubles:
                    sandbox.world.troubles.end(killed_by)

    async def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    def _tell(self, line: str) -> None:
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(f"{line}\n".encode())


def _ahead(sandbox: "Sandbox") -> float:
    """Returns the seconds that the world's clock is ahead of the machine's."""
    return (sandbox.world.clock.now() - datetime.now(UTC)).total_seconds()
