"""What happens to an object between its validation and its being stored: the admission plugins that matter here."""

from __future__ import annotations

import random

from sandbox.kubernetes import quota
from sandbox.kubernetes.errors import ApiError, Cause, forbidden, not_found
from sandbox.kubernetes.objects import Object, is_terminating, random_name
from sandbox.kubernetes.resources import NAMESPACES, PODS, SERVICE_ACCOUNTS, SERVICES, Resource
from sandbox.kubernetes.store import Store

_TOLERATED_SECONDS = 300
_TOKEN_MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"  # a path, not a secret


def admit(store: Store, rng: random.Random, resource: Resource, obj: Object, *, dry_run: bool) -> None:
    """Completes `obj` in place. Raises ApiError: 404 for an unknown namespace, 403 for a terminating one, a missing account or a full quota."""
    if resource.namespaced:
        _check_namespace(store, resource, obj)
    if resource is PODS:
        _complete_pod(store, rng, obj)
    elif resource is SERVICES:
        _assign_addresses(store, obj)
    quota.admit(store, resource, obj, dry_run=dry_run)


def _check_namespace(store: Store, resource: Resource, obj: Object) -> None:
    name = obj["metadata"]["namespace"]
    namespace = store.get(NAMESPACES, "", name)
    if namespace is None:
        raise not_found(NAMESPACES, name)
    if is_terminating(namespace):
        refusal = forbidden(resource, obj["metadata"]["name"], f"unable to create new content in namespace {name} because it is being terminated")
        cause = Cause("NamespaceTerminating", "metadata.namespace", f"namespace {name} is being terminated")
        details = {**(refusal.details or {}), "causes": [{"reason": cause.reason, "message": cause.message, "field": cause.field}]}
        raise ApiError(refusal.code, refusal.reason, refusal.message, details)


def _complete_pod(store: Store, rng: random.Random, pod: Object) -> None:
    """ServiceAccount, DefaultTolerationSeconds and Priority."""
    spec, meta = pod["spec"], pod["metadata"]
    account = spec.setdefault("serviceAccountName", "default")
    spec["serviceAccount"] = account
    if store.get(SERVICE_ACCOUNTS, meta["namespace"], account) is None:
        looked_up = f'error looking up service account {meta["namespace"]}/{account}: serviceaccount "{account}" not found'
        raise forbidden(PODS, meta["name"], looked_up)
    if spec.get("automountServiceAccountToken", True):
        _mount_token(spec, f"kube-api-access-{random_name(rng)}")
    tolerations = spec.setdefault("tolerations", [])
    for taint in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"):
        if not any(toleration.get("key") == taint for toleration in tolerations):
            tolerations.append({"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _TOLERATED_SECONDS})
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")


def _mount_token(spec: Object, volume: str) -> None:
    containers = [*spec.get("containers", ()), *spec.get("initContainers", ())]
    bare = [container for container in containers if all(mount["mountPath"] != _TOKEN_MOUNT for mount in container.get("volumeMounts", ()))]
    for container in bare:
        container.setdefault("volumeMounts", []).append({"name": volume, "readOnly": True, "mountPath": _TOKEN_MOUNT})
    if bare:
        sources = [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
        ]
        spec.setdefault("volumes", []).append({"name": volume, "projected": {"sources": sources, "defaultMode": 420}})


def _assign_addresses(store: Store, service: Object) -> None:
    spec = service["spec"]
    if spec["type"] == "ExternalName":
        return
    services = store.all(SERVICES)
    if not spec.get("clusterIP"):
        taken = {other["spec"].get("clusterIP") for other in services}
        spec["clusterIP"] = next(ip for ip in (f"10.96.{n >> 8}.{n & 255}" for n in range(1, 1 << 16)) if ip not in taken)
    spec.setdefault("clusterIPs", [spec["clusterIP"]])
    if spec["type"] in ("LoadBalancer", "NodePort"):
        used = {port.get("nodePort") for other in services for port in other["spec"].get("ports", ())}
        for port in spec.get("ports", ()):
            if "nodePort" not in port:
                port["nodePort"] = next(number for number in range(30000, 32768) if number not in used)
                used.add(port["nodePort"])
