"""Whether there is room for a rollout: quotas, disruption budgets, nodes. Only what is sure to stop it, or to break a budget, is a problem."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Literal

from bot.core import quantity, resources
from bot.core.ports import Json
from bot.core.resources import Amounts
from bot.core.workload import condition, status, strategy, surge, title, unavailable, wanted

_FINISHED = frozenset({"Succeeded", "Failed"})


def room(workload: Json, quotas: Sequence[Json], budgets: Sequence[Json], nodes: Sequence[Json], pods: Sequence[Json] | None) -> list[str]:
    """Returns a sentence for everything that stands in the way of replacing the workload's pods; empty when nothing is known to.

    `workload` is as it will be. `pods`: all that can be read, of every namespace if possible, for what is free on the nodes; None when they cannot be read:
    then only what a node has at all is compared. `nodes` empty: not readable, nothing is said of them. Quotas of other scopes than running pods are left out.

    A rollout that may take old pods down first (`maxUnavailable` above 0) makes its own room, so only one that may not needs it beside them.
    """
    return [*_budget_problems(workload, budgets), *_quota_problems(workload, quotas, pods or ()), *_node_problems(workload, nodes, pods)]


def room_to_grow(workload: Json, more: int, quotas: Sequence[Json], nodes: Sequence[Json], pods: Sequence[Json]) -> list[str]:
    """Returns a sentence for everything that keeps the workload from having `more` pods beside those that it has. The arguments are those of `room`; what is
    free on a node is known only of the pods that can be read, so that it may be less.
    """
    admitted = _as_admitted(workload, pods)
    needs, name = _needs(admitted or workload["spec"]["template"]), title(workload)
    found = []
    for quota in _applicable(quotas):
        for resource, left in quota_room(quota).items():
            wanted_more = needs.get(resource, Fraction(0)) * more
            if wanted_more > left:
                rest = f"{quantity.named(resource, max(left, Fraction(0)))} {resource} left"
                found.append(f"Quota {quota['metadata']['name']} has {rest}, {more} more pods of {name} need {quantity.named(resource, wanted_more)}.")
    if not nodes or found:
        return found
    asked = resources.total(admitted or workload["spec"]["template"])
    fitting = sum(fits(asked, there) for there in free_room(nodes, workload["spec"]["template"], pods).values())
    if fitting < more:
        found.append(f"The nodes have room for {fitting} more pods of {name} ({resources.words(asked)} each), not for {more}.")
    return found


def quota_room(quota: Json) -> Amounts:
    """Returns what is left of a quota, by resource as the quota names it (`requests.cpu`, `pods`); negative when it was lowered below what is used."""
    limits, used = status(quota).get("hard") or quota["spec"].get("hard") or {}, status(quota).get("used") or {}
    return {name: quantity.parse(limit) - quantity.parse(used.get(name, "0")) for name, limit in limits.items()}


def free_room(nodes: Sequence[Json], template: Json, pods: Sequence[Json]) -> dict[str, Amounts]:
    """Returns what is free on every node that would take a pod of this template: allocatable less the requests of the pods there, by the node's name."""
    taken: dict[str, Amounts] = {}
    for pod in pods:
        if (where := pod["spec"].get("nodeName")) and status(pod).get("phase") not in _FINISHED:
            taken[where] = resources.add(taken.get(where, {}), {**resources.total(pod), "pods": Fraction(1)})
    free = {}
    for node in nodes:
        if takes(node, template):
            there = taken.get(node["metadata"]["name"], {})
            free[node["metadata"]["name"]] = {name: quantity.parse(amount) - there.get(name, 0) for name, amount in status(node).get("allocatable", {}).items()}
    return free


def takes(node: Json, template: Json) -> bool:
    """Returns whether the scheduler would look at the node for such a pod: ready, not cordoned, its taints tolerated, its labels as `nodeSelector` asks."""
    ready = condition(node, "Ready")
    if ready is None or ready["status"] != "True" or node["spec"].get("unschedulable"):
        return False
    spec, labels = template["spec"], node["metadata"].get("labels") or {}
    tolerations = spec.get("tolerations") or []
    repelling = [taint for taint in node["spec"].get("taints") or [] if taint["effect"] != "PreferNoSchedule"]
    tolerated = all(any(_tolerates(one, taint) for one in tolerations) for taint in repelling)
    return tolerated and all(labels.get(key) == value for key, value in (spec.get("nodeSelector") or {}).items())


def fits(asked: Mapping[str, Fraction], there: Mapping[str, Fraction]) -> int:
    """Returns how many pods that ask so much fit at once into what is there; a resource that is not there at all has no room."""
    needs = {**asked, "pods": Fraction(1)}
    return min((max(int(there.get(name, Fraction(0)) // amount), 0) for name, amount in needs.items() if amount), default=0)


def _budget_problems(workload: Json, budgets: Sequence[Json]) -> list[str]:
    """Budgets hold back evictions, not rollouts; one that a rollout would break is named. Who chose Recreate, or a StatefulSet, chose to go below."""
    if workload["kind"] != "Deployment" or strategy(workload) != "RollingUpdate":
        return []
    labels = (workload["spec"]["template"].get("metadata") or {}).get("labels") or {}
    down, pods = unavailable(workload), wanted(workload)
    may = f"the rollout of {title(workload)} may take {down} of {pods} down (maxUnavailable)"
    found = []
    for budget in budgets:
        desired = int(status(budget).get("desiredHealthy", 0))
        if selects(budget["spec"].get("selector"), labels) and pods - down < desired <= pods:
            found.append(f"PodDisruptionBudget {budget['metadata']['name']} wants {desired} healthy pods, and {may}.")
    return found


def broken_budgets(workload: Json, pods: int, budgets: Sequence[Json]) -> list[str]:
    """Returns a sentence for every budget that wants as many healthy pods as the workload will have, or more: none of them may be
    evicted then, so that no node can be drained."""
    labels = (workload["spec"]["template"].get("metadata") or {}).get("labels") or {}
    found = []
    for budget in budgets:
        least = budget["spec"].get("minAvailable")  # a share of the pods, or a number that may be missing, is of whatever there is
        if isinstance(least, int) and pods <= least < wanted(workload) and selects(budget["spec"].get("selector"), labels):
            found.append(f"PodDisruptionBudget {budget['metadata']['name']} wants {least} healthy pods: with {pods} it lets no node be drained.")
    return found


def selects(selector: Json | None, labels: Mapping[str, str]) -> bool:
    """Returns whether a label selector (`matchLabels`, `matchExpressions`) selects these labels; an empty one selects all, none at all nothing."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_matches(one, labels) for one in selector.get("matchExpressions") or [])


def _matches(expression: Json, labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def _quota_problems(workload: Json, quotas: Sequence[Json], pods: Sequence[Json]) -> list[str]:
    admitted = _as_admitted(workload, pods)
    needs = _needs(admitted or workload["spec"]["template"])
    found = []
    for quota in _applicable(quotas):
        name, left = quota["metadata"]["name"], quota_room(quota)
        found += [text for resource in left if admitted and (text := _open(name, resource, admitted))]
        if _needs_room(workload):
            short = [resource for resource, amount in left.items() if needs.get(resource, 0) > amount]
            found += [_short(name, resource, needs[resource], left[resource], title(workload)) for resource in short]
    return found


def _needs(template: Json) -> Amounts:
    """What one pod takes of a quota, by resource as quotas name it."""
    return {
        "pods": Fraction(1),
        "count/pods": Fraction(1),
        **{f"requests.{name}": amount for name, amount in resources.total(template).items()},
        **{f"limits.{name}": amount for name, amount in resources.total(template, "limits").items()},
        **resources.total(template),
    }


def _applicable(quotas: Sequence[Json]) -> list[Json]:
    return [one for one in quotas if set(one["spec"].get("scopes") or []) <= {"NotTerminating", "NotBestEffort"} and not one["spec"].get("scopeSelector")]


def _needs_room(workload: Json) -> bool:
    """Whether the first new pod has to run beside all the old ones."""
    return surge(workload) > 0 and unavailable(workload) == 0


def _open(quota: str, resource: str, template: Json) -> str | None:
    """A quota on CPU or memory refuses pods that do not say how much they need."""
    which, _, name = resource.rpartition(".")
    kind: Literal["requests", "limits"] = "limits" if which == "limits" else "requests"
    if which not in ("", "requests", "limits") or name not in ("cpu", "memory"):
        return None
    left_open = resources.unspecified(template, kind, name)
    return f"Quota {quota} refuses pods without {kind}.{name}, which container {' and '.join(left_open)} does not set." if left_open else None


def _short(quota: str, resource: str, asked: Fraction, left: Fraction, name: str) -> str:
    amounts = f"{quantity.named(resource, max(left, Fraction(0)))} {resource} left, one more pod of {name} needs {quantity.named(resource, asked)}"
    return f"Quota {quota} has {amounts}, and the rollout may not end an old pod first (maxUnavailable 0)."


def _as_admitted(workload: Json, pods: Sequence[Json]) -> Json | None:
    """The template with the amounts that a LimitRange adds, as they show on a pod that runs already; None when there is none to look at."""
    template: Json = workload["spec"]["template"]
    labels = (template.get("metadata") or {}).get("labels") or {}
    selector = workload["spec"].get("selector")
    sibling = next((pod for pod in pods if labels and selects(selector, pod["metadata"].get("labels") or {})), None)
    if sibling is None or sibling["metadata"].get("namespace") != workload["metadata"].get("namespace"):
        return None
    running = {one["name"]: one.get("resources") or {} for one in sibling["spec"]["containers"]}

    def admitted(container: Json) -> Json:
        now, own = running.get(container["name"], {}), container.get("resources") or {}
        return {**container, "resources": {kind: {**(now.get(kind) or {}), **(own.get(kind) or {})} for kind in ("requests", "limits")}}

    return {**template, "spec": {**template["spec"], "containers": [admitted(one) for one in template["spec"]["containers"]]}}


def _node_problems(workload: Json, nodes: Sequence[Json], pods: Sequence[Json] | None) -> list[str]:
    if not nodes or not wanted(workload):
        return []
    template, name = workload["spec"]["template"], title(workload)
    asked = resources.total(template)
    empty = free_room(nodes, template, ())
    if not empty:
        return [f"No node (of {len(nodes)}) takes a pod of {name}: not ready, cordoned, tainted, or without the labels that nodeSelector asks for."]
    if not any(fits(asked, there) for there in empty.values()):
        largest = max(empty.values(), key=lambda there: (there.get("cpu", 0), there.get("memory", 0)))
        has = resources.words({name: largest[name] for name in asked if name in largest})
        return [f"A pod of {name} asks for {resources.words(asked)}; the largest of the {len(empty)} nodes that would take it has {has}."]
    if pods is None or not _needs_room(workload) or any(fits(asked, there) for there in free_room(nodes, template, pods).values()):
        return []
    return [f"No node has room for one more pod of {name} ({resources.words(asked)}), and the rollout may not end an old pod first (maxUnavailable 0)."]


def _tolerates(toleration: Json, taint: Json) -> bool:
    """The API's rule: an empty key with `Exists` tolerates everything, an empty effect every effect."""
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return bool(toleration.get("key") == taint["key"] and toleration.get("value", "") == taint.get("value", ""))
