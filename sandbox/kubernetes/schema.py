"""What the fields of every kind may hold, and the decoding of what a client sends: unknown fields are dropped, wrong types are told in Go's words.

`fields.json` has the fields of every Go struct, as the API server's OpenAPI names them: `string`, `int32`, `time`, `quantity`, another struct, `[]…`
or `map …`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.kubernetes import quantity
from sandbox.kubernetes.objects import Object, parse_time
from sandbox.kubernetes.resources import Resource

INTEGERS = {"int32": 1 << 31, "int64": 1 << 63}
_JSON_NAMES = {dict: "object", list: "array", str: "string", int: "number", float: "number", bool: "bool"}
_GO_NAMES = {"quantity": "string", "time": "string", "bytes": "[]uint8", "intOrString": "int32", "double": "float64"}


class DecodingError(Exception):
    """A field that holds what its Go type cannot: how the JSON decoder says it, and how the converter of a strategic merge patch does."""

    def __init__(self, decoding: str, converting: str) -> None:
        super().__init__(decoding)
        self.decoding = decoding
        self.converting = converting


@dataclass(slots=True)
class Decoded:
    """The object without nulls and without fields that its kind does not have, whose paths are `unknown`."""

    object: Object = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def go_type(value: Any) -> str:
    """How Go's decoder names a JSON value's type."""
    return _JSON_NAMES.get(type(value), "null")


def decode(resource: Resource, sent: Object, known: Object | None = None) -> Decoded:
    """Reads an object of the resource's kind; what is the same in `known`, which was read before, is taken over. Raises DecodingError."""
    reader = _Reader()
    kind = f"{resource.group.partition('.')[0] or 'core'}.{resource.version}.{resource.kind}"
    return Decoded(reader.struct(kind, sent, known, "", ""), reader.unknown)


@cache
def _fields() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "fields.json").read_text())
    return found


class _Reader:
    """`path` names a field with its indices, as unknown fields are told; `place` without, after the struct that has it, as mistyped ones are."""

    def __init__(self) -> None:
        self.unknown: list[str] = []

    def struct(self, kind: str, sent: Object, known: Any, path: str, place: str) -> Object:
        fields, name, old = _fields()[kind], kind.rpartition(".")[2], known if isinstance(known, dict) else {}
        self.unknown.extend(f"{path}{key}" for key in sent if key not in fields)
        read = {}
        for key, value in sent.items():
            if value is not None and key in fields:
                same = key in old and old[key] == value
                read[key] = value if same else self.value(fields[key], value, old.get(key), f"{path}{key}", (name, f"{place}{key}"))
        return read

    def value(self, kind: str, value: Any, known: Any, path: str, place: tuple[str, str]) -> Any:
        if kind == "any":
            return value
        if kind.startswith("[]"):
            _require(isinstance(value, list), value, kind, place)
            before = known if isinstance(known, list) else []
            items = [before[number] if number < len(before) else None for number in range(len(value))]
            return [self.value(kind[2:], item, items[number], f"{path}[{number}]", place) for number, item in enumerate(value)]
        if kind.startswith("map "):
            _require(isinstance(value, dict), value, kind, place)
            return {key: self.value(kind[4:], item, None, f"{path}.{key}", place) for key, item in value.items() if item is not None}
        if kind in _fields():
            _require(isinstance(value, dict), value, kind, place)
            return self.struct(kind, value, known, f"{path}.", f"{place[1]}.")
        _check_simple(kind, value, place)
        return value


def _require(holds: bool, value: Any, kind: str, place: tuple[str, str]) -> None:
    if holds:
        return
    number = f" {value}" if kind in INTEGERS and go_type(value) == "number" else ""
    wanted = _go_name(kind)
    decoding = f"json: cannot unmarshal {go_type(value)}{number} into Go struct field {place[0]}.{place[1]} of type {wanted}"
    raise DecodingError(decoding, f"cannot convert int64 to {wanted}" if go_type(value) == "number" else f"unrecognized type: {wanted}")


def _go_name(kind: str) -> str:
    if kind.startswith("[]"):
        return f"[]{_go_name(kind[2:])}"
    if kind.startswith("map "):
        return f"map[string]{_go_name(kind[4:])}"
    return _GO_NAMES.get(kind, ".".join(kind.split(".")[-2:]))


def _check_simple(kind: str, value: Any, place: tuple[str, str]) -> None:
    match kind:
        case "int32" | "int64":
            whole = isinstance(value, int) and not isinstance(value, bool) and -INTEGERS[kind] <= value < INTEGERS[kind]
            _require(whole, value, kind, place)
        case "bool":
            _require(isinstance(value, bool), value, kind, place)
        case "double":
            _require(isinstance(value, int | float) and not isinstance(value, bool), value, kind, place)
        case "intOrString":
            _require(isinstance(value, int | str) and not isinstance(value, bool), value, kind, place)
        case "quantity":
            try:
                quantity.parse(value)
            except ValueError as error:
                raise DecodingError(str(error), str(error)) from None
        case _:
            _require(isinstance(value, str), value, kind, place)
            _check_text(kind, value)


def _check_text(kind: str, value: str) -> None:
    try:
        if kind == "time":
            parse_time(value)
        elif kind == "bytes":
            base64.b64decode(value, validate=True)
    except binascii.Error:
        wrong = re.search(r"[^A-Za-z0-9+/=]", value)
        why = f"illegal base64 data at input byte {wrong.start() if wrong else len(value)}"
        raise DecodingError(why, why) from None
    except ValueError:
        why = f'parsing time "{value}" as "2006-01-02T15:04:05Z07:00": cannot parse "{value}" as "2006"'
        raise DecodingError(why, why) from None
