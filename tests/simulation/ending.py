"""What must hold when all is quiet: nothing lost, nothing stuck, everything said, and the log proves it."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

from sqlmodel import col, select

from bot.adapters.slack.blocks import blocks, thread_blocks
from bot.audit import verify
from bot.core.card import Card, Line, Link, Ref
from bot.core.operation import Operation, Phase
from bot.store.store import Store
from bot.store.tables import EventRow, LockRow, MessageRow, OperationRow, RequestRow
from bot.store.transaction import Transaction
from sandbox.slack import Message, Workspace
from tests.simulation.scene import slack_id


def problems(store: Store, workspace: Workspace, key: bytes, *, twice: bool) -> list[str]:
    """Returns what does not hold. `twice`: a message may stand several times, as when a process went on after another one had taken over."""
    return store.look(lambda tx: [*requests(tx), *_operations(tx), *messages(tx, workspace, twice=twice), *audit(tx, key)])


def requests(tx: Transaction) -> Iterable[str]:
    """Every request is answered, and none met a mistake of ours."""
    made = set()
    for row in tx.all(select(RequestRow)):
        if row.state == "received" or row.result is None:
            yield f"{row.name} was never answered"
            continue
        if row.operation is not None:
            made.add(row.operation)
        if "aiec itself failed" in ((row.result["error"] or {}).get("text") or ""):
            yield f"{row.name} met a mistake of ours: {row.result['error']['text']}"
    for number in {row.id for row in tx.all(select(OperationRow))} ^ made:
        yield f"op-{number} and the requests do not know each other"


def _operations(tx: Transaction) -> Iterable[str]:
    for row in tx.all(select(OperationRow)):
        operation = Operation.model_validate(row.document)
        if not operation.phase.over:
            yield f"{operation.name} is stuck: {operation.phase.value} since {operation.started_at or operation.created_at}"
        if operation.failure is not None and operation.failure.code == "defect":
            yield f"{operation.name} met a mistake of ours: {operation.failure.why}"
        kinds = [event.kind for event in tx.all(select(EventRow).where(EventRow.subject == operation.name).order_by(col(EventRow.id)))]
        phases = [kind.partition(".")[2] for kind in kinds if kind.startswith("operation.") and kind != "operation.approved"]
        if not _legal(phases, operation.phase) or kinds.count("operation.approved") != len(operation.approvals):
            yield f"the log says of {operation.name} only {kinds}"
    for lock in tx.all(select(LockRow).where(col(LockRow.holder).startswith("op-"))):
        yield f"{lock.holder} is over and still holds {lock.environment}"


def _legal(phases: list[str], last: Phase) -> bool:
    """Whether the log tells the whole way, from the plan to the phase that it has now."""
    way = {"planned": {*Phase}, "running": {*Phase} - {Phase.WAITING, Phase.RUNNING}, "undoing": {Phase.FAILED, Phase.ROLLED_BACK, Phase.CANCELLED}}
    return phases[:1] == ["planned"] and all(after in way.get(before, ()) for before, after in pairwise(phases)) and phases[-1] in (last, "planned")


def messages(tx: Transaction, workspace: Workspace, *, twice: bool) -> Iterable[str]:
    """Every message stands where and as its row says, once."""
    said = [message for channel in workspace.channels.values() for message in channel.messages.values()]
    shown: dict[str, list[Message]] = defaultdict(list)
    for message in said:
        if message.metadata is not None:
            shown[message.metadata["event_payload"]["key"]].append(message)
    rows = {row.key: row for row in tx.all(select(MessageRow))}
    for row in rows.values():
        if row.gave_up or row.sent_version != row.version or row.lease_until is not None:
            yield f"message {row.key} was not sent: {row.gave_up or f'version {row.sent_version} of {row.version}'}"
            continue
        if row.only_for is not None:
            told = [message.plain for message in said if message.visible_to == row.only_for]
            direct = MessageRow(**row.model_dump() | {"only_for": None})
            if _wordings(row, rows, workspace).isdisjoint(told) and _wordings(direct, rows, workspace).isdisjoint(one.plain for one in shown[row.key]):
                yield f"{row.only_for} was never told {row.key}"
            continue
        known = [message for message in shown[row.key] if message.ts == row.ref_ts]
        if not known or (len(shown[row.key]) > 1 and not twice and not row.channel.startswith("U")):  # nobody can look for a direct message
            yield f"message {row.key} stands {len(shown[row.key])} times in Slack"
        elif not _says(known[0].plain, row, rows, workspace) and not workspace.channels[row.ref_channel or ""].archived:
            yield f"message {row.key} is out of date: it says {known[0].plain!r}"
        elif row.thread_of and known[0].thread_ts not in [message.ts for message in shown[row.thread_of]]:
            yield f"message {row.key} does not stand in the thread of {row.thread_of}"
    for key in shown.keys() - rows.keys():
        yield f"nobody knows of message {key}"


def _says(plain: str, row: MessageRow, rows: dict[str, MessageRow], workspace: Workspace) -> bool:
    """Whether a message says what its row wants. This app may not upload files: of one its name and its end are said in words."""
    file = Card.model_validate(row.card).file
    if file is None:
        return plain in _wordings(row, rows, workspace)
    return plain.startswith(file.name) and file.text.rstrip().splitlines()[-1] in plain


def _wordings(row: MessageRow, rows: dict[str, MessageRow], workspace: Workspace) -> set[str]:
    """The texts that a card may show as: a reference is a link, or plain where its message was not posted in time."""
    card = Card.model_validate(row.card)
    render = thread_blocks if row.thread_of or row.only_for else blocks

    def said(shown: Card) -> str:
        return Message("", "", "", "", blocks=render(shown, mention, row.key)).plain

    def linked(line: Line) -> Line:
        return tuple(_link(span, rows, workspace) if isinstance(span, Ref) else span for span in line)

    return {said(card), said(card.model_copy(update={"headline": linked(card.headline), "lines": tuple(map(linked, card.lines))}))}


def _link(ref: Ref, rows: dict[str, MessageRow], workspace: Workspace) -> Link | str:
    target = rows.get(ref.key)
    if target is None or target.ref_ts is None:
        return ref.text
    return Link(url=f"{workspace.base_url}/archives/{target.ref_channel}/p{target.ref_ts.replace('.', '')}", text=ref.text)


def mention(person: str) -> str:
    return slack_id(person)


def audit(tx: Transaction, key: bytes) -> Iterable[str]:
    """The event log proves itself."""
    found = verify(tx, key)
    if found.problem:
        yield f"the audit chain does not hold: {found.problem}"
    if found.unsealed:
        yield f"{found.unsealed} events were never sealed"
