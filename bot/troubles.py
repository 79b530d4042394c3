"""A trouble of aiec itself, as people are told of it: said once, as one message, however often it is met, and said to be over in the same place."""

from sqlmodel import col, select

from bot.core.card import Bold, Card, Line, State, line
from bot.store.tables import MessageRow
from bot.store.transaction import Message, Transaction


def tell(tx: Transaction, topic: str, channel: str, headline: str, lines: tuple[Line, ...]) -> None:
    """Says a trouble in the channel, unless it was said and is not over."""
    if _told(tx, topic) is None:
        card = Card(state=State.NEEDS_YOU, headline=line(Bold(text=headline)), lines=lines)
        tx.send(Message(key=f"{topic}/{tx.now:%Y%m%dT%H%M%S}", channel=channel, card=card))


def over(tx: Transaction, topic: str, headline: str) -> None:
    """Says that it is over, if it was said."""
    if (told := _told(tx, topic)) is not None:
        tx.send(Message(key=told.key, channel=told.channel, card=Card(state=State.DONE, headline=line(Bold(text=headline)))))


def _told(tx: Transaction, topic: str) -> MessageRow | None:
    rows = tx.all(select(MessageRow).where(col(MessageRow.key).startswith(f"{topic}/", autoescape=True)).order_by(col(MessageRow.created_at).desc()).limit(1))
    return next((row for row in rows if row.card["state"] == State.NEEDS_YOU), None)
