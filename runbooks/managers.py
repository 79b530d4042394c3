"""The managers of runbooks, for the engine."""

from collections.abc import Sequence

from bot.bot import Bot
from bot.engine import Manager
from runbooks.runner import RunbookManager


def managers(bot: Bot) -> Sequence[Manager]:
    """Returns the managers of runbooks."""
    return [RunbookManager(bot.store, bot.config, bot.commands, bot.world)]
