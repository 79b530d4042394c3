"""An environment's cluster: reachable, the namespace and the services' workloads there, and our rights verb by verb."""

import asyncio
from contextlib import suppress

from bot.checks.finding import Finding, failed, ok, warning, wrong
from bot.checks.manifests import folders
from bot.checks.needs import Need, needed
from bot.core.config import Config, Service
from bot.core.errors import AiecError, Forbidden
from bot.core.ports import Cluster
from bot.core.suggest import did_you_mean

BINDING = "bind the Role of deploy/managed-namespace in that namespace"


async def environment(name: str, config: Config, cluster: Cluster) -> list[Finding]:
    """Returns what is to be said of the environment called `name`."""
    subject, namespace, needs = f"cluster {name}", cluster.namespace, needed(config)
    try:
        version = await cluster.version()
        exists, missing = await asyncio.gather(_exists(cluster), _missing(cluster, needs))
    except AiecError as error:
        return [failed(subject, error, f"everything in {name}")]
    found = [ok(subject, f"Kubernetes {version}, namespace {namespace}")]
    if exists is False:
        return [*found, wrong(subject, f"there is no namespace {namespace}", f"everything in {name}", "create it, or correct `namespace` in aiec.yaml")]
    if exists is None and all(need in missing for need in needs if not need.clusterwide):
        text = f"we may do nothing in namespace {namespace}, or it does not exist"
        return [*found, wrong(subject, text, f"everything in {name}", f"correct `namespace` in aiec.yaml, or {BINDING}")]
    rights = [_denied(name, need, namespace) for need in missing] or [ok(f"rights {name}", f"all {len(needs)} that the commands need")]
    return [*found, *rights, *await _services(name, config, cluster), *await folders(name, config, cluster)]


async def _exists(cluster: Cluster) -> bool | None:
    """Returns whether the namespace is there; None when we may not know."""
    with suppress(Forbidden):
        return await cluster.get("Namespace", cluster.namespace) is not None
    return None


async def _missing(cluster: Cluster, needs: list[Need]) -> list[Need]:
    allowed = await asyncio.gather(*(cluster.allowed(need.verb, need.group, need.resource, need.subresource) for need in needs))
    return [need for need, is_allowed in zip(needs, allowed, strict=True) if not is_allowed]


def _denied(name: str, need: Need, namespace: str) -> Finding:
    if need.optional:
        advice = "apply deploy/nodes, if that should be looked at" if need.clusterwide else BINDING
        return warning(f"rights {name}", f"we may not {need.what}", need.breaks, advice)
    return wrong(f"rights {name}", f"we may not {need.what} in namespace {namespace}", need.breaks, BINDING)


async def _services(name: str, config: Config, cluster: Cluster) -> list[Finding]:
    kinds = sorted({service.kind for service in config.services.values()})
    try:
        listed = await asyncio.gather(*(cluster.list(kind) for kind in kinds))
    except Forbidden:
        return []  # said by the rights
    except AiecError as error:
        return [failed(f"services {name}", error, f"status and deploys of {name}")]
    present = {kind: {thing["metadata"]["name"]: thing for thing in things} for kind, things in zip(kinds, listed, strict=True)}
    found = [problem for key, service in config.services.items() if (problem := _service(name, key, service, present[service.kind])) is not None]
    return found or [ok(f"services {name}", f"all {len(config.services)} are there, with their containers")]


def _service(environment: str, key: str, service: Service, present: dict[str, dict[str, object]]) -> Finding | None:
    """Returns what is wrong with a service's workload, or None. What a folder makes need not be there yet, and its folder is looked at."""
    if service.deployable and service.strategy == "manifests":
        return None
    wanted, subject = service.name_in(environment, key), f"service {key}"
    breaks = f"deploys of {key} to {environment}" if service.deployable else f"{key} is missing in the status of {environment}"
    workload = present.get(wanted)
    if workload is None:
        text = f"there is no {service.kind} {wanted} in {environment}{did_you_mean(wanted, [*present])}"
        found = wrong if service.deployable else warning
        return found(subject, text, breaks, f"correct `services.{key}` in aiec.yaml, or create it")
    containers = _containers(workload)
    if service.container in containers:
        return None
    text = f"{service.kind} {wanted} in {environment} has no container {service.container}{did_you_mean(service.container, containers)}"
    return wrong(subject, text, breaks, f"correct `services.{key}.container` in aiec.yaml")


def _containers(workload: dict[str, object]) -> list[str]:
    spec: dict[str, dict[str, dict[str, list[dict[str, str]]]]] = workload["spec"]  # type: ignore[assignment]
    return [container["name"] for container in spec["template"]["spec"]["containers"]]
