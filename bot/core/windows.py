"""Freezes and windows in time: is it frozen, is it open, when does it open. All times are UTC, so that no summer time moves them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from cronsim import CronSim

from bot.core.config import Freeze, Window


def freeze_at(freezes: Sequence[Freeze], now: datetime) -> Freeze | None:
    """Returns the freeze that holds at `now`; of several the one that ends last."""
    return max((freeze for freeze in freezes if freeze.from_ <= now < freeze.to), key=lambda freeze: freeze.to, default=None)


def window_open(window: Window, now: datetime) -> bool:
    """Returns whether the window is open: it opened at most its duration ago. The moment it opens belongs to it, the moment it ends does not."""
    return _opening_after(window, now - window.duration) <= now


def next_window(window: Window, now: datetime) -> tuple[datetime, datetime]:
    """Returns the beginning and the end of the first window that opens after `now`, also when one is open already."""
    start = _opening_after(window, now)
    return start, start + window.duration


def _opening_after(window: Window, moment: datetime) -> datetime:
    return next(CronSim(window.cron, moment.astimezone(UTC)))
