"""The nodes and namespaces that a cluster has from its beginning."""

from __future__ import annotations

from sandbox.kubernetes.controllers.garbage import furnish
from sandbox.kubernetes.core import Core
from sandbox.kubernetes.objects import Object, micro_timestamp, timestamp
from sandbox.kubernetes.resources import LEASES, NAMESPACES, NODES, SERVICES

CAPACITY = {"cpu": "8", "memory": "32Gi", "pods": "110"}
_CONDITIONS = (
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("NetworkUnavailable", "False", "RouteCreated", "RouteController created a route"),
)


def furnish_cluster(core: Core, nodes: int) -> None:
    for name in ("default", "kube-node-lease", "kube-public", "kube-system"):
        core.registry.create(NAMESPACES, "", {"metadata": {"name": name}})
        furnish(core, name)
    ports = [{"name": "https", "port": 443, "targetPort": 6443}]
    core.registry.create(SERVICES, "default", {"metadata": {"name": "kubernetes"}, "spec": {"clusterIP": "10.96.0.1", "ports": ports}})
    for number in range(1, nodes + 1):
        node = core.registry.create(NODES, "", _node(core, number))
        lease = {"holderIdentity": node["metadata"]["name"], "leaseDurationSeconds": 40, "renewTime": micro_timestamp(core.now)}
        core.registry.create(LEASES, "kube-node-lease", {"metadata": {"name": node["metadata"]["name"]}, "spec": lease})


def _node(core: Core, number: int) -> Object:
    name, now = f"node-{number}", timestamp(core.now)
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    conditions = [
        {"type": kind, "status": status, "lastHeartbeatTime": now, "lastTransitionTime": now, "reason": reason, "message": message}
        for kind, status, reason, message in _CONDITIONS
    ]
    info = dict.fromkeys(("bootID", "kernelVersion", "kubeProxyVersion", "machineID", "osImage", "systemUUID"), "")
    info |= {"architecture": "amd64", "operatingSystem": "linux", "kubeletVersion": "v1.36.3", "containerRuntimeVersion": "containerd://2.1.0"}
    return {
        "metadata": {"name": name, "labels": labels},
        "spec": {"podCIDR": f"10.{number}.0.0/16", "podCIDRs": [f"10.{number}.0.0/16"]},
        "status": {
            "capacity": CAPACITY,
            "allocatable": CAPACITY,
            "phase": "Running",
            "conditions": conditions,
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": "localhost"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": info,
        },
    }
