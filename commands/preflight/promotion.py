"""Did the environment before this one run the same image healthily for long enough?"""

from datetime import datetime, timedelta

from sqlmodel import col, select

from bot.core.card import CheckResult, Verdict
from bot.core.ports import Cluster, Json
from bot.core.text import duration
from bot.core.workload import condition, container_image, readiness
from bot.store.store import Store
from bot.store.tables import ReleaseRow
from bot.store.transaction import Transaction
from commands.preflight.target import Target


async def promotion(store: Store, cluster: Cluster, source: str, healthy_for: timedelta, targets: list[Target], now: datetime) -> CheckResult:
    """Asks our own releases first, then the cluster: a version may have come to `source` by another way."""
    shortest: timedelta | None = None
    for target in targets:
        proven = await _proven(store, cluster, source, target, now)
        if proven is None or proven < healthy_for:
            return _blocked(source, healthy_for, target, proven)
        shortest = proven if shortest is None else min(shortest, proven)
    return CheckResult(check="promotion", verdict=Verdict.PASSED, text=f"{source} healthy for {duration(shortest or timedelta())}")


def _blocked(source: str, healthy_for: timedelta, target: Target, proven: timedelta | None) -> CheckResult:
    wanted = duration(healthy_for)
    if proven is None:
        text = f"{source} has not run {target.version} of {target.service} with the same digest in good health; it must, for {wanted}."
        hint = f'`/aiec deploy {source} {target.version} --service {target.service}` first; for an emergency: `--emergency "why"`.'
    else:
        text = f"{source} has run {target.version} of {target.service} healthily for {duration(proven)} only; it must for {wanted}."
        hint = f'Ask again in {duration(healthy_for - proven)}; for an emergency: `--emergency "why"`.'
    return CheckResult(check="promotion", verdict=Verdict.BLOCKED, text=text, hint=hint, waivable=True)


async def _proven(store: Store, cluster: Cluster, source: str, target: Target, now: datetime) -> timedelta | None:
    """Returns for how long the image is known to have run well in `source`, or None when it is not known to have run at all."""
    release = await store.read(lambda tx: _release(tx, source, target.service, digest_of(target.image)))
    if release is not None and release.until is not None:
        return release.until - release.healthy_at
    workload = await cluster.get(target.settings.kind, target.settings.name_in(source, target.service))
    if workload is None or not await _runs(cluster, workload, target):
        return None
    since = release.healthy_at if release is not None else _healthy_since(workload)
    return now - since if since is not None else None


def _release(tx: Transaction, environment: str, service: str, digest: str) -> ReleaseRow | None:
    same = col(ReleaseRow.image).endswith(digest)
    return tx.first(select(ReleaseRow).where(ReleaseRow.environment == environment, ReleaseRow.service == service, same).order_by(col(ReleaseRow.id).desc()))


async def _runs(cluster: Cluster, workload: Json, target: Target) -> bool:
    """Tells whether all wanted pods are ready and run the digest, by the image's own name or by what the kubelets pulled."""
    ready, wanted = readiness(workload)
    if ready < wanted or wanted == 0:
        return False
    digest = digest_of(target.image)
    if digest in (container_image(workload, target.settings.container) or ""):
        return True
    labels = ",".join(f"{key}={value}" for key, value in workload["spec"]["selector"].get("matchLabels", {}).items())
    pods = await cluster.list("Pod", labels=labels)
    pulled = [status["imageID"] for pod in pods for status in pod["status"].get("containerStatuses") or [] if status["name"] == target.settings.container]
    return bool(pulled) and all(digest in image for image in pulled)


def _healthy_since(workload: Json) -> datetime | None:
    """Returns since when a Deployment is complete and available: the later of its Progressing and Available conditions' last changes."""
    marks = [condition(workload, kind) for kind in ("Available", "Progressing")]
    times = [datetime.fromisoformat(found["lastUpdateTime"]) for found in marks if found is not None and found["status"] == "True"]
    return max(times) if len(times) == len(marks) else None


def digest_of(image: str) -> str:
    """Returns the digest that an image is pinned to (`sha256:…`)."""
    return image.partition("@")[2]
