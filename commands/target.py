"""What a look is at: a service of aiec.yaml, a pod, or whatever a label selector finds."""

from dataclasses import dataclass
from typing import Annotated

from bot.command import Context
from bot.core.config import Service
from bot.core.errors import NotFound
from bot.core.parse import Param
from bot.core.ports import Json
from bot.core.suggest import did_you_mean, ended, quoted

Target = Annotated[str, Param(metavar="service|pod", help="a service, a pod, or a label selector such as app=gateway")]


@dataclass(frozen=True)
class Pods:
    """The pods that are meant; `container`: the one that matters in them, where that is known."""

    pods: list[Json]
    container: str = ""


async def pods_of(target: str, environment: str, context: Context, *, gone: bool = False) -> Pods:
    """Returns the pods of a service, of a selector (anything with `=`), or the one pod of that name.

    Raises NotFound when there are none, saying what there is, unless `gone` says that they may have gone.
    """
    labels, fields = await selectors(target, environment, context)
    pods = await context.world.clusters[environment].list("Pod", labels=labels, fields=fields)
    if not pods and not gone:
        raise await _nothing(target, environment, context)
    service = context.config.services.get(target)
    return Pods(pods, service.container if service else "")


async def selectors(target: str, environment: str, context: Context) -> tuple[str, str]:
    """Returns the selectors by labels and by fields, in the API's notation, that find the pods of a target."""
    if target in context.config.services:
        return selector(await workload_of(target, environment, context)), ""
    return (target, "") if "=" in target else ("", f"metadata.name={target}")


async def workload_of(name: str, environment: str, context: Context) -> Json:
    """Returns the workload of a service. Raises NotFound when it does not exist there."""
    service: Service = context.config.services[name]
    own = service.name_in(environment, name)
    workload = await context.world.clusters[environment].get(service.kind, own)
    if workload is None:
        raise NotFound(f"{service.kind} {own} does not exist in {environment}.", "`/aiec status` lists what does.")
    return workload


def selector(workload: Json) -> str:
    """Returns the label selector of a workload's pods, in the API's notation."""
    wanted = workload["spec"]["selector"]
    said = [f"{key}={value}" for key, value in (wanted.get("matchLabels") or {}).items()]
    for one in wanted.get("matchExpressions") or []:
        key, values = one["key"], ",".join(one.get("values") or [])
        said.append({"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key, "DoesNotExist": f"!{key}"}[one["operator"]])
    return ",".join(said)


async def _nothing(target: str, environment: str, context: Context) -> NotFound:
    if target in context.config.services:
        return NotFound(f"{target} has no pods in {environment}.", f"`/aiec diagnose {environment} {target}` says why.")
    if "=" in target:
        return NotFound(f"No pod in {environment} has {target}.", f"`/aiec pods {environment}` lists those that there are.")
    names = [*context.config.services, *(pod["metadata"]["name"] for pod in await context.world.clusters[environment].list("Pod"))]
    meant = did_you_mean(target, names)
    return NotFound(
        f"*{quoted(target)}* is neither a service nor a pod in {environment}{ended(meant)}", f"`/aiec pods {environment}` lists the pods that there are."
    )
