"""What became of what a run asked for: the request's answer, or how its operation stands."""

from sqlmodel import select

from bot.core.approvers import needed
from bot.core.card import Card
from bot.core.operation import Operation, Phase
from bot.core.operation_card import ENDINGS
from bot.core.text import words
from bot.store.tables import OperationRow, RequestRow
from bot.store.transaction import Transaction
from runbooks.run import Answer


def answer_of(tx: Transaction, key: str) -> tuple[Answer | None, Card | None]:
    """Returns the answer, and its card where it is no operation; None while there is none."""
    row = tx.first(select(RequestRow).where(RequestRow.key == key))
    if row is None:
        return Answer(state="failed", text="what was asked for is not in the database any more"), None
    if row.state == "received":
        return None, None
    if row.operation is not None:
        found = tx.get(OperationRow, row.operation)
        assert found is not None
        return _of_operation(Operation.model_validate(found.document)), None
    result = row.result or {}
    card = Card.model_validate(result["card"]) if result.get("card") else None
    error = result.get("error")
    if error:
        said = f"{error['text']} {error['try']}".strip()
        state = row.state if row.state in ("denied", "refused", "usage") else "failed"
        who = f"{row.document['actor']['name']}: " if state == "denied" else ""
        return Answer(state=state, text=f"{who}{error['text'] if state == 'denied' else said}"), card
    return Answer(state="answered", text=words(card.headline) if card else ""), card


def _of_operation(operation: Operation) -> Answer:
    title, name = operation.plan.title, operation.name
    match operation.phase:
        case Phase.WAITING if not operation.approved:
            text = f"{title} waits for {needed(operation.plan, operation.approvers)}, until {operation.expires_at:%H:%M} UTC"
            return Answer(state="waiting", text=text, operation=name, plan=operation.plan.hash)
        case Phase.WAITING | Phase.RUNNING:
            return Answer(state="running", text=title, operation=name)
        case Phase.UNDOING:
            return Answer(state="running", text=f"{title} is being undone", operation=name)
        case Phase.DONE:
            return Answer(state="done", text=title, operation=name)
    why = operation.failure.why if operation.failure else operation.because or (f"by {operation.cancelled_by}" if operation.cancelled_by else "")
    return Answer(state="undone", text=f"{title}{ENDINGS[operation.phase]}{f': {why}' if why else ''}", operation=name)
