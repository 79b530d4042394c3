"""What a far end's JSON holds, read leniently: text that any database and channel can keep, and moments."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

# Neither PostgreSQL nor UTF-8 takes these, though JSON can carry both.
_UNKEEPABLE = {0: "\ufffd"} | dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


def text(value: Any) -> str:
    """Returns a value as text that can be stored; nothing for None. Whatever else it holds, such as Slack's `<!channel>`, stays as it was written."""
    return "" if value is None else str(value).translate(_UNKEEPABLE)


def mapping(value: Any) -> Mapping[str, Any]:
    """Returns a JSON object, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Mapping[str, Any]]:
    """Returns the objects of a JSON array; none for anything else."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def moment(value: Any) -> datetime | None:
    """Returns an RFC 3339 time in UTC, or None for what is none; Go's zero time, the year 1, counts as none."""
    try:
        at = datetime.fromisoformat(value)
        aware = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return aware if aware.year > 1 else None
