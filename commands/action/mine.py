"""The action items that wait for one person: those that are his, and overdue or due within a day."""

from datetime import timedelta

from bot.command import Context
from bot.store.transaction import Transaction
from escalation.actions.book import open_items
from escalation.actions.item import Item

SOON = timedelta(days=1)


def owed(tx: Transaction, context: Context) -> list[Item]:
    """Returns what whoever asks should do by tomorrow, what is due first at the top."""
    return [item for item in open_items(tx) if item.owner == context.request.actor.name and item.due <= tx.now + SOON]
