"""The event log's plain data and the arithmetic of its chain."""

import hashlib
import hmac
import json
from datetime import datetime
from typing import Any

from bot.core.data import Frozen

GENESIS = "0" * 64


class Event(Frozen):
    """One thing that happened. `subject` is what it happened to (`op-142`, `prod`, `request-7`), `actor` who did it (`aiec` for the bot itself)."""

    kind: str
    subject: str
    actor: str = "aiec"
    data: dict[str, Any] = {}


def canonical(value: Any) -> bytes:
    """Returns the one JSON notation of a value: keys sorted, no spaces. What is hashed or signed is always this."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode()


def digest(value: Any) -> str:
    """Returns the SHA-256 of a value's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical(value)).hexdigest()


def anchor_mark(key: bytes, sequence: int, last: str, at: datetime, file: str, sha256: str) -> str:
    """Returns the HMAC-SHA-256 of where a chain was cut: the number and the seal of the last link that is gone, and the file that has it."""
    return hmac.new(key, canonical(["anchor", sequence, last, at.isoformat(), file, sha256]), hashlib.sha256).hexdigest()


def seal(key: bytes, previous: str, sequence: int, at: datetime, event: Event, payload_digest: str) -> str:
    """Returns the HMAC-SHA-256 that chains an event to the one before it (`previous`: its seal, GENESIS for the first).

    The payload enters by its digest alone, so that it can be erased later and the chain still verifies.
    """
    link = canonical([previous, sequence, at.isoformat(), event.kind, event.subject, event.actor, payload_digest])
    return hmac.new(key, link, hashlib.sha256).hexdigest()
