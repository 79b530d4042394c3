"""One look at a workload's rollout, for every step that begins one."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.core import rollout
from bot.core.failures.logs import with_logs
from bot.core.outcome import Failed, Outcome
from bot.core.ports import Cluster, Json


async def watch(
    cluster: Cluster, workload: Json, *, since: datetime, now: datetime, seen: Mapping[str, datetime], deadline: timedelta
) -> tuple[Outcome, dict[str, datetime]]:
    """Looks once, as `kubectl rollout status` would, and at the new pods for the cause of a failure. `seen` is to be given back at the next look."""
    labels = ",".join(f"{key}={value}" for key, value in workload["spec"]["selector"].get("matchLabels", {}).items())
    history = "ReplicaSet" if workload["kind"] == "Deployment" else "ControllerRevision"
    owned, pods, events = await asyncio.gather(
        cluster.list(history, labels=labels), cluster.list("Pod", labels=labels), cluster.list("Event", fields="type=Warning")
    )
    found = rollout.assess(workload, owned, pods, events, since=since, now=now, seen=seen, deadline=deadline)
    outcome = found.outcome
    if isinstance(outcome, Failed) and found.wants_logs:
        texts = await asyncio.gather(*(cluster.logs(one.pod, container=one.container, previous=one.previous) for one in found.wants_logs))
        outcome = with_logs(outcome, dict(zip(found.wants_logs, texts, strict=True)), workload, owned)
    return outcome, found.seen
