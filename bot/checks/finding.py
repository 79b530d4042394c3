"""One line of `aiec check`."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.core.errors import AiecError


class Level(StrEnum):
    """`OFF`: not configured, on purpose as far as one can tell. Only `WRONG` fails the check."""

    OK = "ok"
    OFF = "off"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """`text` is what is (wrong), `breaks` what does not work because of it, `fix` what to do."""

    level: Level
    subject: str
    text: str
    breaks: str = ""
    fix: str = ""

    def line(self) -> str:
        """Returns the finding on one line, for a terminal or a log."""
        parts = [self.text, f"breaks: {self.breaks}" if self.breaks else "", f"do: {self.fix}" if self.fix else ""]
        said = " · ".join(" ".join(part.split()).rstrip(".") for part in parts if part)
        return f"{self.level:<7}  {self.subject}: {said}"


def ok(subject: str, text: str) -> Finding:
    return Finding(Level.OK, subject, text)


def off(subject: str, text: str) -> Finding:
    return Finding(Level.OFF, subject, text)


def warning(subject: str, text: str, breaks: str = "", fix: str = "") -> Finding:
    return Finding(Level.WARNING, subject, text, breaks, fix)


def wrong(subject: str, text: str, breaks: str = "", fix: str = "") -> Finding:
    return Finding(Level.WRONG, subject, text, breaks, fix)


def failed(subject: str, error: AiecError, breaks: str) -> Finding:
    """Returns what an error of an adapter means for the person who checks."""
    return wrong(subject, error.text, breaks, error.hint)


def fails(findings: Sequence[Finding]) -> bool:
    """Returns whether something is wrong; warnings are not."""
    return any(one.level is Level.WRONG for one in findings)
