"""A mark behind what a command writes: when it arrives, so has everything before it.

Seen on Kubernetes 1.36 with kwok: of a command whose output is taken slowly the last pieces may be lost, and yet it is said to have succeeded.
"""


class Ending:
    """Holds back the end of a stream, as long as it may be the mark."""

    def __init__(self, mark: bytes) -> None:
        self._mark = mark
        self._held = b""

    def take(self, piece: bytes) -> bytes:
        """Returns what is certainly before the mark, of this piece and of those before it."""
        size = len(self._mark)
        if len(piece) < size:
            piece, self._held = self._held + piece, b""
            passed, self._held = piece[:-size], piece[-size:]
        else:
            passed, self._held = self._held + piece[:-size], piece[-size:]
        return passed

    @property
    def arrived(self) -> bool:
        return self._held == self._mark

    @property
    def rest(self) -> bytes:
        """What is held back, if it is not the mark."""
        return b"" if self.arrived else self._held
