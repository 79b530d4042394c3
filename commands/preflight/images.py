"""Does each image exist, and which digest has its tag? The digest is what is deployed: a tag may move between approval and execution."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from bot.core.card import CheckResult, Verdict
from bot.core.errors import AiecError
from bot.core.ports import Registry
from bot.core.suggest import nearest


@dataclass(frozen=True)
class Pinned:
    """The images by service that were found, as `name:tag@sha256:…`, and what the check says."""

    images: dict[str, str]
    result: CheckResult


async def pin(registry: Registry, images: Mapping[str, str], version: str) -> Pinned:
    """Asks the registry for the digest of every service's image at this version."""
    found = await asyncio.gather(*(_ask(registry, f"{image}:{version}") for image in images.values()))
    pinned = {service: f"{image}:{version}@{answer}" for (service, image), answer in zip(images.items(), found, strict=True) if isinstance(answer, str)}
    failed = next((answer for answer in found if isinstance(answer, AiecError)), None)
    if failed is not None:
        return Pinned(pinned, CheckResult(check="image", verdict=Verdict.BLOCKED, text=failed.text, hint=failed.hint))
    missing = [service for service in images if service not in pinned]
    if missing:
        text = f"{version} does not exist in the registry for {', '.join(missing)} ({images[missing[0]]})."
        return Pinned(pinned, CheckResult(check="image", verdict=Verdict.BLOCKED, text=text, hint=await _suggestion(registry, images[missing[0]], version)))
    return Pinned(pinned, CheckResult(check="image", verdict=Verdict.PASSED, text="images found, pinned" if len(images) > 1 else "image found, pinned"))


async def _ask(registry: Registry, image: str) -> str | AiecError | None:
    try:
        return await registry.digest(image)
    except AiecError as error:
        return error


async def _suggestion(registry: Registry, repository: str, version: str) -> str:
    """Names the tag that was probably meant, the newest of those equally near, else the newest few, else what to do."""
    try:
        tags = await registry.tags(repository)
    except AiecError:
        tags = []
    if close := nearest(version, tags[::-1]):
        return f"Did you mean `{close}`?"
    return f"It has {', '.join(tags[-3:])}." if tags else "Has the pipeline pushed it? The repository has no tags at all."
