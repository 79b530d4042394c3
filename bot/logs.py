"""How the process logs: a line of text, or one JSON object a line for collectors."""

import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal

SHORTEST = 6


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


class _Discreet(logging.Formatter):
    """What is made of a record, without secrets: whatever a library puts into an exception, none of ours gets into a log. Those of a few letters stay, for they
    would be found in any word."""

    def __init__(self, form: logging.Formatter, secrets: Iterable[str]) -> None:
        super().__init__()
        self._form = form
        forms = {one for secret in secrets if len(secret) >= SHORTEST for one in (secret, json.dumps(secret, ensure_ascii=False)[1:-1])}
        self._secrets = sorted(forms, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        text = self._form.format(record)
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def configure(form: Literal["text", "json"], secrets: Iterable[str] = ()) -> None:
    """Sends everything from INFO up to standard error, without the `secrets`; libraries only from WARNING up."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Discreet(_Json() if form == "json" else logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"), secrets))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("aiec").setLevel(logging.INFO)
