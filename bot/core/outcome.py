"""What looking at a step says: it waits, it is done, or it failed and why."""

from pydantic import Field

from bot.core.card import Attachment, Evidence
from bot.core.data import Frozen

UNANSWERED = "unanswered"
"""The key of a step's memory that says since when the far end has not answered."""


class Waiting(Frozen):
    """Not there yet. `progress` is (done, total) where that can be counted; `text` says what is waited for."""

    text: str
    progress: tuple[int, int] | None = None


class Done(Frozen):
    """`output`: all that a command wrote, where that is longer than fits here."""

    text: str
    output: Attachment | None = None


class Failed(Frozen):
    """`why`: the cause in one sentence, with its evidence; `new`: what is new against before; `hint`: what to do; `code`: its class (CrashLoopBackOff);
    `output`: as of Done; it is said once, and not stored with the operation."""

    code: str
    why: str
    hint: str = ""
    new: str = ""
    evidence: tuple[Evidence, ...] = ()
    output: Attachment | None = Field(default=None, exclude=True)


Outcome = Waiting | Done | Failed
