"""PagerDuty through its own client `pagerduty`: what the client does by itself (waiting, trying again) is switched off, and what it raises is translated."""

from bot.adapters.pagerduty.connection import API_URL, EVENTS_URL, Connection, open_connection
from bot.adapters.pagerduty.pager import PagerDutyPager

__all__ = ["API_URL", "EVENTS_URL", "Connection", "PagerDutyPager", "open_connection"]
