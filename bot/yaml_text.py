"""YAML that remembers its lines, and is read as YAML 1.2 means it: `on` is a word, `010` is ten, a date is a text that the reader of the field understands.

Manifests are read as kubectl reads them, where `on` is true and `010` eight: who applies a folder by hand must get the same objects.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.events import CollectionStartEvent, ScalarEvent
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Path = tuple[str | int, ...]


class NotYaml(Exception):
    """The text is no YAML, or no YAML that is used here: `line` counts from 1."""

    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


class _Loader(yaml.SafeLoader):
    """Only the plain values of YAML 1.2's core schema, so that nobody writes a word and gets a number."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:null|Null|NULL|~|)$"), ["n", "N", "~", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"^[-+]?[0-9]{1,18}$"), list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?$"), list("-+.0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])
_Loader.add_constructor("tag:yaml.org,2002:int", lambda _, node: int(node.value))


class _KubectlLoader(yaml.SafeLoader):
    """The plain values of YAML 1.1 as kubectl knows them (seen on kubectl 1.36): no times, and no sexagesimal numbers (`1:30`)."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


_TRUTH = re.compile(r"^(?:y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|FALSE|off|Off|OFF)$")
_WHOLE = re.compile(r"^[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)$")
_KubectlLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:null|Null|NULL|~|)$"), ["n", "N", "~", ""])
_KubectlLoader.add_implicit_resolver("tag:yaml.org,2002:bool", _TRUTH, list("yYnNtTfFoO"))
_KubectlLoader.add_implicit_resolver("tag:yaml.org,2002:int", _WHOLE, list("-+0123456789"))
_FLOAT = re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
_KubectlLoader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
_KubectlLoader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])
_KubectlLoader.add_constructor("tag:yaml.org,2002:bool", lambda _, node: node.value.lower() in ("y", "yes", "true", "on"))
_KubectlLoader.add_constructor("tag:yaml.org,2002:int", lambda _, node: _whole(node.value.replace("_", "")))
_KubectlLoader.add_constructor("tag:yaml.org,2002:float", lambda _, node: float(node.value))


def _whole(text: str) -> int:
    """A leading 0 alone means octal: file modes are written so."""
    digits = text.lstrip("+-")
    octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    value = int(digits, 8) if octal else int(digits, 0)
    return -value if text.startswith("-") else value


@dataclass(frozen=True)
class Document:
    """The values of a text, and where they stand in it."""

    data: Any
    root: Node | None

    def line(self, path: Path) -> int:
        """Returns the line of what the path of keys and indices leads to, or of the last of its parts that is there."""
        node, line = self.root, 1 if self.root is None else self.root.start_mark.line + 1
        for part in path:
            found = _child(node, part)
            if found is None:
                break
            node, line = found
        return line


def parse(text: str) -> Document:
    """Returns the document of a text. Raises NotYaml, also for a key that stands twice and for tags (`!!python/…`)."""
    found = _read(text, _Loader)
    if len(found) > 1:
        raise NotYaml(found[1].line(()), "a second document begins here, and only one has its place")
    return found[0] if found else Document(None, None)


def manifests(text: str) -> list[Document]:
    """Returns the documents of a text of manifests, those left out that are empty. Raises NotYaml as `parse` does."""
    return [document for document in _read(text, _KubectlLoader) if document.data is not None]


def _read(text: str, loading: type[yaml.SafeLoader]) -> list[Document]:
    try:
        if "!" in text:  # every tag has one
            _refuse_tags(text)
        loader = loading(text)
        try:
            return [*_documents(loader)]
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(mark.line + 1 if mark else 1, _explained(error, text)) from error
    except yaml.reader.ReaderError as error:
        at = error.position if isinstance(error.position, int) else 0
        raise NotYaml(text.count("\n", 0, at) + 1, f"the character U+{int(error.character):04X} cannot stand in YAML") from error
    except RecursionError as error:
        raise NotYaml(1, "it is nested too deeply") from error


def _documents(loader: yaml.SafeLoader) -> Iterator[Document]:
    while loader.check_node():
        root = loader.get_node()
        _refuse_duplicates(root, set())
        yield Document(loader.construct_document(root), root)


def _explained(error: yaml.MarkedYAMLError, text: str) -> str:
    mark = error.problem_mark
    line = text.split("\n")[mark.line] if mark and mark.line <= text.count("\n") else ""
    if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in (error.problem or ""):
        return "a tab stands where YAML wants spaces"
    return " ".join(part for part in (error.context, error.problem) if part)


def _refuse_tags(text: str) -> None:
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, ScalarEvent | CollectionStartEvent) and event.tag is not None:
            raise NotYaml(event.start_mark.line + 1 if event.start_mark else 1, f"the tag {event.tag.replace('tag:yaml.org,2002:', '!!')} has no place here")


def _refuse_duplicates(node: Node | None, seen: set[int]) -> None:
    """An anchor may make a node its own ancestor: each is looked at once."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, SequenceNode):
        for item in node.value:
            _refuse_duplicates(item, seen)
    elif isinstance(node, MappingNode):
        first: dict[str, Node] = {}
        for key, value in node.value:
            if isinstance(key, ScalarNode) and first.setdefault(key.value, key) is not key:
                raise NotYaml(key.start_mark.line + 1, f"'{key.value}' stands here twice, first in line {first[key.value].start_mark.line + 1}")
            _refuse_duplicates(value, seen)


def _child(node: Node | None, part: str | int) -> tuple[Node, int] | None:
    if isinstance(node, MappingNode):
        return next(((value, key.start_mark.line + 1) for key, value in node.value if key.value == str(part)), None)
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part].start_mark.line + 1
    return None
