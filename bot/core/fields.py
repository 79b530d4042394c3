"""What differs between two states of an object, field by field: as data that can be tested and put back, and as lines for a person."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from bot.core.data import Frozen
from bot.core.ports import Json
from bot.core.redact import redacted
from bot.core.text import cut

_HIDDEN = "•••"
_LONGEST = 120
_KEPT_BY_THE_SERVER = ("managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink", "namespace")
_KEPT_BY_CONTROLLERS = (
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "kubectl.kubernetes.io/last-applied-configuration",
)
_ALLOCATED = {"Service": ("clusterIP", "clusterIPs", "healthCheckNodePort")}


class FieldChange(Frozen):
    """One field before and after; None: it is not there. `path`: its JSON Pointer, empty for the whole object. A list is one field."""

    path: str
    before: Any = None
    after: Any = None

    @property
    def spoken(self) -> str:
        """Returns the path as people write it: `spec.template.spec`."""
        return ".".join(map(_unescaped, self.path.split("/")[1:]))


def settled(thing: Json, without: tuple[str, ...] = ()) -> Json:
    """Returns what of an object is its author's: no status, nothing that the server or a controller keeps there, not the annotations `without`."""
    metadata = {name: value for name, value in thing["metadata"].items() if name not in _KEPT_BY_THE_SERVER}
    annotations = {name: value for name, value in (metadata.pop("annotations", None) or {}).items() if name not in (*_KEPT_BY_CONTROLLERS, *without)}
    metadata |= {"annotations": annotations} if annotations else {}
    return {**{name: value for name, value in thing.items() if name != "status"}, "metadata": metadata}


def new(thing: Json, without: tuple[str, ...] = ()) -> Json:
    """Returns what a dry run has put into an object that it made, `settled`, its name aside, and without what each run makes anew: its uid wherever it stands,
    addresses and ports.
    """
    found: Json = _without_value(settled(thing, without), thing["metadata"].get("uid"))
    del found["apiVersion"], found["kind"], found["metadata"]["name"]
    if not found["metadata"]:
        del found["metadata"]
    allocated = _ALLOCATED.get(thing["kind"])
    if allocated and isinstance(found.get("spec"), dict):
        ports = [{name: value for name, value in port.items() if name != "nodePort"} for port in found["spec"].get("ports") or []]
        found["spec"] = {name: value for name, value in found["spec"].items() if name not in allocated} | ({"ports": ports} if ports else {})
    return found


def changes(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> tuple[FieldChange, ...]:
    """Returns what has to change to come from one to the other: mappings are gone into, everything else is replaced whole."""
    found: list[FieldChange] = []
    for name in dict.fromkeys([*before, *after]):
        old, new, here = before.get(name), after.get(name), f"{path}/{_escaped(name)}"
        if isinstance(old, dict) and isinstance(new, dict):
            found += changes(old, new, here)
        elif old != new:
            found.append(FieldChange(path=here, before=old, after=new))
    return tuple(found)


def at(thing: Json, path: str) -> Any:
    """Returns what stands at a JSON Pointer, None when nothing does."""
    found: Any = thing
    for part in path.split("/")[1:]:
        found = found.get(_unescaped(part)) if isinstance(found, dict) else None
    return found


def lines(change: FieldChange) -> list[str]:
    """Returns a change as the lines of a diff. Values of variables are not shown, as they may be secret, and others are redacted."""
    return [*_lines(change.before, change.after, change.spoken, "env" in change.spoken.split("."))]


def drift(change: FieldChange, found: Any, expected: Any) -> str:
    """Returns in words that a field is not as expected, at the place where it differs: `its spec.replicas is 4 now, not 3`."""
    return f"its {_drift(found, expected, change.spoken, 'env' in change.spoken.split('.'))}"


def _drift(found: Any, expected: Any, path: str, secret: bool) -> str:
    here, there = _keyed(found) or {}, _keyed(expected) or {}
    name = next((one for one in [*here, *there] if here.get(one) != there.get(one)), None)
    if name is not None and _keyed(found) is not None and _keyed(expected) is not None:
        return _drift(here.get(name), there.get(name), _inner(path, name, found or expected), secret or name == "env")
    is_now, was = _worded(path, found), _worded(path, expected)
    if (secret and _is_hidden(path, found or expected)) or (here and here == there) or is_now == was:
        return f"{path} is another one now"
    return f"{path} is {is_now} now, not {was}"


def _worded(path: str, value: Any) -> str:
    return "absent" if value is None else cut(_redacted(path, value), 40)


def _redacted(path: str, value: Any) -> str:
    """Returns a value as a text that may be posted: its field's name tells, too, whether it is a secret."""
    if not isinstance(value, str):
        return redacted(str(value))
    name = f"{path.rpartition('.')[2]}: "
    return redacted(name + value).removeprefix(name)


def _inner(path: str, name: str, of: Any) -> str:
    return f"{path}[{name}]" if isinstance(of, list) else f"{path}.{name}".lstrip(".")


def _is_hidden(path: str, value: Any) -> bool:
    """Of a list of variables its values, or all of it where its entries cannot be told apart."""
    return path.endswith(".value") or isinstance(value, list)


def _lines(old: Any, new: Any, path: str, secret: bool) -> Iterator[str]:
    if old == new:
        return
    keyed_old, keyed_new = _keyed(old), _keyed(new)
    if keyed_old is not None and keyed_new is not None and keyed_old == keyed_new != {}:
        yield from (f"{sign} {path}: in the order {', '.join(names)}" for sign, names in (("-", keyed_old), ("+", keyed_new)))
    elif keyed_old is not None and keyed_new is not None and (keyed_old or keyed_new):
        for name in dict.fromkeys([*keyed_old, *keyed_new]):
            yield from _lines(keyed_old.get(name), keyed_new.get(name), _inner(path, name, old or new), secret or name == "env")
    elif secret and _is_hidden(path, old or new):
        yield from (f"{sign} {path}: {_HIDDEN}" for sign, value in (("-", old), ("+", new)) if value is not None)
    elif isinstance(old, str) and isinstance(new, str) and "\n" in old + new:
        yield f"  {path}:"
        told = [*difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=1)][2:]
        yield from (f"{line[:1]}   {cut(redacted(line[1:]), _LONGEST)}" for line in told if not line.startswith("@@"))
    else:
        yield from (f"{sign} {path}: {cut(_redacted(path, value), _LONGEST)}" for sign, value in (("-", old), ("+", new)) if value is not None)


def _keyed(value: Any) -> dict[str, Any] | None:
    """Returns a mapping, or a list of named things by their names, as a mapping; nothing as an empty one; None for anything else."""
    if value is None or value == []:
        return {}
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        names = [str(one.get("name", one.get("containerPort", one.get("port", place)))) for place, one in enumerate(value)]
        return dict(zip(names, value, strict=True)) if len(set(names)) == len(names) else None
    return None


def _without_value(value: Any, unwanted: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_value(one, unwanted) for name, one in value.items() if unwanted is None or one != unwanted}
    return [_without_value(one, unwanted) for one in value] if isinstance(value, list) else value


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
