"""What an earlier operation applied for a service and its folder has no more: known from our own records, and counted only while it carries our marks."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import String, cast
from sqlmodel import col, select

from bot.core.ownership import applied
from bot.core.ports import Cluster, Json
from bot.core.steps import OPERATION, SERVICE, ManifestsStep, Ref, annotations
from bot.store.tables import OperationRow
from bot.store.transaction import Transaction

HOLDING_DATA = ("PersistentVolumeClaim",)
"""What no undoing brings back: never removed by a deploy."""

PAGE = 20


@dataclass(frozen=True)
class Leftovers:
    """`things`: what may be removed, as it is. `kept`: what holds data and stays in any case."""

    things: tuple[Json, ...]
    kept: tuple[Ref, ...]


def recorded(tx: Transaction, environment: str, service: str) -> list[Ref]:
    """Returns all objects that the service's folder has or had, as the latest operation that was carried out there knew them."""
    document, before = cast(col(OperationRow.document), String), None
    query = select(OperationRow).where(
        OperationRow.environment == environment, document.contains('"manifests"'), document.contains(f'"{service}"'), col(OperationRow.next_at).is_(None)
    )
    while True:
        page = query if before is None else query.where(col(OperationRow.id) < before)
        rows = tx.all(page.order_by(col(OperationRow.id).desc()).limit(PAGE))
        for row in rows:
            for step in row.document["plan"]["steps"] if row.document["started_at"] else []:
                if step["kind"] == "manifests" and step["service"] == service:
                    return [*ManifestsStep.model_validate(step).inventory]
        if len(rows) < PAGE:
            return []
        before = rows[-1].id


async def standing(cluster: Cluster, service: str, refs: Collection[Ref]) -> Leftovers:
    """Reads the objects and returns those that we applied for the service and nobody has taken over since."""
    found = await asyncio.gather(*(cluster.get(one.kind, one.name) for one in refs))
    ours = {one: thing for one, thing in zip(refs, found, strict=True) if thing is not None and _is_ours(thing, service)}
    kept = tuple(one for one in ours if one.kind.rpartition("/")[2] in HOLDING_DATA)
    return Leftovers(tuple(thing for one, thing in ours.items() if one not in kept), kept)


def _is_ours(thing: Json, service: str) -> bool:
    marks = annotations(thing)
    return marks.get(SERVICE) == service and OPERATION in marks and applied(thing) is not None
