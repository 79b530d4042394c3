"""The folders of services that are changed by manifests: well-formed for an environment, of kinds that the cluster has, and of kinds that we may change."""

import asyncio

from bot.checks.finding import Finding, failed, ok, wrong
from bot.core.config import Config
from bot.core.errors import AiecError
from bot.core.ports import Cluster, Served
from commands.manifests.folder import Contents, contents
from commands.manifests.rights import ALWAYS, TO_CREATE, missing


async def folders(environment: str, config: Config, cluster: Cluster) -> list[Finding]:
    """Returns what is to be said of every such folder for the environment. Nothing is tried out: what is in the objects is seen when a deploy is planned."""
    names = [name for name, service in config.services.items() if service.deployable and service.strategy == "manifests"]
    found = await asyncio.gather(*(_folder(environment, name, config, cluster) for name in names))
    return [one for findings in found for one in findings]


async def _folder(environment: str, name: str, config: Config, cluster: Cluster) -> list[Finding]:
    subject, breaks = f"folder {name}", f"deploys of {name} to {environment}"
    try:
        folder = await contents(config, cluster, environment, name, config.services[name].image or "")
        if folder.problems:
            return [wrong(subject, problem, breaks, f"correct the folder (services.{name}.manifests)") for problem in folder.problems]
        denied = await missing(cluster, dict.fromkeys(folder.served.values(), ALWAYS))
        denied = denied or await missing(cluster, await _of_absent(cluster, folder))
    except AiecError as error:
        return [failed(subject, error, breaks)]
    said = [wrong(subject, f"we may not {one.what} in namespace {cluster.namespace}", breaks, f"add this rule to aiec's role: {one.rule}") for one in denied]
    count = f"{len(folder.things)} object{'s' * (len(folder.things) != 1)}"
    return said or [ok(subject, f"{count} for {environment}, of kinds that we may change")]


async def _of_absent(cluster: Cluster, folder: Contents) -> dict[Served, tuple[str, ...]]:
    """Returns what creating the objects needs that are not there yet."""
    live = await asyncio.gather(*(cluster.get(one.kind, one.name) for one in folder.served))
    return {served: TO_CREATE for served, thing in zip(folder.served.values(), live, strict=True) if thing is None}
