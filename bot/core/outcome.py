"""What looking at a step says: it waits, it is done, or it failed and why."""

from bot.core.card import Evidence
from bot.core.data import Frozen

UNANSWERED = "unanswered"
"""The key of a step's memory that says since when the far end has not answered."""


class Waiting(Frozen):
    """Not there yet. `progress` is (done, total) where that can be counted; `text` says what is waited for."""

    text: str
    progress: tuple[int, int] | None = None


class Done(Frozen):
    text: str


class Failed(Frozen):
    """`why`: the cause in one sentence, with its evidence; `new`: what is new against before; `hint`: what to do; `code`: its class (CrashLoopBackOff)."""

    code: str
    why: str
    hint: str = ""
    new: str = ""
    evidence: tuple[Evidence, ...] = ()


Outcome = Waiting | Done | Failed
