"""Container logs as they come: pieces of bytes made into lines, filtered in linear time, the last ones kept, and several pods' merged by time.

However long a log is, what is held of it does not grow: `keep` lines of a container, at most `KEPT` bytes in all.
"""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import re2

from bot.core.errors import UsageError
from bot.core.redact import redacted, unfinished_key
from bot.core.text import printable

LONGEST_SEARCHED = 1024 * 1024
"""Bytes of one line that are searched; of a longer one the middle is lost."""
KEPT = 1024 * 1024
LONGEST_SHOWN = 2_000
"""Characters of one line that are shown."""
_LOOKED_AT = 2 * LONGEST_SHOWN

# Nothing in such a pattern can match a line's end, or knows where a line begins or ends: searching a whole piece finds the same lines as searching each.
_WITHIN_LINES = re.compile(r"(?:\(\?i\))?(?:[^\\^$\n(]|\((?!\?)|\(\?:|\\[.dwb/()\[\]{}+*?|$^\-\"'=:@#])*")
_A_KEY = "-----BEGIN PRIVATE KEY-----"
_OLDEST = datetime.min.replace(tzinfo=UTC)


class Pattern:
    """A regular expression of RE2's syntax: time in proportion to the text, whatever the expression. Raises UsageError when it is none."""

    def __init__(self, text: str) -> None:
        options = re2.Options()
        options.log_errors = False
        try:
            self._each = re2.compile(text.encode(), options)
        except re2.error as error:
            reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else error.args[0]
            raise UsageError(
                f"`{text}` is not a regular expression: {reason}.", "What is to be taken as it stands is written with `\\`, such as `\\[info\\]`."
            ) from error
        self._whole = self._each if _WITHIN_LINES.fullmatch(text) else None

    def lines(self, block: bytes) -> Iterator[bytes]:
        """Yields those of the block's lines whose text, behind the time, matches."""
        if self._whole is None:
            yield from (line for line in block.split(b"\n") if self._matches(line))
            return
        start, size = 0, len(block)
        while start < size and (found := self._whole.search(block, start)):
            begin, end = block.rfind(b"\n", start, found.start()), block.find(b"\n", found.start())
            first = start if begin < 0 else begin + 1
            line = block[first : size if end < 0 else end]
            if found.start() - first > line.find(b" ") or self._matches(line):
                yield line
            start = size if end < 0 else end + 1

    def _matches(self, line: bytes) -> bool:
        return self._each.search(line.partition(b" ")[2].removesuffix(b"\r")) is not None


@dataclass(frozen=True)
class LogLine:
    """One line of a pod: when it was written, and what it says, fit to be shown and posted."""

    at: datetime
    pod: str
    text: str


class Sieve:
    """Takes the log of one container, each line with its time in front, and keeps the last `keep` lines that match.

    `read` counts bytes, `matched` lines; `dropped` tells whether lines that were asked for had to go because of their size.
    """

    def __init__(self, pod: str, keep: int, pattern: Pattern | None = None) -> None:
        self.pod = pod
        self.read = self.matched = 0
        self.dropped = False
        self._keep = keep
        self._pattern = pattern
        self._rest = b""
        self._kept: deque[tuple[bytes, int]] = deque()
        self._size = 0
        self._taken = 0
        self._within_key = False

    def feed(self, piece: bytes) -> None:
        """Takes the next piece of the log, of any size, ending anywhere."""
        self.read += len(piece)
        if b"\n" not in piece:
            self._rest = (self._rest + piece)[:LONGEST_SEARCHED]
            return
        whole, _, rest = piece.rpartition(b"\n")
        block, self._rest = self._rest + whole, rest[:LONGEST_SEARCHED]
        self._take(block)

    def end(self) -> None:
        """Says that nothing follows: a last line need not end."""
        if self._rest:
            self._take(self._rest)
            self._rest = b""

    def lines(self) -> list[LogLine]:
        """Returns what was kept, oldest first, without what must not be posted."""
        times, texts = [], []
        at = _OLDEST
        for line, length in self._kept:
            stamp, _, text = line.partition(b" ")
            try:
                at = datetime.fromisoformat(stamp.decode())
            except ValueError:  # the kubelet's own words among the container's
                text = line
            shown = _printable(text)
            times.append((at if at.tzinfo else at.replace(tzinfo=UTC), length))
            texts.append(shown)
        before = [_A_KEY] if self._within_key else []
        safe = redacted("\n".join([*before, *texts])).split("\n")[len(before) :] if texts else []
        return [LogLine(at, self.pod, _shortened(text, length)) for (at, length), text in zip(times, safe, strict=True)]

    def take(self) -> tuple[list[LogLine], int]:
        """Returns what was kept and forgets it, for a log that goes on; and how many lines before that had to go because of their number or size."""
        lines, lost = self.lines(), self.matched - self._taken - len(self._kept)
        self._within_key = unfinished_key("\n".join([*([_A_KEY] if self._within_key else []), *(_text(line) for line, _ in self._kept)]))
        self._taken = self.matched
        self._kept.clear()
        self._size = 0
        return lines, lost

    def _take(self, block: bytes) -> None:
        for line in self._pattern.lines(block) if self._pattern else block.split(b"\n"):
            self.matched += 1
            self._kept.append((line[:_LOOKED_AT], len(line)))
            self._size += min(len(line), _LOOKED_AT)
            while len(self._kept) > self._keep or self._size > KEPT:
                self.dropped |= len(self._kept) <= self._keep
                self._size -= len(self._kept.popleft()[0])


def short_names(pods: Sequence[str]) -> dict[str, str]:
    """Returns a short name for each pod: what follows the beginning that they share (`x7k2p` of `gateway-6d5f-x7k2p`), whole words only."""
    if len(pods) < 2:
        return {name: name for name in pods}
    parts = [name.split("-") for name in pods]
    shared = next((place for place, words in enumerate(zip(*parts, strict=False)) if len({*words}) > 1), min(map(len, parts)) - 1)
    shared = min(shared, min(map(len, parts)) - 1)
    return {name: "-".join(words[shared:]) for name, words in zip(pods, parts, strict=True)}


def merged(sieves: Sequence[Sieve], most: int) -> list[LogLine]:
    """Returns the last `most` lines of all, by their time; those of one pod stay in their order."""
    lines = sorted((line for sieve in sieves for line in sieve.lines()), key=lambda line: line.at)
    return lines[-most:]


def _text(line: bytes) -> str:
    """The text behind the time."""
    return _printable(line.partition(b" ")[2])


def _printable(text: bytes) -> str:
    return printable(text.decode(errors="replace").replace("\n", " "))


def _shortened(text: str, length: int) -> str:
    if len(text) <= LONGEST_SHOWN and length <= _LOOKED_AT:
        return text
    return f"{text[:LONGEST_SHOWN]}… ({length / 1000:,.0f} kB in this line)"
