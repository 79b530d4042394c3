"""Which rights on Kubernetes the commands need. The Role in deploy/managed-namespace and the ClusterRole in deploy/nodes grant exactly these."""

from collections.abc import Iterator
from dataclasses import dataclass

from bot.core.config import Config

ROLLOUT = "deploys: how a rollout goes cannot be seen"


@dataclass(frozen=True)
class Need:
    """A verb on a resource of an API group. `kind`: only where services of that kind are configured; `changes`: only where one of them is deployed.

    `procedures`: only where aiec.yaml names commands. `optional`: without it something is left out, and nothing fails. `clusterwide`: not of a namespace.
    """

    verb: str
    group: str
    resource: str
    breaks: str
    subresource: str = ""
    kind: str = ""
    changes: bool = False
    optional: bool = False
    procedures: bool = False
    clusterwide: bool = False

    @property
    def what(self) -> str:
        """Returns it as kubectl says it: `get pods/log`, `patch deployments.apps`."""
        resource = self.resource + (f".{self.group}" if self.group else "") + (f"/{self.subresource}" if self.subresource else "")
        return f"{self.verb} {resource}"


def _workloads(kind: str, plural: str, *, watched: bool) -> Iterator[Need]:
    yield Need("get", "apps", plural, "deploy, history", kind=kind)
    # A watch covers the kinds that it covers whether there are services of them or not.
    yield Need("list", "apps", plural, "status" if not watched else "status, and seeing changes at once", kind="" if watched else kind)
    if watched:
        yield Need("watch", "apps", plural, "changes are seen late")
    yield Need("patch", "apps", plural, "deploy, rollback, restart, and undoing them", kind=kind, changes=True)


NEEDS = (
    *_workloads("Deployment", "deployments", watched=True),
    *_workloads("StatefulSet", "statefulsets", watched=True),
    *_workloads("DaemonSet", "daemonsets", watched=False),
    Need("patch", "apps", "deployments", "scale", subresource="scale", kind="Deployment"),
    Need("patch", "apps", "statefulsets", "scale of StatefulSets", subresource="scale", kind="StatefulSet"),
    Need("list", "apps", "replicasets", "deploy, history, rollback", kind="Deployment"),
    Need("list", "apps", "controllerrevisions", "deploy, history, rollback of StatefulSets and DaemonSets", kind="StatefulSet DaemonSet"),
    Need("list", "", "pods", ROLLOUT),
    Need("watch", "", "pods", "changes are seen late"),
    Need("delete", "", "pods", "putting a StatefulSet back: the message then names the pod to delete", kind="StatefulSet", changes=True, optional=True),
    Need("get", "", "pods", "logs; the cause of a crash is told without its log", subresource="log"),
    Need("list", "", "events", ROLLOUT),
    Need("list", "", "resourcequotas", "deploy: whether there is room cannot be checked"),
    Need("list", "policy", "poddisruptionbudgets", "deploy: whether there is room cannot be checked"),
    Need("list", "autoscaling", "horizontalpodautoscalers", "deploy, scale: autoscalers cannot be seen"),
    Need("get", "autoscaling", "horizontalpodautoscalers", "scale --bounds"),
    Need("patch", "autoscaling", "horizontalpodautoscalers", "scale --bounds"),
    Need("list", "", "services", "endpoints, ingress, diagnose"),
    Need("list", "discovery.k8s.io", "endpointslices", "endpoints, ingress, diagnose"),
    Need("list", "networking.k8s.io", "ingresses", "ingress"),
    Need("get", "networking.k8s.io", "networkpolicies", "isolate, unisolate"),
    Need("list", "networking.k8s.io", "networkpolicies", "isolate, unisolate"),
    Need("create", "networking.k8s.io", "networkpolicies", "isolate"),
    Need("delete", "networking.k8s.io", "networkpolicies", "unisolate"),
    Need("list", "metrics.k8s.io", "pods", "top"),
    Need("create", "", "pods", "run, rotate, database switch", subresource="exec", procedures=True),
    Need("get", "", "pods", "run, rotate, database switch", subresource="exec", procedures=True),
    Need("list", "metrics.k8s.io", "nodes", "top shows the pods alone", optional=True, clusterwide=True),
    Need("list", "", "nodes", "whether the nodes have room is not checked before a deploy", optional=True, clusterwide=True),
)


def needed(config: Config) -> list[Need]:
    """Returns what this configuration needs of each namespace."""
    kinds = {service.kind for service in config.services.values()}
    changed = {service.kind for service in config.services.values() if service.deployable}
    asked = [need for need in NEEDS if config.procedures or not need.procedures]
    return [need for need in asked if not need.kind or {*need.kind.split()} & (changed if need.changes else kinds)]
