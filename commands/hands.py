"""What the commands share that change one workload by hand, and not by a version: finding it, and what is checked of all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from bot.command import Context
from bot.core.card import CheckResult
from bot.core.config import Service
from bot.core.errors import NotFound
from bot.core.parse import Param
from bot.core.ports import Cluster, Json
from bot.core.steps import CHANGE_CAUSE, OPERATION, annotations
from bot.core.workload import container_image
from bot.store.transaction import Transaction
from commands.preflight import records
from commands.preflight.alone import acknowledged
from commands.preflight.target import Target

AnyService = Annotated[str, Param(choices="services", metavar="service", help="the service")]
Emergency = Annotated[str, Param(option=True, metavar="REASON", help="waives a freeze; notifies at once and is recorded")]
DryRun = Annotated[bool, Param(option=True, help="shows what an approval would show, and changes nothing")]


@dataclass(frozen=True)
class Found:
    """A service's workload as it is now."""

    environment: str
    service: str
    settings: Service
    name: str
    workload: Json
    cluster: Cluster

    @property
    def title(self) -> str:
        return f"{self.settings.kind.lower()}/{self.name}"

    @property
    def image(self) -> str:
        return container_image(self.workload, self.settings.container) or ""

    @property
    def cause(self) -> str | None:
        return annotations(self.workload).get(CHANGE_CAUSE)

    @property
    def owner(self) -> str | None:
        return annotations(self.workload).get(OPERATION)

    def target(self, image: str, workload: Json | None = None) -> Target:
        """Returns it as what the checks of a deploy look at: `workload` as it will be, and the image that it will run."""
        return Target(
            environment=self.environment,
            service=self.service,
            version="",
            settings=self.settings,
            name=self.name,
            workload=workload or self.workload,
            index=0,
            before=self.image,
            image=image,
        )


async def find(context: Context, environment: str, service: str) -> Found:
    """Reads a service's workload. Raises NotFound."""
    settings, cluster = context.config.services[service], context.world.clusters[environment]
    name = settings.name_in(environment, service)
    workload = await cluster.get(settings.kind, name)
    if workload is None:
        text = f"{settings.kind} {name} does not exist in {cluster.namespace} ({environment})."
        raise NotFound(text, f"`/aiec status {environment}` shows what does; or mend `services.{service}.name` in aiec.yaml.")
    return Found(environment, service, settings, name, workload, cluster)


async def recorded(context: Context, environment: str, services: Sequence[str]) -> tuple[list[CheckResult], str]:
    """Returns the verdicts on lock, freeze and the last changes, and for which incident the actor may do this alone."""
    settings, actor = context.config.environments[environment], context.request.actor

    def read(tx: Transaction) -> tuple[list[CheckResult], str]:
        mine = (actor.name, context.request.key)
        found = [
            records.lock(tx, environment, mine),
            records.freeze(tx, environment, settings),
            records.incidents(tx, environment, services),
            records.recent(tx, environment),
        ]
        return [one for one in found if one is not None], acknowledged(tx, context.config, actor, environment, services)

    return await context.store.read(read)
