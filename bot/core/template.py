"""What differs between two pod templates, in words. Values of variables are not shown: they may be secret. Commands are redacted."""

from collections.abc import Callable, Iterable
from typing import Any

from bot.core.ports import Json
from bot.core.redact import redacted
from bot.core.workload import containers

_POD_FIELDS = {"nodeSelector": "node selector", "affinity": "affinity", "tolerations": "tolerations", "securityContext": "pod security context"}
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def template_differences(before: Json, after: Json) -> list[str]:
    """Returns what is new in `after` against `before`, one short sentence each, the image first; empty when the templates are equal."""
    old, new = ({one["name"]: one for one in containers(template)} for template in (before, after))
    found = [f"container {name} is new ({new[name]['image']})" for name in new if name not in old]
    found += [f"container {name} is gone" for name in old if name not in new]
    for name in new:
        if name in old:
            prefix = "" if len(new) == 1 else f"{name}: "
            found += [prefix + text for text in _container(old[name], new[name])]
    return [*found, *_pod(before, after)]


def variables(container: Json) -> set[str]:
    """Returns the names of the variables that the container's `env` sets; what `envFrom` brings cannot be seen here."""
    return {one["name"] for one in container.get("env") or []}


def short_image(image: str, beside: str = "") -> str:
    """Returns how to call an image: its tag alone where the image beside it is of the same repository, else in full; never its digest when there is a tag."""
    repository, tag = split_image(image)
    return tag if tag and beside and split_image(beside)[0] == repository else f"{repository}:{tag}" if tag else image


def split_image(image: str) -> tuple[str, str]:
    """Returns the repository and the tag of an image (`host:5000/name:tag@sha256:…`); without a tag its digest, or nothing."""
    name, _, digest = image.partition("@")
    repository, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return name, digest
    return repository, tag


def _container(before: Json, after: Json) -> Iterable[str]:
    if before["image"] != after["image"]:
        yield _image(before["image"], after["image"])
    yield from _named("variable", before.get("env"), after.get("env"), _name)
    yield from _named("variables from", before.get("envFrom"), after.get("envFrom"), _source)
    yield from _changes("resources", _amounts(before), _amounts(after))
    for probe in _PROBES:
        yield from _changes(f"{probe.removesuffix('Probe')} probe", {"": _probe(before, probe)}, {"": _probe(after, probe)})
    yield from _named("port", before.get("ports"), after.get("ports"), lambda port: str(port["containerPort"]))
    yield from _named("mount", before.get("volumeMounts"), after.get("volumeMounts"), lambda mount: str(mount["mountPath"]))
    for field in ("command", "args"):
        old, new = (" ".join(one.get(field) or []) for one in (before, after))
        yield from list(_changes(field, {"": redacted(old)}, {"": redacted(new)})) or ([f"{field} changed"] if old != new else [])
    if (before.get("securityContext") or {}) != (after.get("securityContext") or {}):
        yield "security context changed"


def _pod(before: Json, after: Json) -> Iterable[str]:
    for what in ("label", "annotation"):
        old, new = ((template.get("metadata") or {}).get(f"{what}s") or {} for template in (before, after))
        yield from (f"{what} {name} changed" for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name))
    old, new = before["spec"], after["spec"]
    yield from _named("volume", old.get("volumes"), new.get("volumes"), _name)
    yield from _named("image pull secret", old.get("imagePullSecrets"), new.get("imagePullSecrets"), _name)
    yield from _changes("service account", {"": old.get("serviceAccountName", "")}, {"": new.get("serviceAccountName", "")})
    for field, words in _POD_FIELDS.items():
        if (old.get(field) or None) != (new.get(field) or None):
            yield f"{words} changed"


def _image(before: str, after: str) -> str:
    old, new = short_image(before, after), short_image(after, before)
    return f"image {old} → {new}" if old != new else f"image {old} with another digest"


def _named(what: str, before: list[Json] | None, after: list[Json] | None, key: Callable[[Json], str]) -> Iterable[str]:
    old, new = ({key(one): one for one in things or []} for things in (before, after))
    yield from (f"{what} {name} added" for name in new if name not in old)
    yield from (f"{what} {name} removed" for name in old if name not in new)
    yield from (f"{what} {name} changed" for name in new if name in old and old[name] != new[name])


def _changes(what: str, before: dict[str, Any], after: dict[str, Any]) -> Iterable[str]:
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key) or "none", after.get(key) or "none"
        if old != new:
            yield f"{what} {key}: {old} → {new}" if key else f"{what}: {old} → {new}"


def _name(one: Json) -> str:
    return str(one["name"])


def _source(one: Json) -> str:
    kind = "configMapRef" if "configMapRef" in one else "secretRef"
    return f"{kind.removesuffix('Ref')} {one.get(kind, {}).get('name', '')}"


def _amounts(container: Json) -> dict[str, str]:
    resources = container.get("resources") or {}
    return {f"{kind}.{name}": str(amount) for kind in ("requests", "limits") for name, amount in (resources.get(kind) or {}).items()}


def _probe(container: Json, which: str) -> str:
    probe = container.get(which)
    return probe_target(probe) + "".join(f", {key} {value}" for key, value in sorted(probe.items()) if isinstance(value, int)) if probe else ""


def probe_target(probe: Json) -> str:
    """Returns what a probe asks, such as `GET :8080/health/ready`."""
    if http := probe.get("httpGet"):
        return f"GET :{http['port']}{http.get('path', '/')}"
    if tcp := probe.get("tcpSocket"):
        return f"TCP :{tcp['port']}"
    if grpc := probe.get("grpc"):
        return f"gRPC :{grpc['port']}"
    return " ".join((probe.get("exec") or {}).get("command") or [])
