"""What Alertmanager and PagerDuty tell, and aiec cannot take in because of a mistake of its own: tried again, counted, and said in #incidents."""

from datetime import datetime, timedelta

from bot import troubles
from bot.core.card import line
from bot.core.config import Config
from bot.core.errors import AiecError
from bot.store.transaction import Transaction

KEPT_FOR = timedelta(hours=48)
"""How long what is stored is tried again, as PagerDuty would: by then somebody has brought a version that can take it in."""
FIRST_AGAIN_AFTER, AGAIN_AT_LEAST_EVERY = timedelta(minutes=1), timedelta(minutes=30)
WELL_AFTER = timedelta(hours=1)
"""How long it must have gone well to be called over: the same alerts may fail each time that they come, and others be well in between."""


class Deliveries:
    """`failures`: how often this process has failed."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._well_at: dict[str, datetime] = {}
        self.failures = 0

    def failed(self, tx: Transaction, sender: str, error: Exception) -> None:
        """Tells people that what a sender tells is not taken in."""
        self._well_at[sender] = tx.now + WELL_AFTER
        why = error.text if isinstance(error, AiecError) else f"aiec itself failed ({type(error).__name__})."
        lines = (
            line(f"{why} What {sender} tells may be missing here, and nobody is paged for it: look at {sender} itself."),
            line("It is not lost: it is tried again until it goes, for two days. The log says where it fails; please report it."),
        )
        troubles.tell(tx, _topic(sender), self._config.channels.incidents, f"Not all that {sender} tells can be taken in", lines)

    def taken(self, tx: Transaction, sender: str) -> None:
        """Says that all is taken in again, where it has been for a while. What was before this process is known to the chat alone."""
        if tx.now >= self._well_at.setdefault(sender, tx.now + WELL_AFTER):
            troubles.over(tx, _topic(sender), f"All that {sender} tells is taken in again")
            self._well_at[sender] = tx.now + WELL_AFTER


def again_at(received: datetime, now: datetime) -> datetime | None:
    """Returns when something that was received is tried again, ever later; None when it has been tried for long enough."""
    waited = max(now - received, timedelta())
    return now + min(max(waited / 2, FIRST_AGAIN_AFTER), AGAIN_AT_LEAST_EVERY) if waited < KEPT_FOR else None


def _topic(sender: str) -> str:
    return f"deliveries/{sender}"
