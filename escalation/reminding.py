"""Sending reminders: the one way that those of post-mortems and of action items go, whoever is told of them in which words."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from bot.core.config import Config
from bot.core.errors import AiecError
from bot.core.events import Event
from bot.core.ports import Chat
from bot.destinations import slack_of
from bot.store.action_tables import ActionRow
from bot.store.postmortem_tables import PostmortemRow
from bot.store.transaction import Transaction
from escalation.reminders import Reminder, absent, next_reminder, recipients, reminder

Owed = ActionRow | PostmortemRow
Say = Callable[[Reminder, Sequence[str], str], Sequence[str]]
"""Tells these people of it, and why the owner is none of them (empty where he is); returns whom it told."""


async def deactivated(chat: Chat | None, config: Config, names: Iterable[str | None]) -> frozenset[str]:
    """Returns those of the people whose Slack account is deactivated, as far as Slack says. What such a person is told Slack takes, and nobody reads it."""
    found = set()
    for name in dict.fromkeys(name for name in names if name is not None):
        slack = slack_of(config, name)
        if chat is None or slack is None:
            continue
        try:
            if not await chat.active(slack):
                found.add(name)
        except AiecError:
            pass  # rather told in vain than not at all
    return frozenset(found)


def remind(tx: Transaction, config: Config, row: Owed, due: datetime | None, gone: frozenset[str], event: Event, say: Say) -> None:
    """Reminds of what is due at `due`, once, however many moments for it have passed, and says when the next reminder comes. The `event` is recorded with
    whom it went to. The row is for the caller to save."""
    row.remind_at = None
    if config.postmortem is None or due is None:
        return
    before, since = config.postmortem.remind, row.reminded_at or row.created_at
    if (one := reminder(due, before, since, tx.now)) is not None:
        told = say(one, recipients(config, row.owner, one, gone), absent(config, row.owner, gone))
        late = int(one.late.total_seconds()) if one.late is not None else 0
        tx.record(event.model_copy(update={"data": {**event.data, "people": [*told], "due": due.isoformat(), "late": late}}))
        row.reminded_at = since = tx.now
    row.remind_at = next_reminder(due, before, since)
