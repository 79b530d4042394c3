"""What applying one object would do: asked of the API server by a dry run, which changes nothing."""

from dataclasses import dataclass

from bot.core.errors import AiecError, Contested, Invalid
from bot.core.fields import FieldChange, changes, new, settled
from bot.core.ownership import applied, others
from bot.core.ports import Cluster, Json
from bot.core.steps import CHANGE_CAUSE, MARKS, ObjectChange, annotations, manifest_for
from bot.core.workload import WORKLOADS

REPLICAS = "/spec/replicas"


@dataclass(frozen=True)
class Trial:
    """`change`: None where the server refuses the object (`refusal`). `result`: it as it would be. `contested`: the fields of others, with their owners."""

    change: ObjectChange | None
    result: Json | None = None
    contested: tuple[tuple[str, str], ...] = ()
    refusal: AiecError | None = None


async def attempt(cluster: Cluster, thing: Json, live: Json | None, *, scaled: bool, take: bool) -> Trial:
    """Tries the object out. `live`: as it is now, None where it is not there; `scaled`: an autoscaler has its replicas; `take`: the fields of others too."""
    manifest = manifest_for(thing, live, scaled)
    contested: tuple[tuple[str, str], ...] = ()
    try:
        result = await cluster.apply(manifest, dry_run=True)
    except Contested as refused:
        contested = tuple(others(refused.fields, MARKS))
        if contested and not take:
            return Trial(None, None, contested)
        result = await cluster.apply(manifest, force=True, dry_run=True)
    except Invalid as refused:
        return Trial(None, refusal=refused)
    marks = {mark: annotations(live).get(mark) if live else None for mark in MARKS if mark != CHANGE_CAUSE or thing["kind"] in WORKLOADS}
    kept = manifest_for(thing, None, scaled)
    change = ObjectChange(
        manifest=kept, created=live is None, changes=_changes(live, result, scaled), marks=marks, owned=applied(live) if live else None, scaled=scaled
    )
    return Trial(change, result, contested)


def _changes(live: Json | None, result: Json, scaled: bool) -> tuple[FieldChange, ...]:
    if live is None:
        return (FieldChange(path="", after=new(result, MARKS)),)
    found = changes(settled(live, MARKS), settled(result, MARKS))
    return tuple(one for one in found if not (scaled and one.path == REPLICAS))
