"""What the looks share: their arguments, and which things belong to a service."""

from collections.abc import Sequence
from typing import Annotated

from bot.command import Context
from bot.core.data import Frozen
from bot.core.parse import Param
from bot.core.ports import Json
from bot.core.revisions import owned
from commands.arguments import Environment
from commands.target import selector, workload_of

MOST_ROWS = 40


class EnvironmentArguments(Frozen):
    environment: Environment


class ServiceArguments(Frozen):
    environment: Environment
    service: Annotated[str, Param(choices="services", metavar="service", help="the service")]


class MaybeServiceArguments(Frozen):
    environment: Environment
    service: Annotated[str | None, Param(choices="services", metavar="service", help="only this service's; without it all of the environment's")] = None


async def pods_in(environment: str, service: str | None, context: Context) -> list[Json]:
    """Returns the pods of a service, or all of the environment. Raises NotFound when the service has no workload there."""
    labels = selector(await workload_of(service, environment, context)) if service else ""
    return await context.world.clusters[environment].list("Pod", labels=labels)


async def revisions_in(environment: str, workload: Json, context: Context) -> list[Json]:
    """Returns the revisions of a workload, oldest and newest in no order."""
    kind = "ReplicaSet" if workload["kind"] == "Deployment" else "ControllerRevision"
    return owned(workload, await context.world.clusters[environment].list(kind))


def scaling(workload: Json, autoscalers: Sequence[Json]) -> Json | None:
    """Returns the HorizontalPodAutoscaler that scales the workload, or None."""
    target = (workload["kind"], workload["metadata"]["name"])
    return next((one for one in autoscalers if (one["spec"]["scaleTargetRef"]["kind"], one["spec"]["scaleTargetRef"]["name"]) == target), None)


def where(environment: str, service: str | None) -> str:
    """Returns `gateway in prod`, or `prod`."""
    return f"{service} in {environment}" if service else environment
