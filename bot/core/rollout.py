"""What to make of a rollout now: `kubectl rollout status`, and beside it the reasons that pods give long before the progress deadline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.core.durations import notation
from bot.core.failures.creation import creation_finding
from bot.core.failures.finding import Events, Finding, LogRequest
from bot.core.failures.ordered import standstill
from bot.core.failures.pod import pod_findings
from bot.core.outcome import Done, Failed, Outcome, Waiting
from bot.core.ports import Json
from bot.core.revisions import new_pods, new_revision, owned, previous_template
from bot.core.rolloutstatus import rollout_status
from bot.core.template import template_differences
from bot.core.workload import observed, partition, ready, wanted

_PAUSED = timedelta(seconds=30)
_MOST_LOGS = 2


@dataclass(frozen=True)
class Assessment:
    """`seen` is to be given back at the next look; `wants_logs` is what to fetch for `bot.core.failures.logs.with_logs` when the outcome is Failed."""

    outcome: Outcome
    seen: dict[str, datetime] = field(default_factory=dict)
    wants_logs: tuple[LogRequest, ...] = ()


def assess(
    workload: Json, revisions: Sequence[Json], pods: Sequence[Json], events: Sequence[Json], *,
    since: datetime, now: datetime, seen: Mapping[str, datetime], deadline: timedelta,
) -> Assessment:  # fmt: skip
    """Returns how a rollout that began at `since` stands.

    `revisions`: the namespace's ReplicaSets, or its ControllerRevisions for a StatefulSet or DaemonSet; those of others do no harm, nor do others' pods and
    events. `seen` says since when each finding has been there, for one look is no proof: a pull that failed once is tried again. A finding fails the rollout
    when it has lasted as long as its class asks, at most half of the deadline; `deadline` passed fails it in any case. Only pods of the new template count.
    """
    state = rollout_status(workload)
    if isinstance(state, Done):
        return Assessment(state)
    limit = min(deadline, timedelta(seconds=workload["spec"].get("progressDeadlineSeconds") or deadline.total_seconds()))
    look = _Look(workload, revisions, pods, new_pods(workload, revisions, pods))
    found = look.findings(Events(events), limit) if observed(workload) else []
    first = {one.key: seen.get(one.key, now) for one in found}
    fatal = [one for one in found if one.ripe and now - first[one.key] >= min(one.patience, limit / 2)]
    if isinstance(state, Failed):
        return Assessment(look.failed(fatal or found, state), first, _logs(fatal or found))
    if fatal:
        return Assessment(look.failed(fatal), first, _logs(fatal))
    if now - since >= deadline:
        late = Failed(code="DeadlineExceeded", why=f"not finished after {notation(deadline)}")
        return Assessment(look.failed(found, late, state.text), first, _logs(found))
    return Assessment(look.waiting(state, found), first)


@dataclass(frozen=True)
class _Look:
    """What one look sees; `fresh` are the new pods among `pods`."""

    workload: Json
    revisions: Sequence[Json]
    pods: Sequence[Json]
    fresh: Sequence[Json]

    @property
    def total(self) -> int:
        """How many new pods there are to be."""
        return wanted(self.workload) - partition(self.workload)

    def findings(self, events: Events, limit: timedelta) -> list[Finding]:
        """Returns what is wrong with the new pods, and what keeps them from being made."""
        found = [one for pod in self.fresh for one in pod_findings(pod, events, limit)]
        family = [*owned(self.workload, self.pods), *(pod for one in owned(self.workload, self.revisions) for pod in owned(one, self.pods))]
        ending = [pod for pod in family if pod["metadata"].get("deletionTimestamp")]
        known = {pod["metadata"]["uid"] for pod in (*self.fresh, *ending)}
        others = [pod for pod in family if pod["metadata"]["uid"] not in known]
        revision = new_revision(self.workload, self.revisions)
        missing = len(self.fresh) < self.total
        refused = creation_finding(self.workload, revision, self.fresh, events, room_to_come=bool(ending)) if missing else None
        return found + [one for one in (standstill(self.workload, others, events, limit), refused, _paused(self.workload)) if one]

    def waiting(self, state: Waiting, found: Sequence[Finding]) -> Waiting:
        """Returns what is waited for, with what is wrong so far."""
        text = f"{state.text}; {self._said(_cause(found))}" if found else state.text
        ready_now = min(sum(map(ready, self.fresh)), self.total) if observed(self.workload) else 0
        return Waiting(text=text, progress=(ready_now, self.total))

    def failed(self, found: Sequence[Finding], instead: Failed | None = None, state: str = "") -> Failed:
        """Returns the cause that most pods share, with what is new in their template. `instead` is explained by it, or else said with `state`."""
        before = previous_template(self.workload, self.revisions)
        new = "; ".join(template_differences(before, self.workload["spec"]["template"])) if before else ""
        if instead and not found:
            return instead.model_copy(update={"new": new, "why": f"{instead.why}: {state}" if state else instead.why})
        cause = _cause(found)
        why, hint, pod = self._said(cause), cause[0].hint, cause[0].pod
        if self.workload["kind"] == "StatefulSet" and pod:
            hint += f" A StatefulSet does not replace a pod that never got ready: after a rollback by hand, delete {pod} (kubectl delete pod {pod})."
        return Failed(code=cause[0].code, why=f"{instead.why}: {why}" if instead else why, hint=hint, new=new, evidence=cause[0].evidence)

    def _said(self, cause: Sequence[Finding]) -> str:
        """Of the pods that exist, or of those that should where the cause is not a pod's own."""
        among = len(self.fresh) if cause[0].pod else self.total
        count = len({one.pod for one in cause}) if cause[0].pod else self.total - len(self.fresh)
        if among == 1:
            return f"the new pod {cause[0].said}"
        if count == among:
            return f"both new pods {cause[0].said}" if among == 2 else f"all {among} new pods {cause[0].said}"
        return f"{count} of {among} new pods {cause[0].said}"


def _cause(found: Sequence[Finding]) -> list[Finding]:
    """The findings of the kind that most pods share."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for one in found:
        groups.setdefault((one.code, one.container), []).append(one)
    return max(groups.values(), key=len)


def _logs(found: Sequence[Finding]) -> tuple[LogRequest, ...]:
    cause = _cause(found) if found else []
    return tuple(LogRequest(one.pod, one.container, one.logs == "previous") for one in cause if one.logs)[:_MOST_LOGS]


def _paused(workload: Json) -> Finding | None:
    if not workload["spec"].get("paused"):
        return None
    hint = f"kubectl rollout resume deployment/{workload['metadata']['name']} -n {workload['metadata']['namespace']}"
    return Finding(code="Paused", said="had to wait: somebody has paused the rollout", hint=hint, patience=_PAUSED)
