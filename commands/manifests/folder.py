"""A service's folder for one environment and version: its objects rendered, how the server serves them, and what is wrong with it."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.core.config import Config, Service
from bot.core.ports import Cluster, Json, Served
from bot.core.steps import Ref, ref
from bot.core.suggest import did_you_mean, ended
from bot.manifest_folder import Found, read
from commands.manifests.render import containers_of, in_order, rendered


@dataclass(frozen=True)
class Contents:
    """`things`: what is to be applied, in order. `served`: each one's resource. `sources`: where each stands. `problems`: a sentence for everything wrong."""

    things: tuple[Json, ...]
    served: dict[Ref, Served]
    sources: dict[Ref, str]
    problems: tuple[str, ...]


async def contents(config: Config, cluster: Cluster, environment: str, name: str, image: str) -> Contents:
    """Reads the folder of the service called `name`, renders it, and asks the server which of its kinds it knows."""
    service = config.services[name]
    namespaces = {key: one.namespace for key, one in config.environments.items()}
    folder = await asyncio.to_thread(read, Path(service.manifests or ""), environment, namespaces)
    found = {ref(one.thing): one for one in folder.objects}
    kinds = [*dict.fromkeys(one.kind for one in found)]
    answers = dict(zip(kinds, await asyncio.gather(*(cluster.served(kind) for kind in kinds)), strict=True))
    unusable = [problem for key, one in found.items() if (problem := _unusable(one, answers[key.kind]))]
    problems = [*folder.problems, *unusable, *(_own(service, service.name_in(environment, name), folder.objects) if folder.objects else ())]
    return Contents(
        things=tuple(in_order([rendered(one.thing, service.container, image) for one in found.values()])),
        served={key: served for key in found if (served := answers[key.kind]) is not None},
        sources={key: one.source.at("kind") for key, one in found.items()},
        problems=tuple(problems),
    )


def _unusable(found: Found, served: Served | None) -> str:
    kind, version = found.thing["kind"], found.thing["apiVersion"]
    if served is None:
        return f"{found.source.at('kind')}: the cluster knows no {kind} of {version}; correct it, or install what brings that kind."
    if not served.namespaced:
        return f"{found.source.at('kind')}: {kind} {found.thing['metadata']['name']} belongs to the whole cluster, and aiec changes one namespace only."
    return ""


def _own(service: Service, name: str, objects: Sequence[Found]) -> Iterator[str]:
    """Yields what is wrong with the service's own workload, which the folder has to have."""
    own = next((one for one in objects if (one.thing["kind"], one.thing["metadata"]["name"]) == (service.kind, name)), None)
    if own is None:
        names = [one.thing["metadata"]["name"] for one in objects if one.thing["kind"] == service.kind]
        yield ended(f"The folder has no {service.kind} {name}, which the service is{did_you_mean(name, names) if names else ''}")
        return
    containers = [str(one.get("name")) for one in containers_of(own.thing)]
    if service.container not in containers:
        where = own.source.at("spec", "template", "spec", "containers")
        yield f"{where}: {own.title} has no container {service.container}; it has {', '.join(containers) or 'none'}."
