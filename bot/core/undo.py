"""Which revision a rollback returns to, by the rules of `kubectl rollout undo` (`k8s.io/kubectl/pkg/polymorphichelpers/rollback.go`)."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.core.errors import Refused
from bot.core.ports import Json
from bot.core.revisions import new_revision, number, owned
from bot.core.workload import title


@dataclass(frozen=True)
class Return:
    """The revision that is there now (0: not known) and the one to return to."""

    present: int
    to: Json


def find_revision(workload: Json, revisions: Sequence[Json], wanted: int | None, look: str) -> Return:
    """Returns the revision with that number, or without one the latest before the present one. Raises Refused: there is none, or it is there already;
    `look` then says how one sees those that there are.
    """
    mine = sorted(owned(workload, revisions), key=number)
    now = new_revision(workload, revisions)
    present = number(now) if now else 0
    others = [one for one in mine if one is not now and number(one)]
    if wanted is not None:
        chosen = next((one for one in mine if number(one) == wanted), None)
        if chosen is None:
            raise Refused(f"{title(workload)} has no revision {wanted}: {_listed(mine, present)}.", look)
        if chosen is now:
            raise Refused(f"{title(workload)} is at revision {wanted} already.", look)
        return Return(present, chosen)
    if not others:
        why = "it has no other" if mine else "its history is empty"
        hint = "`revisionHistoryLimit` says how many are kept; a version can also be deployed again."
        raise Refused(f"{title(workload)} has no earlier revision to return to: {why}.", hint)
    return Return(present, others[-1])


def _listed(revisions: Sequence[Json], present: int) -> str:
    if not revisions:
        return "its history is empty"
    return f"there are {', '.join(f'{number(one)} (now)' if number(one) == present else str(number(one)) for one in revisions if number(one))}"
