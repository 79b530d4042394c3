"""The same raw HTTP requests on the sandbox's Kubernetes and on a real API server, which have to give the same answers.

What refusals say is written here. How workloads end, for every fate, stands in `kubernetes_endings.json`, as it was seen on a real control plane with
RECORD_KUBERNETES=1 and TEST_KUBECONFIG. Left out are times, uids, versions, addresses, random parts of names, and what the nodes of a control plane
without kubelets cannot know: their events, and the message that they leave on a condition that has become true.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from sandbox.clock import Clock
from sandbox.kubernetes import Cluster, asgi

Json = dict[str, Any]

ENDINGS = Path(__file__).parent / "kubernetes_endings.json"
JSON_PATCH, MERGE_PATCH, STRATEGIC = "application/json-patch+json", "application/merge-patch+json", "application/strategic-merge-patch+json"
APPS, CORE = "/apis/apps/v1", "/api/v1"


@dataclass
class Place:
    """A namespace of a cluster, raw."""

    client: httpx.AsyncClient
    namespace: str
    passes: Callable[[float], Awaitable[None]]

    async def ask(self, method: str, path: str, body: object = None, kind: str = "application/json") -> tuple[int, Any]:
        """`{}` in the path is the namespace. A text body is sent as it is."""
        content = body if isinstance(body, str) else json.dumps(body)
        headers = {"Content-Type": kind} if body is not None else {}
        answer = await self.client.request(method, path.replace("{}", self.namespace), content=content if body is not None else None, headers=headers)
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        return answer.status_code, answer.json() if is_json and "watch=" not in path else answer.text

    async def create(self, group: str, plural: str, obj: Json) -> Json:
        status, answer = await self.ask("POST", f"{group}/namespaces/{{}}/{plural}", obj)
        assert status == 201, answer
        created: Json = answer
        return created

    async def get(self, group: str, plural: str, name: str = "") -> Json:
        status, answer = await self.ask("GET", f"{group}/namespaces/{{}}/{plural}/{name}".rstrip("/"))
        assert status == 200, answer
        found: Json = answer
        return found

    async def patch(self, group: str, plural: str, name: str, patch: object, kind: str = JSON_PATCH) -> None:
        status, answer = await self.ask("PATCH", f"{group}/namespaces/{{}}/{plural}/{name}", patch, kind)
        assert status == 200, answer

    async def until(self, holds: Callable[[], Awaitable[bool]], seconds: float = 40) -> None:
        for _ in range(int(seconds / 0.1)):
            if await holds():
                return
            await self.passes(0.1)
        raise AssertionError(f"not within {seconds} s")


async def sandboxed() -> AsyncIterator[Place]:
    clock = Clock.manual(datetime(2026, 11, 1, 3, 12, tzinfo=UTC))
    cluster = Cluster(clock)

    async def passes(seconds: float) -> None:
        clock.advance(seconds)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi(cluster)), base_url="http://sandbox") as client:
        yield await opened(client, passes)


async def real(config: Json) -> AsyncIterator[Place]:
    server, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cafile=server["certificate-authority"])
    context.load_cert_chain(user["client-certificate"], user["client-key"])
    async with httpx.AsyncClient(verify=context, base_url=server["server"], timeout=20) as client:
        place = await opened(client, asyncio.sleep)
        yield place
        await place.ask("DELETE", f"{CORE}/namespaces/{{}}")


def configured(path: str) -> Json:
    config: Json = yaml.safe_load(Path(path).read_text())
    return config


async def opened(client: httpx.AsyncClient, passes: Callable[[float], Awaitable[None]]) -> Place:
    place = Place(client, f"same-{uuid.uuid4().hex[:8]}", passes)
    status, answer = await place.ask("POST", f"{CORE}/namespaces", {"metadata": {"name": place.namespace}})
    assert status == 201, answer

    async def has_account() -> bool:
        return (await place.ask("GET", f"{CORE}/namespaces/{{}}/serviceaccounts/default"))[0] == 200

    await place.until(has_account)
    return place


@pytest.fixture(params=["sandbox", "cluster"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    path = os.environ.get("TEST_KUBECONFIG")
    if request.param == "cluster" and not path:
        pytest.skip("TEST_KUBECONFIG names no cluster")
    async for found in sandboxed() if request.param == "sandbox" else real(configured(str(path))):
        yield found


def deployment(name: str, image: str = "shop/web:v1", *, replicas: int = 1, **spec: Any) -> Json:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "web", "image": image}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template, **spec}
    return {"metadata": {"name": name, "annotations": {"kubernetes.io/change-cause": "first"}}, "spec": spec}


# ---- refusals

OK, ANY = "", "*"
REFUSED = "the server rejected our request due to an error in our request"
NOT_SERVED = "the server could not find the requested resource"
MODIFIED = (
    'Operation cannot be fulfilled on deployments.apps "web": the object has been modified; please apply your changes to the latest version and try again'
)
WEB = f"{APPS}/namespaces/{{}}/deployments/web"
DEPLOYMENTS = f"{APPS}/namespaces/{{}}/deployments"

CASES: list[tuple[str, str, object, str, int, str, str]] = [
    # method, path, body, content type, status, reason, message
    ("PATCH", WEB, [{"op": "test", "path": "/spec/replicas", "value": 5}], JSON_PATCH, 422, "Invalid", REFUSED),
    ("PATCH", WEB, [{"op": "test", "path": "/spec/replicas", "value": None}], JSON_PATCH, 422, "Invalid", REFUSED),
    ("PATCH", WEB, [{"op": "test", "path": "/spec/nope", "value": 5}], JSON_PATCH, 422, "Invalid", REFUSED),
    ("PATCH", WEB, [{"op": "test", "path": "/spec/nope", "value": None}], JSON_PATCH, 200, "", OK),
    ("PATCH", WEB, [{"op": "test", "path": "/spec/nope"}], JSON_PATCH, 200, "", OK),
    ("PATCH", WEB, [{"op": "test", "path": "/spec/nope/deeper", "value": None}], JSON_PATCH, 422, "Invalid", REFUSED),
    ("PATCH", WEB, [{"op": "test", "path": "/spec/template/spec/containers/3", "value": None}], JSON_PATCH, 422, "Invalid", REFUSED),
    ("PATCH", WEB, [{"op": "test", "path": "/spec/template/spec/containers/3/image", "value": None}], JSON_PATCH, 422, "Invalid", REFUSED),
    ("PATCH", WEB, [{"op": "test", "path": "/metadata/annotations/kubernetes.io~1change-cause", "value": "first"}], JSON_PATCH, 200, "", OK),
    ("PATCH", WEB, [{"op": "test", "path": "/metadata/annotations/a", "value": None}, {"op": "add", "path": "/metadata/annotations/a", "value": "b"}],
     JSON_PATCH, 200, "", OK),
    ("PATCH", WEB, [{"op": "test", "path": "/metadata/labels/a", "value": None}], JSON_PATCH, 422, "Invalid", REFUSED),
    ("PATCH", WEB, [{"op": "replace", "path": "/metadata/annotations/new", "value": "b"}], JSON_PATCH, 200, "", OK),
    ("PATCH", WEB, [{"op": "remove", "path": "/metadata/annotations/nope"}], JSON_PATCH, 422, "Invalid", REFUSED),
    ("PATCH", WEB, [{"op": "add", "path": "/metadata/nope/a", "value": "b"}], JSON_PATCH, 422, "Invalid", REFUSED),
    ("PATCH", WEB, [{"op": "add", "path": "/spec/template/spec/containers/7", "value": {}}], JSON_PATCH, 422, "Invalid", REFUSED),
    ("PATCH", WEB, [{"op": "bogus", "path": "/spec/replicas"}], JSON_PATCH, 422, "Invalid", REFUSED),
    ("PATCH", WEB, [], JSON_PATCH, 200, "", OK),
    ("PATCH", WEB, {"a": 1}, JSON_PATCH, 400, "BadRequest", "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
    ("PATCH", WEB, [1], MERGE_PATCH, 400, "BadRequest", "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"),
    ("PATCH", WEB, [1], STRATEGIC, 400, "BadRequest", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
    ("PATCH", WEB, '{"spec":', MERGE_PATCH, 400, "BadRequest", "error decoding patch: unexpected end of JSON input"),
    ("PATCH", WEB, {"spec": {}}, "application/json", 415, "UnsupportedMediaType", "415: Unsupported Media Type"),
    ("PATCH", WEB, [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": ""}], JSON_PATCH, 422, "Invalid",
     'Deployment.apps "web" is invalid: spec.template.spec.containers[0].image: Required value'),
    ("PATCH", WEB, [{"op": "replace", "path": "/spec/replicas", "value": -1}], JSON_PATCH, 422, "Invalid",
     'Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0'),
    ("PATCH", WEB, [{"op": "replace", "path": "/spec/selector/matchLabels/app", "value": "x"}], JSON_PATCH, 422, "Invalid",
     'Deployment.apps "web" is invalid: [spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`, '
     'spec.selector: Invalid value: {"matchLabels":{"app":"x"}}: field is immutable]'),
    ("PATCH", WEB, [{"op": "replace", "path": "/metadata/name", "value": "other"}], JSON_PATCH, 400, "BadRequest",
     "the name of the object (other) does not match the name on the URL (web)"),
    ("PATCH", WEB, [{"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}], JSON_PATCH, 409, "Conflict", MODIFIED),
    ("PATCH", WEB, {"metadata": {"resourceVersion": "1"}}, MERGE_PATCH, 409, "Conflict", MODIFIED),
    ("PATCH", WEB, {"metadata": {"uid": "x"}}, MERGE_PATCH, 422, "Invalid",
     'Deployment.apps "web" is invalid: metadata.uid: Invalid value: "x": field is immutable'),
    ("PATCH", WEB, {"spec": {"replicas": "x"}}, STRATEGIC, 422, "Invalid",
     ' "" is invalid: patch: Invalid value: "map[spec:map[replicas:x]]": unrecognized type: int32'),
    ("PATCH", WEB, {"metadata": {"annotations": {"a": 1}}}, STRATEGIC, 422, "Invalid",
     ' "" is invalid: patch: Invalid value: "map[metadata:map[annotations:map[a:1]]]": cannot convert int64 to string'),
    ("PATCH", WEB, '{"spec":', STRATEGIC, 400, "BadRequest", "unexpected end of JSON input"),
    ("PATCH", f"{WEB}?dryRun=bad", {}, MERGE_PATCH, 422, "Invalid",
     'PatchOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["bad"]: supported values: "All"'),
    ("PATCH", f"{WEB}?dryRun=All", {"spec": {"replicas": 9}}, MERGE_PATCH, 200, "", OK),
    ("PATCH", f"{DEPLOYMENTS}/nope", [], JSON_PATCH, 404, "NotFound", 'deployments.apps "nope" not found'),
    ("PATCH", f"{WEB}/scale", [{"op": "test", "path": "/spec/replicas", "value": 5}], JSON_PATCH, 422, "Invalid", REFUSED),
    ("PATCH", f"{WEB}/scale", [{"op": "test", "path": "/spec/replicas", "value": 1}], JSON_PATCH, 200, "", OK),
    ("PATCH", f"{WEB}/scale", {"spec": {"replicas": -2}}, MERGE_PATCH, 422, "Invalid",
     'Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -2: must be greater than or equal to 0'),
    ("PUT", f"{WEB}/scale", {"metadata": {"name": "web", "resourceVersion": "1"}, "spec": {"replicas": 1}}, "application/json", 409, "Conflict", MODIFIED),
    ("PUT", f"{DEPLOYMENTS}/nope", deployment("nope"), "application/json", 404, "NotFound", 'deployments.apps "nope" not found'),
    ("PUT", WEB, deployment("other"), "application/json", 400, "BadRequest", "the name of the object (other) does not match the name on the URL (web)"),
    ("POST", DEPLOYMENTS, deployment("web"), "application/json", 409, "AlreadyExists", 'deployments.apps "web" already exists'),
    ("POST", f"{APPS}/namespaces/nope/deployments", deployment("web"), "application/json", 404, "NotFound", 'namespaces "nope" not found'),
    ("POST", DEPLOYMENTS, {"kind": "Pod", "apiVersion": "apps/v1", "metadata": {"name": "x"}}, "application/json", 400, "BadRequest",
     'Pod in version "v1" cannot be handled as a Deployment: no kind "Pod" is registered for version "apps/v1" in scheme "pkg/runtime/scheme.go:111"'),
    ("POST", DEPLOYMENTS, {"metadata": {"name": "x", "namespace": "default"}, "spec": {}}, "application/json", 400, "BadRequest",
     "the namespace of the provided object does not match the namespace sent on the request"),
    ("POST", DEPLOYMENTS, '{"a', "application/json", 400, "BadRequest",
     "the object provided is unrecognized (must be of type Deployment): couldn't get version/kind; json parse error: unexpected end of JSON input ({\"a)"),
    ("POST", DEPLOYMENTS, {"metadata": {"name": "x"}, "spec": {"replicas": "2"}}, "application/json", 400, "BadRequest",
     'Deployment in version "v1" cannot be handled as a Deployment: '
     "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"),
    ("POST", DEPLOYMENTS, {}, "application/json", 422, "Invalid",
     'Deployment.apps "" is invalid: [metadata.name: Required value: name or generateName is required, spec.selector: Required value, '
     "spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`, spec.template.spec.containers: Required value]"),
    ("POST", DEPLOYMENTS, deployment("x", strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}), "application/json",
     422, "Invalid", 'Deployment.apps "x" is invalid: spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0'),
    ("POST", DEPLOYMENTS, deployment("x", strategy={"type": "Sideways"}), "application/json", 422, "Invalid",
     'Deployment.apps "x" is invalid: spec.strategy: Unsupported value: {"Type":"Sideways","RollingUpdate":null}: '
     'supported values: "Recreate", "RollingUpdate"'),
    ("POST", DEPLOYMENTS, deployment("x", progressDeadlineSeconds=5, minReadySeconds=9), "application/json", 422, "Invalid",
     'Deployment.apps "x" is invalid: spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds'),
    ("POST", DEPLOYMENTS, {}, "application/xml", 415, "UnsupportedMediaType",
     "the body of the request was in an unknown format - accepted media types include: "
     "application/json, application/yaml, application/vnd.kubernetes.protobuf"),
    ("POST", WEB, {}, "application/json", 405, "MethodNotAllowed", "the server does not allow this method on the requested resource"),
    ("PATCH", DEPLOYMENTS, {}, MERGE_PATCH, 405, "MethodNotAllowed", "the server does not allow this method on the requested resource"),
    ("DELETE", f"{DEPLOYMENTS}/nope", None, "", 404, "NotFound", 'deployments.apps "nope" not found'),
    ("DELETE", f"{WEB}?propagationPolicy=Bogus", None, "", 422, "Invalid",
     'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Bogus": '
     'supported values: "Foreground", "Background", "Orphan", "nil"'),
    ("DELETE", WEB, {"preconditions": {"resourceVersion": "1"}, "dryRun": ["All"]}, "application/json", 409, "Conflict", ANY),
    ("GET", f"{WEB}/nosub", None, "", 404, "NotFound", NOT_SERVED),
    ("GET", f"{CORE}/namespaces/{{}}/things", None, "", 404, "NotFound", NOT_SERVED),
    ("GET", f"{CORE}/namespaces/{{}}/pods/none", None, "", 404, "NotFound", 'pods "none" not found'),
    ("GET", f"{CORE}/namespaces/{{}}/pods/none/log", None, "", 404, "NotFound", 'pods "none" not found'),
    ("GET", f"{CORE}/namespaces/nope/pods", None, "", 200, "", OK),
    ("GET", f"{CORE}/pods?fieldSelector=foo.bar%3Dx", None, "", 400, "BadRequest", "field label not supported: foo.bar"),
    ("GET", f"{APPS}/deployments?fieldSelector=status.replicas%3D1", None, "", 400, "BadRequest",
     '"status.replicas" is not a known field selector: only "metadata.name", "metadata.namespace"'),
    ("GET", f"{CORE}/pods?fieldSelector=zzz", None, "", 400, "BadRequest", "invalid selector: 'zzz'; can't understand 'zzz'"),
    ("GET", f"{CORE}/pods?labelSelector=a%3D%3D%3Db", None, "", 400, "BadRequest", "unable to parse requirement: found '=', expected: identifier"),
    ("GET", f"{CORE}/pods?resourceVersion=abc", None, "", 400, "BadRequest",
     'invalid resource version: resourceVersion: Invalid value: "abc": strconv.ParseUint: parsing "abc": invalid syntax'),
    ("GET", f"{CORE}/pods?limit=2&continue=abc", None, "", 400, "BadRequest", ANY),
    ("POST", f"{CORE}/namespaces/{{}}/configmaps", {"metadata": {"name": "Bad_Name"}}, "application/json", 422, "Invalid",
     'ConfigMap "Bad_Name" is invalid: metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric '
     "characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
     "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"),
    ("POST", f"{DEPLOYMENTS}?fieldValidation=bad", {}, "application/json", 422, "Invalid",
     'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "bad": supported values: "", "Ignore", "Strict", "Warn"'),
    ("POST", f"{DEPLOYMENTS}?fieldValidation=Strict",
     {"metadata": {"name": "x", "no": 1}, "spec": {"no": 1, "template": {"spec": {"no": 1, "containers": [{"no": 1, "resources": {"no": 1}}]}}}},
     "application/json", 400, "BadRequest",
     'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "metadata.no", unknown field "spec.no", '
     'unknown field "spec.template.spec.no", unknown field "spec.template.spec.containers[0].no", '
     'unknown field "spec.template.spec.containers[0].resources.no"'),
    ("PATCH", f"{WEB}?fieldValidation=Strict", {"spec": {"no": 1}}, STRATEGIC, 422, "Invalid",
     ' "" is invalid: patch: Invalid value: "map[spec:map[no:1]]": strict decoding error: unknown field "spec.no"'),
    ("POST", DEPLOYMENTS, [], "application/json", 400, "BadRequest", ANY),
    *(("POST", DEPLOYMENTS, {"metadata": {"name": "x"}, **obj}, "application/json", 400, "BadRequest",
       f'Deployment in version "v1" cannot be handled as a Deployment: {message}')
      for obj, message in (
          ({"spec": "s"}, "json: cannot unmarshal string into Go struct field Deployment.spec of type v1.DeploymentSpec"),
          ({"spec": {"paused": 1}}, "json: cannot unmarshal number into Go struct field DeploymentSpec.spec.paused of type bool"),
          ({"spec": {"replicas": 1.5}}, "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32"),
          ({"spec": {"template": []}}, "json: cannot unmarshal array into Go struct field DeploymentSpec.spec.template of type v1.PodTemplateSpec"),
          ({"spec": {"template": {"spec": {"containers": "s"}}}},
           "json: cannot unmarshal string into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container"),
          ({"spec": {"template": {"spec": {"containers": [{"image": 3}]}}}},
           "json: cannot unmarshal number into Go struct field Container.spec.template.spec.containers.image of type string"),
          ({"spec": {"template": {"spec": {"containers": [{"resources": {"requests": {"cpu": "abc"}}}]}}}},
           "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
          ({"metadata": {"labels": {"a": 1}}}, "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"),
          ({"metadata": {"labels": "a"}}, "json: cannot unmarshal string into Go struct field ObjectMeta.metadata.labels of type map[string]string"),
          ({"metadata": {"creationTimestamp": "x"}}, 'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"'),
      )),
    ("POST", f"{CORE}/namespaces/{{}}/secrets", {"metadata": {"name": "x"}, "data": {"a": "%%"}}, "application/json", 400, "BadRequest",
     'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0'),
    ("GET", f"{CORE}/namespaces/{{}}/pods/none/exec?command=ls", None, "", 404, "NotFound", 'pods "none" not found'),
    ("PATCH", WEB, [{"op": "add", "path": "/spec/no", "value": 1}], JSON_PATCH, 200, "", OK),
]  # fmt: skip


async def test_the_same_is_refused_with_the_same_words(place: Place) -> None:
    await place.create(APPS, "deployments", deployment("web"))
    different = []
    for method, path, body, kind, status, reason, message in CASES:
        got, answer = await place.ask(method, path, body, kind)
        told = answer if isinstance(answer, dict) and answer.get("kind") == "Status" else {}
        said = (told.get("reason", ""), told.get("message", "") if message != ANY else ANY)
        if (got, *said) != (status, reason, message) or told.get("code", got) != got:
            different.append(f"{method} {path} {json.dumps(body)}\n  expected {status} {reason} {message}\n  got      {got} {said}")
    assert not different, "\n".join(different)


async def test_fields_that_a_kind_does_not_have_are_dropped(place: Place) -> None:
    created = await place.create(APPS, "deployments", deployment("web", no=1))
    assert "no" not in created["spec"]
    await place.patch(APPS, "deployments", "web", [{"op": "add", "path": "/spec/template/spec/no", "value": 1}])
    found = await place.get(APPS, "deployments", "web")
    assert (found["metadata"]["generation"], "no" in found["spec"]["template"]["spec"]) == (1, False)
    answer = await place.client.post(f"{APPS}/namespaces/{place.namespace}/deployments?dryRun=All", json=deployment("x", no=1))
    assert answer.headers["warning"] == '299 - "unknown field \\"spec.no\\""'


async def test_a_path_that_no_group_serves_is_not_found_as_text(place: Place) -> None:
    assert await place.ask("GET", "/nope") == (404, "404 page not found\n")
    assert await place.ask("GET", "/apis/nope.io/v1/things") == (404, "404 page not found\n")


# ---- endings

RANDOM = re.compile(r"(?<=-)([bcdfghjklmnpqrstvwxz2456789]{6,10}(-[bcdfghjklmnpqrstvwxz2456789]{5})?|[bcdfghjklmnpqrstvwxz2456789]{5})(?=\b|$)")
FATES = ("ready", "slow", "flaky", "missing", "private", "crash", "oom", "unready", "noconfig")
ENDS_IN = {
    "missing": "ImagePullBackOff", "private": "ImagePullBackOff", "crash": "CrashLoopBackOff", "oom": "CrashLoopBackOff",
    "noconfig": "CreateContainerConfigError", "unready": "Running",
}  # fmt: skip


def plain(value: Any) -> Any:
    """Without what differs from one run to the next."""
    dropped = {"lastUpdateTime", "lastTransitionTime", "lastProbeTime", "startTime", "startedAt", "finishedAt", "restartCount", "podIP", "podIPs", "hostIP"}
    if isinstance(value, dict):
        kept = {key: plain(item) for key, item in value.items() if key not in dropped}
        if kept.get("status") == "True" and kept.get("type") in ("Ready", "ContainersReady"):
            kept = {"type": kept["type"], "status": "True"}
        if "conditions" in kept and isinstance(kept["conditions"], list):
            kept["conditions"] = sorted(kept["conditions"], key=lambda entry: str(entry.get("type")))
        return kept
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return RANDOM.sub("*", value).replace("containers with unready status: [web ]", "containers with unready status: [web]")
    return value


async def workload_ending(place: Place, name: str) -> Json:
    """The statuses of a Deployment, its ReplicaSets and its pods, and the controllers' events about them."""
    selector = f"?labelSelector=app%3D{name}"
    parts: Json = {"Deployment": plain((await place.get(APPS, "deployments", name))["status"])}
    for group, plural in ((APPS, "replicasets"), (CORE, "pods")):
        items = (await place.get(group, plural + selector))["items"]
        items.sort(key=lambda item: (item["metadata"].get("annotations", {}).get("deployment.kubernetes.io/revision", ""), item["status"].get("phase", "")))
        parts[plural] = [plain({"status": item["status"], "annotations": item["metadata"].get("annotations", {}),
                                "replicas": item["spec"].get("replicas")}) for item in items]  # fmt: skip
    events = (await place.get(CORE, "events"))["items"]
    about = [event for event in events if event["involvedObject"]["name"].split("-")[0] == name and event["involvedObject"]["kind"] != "Pod"]
    parts["events"] = sorted({f"{event['involvedObject']['kind']} {event['type']} {event['reason']} {plain(event['message'])}" for event in about})
    return parts


async def compare(request: pytest.FixtureRequest, name: str, ending: Any) -> None:
    """With what a real control plane showed; or records that."""
    recorded = json.loads(ENDINGS.read_text()) if ENDINGS.exists() else {}
    if os.environ.get("RECORD_KUBERNETES") and "cluster" in request.node.name:
        ENDINGS.write_text(json.dumps({**recorded, name: ending}, indent=1, sort_keys=True) + "\n")
    else:
        assert differences(ending, recorded[name]) == []


def differences(got: Any, wanted: Any, path: str = "") -> list[str]:
    if isinstance(got, dict) and isinstance(wanted, dict):
        keys = sorted(got.keys() | wanted.keys())
        return [found for key in keys for found in differences(got.get(key, "(absent)"), wanted.get(key, "(absent)"), f"{path}/{key}")]
    if isinstance(got, list) and isinstance(wanted, list) and len(got) == len(wanted):
        return [found for number, pair in enumerate(zip(got, wanted, strict=True)) for found in differences(*pair, f"{path}/{number}")]
    return [] if got == wanted else [f"{path}: got {got!r}, wanted {wanted!r}"]


@pytest.mark.parametrize("fate", FATES)
async def test_a_workload_ends_the_same(place: Place, request: pytest.FixtureRequest, fate: str) -> None:
    await place.create(APPS, "deployments", deployment("web", f"shop/web:v1-{fate}" if fate != "ready" else "shop/web:v1"))

    async def ended() -> bool:
        found = await place.get(APPS, "deployments", "web")
        pods = (await place.get(CORE, "pods"))["items"]
        if not pods or not pods[0]["status"].get("containerStatuses") or found["status"].get("updatedReplicas") != 1:
            return False
        state = pods[0]["status"]["containerStatuses"][0]["state"]
        progressing = [entry["reason"] for entry in found["status"]["conditions"] if entry["type"] == "Progressing"]
        if fate not in ENDS_IN:
            return progressing == ["NewReplicaSetAvailable"]
        return bool(state.get("waiting", {}).get("reason", "Running") == ENDS_IN[fate] and progressing == ["ReplicaSetUpdated"])

    await place.until(ended)
    await compare(request, fate, await workload_ending(place, "web"))


async def test_a_rollout_goes_through_the_same_statuses(place: Place, request: pytest.FixtureRequest) -> None:
    created = await place.create(APPS, "deployments", deployment("web"))
    await place.until(lambda: complete(place, "deployments", "web"))
    await place.passes(0.5)
    await place.patch(APPS, "deployments", "web", [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "shop/web:v2"}])
    await place.until(lambda: complete(place, "deployments", "web"))
    await place.passes(0.8)
    for plural in ("deployments", "replicasets"):
        objects = await watched(place, plural, created)
        seen = [plain({"generation": obj["metadata"]["generation"], "replicas": obj["spec"]["replicas"], "status": obj["status"]}) for obj in objects]
        await compare_steps(request, f"rollout of {plural}", seen)


async def watched(place: Place, plural: str, since: Json) -> list[Json]:
    """Every version of the objects after that of `since`."""
    version = since["metadata"]["resourceVersion"]
    _, text = await place.ask("GET", f"{APPS}/namespaces/{{}}/{plural}?watch=1&resourceVersion={version}&timeoutSeconds=1")
    return [json.loads(line)["object"] for line in text.splitlines()]


async def compare_steps(request: pytest.FixtureRequest, name: str, steps: list[Any]) -> None:
    """A busy cluster may take two steps in one, which then looks like neither; the sandbox may not."""
    if "cluster" in request.node.name and not os.environ.get("RECORD_KUBERNETES"):
        recorded = json.loads(ENDINGS.read_text())[name]
        assert len([step for step in recorded if step not in steps]) <= 4
        assert steps[-1] == recorded[-1]
    else:
        await compare(request, name, steps)


async def test_an_unschedulable_workload_times_out_the_same(place: Place, request: pytest.FixtureRequest) -> None:
    large = deployment("web", progressDeadlineSeconds=3)
    large["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "100", "memory": "1Gi"}}
    await place.create(APPS, "deployments", large)

    async def timed_out() -> bool:
        conditions = (await place.get(APPS, "deployments", "web"))["status"].get("conditions", [])
        return any(entry["reason"] == "ProgressDeadlineExceeded" for entry in conditions)

    await place.until(timed_out)
    await compare(request, "unschedulable", await workload_ending(place, "web"))


async def test_what_does_not_fit_is_said_the_same(place: Place, request: pytest.FixtureRequest) -> None:
    def wanting(name: str, *, replicas: int = 1, selector: dict[str, str] | None = None, **requests: str) -> Json:
        described = deployment(name, replicas=replicas)
        described["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": requests}
        described["spec"]["template"]["spec"] |= {"nodeSelector": selector} if selector else {}
        return described

    await place.create(APPS, "deployments", wanting("full", replicas=3, cpu="5"))
    await place.until(lambda: complete(place, "deployments", "full"))
    for described in (
        wanting("late", cpu="4"),
        wanting("huge", cpu="100", memory="1Ti"),
        wanting("both", cpu="4", memory="40Gi"),
        wanting("picky", cpu="1", selector={"disk": "ssd"}),
    ):
        await place.create(APPS, "deployments", described)
    said: Json = {}

    async def refused() -> bool:
        for pod in (await place.get(CORE, "pods"))["items"]:
            for entry in pod["status"].get("conditions", ()):
                if entry["type"] == "PodScheduled" and entry["status"] == "False":
                    said[pod["metadata"]["labels"]["app"]] = plain(entry)
        return len(said) == 4

    await place.until(refused)
    await compare(request, "unfitting", said)


async def test_a_full_quota_fails_replicas_the_same(place: Place, request: pytest.FixtureRequest) -> None:
    hard = {"pods": "2", "requests.cpu": "1", "limits.memory": "1Gi"}
    await place.create(CORE, "resourcequotas", {"metadata": {"name": "team"}, "spec": {"hard": hard}})

    async def known() -> bool:
        return bool((await place.get(CORE, "resourcequotas", "team"))["status"].get("used"))

    await place.until(known)
    limited = deployment("web", replicas=3)
    resources = {"requests": {"cpu": "100m"}, "limits": {"memory": "128Mi"}}
    limited["spec"]["template"]["spec"]["containers"][0]["resources"] = resources
    await place.create(APPS, "deployments", limited)
    await place.create(APPS, "deployments", deployment("bare"))

    async def failed() -> bool:
        found = [(await place.get(APPS, "deployments", name))["status"] for name in ("web", "bare")]
        return all(any(entry["type"] == "ReplicaFailure" for entry in status.get("conditions", ())) for status in found) and found[0].get("readyReplicas") == 2

    await place.until(failed)
    await place.passes(0.5)
    ending = {"quota": (await place.get(CORE, "resourcequotas", "team"))["status"], "bare": await workload_ending(place, "bare")}
    web = await workload_ending(place, "web")
    web.pop("events")  # how many attempts are told of before they are combined depends on their speed
    ending["bare"]["events"] = [event for event in ending["bare"]["events"] if "combined" not in event]
    await compare(request, "quota", {**ending, "web": web})


async def complete(place: Place, kind: str, name: str) -> bool:
    found = await place.get(APPS, kind, name)
    status, wanted = found["status"], found["spec"]["replicas"]
    counts = (status.get("updatedReplicas", 0), status.get("replicas", 0), status.get("availableReplicas", 0))
    return bool(status.get("observedGeneration") == found["metadata"]["generation"] and counts == (wanted, wanted, wanted))


async def test_rollouts_and_a_rollback_leave_the_same_history(place: Place, request: pytest.FixtureRequest) -> None:
    image, cause = "/spec/template/spec/containers/0/image", "/metadata/annotations/kubernetes.io~1change-cause"
    await place.create(APPS, "deployments", deployment("web", replicas=4, revisionHistoryLimit=2))
    for version in ("v1", "v2", "v3", "v2", "v4"):
        changes = [{"op": "replace", "path": image, "value": f"shop/web:{version}"}, {"op": "replace", "path": cause, "value": f"to {version}"}]
        await place.patch(APPS, "deployments", "web", changes)
        await place.until(lambda: complete(place, "deployments", "web"))
    await place.patch(APPS, "deployments", "web", [{"op": "add", "path": "/metadata/annotations/note", "value": "kept"}])
    await place.patch(APPS, "deployments", "web/scale", {"spec": {"replicas": 6}}, MERGE_PATCH)
    await place.until(lambda: complete(place, "deployments", "web"))

    async def settled() -> bool:
        sets = (await place.get(APPS, "replicasets"))["items"]
        pods = (await place.get(CORE, "pods"))["items"]
        return len(sets) == 3 and len(pods) == 6

    await place.until(settled)
    ending = await workload_ending(place, "web")
    ending.pop("pods")
    ending.pop("events")  # combined with others when there are many
    for replica_set in ending["replicasets"]:
        del replica_set["status"]["observedGeneration"]  # in how many steps it was scaled depends on how its pods became ready
    await compare(request, "history", {**ending, "deployment": (await place.get(APPS, "deployments", "web"))["metadata"]["annotations"]})


async def test_a_paused_and_a_recreated_workload_are_the_same(place: Place, request: pytest.FixtureRequest) -> None:
    await place.create(APPS, "deployments", deployment("web", replicas=2, strategy={"type": "Recreate"}))
    await place.until(lambda: complete(place, "deployments", "web"))
    await place.patch(APPS, "deployments", "web", {"spec": {"paused": True}}, MERGE_PATCH)
    await place.patch(APPS, "deployments", "web", [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "shop/web:v2"}])

    async def paused() -> bool:
        found = await place.get(APPS, "deployments", "web")
        reasons = [entry["reason"] for entry in found["status"]["conditions"]]
        return "DeploymentPaused" in reasons and bool(found["status"]["observedGeneration"] == found["metadata"]["generation"])

    await place.until(paused)
    held = await workload_ending(place, "web")
    await place.patch(APPS, "deployments", "web", {"spec": {"paused": False}}, MERGE_PATCH)
    await place.until(lambda: complete(place, "deployments", "web"))

    async def alone() -> bool:
        return len((await place.get(CORE, "pods"))["items"]) == 2

    await place.until(alone)
    await place.passes(0.5)
    await compare(request, "recreate", {"paused": held, "resumed": await workload_ending(place, "web")})


async def test_a_stateful_set_goes_through_the_same_statuses(place: Place, request: pytest.FixtureRequest) -> None:
    described = deployment("db", replicas=2, serviceName="db")
    created = await place.create(APPS, "statefulsets", described)
    await place.until(lambda: complete(place, "statefulsets", "db"))
    await place.patch(APPS, "statefulsets", "db", [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "shop/web:v2"}])
    await place.until(lambda: complete(place, "statefulsets", "db"))
    await place.passes(0.5)
    await compare_steps(request, "rollout of statefulsets", [plain(obj["status"]) for obj in await watched(place, "statefulsets", created)])
    events = [plain(event["message"]) for event in (await place.get(CORE, "events"))["items"] if event["involvedObject"]["kind"] == "StatefulSet"]
    revisions = [plain(found["data"]) for found in (await place.get(APPS, "controllerrevisions"))["items"]]
    pods = (await place.get(CORE, "pods"))["items"]
    labels = [{key: plain(value) for key, value in sorted(pod["metadata"]["labels"].items())} for pod in pods]
    ending = {"events": sorted(events), "revisions": sorted(revisions, key=str), "labels": labels}
    await compare(request, "statefulset", ending)


async def test_a_disruption_budget_counts_the_same(place: Place, request: pytest.FixtureRequest) -> None:
    budget = {"metadata": {"name": "web"}, "spec": {"minAvailable": "50%", "selector": {"matchLabels": {"app": "web"}}}}
    await place.create("/apis/policy/v1", "poddisruptionbudgets", budget)
    await place.create(APPS, "deployments", deployment("web", replicas=3))

    async def counted() -> bool:
        return bool((await place.get("/apis/policy/v1", "poddisruptionbudgets", "web"))["status"].get("currentHealthy") == 3)

    await place.until(counted)
    ending: Json = {"before": plain((await place.get("/apis/policy/v1", "poddisruptionbudgets", "web"))["status"])}
    pods = [pod["metadata"]["name"] for pod in (await place.get(CORE, "pods"))["items"]]
    answers = []
    for name in pods[:2]:
        status, answer = await place.ask("POST", f"{CORE}/namespaces/{{}}/pods/{name}/eviction", {"metadata": {"name": name}})
        answers.append([status, {key: answer.get(key) for key in ("reason", "message", "details", "code")}])
        await place.passes(0.5)
    await compare(request, "budget", {**ending, "evictions": answers})


async def test_defaults_are_the_same(place: Place, request: pytest.FixtureRequest) -> None:
    """What is filled into objects that say as little as they may."""
    container = {
        "name": "web",
        "image": "shop/web",
        "ports": [{"containerPort": 80}],
        "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "readinessProbe": {"httpGet": {"port": 80}},
        "livenessProbe": {"tcpSocket": {"port": 80}},
        "resources": {"limits": {"cpu": "1000m", "memory": "0.5Gi"}},
    }
    volumes = [{"name": "c", "configMap": {"name": "z"}}, {"name": "s", "secret": {"secretName": "z"}}, {"name": "e", "emptyDir": {}}]
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container], "volumes": volumes}}
    selected = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    objects: list[tuple[str, str, Json]] = [
        (APPS, "deployments", {"spec": selected}),
        (APPS, "replicasets", {"spec": selected}),
        (APPS, "statefulsets", {"spec": {**selected, "serviceName": "x"}}),
        (APPS, "daemonsets", {"spec": selected}),
        ("/apis/autoscaling/v2", "horizontalpodautoscalers", {"spec": {"maxReplicas": 3, "scaleTargetRef": target}}),
        ("/apis/autoscaling/v2", "horizontalpodautoscalers",
         {"spec": {"maxReplicas": 3, "scaleTargetRef": target, "behavior": {"scaleDown": {"stabilizationWindowSeconds": 9}}}}),
        ("/apis/policy/v1", "poddisruptionbudgets", {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}}),
        (CORE, "services", {"spec": {"clusterIP": "None", "ports": [{"port": 80}], "selector": {"a": "b"}}}),
        (CORE, "services", {"spec": {"type": "ExternalName", "externalName": "a.b"}}),
        (CORE, "configmaps", {"data": {"a": "b"}}),
        (CORE, "secrets", {"stringData": {"a": "b"}}),
        (CORE, "resourcequotas", {"spec": {"hard": {"pods": 3, "cpu": "0.5", "memory": "1024Mi"}}}),
        (CORE, "pods", {"spec": {"containers": [container]}}),
        ("/apis/networking.k8s.io/v1", "networkpolicies", {"spec": {"podSelector": {}}}),
        ("/apis/batch/v1", "cronjobs", {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {
            "spec": {"restartPolicy": "Never", "containers": [{"name": "x", "image": "y:1"}]}}}}}}),
    ]  # fmt: skip
    filled = []
    for group, plural, obj in objects:
        status, answer = await place.ask("POST", f"{group}/namespaces/{{}}/{plural}?dryRun=All", {"metadata": {"name": "x"}, **obj})
        assert status == 201, answer
        meta = {key: value for key, value in answer["metadata"].items() if key in ("generation", "annotations", "labels", "finalizers")}
        filled.append(plain({**answer, "metadata": meta}))
    await compare(request, "defaults", {"objects": filled})
