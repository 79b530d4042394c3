"""A command that is run in a pod for its own sake, and what it wrote: as much of its end as fits into a file, without secrets."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from bot.core.backups import size_of
from bot.core.card import Attachment, Evidence
from bot.core.durations import notation
from bot.core.ending import Ending
from bot.core.errors import AiecError, CommandFailed, NoProgram
from bot.core.outcome import Failed
from bot.core.ports import Cluster
from bot.core.redact import redacted
from bot.core.text import cut, printable
from bot.core.works import Say

END = "aiec: here ends the output"
"""What is written after the output, and is no part of it."""
LOST = "[what was written after this did not arrive]"

_MARKED = '"$@"; code=$?; printf %s "$0"; exit $code'
_NO_PROGRAM = 127
_KEPT, _EVIDENCE = 1_000_000, 4_000
_LINES, _CHARACTERS = 3, 300


class Ended(AiecError):
    """A command did not end well. `written`: what it wrote until then."""

    def __init__(self, code: str, text: str, hint: str, written: str) -> None:
        super().__init__(text, hint)
        self.code = code
        self.written = written


async def run(cluster: Cluster, pod: str, container: str, command: Sequence[str], within: timedelta, say: Say = lambda _: None) -> str:
    """Runs a command, and returns what it wrote. Raises Ended.

    A shell, which reads none of its words, writes a mark behind the output; where there is no shell the command runs without.
    """
    written = _Written()
    try:
        async with asyncio.timeout(within.total_seconds()):
            try:
                await written.take(cluster, pod, container, ["sh", "-c", _MARKED, END, *command], say)
            except NoProgram:
                await written.take(cluster, pod, container, command, say)
            else:
                written.close()
    except TimeoutError as error:
        text = f"`{command[0]}` did not end within {notation(within)}; it may still run in {pod}"
        hint = "Give it a longer `timeout` in aiec.yaml, or let it only begin what takes long, with a `check` that says when that is over."
        raise Ended("timed_out", text, hint, await written.text()) from error
    except CommandFailed as failed:
        text = failed.text.replace("`sh`", f"`{command[0]}`", 1)
        if failed.exit_code == _NO_PROGRAM and "not found" in failed.stderr:
            text = f"There is no `{command[0]}` in the container of {pod}"
        raise Ended(failed.code, redacted(printable(text)).rstrip("."), failed.hint, await written.text()) from failed
    except AiecError as error:
        raise Ended(error.code, error.text.rstrip("."), error.hint, await written.text()) from error
    return await written.text()


class _Written:
    """What came so far, at most twice what is kept."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._size = 0
        self._ending = Ending(END.encode())

    async def take(self, cluster: Cluster, pod: str, container: str, command: Sequence[str], say: Say) -> None:
        marked = END in command
        async for piece in cluster.exec(pod, container=container, command=command):
            data = self._ending.take(piece.data) if marked and piece.stream == "stdout" else piece.data
            self._size += len(data)
            self._kept += data
            if len(self._kept) > 2 * _KEPT:
                del self._kept[:-_KEPT]
            say(f"runs in {pod}, which has written {size_of(self._size)}")

    def close(self) -> None:
        """The command succeeded: says in the text whether all of it is there."""
        if not self._ending.arrived:
            self._kept += self._ending.rest + f"\n{LOST}\n".encode()

    async def text(self) -> str:
        cut_off = self._size > len(self._kept) or len(self._kept) > _KEPT
        kept = bytes(self._kept[-_KEPT:])
        text = await asyncio.to_thread(lambda: redacted(printable(kept.decode(errors="replace"))).strip())
        return f"[what is older does not fit]\n{text}" if cut_off else text


def told(text: str, file: str) -> tuple[str, Attachment | None]:
    """Returns what a row says of it, and all of it where that is more."""
    lines = text.split("\n")
    short = " / ".join(lines[-_LINES:])
    if len(lines) <= _LINES and len(short) <= _CHARACTERS:
        return short, None
    return f"{cut(short, _CHARACTERS)} (all of it is in the thread)", Attachment(name=file, text=f"{text}\n")


def failed(error: AiecError, file: str) -> Failed:
    """Returns what became of a command that did not end well: its end as evidence, and all of it where that is more."""
    written = error.written if isinstance(error, Ended) else ""
    evidence = (Evidence(title="what it wrote", text=written[-_EVIDENCE:]),) if written else ()
    output = Attachment(name=file, text=f"{written}\n") if len(written) > _EVIDENCE else None
    return Failed(code=error.code, why=error.text.rstrip("."), hint=error.hint, evidence=evidence, output=output)
