"""Slack's rate limits as token buckets.

Source: "Rate limits" of the Web API. Tier 1 to 4 allow 1, 20, 50 and 100 calls a minute for each method; chat.postMessage allows
about one a second in each channel, with short bursts; some methods allow "hundreds a minute".
An occasional burst above a tier is tolerated: without it a Socket Mode client could not renew its connection.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Rate:
    """`burst` calls at once, refilled at `per_second`."""

    burst: float
    per_second: float


RATES = {
    "1": Rate(5, 1 / 60),
    "2": Rate(20, 20 / 60),
    "3": Rate(50, 50 / 60),
    "4": Rate(100, 100 / 60),
    "channel": Rate(10, 1),
    "many": Rate(600, 10),
}


class Limits:
    """Counts calls. `on` switches refusing off and on; `rates` may be replaced, tier by tier."""

    def __init__(self) -> None:
        self.on = True
        self.rates = dict(RATES)
        self._buckets: dict[tuple[str, str], tuple[float, datetime]] = {}

    def take(self, method: str, tier: str, channel: str, now: datetime) -> int:
        """Takes one call. Returns 0 when it is allowed, else after how many whole seconds to come back (Retry-After)."""
        if not self.on:
            return 0
        rate = self.rates[tier]
        key = (method, channel if tier == "channel" else "")
        level, at = self._buckets.get(key, (rate.burst, now))
        level = min(rate.burst, level + (now - at).total_seconds() * rate.per_second)
        if level < 1:
            return max(1, math.ceil((1 - level) / rate.per_second))
        self._buckets[key] = (level - 1, now)
        return 0
