"""The resources that the API serves, as data: what discovery says of each, and where it is kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of one group and version. `key` names it as errors do: `deployments.apps`, `pods`."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def qualified_kind(self) -> str:
        """The kind as validation errors name it: `Deployment.apps`, `Pod`."""
        return f"{self.kind}.{self.group}" if self.group else self.kind


_ALL = ("all",)
_SCALED = ("scale", "status")
_STATUS = ("status",)

RESOURCES: tuple[Resource, ...] = (
    Resource("", "v1", "configmaps", "ConfigMap", short=("cm",)),
    Resource("", "v1", "endpoints", "Endpoints", short=("ep",)),
    Resource("", "v1", "events", "Event", short=("ev",)),
    Resource("", "v1", "limitranges", "LimitRange", short=("limits",)),
    Resource("", "v1", "namespaces", "Namespace", namespaced=False, short=("ns",), subresources=_STATUS),
    Resource("", "v1", "nodes", "Node", namespaced=False, short=("no",), subresources=_STATUS),
    Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", short=("pvc",), subresources=_STATUS),
    Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False, short=("pv",), subresources=_STATUS),
    Resource("", "v1", "pods", "Pod", short=("po",), subresources=("eviction", "exec", "log", "status"), categories=_ALL),
    Resource("", "v1", "resourcequotas", "ResourceQuota", short=("quota",), subresources=_STATUS),
    Resource("", "v1", "secrets", "Secret"),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", short=("sa",)),
    Resource("", "v1", "services", "Service", short=("svc",), subresources=_STATUS, categories=_ALL),
    Resource("apps", "v1", "controllerrevisions", "ControllerRevision"),
    Resource("apps", "v1", "daemonsets", "DaemonSet", short=("ds",), subresources=_STATUS, categories=_ALL),
    Resource("apps", "v1", "deployments", "Deployment", short=("deploy",), subresources=_SCALED, categories=_ALL),
    Resource("apps", "v1", "replicasets", "ReplicaSet", short=("rs",), subresources=_SCALED, categories=_ALL),
    Resource("apps", "v1", "statefulsets", "StatefulSet", short=("sts",), subresources=_SCALED, categories=_ALL),
    Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", short=("hpa",), subresources=_STATUS, categories=_ALL),
    Resource("batch", "v1", "cronjobs", "CronJob", short=("cj",), subresources=_STATUS, categories=_ALL),
    Resource("batch", "v1", "jobs", "Job", subresources=_STATUS, categories=_ALL),
    Resource("coordination.k8s.io", "v1", "leases", "Lease"),
    Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
    Resource("networking.k8s.io", "v1", "ingresses", "Ingress", short=("ing",), subresources=_STATUS),
    Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", short=("netpol",)),
    Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", short=("pdb",), subresources=_STATUS),
    Resource("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    Resource("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", namespaced=False),
    Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"),
    Resource("rbac.authorization.k8s.io", "v1", "roles", "Role"),
    Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False, short=("sc",)),
)

BY_PATH = {(r.api_version, r.plural): r for r in RESOURCES}
BY_KIND = {(r.api_version, r.kind): r for r in RESOURCES}
BY_NAME = {r.plural: r for r in RESOURCES} | {r.kind: r for r in RESOURCES}

PODS = BY_NAME["pods"]
NODES = BY_NAME["nodes"]
EVENTS = BY_NAME["events"]
NAMESPACES = BY_NAME["namespaces"]
SERVICES = BY_NAME["services"]
ENDPOINTS = BY_NAME["endpoints"]
ENDPOINT_SLICES = BY_NAME["endpointslices"]
CONFIG_MAPS = BY_NAME["configmaps"]
SERVICE_ACCOUNTS = BY_NAME["serviceaccounts"]
QUOTAS = BY_NAME["resourcequotas"]
LEASES = BY_NAME["leases"]
DEPLOYMENTS = BY_NAME["deployments"]
REPLICA_SETS = BY_NAME["replicasets"]
STATEFUL_SETS = BY_NAME["statefulsets"]
DAEMON_SETS = BY_NAME["daemonsets"]
CONTROLLER_REVISIONS = BY_NAME["controllerrevisions"]
AUTOSCALERS = BY_NAME["horizontalpodautoscalers"]
DISRUPTION_BUDGETS = BY_NAME["poddisruptionbudgets"]
CLAIMS = BY_NAME["persistentvolumeclaims"]
JOBS = BY_NAME["jobs"]
