"""The REST API's on-calls: who is on call, at which level of which policy, from when until when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from sandbox.pagerduty import wire
from sandbox.pagerduty.errors import invalid
from sandbox.pagerduty.rest import Answer, Asked
from sandbox.pagerduty.state import Json, Schedule


def listing(asked: Asked) -> Answer:
    """GET /oncalls in `since` to `until` (now, unless given). A user who is named in the policy is on call always: without start and end."""
    account = asked.account
    since = asked.time("since") or account.now()
    until = max(asked.time("until") or since, since)
    if asked.one("until") is not None and (asked.time("until") or since) < since:
        raise invalid("until must not be before since")
    found = list(_entries(asked, since, until))
    if asked.one("earliest") == "true":
        first: dict[tuple[str, int, str], Json] = {}
        for entry in sorted(found, key=lambda one: one["start"] or ""):
            first.setdefault((entry["escalation_policy"]["id"], entry["escalation_level"], entry["user"]["id"]), entry)
        found = list(first.values())
    found.sort(key=lambda one: (one["escalation_policy"]["id"], one["escalation_level"], one["start"] or ""))
    return asked.listed("oncalls", found)


def _entries(asked: Asked, since: datetime, until: datetime) -> Iterator[Json]:
    account = asked.account
    filters = {name: {*asked.many(name)} for name in ("escalation_policy_ids", "schedule_ids", "user_ids")}
    for policy in account.policies.values():
        if filters["escalation_policy_ids"] and policy.id not in filters["escalation_policy_ids"]:
            continue
        for number, level in enumerate(policy.levels, 1):
            for target in level.targets:
                if filters["schedule_ids"] and target not in filters["schedule_ids"]:
                    continue
                schedule = account.schedules.get(target)
                for user, start, end in _spans(schedule, since, until) if schedule else [(target, None, None)]:
                    if user not in account.users or (filters["user_ids"] and user not in filters["user_ids"]):
                        continue
                    yield _entry(asked, policy.id, number, schedule, user) | {"start": wire.time(start), "end": wire.time(end)}


def _entry(asked: Asked, policy: str, level: int, schedule: Schedule | None, user: str) -> Json:
    account, wanted = asked.account, {*asked.many("include")}
    return {
        "escalation_policy": wire.policy(account, account.policies[policy]) if "escalation_policies" in wanted else wire.policy_ref(account, policy),
        "escalation_level": level,
        "schedule": None if schedule is None else wire.ref(account, "schedule", schedule.id, schedule.name),
        "user": wire.user(account, account.users[user]) if "users" in wanted else wire.user_ref(account, user),
    }


def _spans(schedule: Schedule, since: datetime, until: datetime) -> Iterator[tuple[str, datetime | None, datetime | None]]:
    """Who is on call by a schedule, each with the whole of their span, of those that touch the time asked for. One that never ends has no end."""
    edges = schedule.changes(since - 60 * schedule.turn, until + 60 * schedule.turn)
    bounds = [None, *edges, None]
    merged: list[tuple[str | None, datetime | None, datetime | None]] = []
    for start, end in pairwise(bounds):
        user = schedule.on_call(start or (edges[0] if edges else since) - schedule.turn / 1000)
        if merged and merged[-1][0] == user:
            merged[-1] = (user, merged[-1][1], end)
        else:
            merged.append((user, start, end))
    for user, start, end in merged:
        if user is not None and (start is None or start <= until) and (end is None or end > since):
            yield user, start or schedule.start, end
