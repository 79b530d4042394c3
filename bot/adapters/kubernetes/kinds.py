"""Which group, version and resource each kind is, as the API's paths need it."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True)
class Resource:
    """`group` is empty for the core API; `plural` is the resource's name in paths and in RBAC rules."""

    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        """The path of the API that serves it."""
        return f"/apis/{quote(self.api_version)}" if self.group else f"/api/{quote(self.version)}"

    def path(self, namespace: str, name: str = "", subresource: str = "") -> str:
        """Returns the path of the collection, of one object in it, or of an object's subresource."""
        scope = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced else ""
        return self.root + scope + "".join(f"/{quote(part, safe='')}" for part in (self.plural, name, subresource) if part)


KINDS = {
    "ConfigMap": Resource("", "v1", "configmaps"),
    "ControllerRevision": Resource("apps", "v1", "controllerrevisions"),
    "DaemonSet": Resource("apps", "v1", "daemonsets"),
    "Deployment": Resource("apps", "v1", "deployments"),
    "EndpointSlice": Resource("discovery.k8s.io", "v1", "endpointslices"),
    "Event": Resource("", "v1", "events"),
    "HorizontalPodAutoscaler": Resource("autoscaling", "v2", "horizontalpodautoscalers"),
    "Ingress": Resource("networking.k8s.io", "v1", "ingresses"),
    "Namespace": Resource("", "v1", "namespaces", namespaced=False),
    "NetworkPolicy": Resource("networking.k8s.io", "v1", "networkpolicies"),
    "Node": Resource("", "v1", "nodes", namespaced=False),
    "NodeMetrics": Resource("metrics.k8s.io", "v1beta1", "nodes", namespaced=False),
    "Pod": Resource("", "v1", "pods"),
    "PodDisruptionBudget": Resource("policy", "v1", "poddisruptionbudgets"),
    "PodMetrics": Resource("metrics.k8s.io", "v1beta1", "pods"),
    "ReplicaSet": Resource("apps", "v1", "replicasets"),
    "ResourceQuota": Resource("", "v1", "resourcequotas"),
    "SelfSubjectAccessReview": Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", namespaced=False),
    "Service": Resource("", "v1", "services"),
    "StatefulSet": Resource("apps", "v1", "statefulsets"),
}


CLUSTERWIDE = frozenset((one.group, one.plural) for one in KINDS.values() if not one.namespaced)
"""Group and resource of what belongs to no namespace, as far as it is known here."""


def parted(kind: str) -> tuple[str, str]:
    """Returns the API version and the name of a kind: `apps/v1/Deployment` has both, `Deployment` only its name."""
    api_version, _, name = kind.rpartition("/")
    return api_version, name
