"""`/aiec set-image <env> <service> <image>`: another version of one service alone, as `kubectl set image`, with everything that a deploy checks and watches."""

import re
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from bot.command import Change, Command, Context
from bot.core.card import CheckResult, Verdict
from bot.core.data import Frozen
from bot.core.errors import Refused
from bot.core.parse import Param
from bot.core.plan import Plan, weigh
from bot.core.steps import ImageStep
from bot.core.suggest import quoted
from bot.core.version import checked
from commands import deploy
from commands.arguments import Environment
from commands.hands import DryRun

_IMAGE = re.compile(r"(?:(?P<container>[a-z0-9-]+)=)?(?:(?P<name>[^\s@=]*/[^\s@=:]+):)?(?P<version>[^\s@/:=]+)(?:@(?P<digest>sha256:[0-9a-f]{64}))?")


def _named(value: str) -> str:
    found = _IMAGE.fullmatch(value)
    if found is None:
        text = f"*{quoted(value)}* is neither a version nor an image with its version, such as `v1.2.0` or `ghcr.io/example/gateway:v1.2.0`"
        raise PydanticCustomError("sentence", "{text}", {"text": text})
    checked(found["version"])
    return value


class Arguments(Frozen):
    environment: Environment
    service: Annotated[str, Param(choices="deployable", metavar="service", help="the service")]
    image: Annotated[
        str,
        AfterValidator(_named),
        Param(metavar="image", kind="version", help="a version such as v1.2.0, or the image with it: ghcr.io/example/gateway:v1.2.0"),
    ]
    emergency: Annotated[str, Param(option=True, metavar="REASON", help="waives freeze, window, promotion, CI, gates; notifies at once and is recorded")] = ""
    dry_run: DryRun = False


async def plan(arguments: Arguments, context: Context) -> Plan:
    """Returns a deploy's plan for this one service. Raises Refused for an image that is another service's."""
    service = context.config.services[arguments.service]
    version, digest = _meant(arguments, service.image or "", service.container)
    if service.strategy == "manifests":
        hint = f"`/aiec deploy {arguments.environment} {version} --service {arguments.service}` renders it with that version."
        raise Refused(f"{arguments.service} is deployed from a folder of manifests, which would bring its own image back.", hint)
    asked = {"environment": arguments.environment, "version": version, "service": (arguments.service,), "emergency": arguments.emergency}
    made = await deploy.plan(deploy.Arguments.model_validate(asked), context)
    return made.model_copy(
        update={
            "command": "set-image",
            "title": f"Set the image of {arguments.service} to {version} in {arguments.environment}",
            "checks": weigh((*made.checks, *_moved(made, version, digest)), arguments.emergency),
        }
    )


def _meant(arguments: Arguments, configured: str, container: str) -> tuple[str, str]:
    """Returns the version and the digest ("": whatever the registry says) that are asked for."""
    found = _IMAGE.fullmatch(arguments.image)
    assert found is not None  # the arguments have seen to it
    if found["container"] not in (None, container):
        raise Refused(
            f"aiec changes the container {container} of {arguments.service}, not {found['container']}.",
            f"For example `/aiec set-image {arguments.environment} {arguments.service} {found['version']}`",
        )
    if found["name"] not in (None, configured):
        text = f"{found['name']} is not the image of {arguments.service}: that is {configured}."
        raise Refused(text, f"Another one has to be agreed on in `services.{arguments.service}.image` of aiec.yaml.")
    return found["version"], found["digest"] or ""


def _moved(made: Plan, version: str, digest: str) -> list[CheckResult]:
    """Blocks when a digest was asked for, and the registry has another one for that version."""
    pinned = next((step.after.partition("@")[2] for step in made.steps if isinstance(step, ImageStep)), "")
    if not digest or pinned in ("", digest):
        return []
    text = f"{version} is {pinned[:19]} in the registry, and not {digest[:19]}: its tag was moved, or the digest is another image's."
    return [CheckResult(check="image", verdict=Verdict.BLOCKED, text=text, hint="Find out which one is meant; then ask with the version alone.", lasting=True)]


COMMAND = Command(
    name="set-image",
    arguments=Arguments,
    does=Change(plan, rehearsal=lambda arguments: arguments.dry_run),
    permission="deploy",
    group="change production",
    summary="another version of one service alone",
    examples=("set-image prod gateway v1.2.0", "set-image staging gateway ghcr.io/aiecommerce/platform/gateway:v1.2.1"),
    rules=(
        "It is a deploy of this one service: the same checks, approval, pinned digest, watching, and rollback when it fails.",
        "The image is the service's own of aiec.yaml; only its version changes.",
    ),
)
