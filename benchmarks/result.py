"""A measured figure beside its peer's, and what was to be reached."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FIGURES = ("ours", "peer", "ratio")


@dataclass(frozen=True)
class Result:
    """`goal` is the greatest value that is still good: of `ours`, or of the ratio when `relative`. None: there is no peer, or no goal."""

    name: str
    unit: str
    ours: float
    peer: float | None = None
    goal: float | None = None
    relative: bool = False

    @property
    def ratio(self) -> float | None:
        return self.ours / self.peer if self.peer else None

    @property
    def holds(self) -> bool | None:
        reached = self.ratio if self.relative else self.ours
        return reached <= self.goal if self.goal is not None and reached is not None else None

    @property
    def wanted(self) -> str | None:
        """Returns the goal as it is said: `≤ 250 ms`, `≤ 1.1×`."""
        return f"≤ {self.goal:g}{'×' if self.relative else ' ' + self.unit}" if self.goal is not None else None

    def row(self) -> list[str]:
        """Returns the cells of the table."""
        holds = {True: "yes", False: "NO", None: ""}[self.holds]
        return [self.name, *(figure(getattr(self, name)) for name in FIGURES), self.unit, self.wanted or "", holds]


def figure(value: float | None) -> str:
    """Returns a number with three significant digits; a dash for none."""
    return "–" if value is None else f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(results: Sequence[Result]) -> str:
    """Returns the results as a Markdown table, which is readable as text too."""
    rows = [["what", *FIGURES, "unit", "goal", "holds"], *(one.row() for one in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows)


def write(results: Sequence[Result], path: Path) -> None:
    """Writes `[{name, unit, ours, peer, ratio, goal, holds}]`."""
    found = [
        {"name": one.name, "unit": one.unit, "ours": one.ours, "peer": one.peer, "ratio": one.ratio, "goal": one.wanted, "holds": one.holds} for one in results
    ]
    path.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n")
