"""Watches: a cursor over the log of changes, and what a client is told of each."""

from __future__ import annotations

from datetime import timedelta

from sandbox.kubernetes import lists, tables
from sandbox.kubernetes.core import Core
from sandbox.kubernetes.errors import ApiError, expired
from sandbox.kubernetes.objects import Object, with_meta
from sandbox.kubernetes.requests import Request, Target
from sandbox.kubernetes.store import Change, to_json

BOOKMARKS_EVERY = timedelta(minutes=1)
DEFAULT_TIMEOUT = 45 * 60
"""Seconds; the API server takes a random time of 30 to 60 minutes."""
INITIAL_END = "k8s.io/initial-events-end"


class Watch:
    """One client's watch. `poll` gives the lines since the last time; `closed` says that no more will come."""

    def __init__(self, core: Core, request: Request, target: Target) -> None:
        """Raises ApiError for parameters that cannot be read."""
        self._core, self._request, self._target = core, request, target
        self._selected = lists.selection(request, target) or (lambda obj: True)
        version = request.query.get("resourceVersion", "")
        if version and not version.isdecimal():
            text = f'resourceVersion: Invalid value: "{version}": strconv.ParseUint: parsing "{version}": invalid syntax'
            raise ApiError(500, "", text)
        self.timeout = float(request.integer("timeoutSeconds") or DEFAULT_TIMEOUT)
        self._ends = core.now + timedelta(seconds=self.timeout)
        self._bookmarks = request.flag("allowWatchBookmarks")
        self._next_bookmark = core.now + BOOKMARKS_EVERY
        self.closed = False
        self._pending: list[bytes] = []
        initial = request.flag("sendInitialEvents")
        self._version = int(version or 0)
        if self._version == 0 or initial:
            self._pending = [self._line("ADDED", obj) for obj in core.store.all(target.resource, target.namespace) if self._selected(obj)]
            self._version = core.store.version
            if initial and self._bookmarks:
                self._pending.append(self._bookmark(**{INITIAL_END: "true"}))

    def poll(self) -> list[bytes]:
        """JSON lines. After history has been lost the last one is an ERROR with code 410, and the watch is closed."""
        self._core.play()
        if self.closed:
            return []
        lines, self._pending = self._pending, []
        changes = self._core.store.changes(self._target.resource, self._version)
        if changes is None:
            self.closed = True
            gone = expired(self._version, self._core.store.oldest(self._target.resource))
            return [*lines, to_json({"type": "ERROR", "object": gone.body()}) + b"\n"]
        for change in changes:
            line = self._told(change)
            if line:
                lines.append(line)
            self._version = change.version
        if self._core.now >= self._ends:
            self.closed = True
        if self._bookmarks and (self.closed or self._core.now >= self._next_bookmark):
            self._next_bookmark = self._core.now + BOOKMARKS_EVERY
            self._version = max(self._version, self._core.store.version)
            lines.append(self._bookmark())
        return lines

    def _told(self, change: Change) -> bytes | None:
        """An object that begins to match is added, one that no longer does is deleted."""
        namespace = self._target.namespace
        if namespace and change.object["metadata"].get("namespace") != namespace:
            return None
        was = change.before is not None and self._selected(change.before)
        matches = change.verb != "DELETED" and self._selected(change.object)
        if matches:
            return self._line("MODIFIED" if was else "ADDED", change.object)
        if not was:
            return None
        if change.verb == "DELETED" or change.before is None:
            return self._line("DELETED", change.object)
        return self._line("DELETED", with_meta(change.before, resourceVersion=change.object["metadata"]["resourceVersion"]), fresh=True)

    def _line(self, verb: str, obj: Object, *, fresh: bool = False) -> bytes:
        if tables.wanted(self._request):
            version = {"resourceVersion": obj["metadata"]["resourceVersion"]}
            encoded = to_json(tables.table(self._core.now, self._request, self._target.resource, [obj], version))
        else:
            encoded = to_json(obj) if fresh else self._core.store.encode(obj)
        return b'{"type":"' + verb.encode() + b'","object":' + encoded + b"}\n"

    def _bookmark(self, **annotations: str) -> bytes:
        resource = self._target.resource
        meta: Object = {"resourceVersion": str(self._version), "creationTimestamp": None}
        if annotations:
            meta["annotations"] = annotations
        return to_json({"type": "BOOKMARK", "object": {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}}) + b"\n"
