"""A StatefulSet that stands still because of one pod."""

from collections.abc import Sequence
from datetime import timedelta

from bot.core.failures.finding import Events, Finding
from bot.core.failures.pod import pod_findings
from bot.core.ports import Json
from bot.core.workload import ready

_PATIENCE = timedelta(seconds=20)


def standstill(workload: Json, others: Sequence[Json], events: Events, deadline: timedelta) -> Finding | None:
    """Returns what keeps a StatefulSet from bringing its pods to the present template, or None. `others` are its pods of another one.

    With `OrderedReady` it does nothing while a pod is not ready, and so never replaces one whose template was bad: not even by the good one of a rollback
    ("Forced rollback" in Kubernetes' documentation of StatefulSets).
    """
    if workload["kind"] != "StatefulSet" or workload["spec"].get("podManagementPolicy") == "Parallel":
        return None
    for pod in others:
        if not ready(pod) and (wrong := pod_findings(pod, events, deadline)):
            name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
            said = f"had to wait: {name} of another revision {wrong[0].said}, and a StatefulSet does not replace a pod that is not ready"
            return Finding(code="StandStill", said=said, hint=f"kubectl delete pod {name} -n {namespace}", patience=_PATIENCE, mark=name)
    return None
