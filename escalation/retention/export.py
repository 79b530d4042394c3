"""Writing records where backups are, and reading them back: what was not read back as it was written is not exported."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlmodel import SQLModel

from bot.core.backups import Backups
from bot.core.errors import Invalid
from bot.core.events import canonical
from bot.store.tables import EventRow, SealRow

FOLDER = "records"


@dataclass(frozen=True)
class Export:
    """A file of lines of JSON that is there."""

    file: str
    sha256: str


def row_line(table: str, row: SQLModel) -> bytes:
    """Returns a row as one line."""
    return canonical({"table": table, "row": row.model_dump(mode="json")})


def event_line(link: SealRow, row: EventRow) -> bytes:
    """Returns an event with its link of the audit chain as one line."""
    about: dict[str, Any] = {"id": row.id, "at": row.at.isoformat(), "kind": row.kind, "subject": row.subject, "actor": row.actor, "payload": row.payload}
    return canonical({"sequence": link.sequence, "digest": link.digest, "seal": link.seal, **about})


async def write(backups: Backups, name: str, lines: Iterable[bytes]) -> Export:
    """Writes the lines and reads them back. The file's name ends with the beginning of its digest: the same again is the same file.
    Raises Invalid when it is not what was written."""
    data = b"".join(one + b"\n" for one in lines)
    written = hashlib.sha256(data).hexdigest()
    file = f"{FOLDER}/{name}-{written[:12]}.jsonl"
    async with backups.create(file) as sink:
        await sink.write(data)
    there = hashlib.sha256()
    async for piece in backups.read(file):
        there.update(piece)
    if there.hexdigest() != written:
        raise Invalid(f"{file} in {backups.where} is not what was written: its SHA-256 is another one.", "Nothing was pruned; look at the store.")
    return Export(file, written)
