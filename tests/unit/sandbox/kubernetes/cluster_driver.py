"""A cluster with a clock that stands still, and the few things that its tests do with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sandbox.clock import Clock
from sandbox.kubernetes import Cluster

Json = dict[str, Any]

START = datetime(2026, 5, 3, 3, 0, tzinfo=UTC)
NAMESPACE = "shop"
JSON_PATCH, MERGE_PATCH, STRATEGIC = "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"
IMAGE = "/spec/template/spec/containers/0/image"


class Driver:
    def __init__(self, seed: int = 0, nodes: int = 3) -> None:
        self.clock = Clock.manual(START)
        self.cluster = Cluster(self.clock, seed, nodes)
        self.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})

    def ask(self, method: str, path: str, body: object = None, kind: str = "application/json", **query: str) -> tuple[int, Any]:
        """Status and body. A path that does not begin with a slash is below the namespace: `apps/v1 deployments/web`."""
        if not path.startswith("/"):
            group, _, rest = path.partition(" ")
            path = f"/{'api' if group == 'v1' else 'apis'}/{group}/namespaces/{NAMESPACE}/{rest}"
        content = b"" if body is None else json.dumps(body).encode()
        answer = self.cluster.handle(method, path, query, {"Content-Type": kind}, content)
        is_json = answer.headers["content-type"] == "application/json"
        return answer.status, json.loads(answer.body) if is_json else answer.body.decode()

    def patch(self, path: str, patch: object, kind: str = JSON_PATCH) -> Json:
        status, answer = self.ask("PATCH", path, patch, kind)
        assert status == 200, answer
        patched: Json = answer
        return patched

    def deploy(self, name: str = "web", image: str = "shop/web:v1", *, replicas: int = 1, resources: Json | None = None, **spec: Any) -> None:
        self.cluster.apply(workload("Deployment", name, image, replicas=replicas, resources=resources, **spec))

    def set_image(self, image: str, name: str = "web", kind: str = "deployments") -> None:
        self.patch(f"apps/v1 {kind}/{name}", [{"op": "replace", "path": IMAGE, "value": image}])

    def passes(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.cluster.play()

    def until(self, holds: Callable[[], object], seconds: float = 60) -> None:
        for _ in range(int(seconds / 0.05)):
            if holds():
                return
            self.passes(0.05)
        raise AssertionError(f"not within {seconds} s")

    def get(self, kind: str, name: str) -> Json:
        found = self.cluster.get(kind, NAMESPACE, name)
        assert found is not None, f"no {kind} {name}"
        return found

    def status(self, name: str = "web", kind: str = "Deployment") -> Json:
        status: Json = self.get(kind, name)["status"]
        return status

    def complete(self, name: str = "web", kind: str = "Deployment") -> bool:
        found = self.get(kind, name)
        status, wanted = found["status"], found["spec"]["replicas"]
        counts = [status.get(field, 0) for field in ("updatedReplicas", "replicas", "availableReplicas")]
        return bool(counts == [wanted] * 3 and status.get("observedGeneration") == found["metadata"]["generation"])

    def pods(self, app: str = "web") -> list[Json]:
        return self.cluster.pods(NAMESPACE, f"app={app}")

    def reason(self, name: str = "web", kind: str = "Progressing") -> str:
        return str(next((entry["reason"] for entry in self.status(name).get("conditions", ()) if entry["type"] == kind), ""))

    def events(self, kind: str, reason: str = "") -> list[Json]:
        found = self.cluster.objects("Event", NAMESPACE)
        return [event for event in found if event["involvedObject"]["kind"] == kind and reason in ("", event["reason"])]


def workload(kind: str, name: str = "web", image: str = "shop/web:v1", *, replicas: int = 1, resources: Json | None = None, **spec: Any) -> Json:
    container: Json = {"name": "web", "image": image} | ({"resources": resources} if resources else {})
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    counted = {} if kind == "DaemonSet" else {"replicas": replicas}
    whole = {**counted, "selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": whole}
