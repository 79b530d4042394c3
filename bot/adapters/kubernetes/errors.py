"""What the API server answers instead of an object, as aiec's errors.

Seen on Kubernetes 1.36: a JSON Patch that cannot be applied is answered 422 `Invalid` with the message «the server rejected our request due to an error in
our request» and empty `details`, no matter whether a `test` was refused, a `remove` found nothing or the parent of a path is absent; it never says which. A
patch that gave an object which is not valid names that object and has `causes`. So the former is a Conflict (the object is not as planned), the latter Invalid.
Server-side apply is answered 409 with a cause `FieldManagerConflict` for each field of somebody else, and 500 for fields that the kind does not have.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from bot.adapters.kubernetes.kinds import Resource
from bot.core.errors import AiecError, Conflict, Contested, Forbidden, Invalid, NotFound, Throttled, Unauthenticated, Unavailable
from bot.core.ports import Json

_DENIED_BY_RBAC = re.compile(r'User ".*" cannot \S+ ')
# What the second check of a WebSocket says, which wants `create` where the first one wanted `get`.
_DENIED_WITHOUT_A_WORD = re.compile(r"is forbidden: *$")
_OWNER = re.compile(r'"([^"]*)"')
_NO_SUCH_FIELD = "failed to create typed patch object"
_DEFAULT_PAUSE = timedelta(seconds=1)
_LONGEST = 400


@dataclass(frozen=True)
class Call:
    """One call, as RBAC sees it: the verb, on which resource of which namespace, and which object of it."""

    verb: str
    resource: Resource | None
    namespace: str
    name: str = ""
    subresource: str = ""

    @property
    def target(self) -> str:
        """What is called, such as `deployments/gateway`."""
        if self.resource is None:
            return "the server"
        return "/".join(part for part in (self.resource.plural, self.name, self.subresource) if part)

    @property
    def rule(self) -> str:
        """The RBAC rule that would allow it."""
        if self.resource is None:
            return '{nonResourceURLs: ["/version"], verbs: ["get"]}'
        plural = f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural
        # A WebSocket begins as a GET, and Kubernetes 1.35 and newer ask for both.
        verbs = '"get", "create"' if self.subresource == "exec" else f'"{self.verb}"'
        return f'{{apiGroups: ["{self.resource.group}"], resources: ["{plural}"], verbs: [{verbs}]}}'


class Gone(Unavailable):
    """410: the version of the list or the watch is no longer known. It has to begin anew; no caller outside the adapter meets it."""


def status_of(body: bytes) -> Json:
    """Returns the `Status` object of an answer; of one that is none (a proxy's page, say) a Status with its text as the message."""
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict) and parsed.get("kind") == "Status":
        return parsed
    return {"kind": "Status", "message": body[:_LONGEST].decode(errors="replace").strip()}


def error_of(code: int, status: Json, headers: Mapping[str, str], call: Call, cluster: str) -> AiecError:
    """Returns the error that an answer with a `code` of 300 or more means. `cluster` is how to call it: `the cluster of prod (https://…)`."""
    message = (status.get("message") or status.get("reason") or f"HTTP {code}")[:_LONGEST]
    said = f"{cluster[0].upper()}{cluster[1:]} answered {code}: {message}"
    if code == 401:
        hint = "The token has expired or was revoked: renew the credentials of this context in KUBECONFIG, or the service account."
        return Unauthenticated(f"{cluster[0].upper()}{cluster[1:]} does not accept our credentials (401 {message}).", hint)
    if code == 403 and (_DENIED_BY_RBAC.search(message) or (call.subresource == "exec" and _DENIED_WITHOUT_A_WORD.search(message))):
        here = call.resource is not None and call.resource.namespaced
        where, role = (f"in namespace {call.namespace}", "role") if here else ("on the whole cluster", "ClusterRole")
        return Forbidden(f"We may not {call.verb} {call.target} {where} of {cluster}: {message}", f"Add this rule to aiec's {role}: {call.rule}")
    if code == 404:
        return NotFound(f"{call.target} does not exist in namespace {call.namespace} of {cluster}: {message}")
    if code == 409 and (fields := _contested(status)):
        return Contested(f"{call.target} in namespace {call.namespace} of {cluster} has fields of others: {message}", fields)
    if code == 409 or (code == 422 and _not_applicable(status)):
        return Conflict(f"{call.target} in namespace {call.namespace} of {cluster} is not as it was planned: {message}", "Look at it and plan again.")
    if code == 410:
        return Gone(said)
    if code == 429:
        return Throttled(said, _pause(headers))
    if code in (400, 403, 405, 406, 413, 415, 422) or (code == 500 and message.startswith(_NO_SUCH_FIELD)):
        return Invalid(
            f"{cluster[0].upper()}{cluster[1:]} refused to {call.verb} {call.target}: {message}", "Correct what it names; the same request fails again."
        )
    return Unavailable(said, f"Check the API server of {cluster}: kubectl get --raw /readyz?verbose")


def _not_applicable(status: Json) -> bool:
    details = status.get("details") or {}
    return not details.get("causes") and not details.get("name")


def _contested(status: Json) -> tuple[tuple[str, str], ...]:
    """Returns the fields that belong to others, each with its field manager, which the message alone names."""
    causes = [cause for cause in (status.get("details") or {}).get("causes") or [] if cause.get("reason") == "FieldManagerConflict"]
    return tuple((cause.get("field", ""), owner[1] if (owner := _OWNER.search(cause.get("message", ""))) else "somebody") for cause in causes)


def _pause(headers: Mapping[str, str]) -> timedelta:
    value = headers.get("Retry-After", "")
    return timedelta(seconds=int(value)) if value.isdigit() else _DEFAULT_PAUSE
