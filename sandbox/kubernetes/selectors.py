"""Label and field selectors: `app=web,tier in (a, b),!legacy` and `status.phase=Running`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from sandbox.kubernetes.errors import bad_request
from sandbox.kubernetes.objects import Object
from sandbox.kubernetes.resources import Resource

Labels = Mapping[str, str]
Matches = Callable[[Labels], bool]

_REQUIREMENT = re.compile(
    r"\s*(?:(?P<absent>!)\s*(?P<absent_key>[\w./-]+)"
    r"|(?P<set_key>[\w./-]+)\s+(?P<set>in|notin)\s*\((?P<values>[^)]*)\)"
    r"|(?P<key>[\w./-]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[\w.-]*)"
    r"|(?P<present>[\w./-]+))\s*(?:,|$)"
)

_COMMON_FIELDS = ("metadata.name", "metadata.namespace")
_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
FIELDS: dict[str, tuple[str, ...]] = {
    "pods": ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "spec.hostNetwork", "status.phase", "status.podIP"),
    "events": (*(f"involvedObject.{part}" for part in _INVOLVED), "reason", "reportingComponent", "source", "type"),
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "secrets": ("type",),
    "services": ("spec.clusterIP", "spec.type"),
    "replicasets.apps": ("status.replicas",),
    "jobs.batch": ("status.successful",),
}


@lru_cache(maxsize=512)
def parse_labels(text: str) -> Matches:
    """Returns the test that a labelSelector stands for. Raises ApiError 400 when it cannot be read."""
    tests: list[Matches] = []
    position = 0
    while position < len(text):
        found = _REQUIREMENT.match(text, position)
        if found is None or found.end() == position:
            raise bad_request(f"unable to parse requirement: found '{_offender(text[position:])}', expected: identifier")
        tests.append(_requirement(found))
        position = found.end()
    return lambda labels: all(test(labels) for test in tests)


def _offender(text: str) -> str:
    """The token that cannot stand where it does: what follows a complete operator, or the whole."""
    found = re.match(r"\s*[\w./-]+\s*(?:==|=|!=)\s*(\W)", text)
    return found[1] if found else text


def _requirement(found: re.Match[str]) -> Matches:
    part = found.groupdict()
    if part["absent"]:
        return lambda labels: part["absent_key"] not in labels
    if part["set"]:
        values = {value.strip() for value in part["values"].split(",")}
        inside = part["set"] == "in"
        return lambda labels: (part["set_key"] in labels and labels[part["set_key"]] in values) if inside else labels.get(part["set_key"]) not in values
    if part["operator"] == "!=":
        return lambda labels: labels.get(part["key"]) != part["value"]
    if part["operator"]:
        return lambda labels: labels.get(part["key"]) == part["value"]
    return lambda labels: part["present"] in labels


def matches_selector(selector: Object | None, labels: Labels) -> bool:
    """A metav1.LabelSelector (matchLabels and matchExpressions); None matches nothing, an empty one everything."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_expression(entry, labels) for entry in selector.get("matchExpressions") or ())


def _expression(entry: Object, labels: Labels) -> bool:
    key, values = entry["key"], entry.get("values") or []
    match entry["operator"]:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def selector_text(selector: Object) -> str:
    """The selector as `status.selector` of a Scale has it."""
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for entry in selector.get("matchExpressions") or ():
        values = ",".join(sorted(entry.get("values") or ()))
        match entry["operator"]:
            case "In":
                terms.append(f"{entry['key']} in ({values})")
            case "NotIn":
                terms.append(f"{entry['key']} notin ({values})")
            case "Exists":
                terms.append(entry["key"])
            case _:
                terms.append(f"!{entry['key']}")
    return ",".join(terms)


def parse_fields(resource: Resource, text: str) -> Callable[[Object], bool]:
    """Returns the test that a fieldSelector stands for. Raises ApiError 400 for a field that the resource does not offer."""
    tests: list[tuple[str, bool, str]] = []
    for term in filter(None, text.split(",")):
        found = re.fullmatch(r"([^=!]+)(!=|==|=)(.*)", term)
        if found is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{term}'")
        field, operator, value = found.groups()
        if field not in (*_COMMON_FIELDS, *FIELDS.get(resource.key, ())):
            known = ", ".join(f'"{name}"' for name in _COMMON_FIELDS)
            why = f'"{field}" is not a known field selector: only {known}' if resource.group else f"field label not supported: {field}"
            raise bad_request(why)
        tests.append((field, operator != "!=", value))
    return lambda obj: all((_field(obj, field) == value) == equal for field, equal, value in tests)


def _field(obj: Object, path: str) -> str:
    if path == "source":
        return str(obj.get("source", {}).get("component", "") or obj.get("reportingComponent", ""))
    value: object = obj
    for part in path.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
