"""`bot.core.ports.Cluster` on a Kubernetes API server."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping, Sequence
from datetime import timedelta

from kubernetes.aio.client import Configuration

from bot.adapters.kubernetes import watch
from bot.adapters.kubernetes.api import APPLY_PATCH, DISCOVERY, JSON_PATCH, Api, Opening, Rest
from bot.adapters.kubernetes.errors import Call, Gone
from bot.adapters.kubernetes.exec import run
from bot.adapters.kubernetes.kinds import CLUSTERWIDE, KINDS, Resource, parted
from bot.core.errors import Invalid, NotFound, Unavailable
from bot.core.ownership import MANAGER
from bot.core.ports import Json, Output, Served

WATCHED = ("Deployment", "StatefulSet", "Pod")

Objects = list[Json]

_PAGE = 500
_LONGEST_LOG = 64 * 1024
# The kubelet's words for a log that is not there (yet): it is no error to have asked.
_NO_LOG = ("is waiting to start", "previous terminated container", "is not available", "is terminated", "has not been initialized")


class KubernetesCluster:
    """One namespace of a cluster. Made by `connect`, or over a `Rest` in process: `KubernetesCluster(Configuration(host=…), rest, namespace, environment)`.

    Each call has a time limit and raises only `bot.core.errors`; nothing is tried twice.
    """

    def __init__(self, configuration: Configuration, rest: Rest, namespace: str, environment: str, opening: Opening | None = None) -> None:
        self.namespace = namespace
        self._api = Api(configuration, rest, f"the cluster of {environment}", opening)
        self._found: dict[str, Resource] = {}

    async def get(self, kind: str, name: str) -> Json | None:
        resource = await self._resource(kind)
        try:
            return await self._api.json(self._call("get", resource, name), "GET", resource.path(self.namespace, name))
        except NotFound:
            return None

    async def list(self, kind: str, *, labels: str = "", fields: str = "") -> Objects:
        """Reads page by page. When a page's token has expired (410) the rest is of another time: then all is read anew, in one piece."""
        selectors = {name: value for name, value in (("labelSelector", labels), ("fieldSelector", fields)) if value}
        try:
            return await self._pages(await self._resource(kind), parted(kind)[1], {**selectors, "limit": _PAGE})
        except Gone:
            return await self._pages(await self._resource(kind), parted(kind)[1], selectors)

    async def _pages(self, resource: Resource, kind: str, query: Mapping[str, str | int]) -> Objects:
        items: Objects = []
        while True:
            page = await self._api.json(self._call("list", resource), "GET", resource.path(self.namespace), query, member="items")
            items += page["items"]
            token = page["metadata"].get("continue")
            if not token:
                break
            query = {**query, "continue": token}
        for item in items:  # a list's items do not say what they are
            item["kind"], item["apiVersion"] = kind, resource.api_version
        return items

    async def patch(self, kind: str, name: str, operations: Sequence[Json], *, subresource: str = "", dry_run: bool = False) -> Json:
        """A `test` for null is how «is not there» is asked: it passes for an absent member of an object that is there, and is refused when the member has a
        value; of an object that is itself absent (`metadata.annotations` of a bare template) it is refused, so test for that one then.

        When nothing comes back (Unavailable) the change may have been made: read it before trying again.
        """
        resource = await self._resource(kind)
        query = {"dryRun": "All"} if dry_run else {}
        path, call = resource.path(self.namespace, name, subresource), self._call("patch", resource, name, subresource)
        return await self._api.json(call, "PATCH", path, query, body=list(operations), content=JSON_PATCH)

    async def create(self, thing: Json) -> Json:
        """When nothing comes back (Unavailable) it may be there: read it before trying again."""
        resource = await self._resource(f"{thing['apiVersion']}/{thing['kind']}")
        call = self._call("create", resource, thing["metadata"]["name"])
        return await self._api.json(call, "POST", resource.path(self.namespace), body=thing)

    async def apply(self, thing: Json, *, force: bool = False, dry_run: bool = False) -> Json:
        """An absent object with a uid in the manifest is a conflict to the API server; with a resourceVersion alone it would be created."""
        resource, name = await self._resource(f"{thing['apiVersion']}/{thing['kind']}"), thing["metadata"]["name"]
        query = {"fieldManager": MANAGER, **({"force": "true"} if force else {}), **({"dryRun": "All"} if dry_run else {})}
        call = self._call("patch", resource, name)
        return await self._api.json(call, "PATCH", resource.path(self.namespace, name), query, body=thing, content=APPLY_PATCH)

    async def served(self, kind: str) -> Served | None:
        try:
            found = await self._resource(kind)
        except NotFound:
            return None
        return Served(found.group, found.plural, found.namespaced)

    async def kinds(self) -> tuple[str, ...]:
        """By the aggregated discovery (Kubernetes 1.30 and newer), of each resource the version that the server prefers. A group whose own server is away is
        an error, for its kinds are not known then."""
        found: dict[tuple[str, str], str] = {}
        for path in ("/api", "/apis"):
            listed = await self._api.json(self._call("get", None), "GET", path, member="items", accept=DISCOVERY)
            for group in listed["items"]:
                name = group["metadata"].get("name", "")
                for version in group["versions"]:
                    if version.get("freshness") == "Stale":
                        raise Unavailable(f"{self._api.name[0].upper()}{self._api.name[1:]} cannot say which kinds {name} has: its API is away.")
                    for one in version["resources"]:
                        if one["scope"] == "Namespaced" and {"list", "create"} <= {*one["verbs"]} and (name, one["resource"]) not in found:
                            resource = Resource(name, version["version"], one["resource"])
                            kind = f"{resource.api_version}/{one['responseKind']['kind']}"
                            found[name, one["resource"]] = kind
                            self._found[kind] = resource
        return tuple(found.values())

    async def _resource(self, kind: str) -> Resource:
        """Kinds that are not ours are asked of the server's discovery, once. Raises NotFound for one that it does not know."""
        api_version, name = parted(kind)
        ours = KINDS.get(name)
        if ours is not None and api_version in ("", ours.api_version):
            return ours
        if kind not in self._found:
            group, _, version = api_version.rpartition("/")
            listed = await self._api.json(self._call("get", None), "GET", Resource(group, version, "").root, member="resources")
            served = {one["kind"]: one for one in listed["resources"] if "/" not in one["name"]}
            if name not in served:
                raise NotFound(f"{self._api.name[0].upper()}{self._api.name[1:]} knows no {name} of {api_version}.")
            self._found[kind] = Resource(group, version, served[name]["name"], served[name]["namespaced"])
        return self._found[kind]

    async def delete(self, kind: str, name: str, *, as_seen: Json) -> None:
        """The API server itself compares the uid and the resourceVersion. What the object owns goes after it, as `kubectl delete` does it."""
        resource = await self._resource(kind)
        seen = {field: as_seen["metadata"][field] for field in ("uid", "resourceVersion")}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": seen, "propagationPolicy": "Background"}
        try:
            await self._api.call(self._call("delete", resource, name), "DELETE", resource.path(self.namespace, name), body=body)
        except NotFound:
            return

    async def logs(self, pod: str, *, container: str, previous: bool = False, tail: int = 20) -> str:
        """The log of a container that has none, or of a pod that is gone, is empty. Raises Invalid when the pod has no such container."""
        resource = KINDS["Pod"]
        query: dict[str, str | int] = {"container": container, "tailLines": tail, **({"previous": "true"} if previous else {})}
        call = self._call("get", resource, pod, "log")
        try:
            log = await self._api.call(call, "GET", resource.path(self.namespace, pod, "log"), query, accept="*/*")
        except NotFound:
            return ""
        except Invalid as error:
            if any(words in error.text for words in _NO_LOG):
                return ""
            raise
        # The API's own limitBytes would cut the end off, where the cause stands.
        return log[-_LONGEST_LOG:].decode(errors="replace")

    async def read_logs(
        self, pod: str, *, container: str, previous: bool = False, since: timedelta | None = None, tail: int | None = None, follow: bool = False
    ) -> AsyncGenerator[bytes, None]:
        resource = KINDS["Pod"]
        query: dict[str, str | int] = {"container": container, "timestamps": "true"}
        query |= {name: "true" for name, wanted in (("previous", previous), ("follow", follow)) if wanted}
        query |= {"sinceSeconds": max(int(since.total_seconds()), 1)} if since is not None else {}
        query |= {"tailLines": tail} if tail is not None else {}
        call = self._call("get", resource, pod, "log")
        try:
            async with self._api.stream(call, resource.path(self.namespace, pod, "log"), query, "*/*") as content:
                async for piece in content.iter_any():
                    yield piece
        except Invalid as error:
            if any(words in error.text for words in _NO_LOG):
                raise NotFound(error.text.partition(f"{call.target}: ")[2]) from error
            raise

    def exec(self, pod: str, *, container: str, command: Sequence[str], stdin: AsyncIterable[bytes] | None = None) -> AsyncIterator[Output]:
        """RBAC asks for `create` on pods/exec, and for `get` too, because a WebSocket begins as a GET."""
        resource = KINDS["Pod"]
        return run(self._api, self._call("create", resource, pod, "exec"), resource.path(self.namespace, pod, "exec"), container, command, stdin)

    def changes(self) -> AsyncIterator[None]:
        return watch.changes(self._api, self.namespace, WATCHED)

    async def ready(self) -> None:
        await self._api.ready()

    async def version(self) -> str:
        answer = await self._api.json(self._call("get", None), "GET", "/version", member="gitVersion")
        return str(answer["gitVersion"])

    async def allowed(self, verb: str, group: str, resource: str, subresource: str = "") -> bool:
        kind = KINDS["SelfSubjectAccessReview"]
        # A Role of the namespace that names nodes is of no use; asked with the namespace, the server would say that it is.
        namespace = "" if (group, resource) in CLUSTERWIDE else self.namespace
        attributes = {"namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": subresource}
        body = {"apiVersion": kind.api_version, "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}}
        answer = await self._api.json(self._call("create", kind), "POST", kind.path(self.namespace), member="status", body=body)
        return bool(answer["status"].get("allowed"))

    async def close(self) -> None:
        """Closes the connections; it is of no use afterwards."""
        await self._api.close()

    def _call(self, verb: str, resource: Resource | None, name: str = "", subresource: str = "") -> Call:
        return Call(verb, resource, self.namespace, name, subresource)
