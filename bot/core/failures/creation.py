"""Why a controller could not create pods at all: quotas and other refusals of admission."""

import re
from collections.abc import Sequence
from datetime import timedelta

from bot.core.failures.finding import Events, Finding, event_time, latest, warnings
from bot.core.ports import Json
from bot.core.workload import condition, title

# Old pods that go make room, and the controller tries again with a growing pause.
_PATIENCE = timedelta(seconds=20)

_EXCEEDED = re.compile(r"exceeded quota: (\S+), requested: (\S+), used: (\S+), limited: (\S+)")
_MUST_SPECIFY = re.compile(r"failed quota: (\S+): must specify (\S+)(?: for: (\S+))?")


def creation_finding(workload: Json, revision: Json | None, pods: Sequence[Json], events: Events, *, room_to_come: bool) -> Finding | None:
    """Returns why pods of the new revision cannot be created, or None. `pods` are those that exist already: while they grow in number, it goes on.

    `room_to_come`: whether old pods are still ending, whose place may suffice. A Deployment's new ReplicaSet says it in a condition, the others only in events.
    """
    creator = revision if revision and revision["kind"] == "ReplicaSet" else workload
    mine = events.of(creator)
    message = _refusal(creator, mine, pods)
    if message is None:
        return None
    code, said, hint = _words(message)
    return Finding(
        code=code, said=f"could not be created: {said}", hint=hint, patience=_PATIENCE, ripe=not room_to_come, mark=str(len(pods)),
        evidence=warnings(f"events of {title(creator)}", mine),
    )  # fmt: skip


def _refusal(creator: Json, events: Sequence[Json], pods: Sequence[Json]) -> str | None:
    if creator["kind"] == "ReplicaSet":
        failure = condition(creator, "ReplicaFailure")
        return failure["message"] if failure and failure["status"] == "True" and failure.get("reason") == "FailedCreate" else None
    last = latest(events, "FailedCreate")
    newest = max((pod["metadata"]["creationTimestamp"] for pod in pods), default="")
    if last is None or f"{event_time(last):%Y-%m-%dT%H:%M:%SZ}" < newest:
        return None
    return str(last["message"])


def _words(message: str) -> tuple[str, str, str]:
    if found := _EXCEEDED.search(message):
        name, asked, used, limits = found[1], *(_amounts(found[index]) for index in (2, 3, 4))
        parts = [f"{resource}: {used.get(resource, '0')} of {limit} used, {asked.get(resource, '?')} more needed" for resource, limit in limits.items()]
        return "QuotaExceeded", f"quota {name} is used up ({'; '.join(parts)})", f"Raise quota {name} ({', '.join(limits)}), or free some of it."
    if found := _MUST_SPECIFY.search(message):
        which, whom = found[2].replace(",", " and "), f" of container {found[3]}" if found[3] else ""
        return "QuotaExceeded", f"quota {found[1]} wants {which}{whom} to be set", f"Set resources ({which}){whom}."
    reason = message.partition("is forbidden: ")[2] or message.partition("Error creating: ")[2] or message
    if "PodSecurity" in reason:
        return "FailedCreate", reason[:300], "Correct the securityContext of the pods as the namespace's Pod Security level demands."
    if "serviceaccount" in reason or "service account" in reason:
        return "FailedCreate", reason[:300], "Create the service account, or correct serviceAccountName."
    return "FailedCreate", reason[:300], "Correct what the cluster's admission refuses."


def _amounts(text: str) -> dict[str, str]:
    return dict(part.split("=", 1) for part in text.split(",") if "=" in part)
