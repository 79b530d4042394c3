"""Where the audit chain goes on from, once its beginning is pruned."""

from bot.core.errors import Invalid
from bot.core.events import GENESIS, anchor_mark
from bot.store.tables import AnchorRow
from bot.store.transaction import Transaction


def mark_of(key: bytes, anchor: AnchorRow) -> str:
    """Returns the mark that an anchor should have."""
    return anchor_mark(key, anchor.sequence, anchor.seal, anchor.at, anchor.file, anchor.sha256)


def beginning(tx: Transaction, key: bytes) -> tuple[int, str, str]:
    """Returns the number and the seal of the link before the first one that is there, and the file that has it (0, GENESIS, none: nothing is pruned).
    Raises Invalid for an anchor that the key did not sign."""
    anchor = tx.get(AnchorRow, 1)
    if anchor is None:
        return 0, GENESIS, ""
    if anchor.mark != mark_of(key, anchor):
        raise Invalid("the anchor from which it goes on was changed, or AIEC_AUDIT_KEY is another one")
    return anchor.sequence, anchor.seal, anchor.file
