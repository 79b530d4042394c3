"""Processes that are measured: started, waited for, looked at, ended."""

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

PATIENCE = 120.0  # seconds until a process must be ready
LOOK_EVERY = 0.01
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Running:
    """`ready_after` is how many seconds it took from its start until the URL answered 200, `processor` how many of them it used a processor."""

    pid: int
    ready_after: float
    processor: float

    def memory(self) -> float:
        """Returns what it holds of the machine's memory now, in MiB (VmRSS of /proc)."""
        line = next(line for line in Path(f"/proc/{self.pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


def _processor(pid: int) -> float:
    """utime and stime of /proc, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def running(module: str, *arguments: str, ready: str, environ: Mapping[str, str] | None = None, cwd: Path = ROOT) -> AsyncIterator[Running]:
    """Runs `python -m module` until the block ends. Raises RuntimeError with what it said when it ends before `ready` answers."""
    given = {**os.environ, "PYTHONPATH": str(ROOT), **(environ or {})}
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, env=given, cwd=cwd, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    said = asyncio.create_task(process.stderr.read())
    try:
        await _answers(ready, process)
        yield Running(process.pid, time.perf_counter() - started, _processor(process.pid))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        words = (await said).decode()
        if process.returncode not in (0, -15):
            raise RuntimeError(f"{module} {' '.join(arguments)} ended with {process.returncode}: {words[-2000:]}")


async def _answers(url: str, process: asyncio.subprocess.Process) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client, asyncio.timeout(PATIENCE):
        while process.returncode is None:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(url)).status_code == 200:
                    return
            await asyncio.sleep(LOOK_EVERY)
    raise RuntimeError(f"{url} never answered")


async def call(*command: str, stdin: str | None = None) -> str:
    """Runs a command and returns what it printed. Raises RuntimeError when it fails."""
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    out, err = await process.communicate(stdin.encode() if stdin else None)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {err.decode()[-500:]}")
    return out.decode()


def free_port() -> int:
    """Returns a port of loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def kubectl(kubeconfig: Path) -> Sequence[str]:
    """Returns the beginning of a kubectl command."""
    return ("kubectl", "--kubeconfig", str(kubeconfig))
