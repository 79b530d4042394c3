"""What somebody may have meant, and how his words are quoted back to him."""

import unicodedata
from collections.abc import Iterable, Sequence

from bot.core.text import cut

SHOWN = 60


def quoted(text: str) -> str:
    """Returns the text as it is quoted in a sentence: on one line, printable, at most 60 characters."""
    return cut(" ".join("".join(c for c in text if c.isspace() or unicodedata.category(c)[0] != "C").split()), SHOWN)


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Returns the name that `word` probably meant: at most a third of its letters wrong, or one begins with the other (`production`, `prod`); or None.

    Of several that are equally near it is the first.
    """
    wanted = word.casefold()[:SHOWN]
    if not wanted:
        return None
    ranked = sorted(((_distance(wanted, name.casefold()), name) for name in names), key=lambda one: one[0])
    if ranked and ranked[0][0] <= max(1, len(wanted) // 3):
        return ranked[0][1]
    return next((name for _, name in ranked if _begins(wanted, name.casefold())), None)


def _begins(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return len(short) > 1 and long.startswith(short)


def did_you_mean(word: str, names: Sequence[str]) -> str:
    """Returns the end of a sentence about a wrong name: the nearest one, else the names there are (ten at most)."""
    if meant := nearest(word, names):
        return f"; did you mean `{meant}`?"
    shown = [f"`{name}`" for name in names[:10]]
    if len(names) > 10:
        return f"; there are {', '.join(shown)} and {len(names) - 10} more"
    if len(names) > 1:
        return f"; there are {', '.join(shown[:-1])} and {shown[-1]}"
    return f"; there is only {shown[0]}" if names else "; there is none"


def _distance(a: str, b: str) -> int:
    """Optimal string alignment: insertions, deletions, substitutions, and two neighbours swapped, each counts one."""
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        row = [i]
        for j, right in enumerate(b, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        before, last = last, row
    return last[-1]


def ended(sentence: str) -> str:
    """Returns the sentence with its full stop; a question has its own mark."""
    return sentence if sentence.endswith("?") else f"{sentence}."
