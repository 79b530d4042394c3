"""`aiec migrate`, `aiec audit verify|export`, `aiec config show|schema`: looking after what the bot keeps."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlmodel import col, select

from bot.audit import verify
from bot.core.clock import SystemClock
from bot.core.errors import Unavailable
from bot.settings import Settings, json_schema, load, show
from bot.store.migrate import missing, upgrade
from bot.store.store import Store
from bot.store.tables import AnchorRow, EventRow
from bot.store.transaction import Transaction


async def migrate(_: str) -> int:
    """Brings the database to the schema of this version."""
    with _store(load(os.environ)) as store:
        upgrade(store.engine)
    print("The database has the schema that this version needs.")
    return 0


async def audit(what: str) -> int:
    """Verifies the chain (exit 1 when it does not hold), or prints every event as a JSON line."""
    settings = load(os.environ)
    with _store(settings) as store:
        if problem := missing(store.engine):
            raise Unavailable(f"There is no event log: {problem}.")
        if what == "export":
            await store.read(_print_events)
            return 0
        found = await store.read(lambda tx: verify(tx, settings.audit_key()))
    if found.problem:
        print(f"The audit chain does not hold: {found.problem}.", file=sys.stderr)
        return 1
    pruned = f"; the {found.pruned} before them were exported, the last ones into {found.file}" if found.pruned else ""
    erased = f"; of {found.erased} what they said is erased" if found.erased else ""
    print(f"{found.sealed} events, every one in its place; {found.unsealed} not sealed yet{erased}{pruned}. Head: {found.head}")
    return 0


async def config(what: str) -> int:
    """Prints the configuration in force, or its JSON Schema."""
    print(json.dumps(json_schema(), indent=2) if what == "schema" else show(load(os.environ)))
    return 0


@contextmanager
def _store(settings: Settings) -> Iterator[Store]:
    store = Store(settings.database_url, SystemClock())
    try:
        yield store
    finally:
        store.close()


def _print_events(tx: Transaction) -> None:
    if (anchor := tx.get(AnchorRow, 1)) is not None:
        print(json.dumps({"pruned": anchor.sequence, "seal": anchor.seal, "until": anchor.at.isoformat(), "file": anchor.file, "sha256": anchor.sha256}))
    for row in _events(tx):
        print(json.dumps({"id": row.id, "at": row.at.isoformat(), "kind": row.kind, "subject": row.subject, "actor": row.actor, "payload": row.payload}))


def _events(tx: Transaction) -> Iterator[EventRow]:
    yield from tx.session.exec(select(EventRow).order_by(col(EventRow.id)).execution_options(yield_per=1000))
