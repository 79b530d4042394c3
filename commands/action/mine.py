"""The action items that wait for one person: those that are his, and overdue or due within a day."""

from datetime import timedelta

from bot.command import Context
from bot.store.transaction import Transaction
from escalation.action import Item
from escalation.actions import open_items

SOON = timedelta(days=1)


def owed(tx: Transaction, context: Context) -> list[Item]:
    """Returns what whoever asks should do by tomorrow, what is due first at the top."""
    return [item for item in open_items(tx) if item.owner == context.request.actor.name and item.due <= tx.now + SOON]
