"""From a service and a version to what its folder changes, with a verdict on everything that stands in the way."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.command import Context
from bot.core.card import CheckResult, Verdict
from bot.core.fields import settled
from bot.core.ownership import applied, said
from bot.core.ports import Cluster, Json, Served
from bot.core.steps import Expected, ObjectChange, Ref, Removal, ref
from bot.core.workload import WORKLOADS, container_image
from commands.manifests.folder import Contents, contents
from commands.manifests.leftovers import Leftovers, recorded, standing
from commands.manifests.render import containers_of, scaled
from commands.manifests.rights import ALWAYS, TO_CREATE, TO_REMOVE, missing
from commands.manifests.trial import Trial, attempt
from commands.preflight.target import FolderChange, Target

SHOWN = 5
"""How many things that are wrong are said at once."""


@dataclass(frozen=True)
class Wanted:
    """One service of a deploy. `image`: pinned, or empty where the registry has none; `prune`, `take`: what the requester asked for beside it."""

    environment: str
    service: str
    version: str
    image: str
    prune: bool
    take: bool


@dataclass(frozen=True)
class Prepared:
    """`target` is None where a check stands in the way of knowing what would change."""

    target: Target | None
    checks: list[CheckResult]


async def prepare(context: Context, wanted: Wanted) -> Prepared:
    """Reads the folder and the cluster, tries everything out, and changes nothing."""
    cluster, name = context.world.clusters[wanted.environment], wanted.service
    image = wanted.image or f"{context.config.services[name].image}:{wanted.version}"
    folder = await contents(context.config, cluster, wanted.environment, name, image)
    if folder.problems:
        return Prepared(None, [*_blocked("manifests", folder.problems, f"Correct the folder (services.{name}.manifests), then ask again.")])
    asked: dict[Served, tuple[str, ...]] = dict.fromkeys(folder.served.values(), ALWAYS)
    if denied := await _denied(cluster, asked, folder):
        return Prepared(None, denied)
    live = dict(zip(folder.served, await asyncio.gather(*(cluster.get(one.kind, one.name) for one in folder.served)), strict=True))
    known = [one for one in await context.store.read(lambda tx: recorded(tx, wanted.environment, name)) if one not in live]
    left = await standing(cluster, name, known)
    asked = {served: (*ALWAYS, *TO_CREATE) for one, served in folder.served.items() if live[one] is None}
    if wanted.prune:
        asked |= {served: TO_REMOVE for one in left.things if (served := await cluster.served(ref(one).kind)) is not None}
    if denied := await _denied(cluster, asked, folder):
        return Prepared(None, denied)
    autoscaled = scaled([*folder.things, *await cluster.list("HorizontalPodAutoscaler")])
    trials = await asyncio.gather(*(_try(cluster, thing, live[ref(thing)], autoscaled, wanted.take) for thing in folder.things))
    checks = [*_verdicts(folder, trials, wanted.take), *_left_behind(left, wanted.prune)]
    target = _target(context, wanted, folder, trials, live, left) if wanted.image and all(trial.change for trial in trials) else None
    return Prepared(target, checks)


def shared(targets: Sequence[Target]) -> list[CheckResult]:
    """Blocks what two services of a deploy would both apply: the later one would undo the earlier one's."""
    owners: dict[Ref, str] = {}
    found = []
    for target in targets:
        for one in target.folder.objects if target.folder else ():
            other = owners.setdefault(one.ref, target.service)
            if other != target.service:
                text = f"{one.title} stands in the folders of {other} and of {target.service}."
                found.append(CheckResult(check="manifests", verdict=Verdict.BLOCKED, text=text, hint="Leave it in one of them."))
    return found


async def _try(cluster: Cluster, thing: Json, live: Json | None, autoscaled: set[tuple[str, str]], take: bool) -> Trial:
    mine = (thing["kind"], thing["metadata"]["name"]) in autoscaled and "replicas" in thing.get("spec", {})
    return await attempt(cluster, thing, live, scaled=mine, take=take)


async def _denied(cluster: Cluster, asked: Mapping[Served, tuple[str, ...]], folder: Contents) -> list[CheckResult]:
    found = []
    for one in await missing(cluster, asked):
        where = next((source for key, source in folder.sources.items() if folder.served.get(key) == one.served), "what is to be removed")
        text = f"We may not {one.what} in namespace {cluster.namespace} ({where})."
        found.append(CheckResult(check="manifests", verdict=Verdict.BLOCKED, text=text, hint=f"Add this rule to aiec's role: {one.rule}"))
    return found


def _blocked(check: str, texts: Sequence[str], hint: str) -> Iterator[CheckResult]:
    for text in texts[:SHOWN]:
        yield CheckResult(check=check, verdict=Verdict.BLOCKED, text=text, hint=hint)
    if len(texts) > SHOWN:
        yield CheckResult(check=check, verdict=Verdict.BLOCKED, text=f"{len(texts) - SHOWN} more things are wrong in it.", hint=hint)


def _verdicts(folder: Contents, trials: Sequence[Trial], take: bool) -> Iterator[CheckResult]:
    """Says what the server refuses, whose fields would be changed, and else how much changes."""
    pairs = [*zip(folder.things, trials, strict=True)]
    refused = [f"{folder.sources[ref(thing)]}: {trial.refusal.text}" for thing, trial in pairs if trial.refusal]
    contested = [said(ref(thing).title, trial.contested) for thing, trial in pairs if trial.contested]
    if refused:
        yield from _blocked("manifests", refused, "Correct the manifest, then ask again.")
    if contested and take:
        yield CheckResult(check="ownership", verdict=Verdict.WARNING, text=f"takes over: {'; '.join(contested)}")
    elif contested:
        yield from _blocked("ownership", [f"{one}." for one in contested], "Leave it out of the manifest, or take it over with `--take-ownership`.")
    if not refused and (take or not contested):
        count = sum(bool(trial.change and trial.change.changes) for trial in trials)
        text = f"{len(trials)} object{'s' * (len(trials) != 1)} in the folder, {count} to change"
        yield CheckResult(check="manifests", verdict=Verdict.PASSED, text=text)


def _left_behind(left: Leftovers, prune: bool) -> Iterator[CheckResult]:
    going = ", ".join(ref(one).title for one in left.things)
    if going:
        text = f"removes at last what the folder has no more: {going}" if prune else f"the folder has no more, and it stays: {going} (`--prune` removes it)"
        yield CheckResult(check="prune", verdict=Verdict.WARNING, text=text)
    if left.kept:
        text = f"the folder has no more, and it stays because it holds data: {', '.join(one.title for one in left.kept)}"
        yield CheckResult(check="prune", verdict=Verdict.WARNING, text=text)


def _target(
    context: Context, wanted: Wanted, folder: Contents, trials: Sequence[Trial], live: Mapping[Ref, Json | None], left: Leftovers
) -> Target:  # fmt: skip
    service = context.config.services[wanted.service]
    name = service.name_in(wanted.environment, wanted.service)
    results = {ref(thing): trial.result for thing, trial in zip(folder.things, trials, strict=True) if trial.result is not None}
    own = next(one for one in results if (results[one]["kind"], one.name) == (service.kind, name))
    before = live[own]
    objects = [trial.change for trial in trials if trial.change is not None]
    removed = left.things if wanted.prune else ()
    return Target(
        environment=wanted.environment,
        service=wanted.service,
        version=wanted.version,
        settings=service,
        name=name,
        workload=results[own],
        index=0,
        before=(container_image(before, service.container) or "") if before else "",
        image=wanted.image,
        folder=FolderChange(
            objects=tuple(one for one in objects if _is_open(one)),
            inventory=(*results, *map(ref, left.things), *left.kept),
            removals=tuple(Removal(thing=settled(one), owned=applied(one)) for one in removed),
            expects=tuple(_expected(one, service.container) for one in results.values() if one["kind"] in WORKLOADS),
            take=wanted.take,
        ),
    )


def _is_open(change: ObjectChange) -> bool:
    """Whether there is something to do: a difference, or an object that we have never applied."""
    return bool(change.changes) or change.owned is None


def _expected(workload: Json, container: str) -> Expected:
    """What is looked at afterwards: the service's container, where the workload has it, else its first one."""
    names = [one["name"] for one in containers_of(workload)]
    chosen = container if container in names else workload["spec"]["template"]["spec"]["containers"][0]["name"]
    return Expected(workload=workload["kind"], name=workload["metadata"]["name"], container=chosen, image=container_image(workload, chosen) or "")
