"""A service's folder of manifests, from files to objects. What is wrong is said with the file and the line, all of it at once.

The files of the folder itself are for every environment; those of its subfolder with an environment's name are for that one, and an object there stands instead
of the one with the same kind and name. Nothing is merged.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot import yaml_text
from bot.config_file import reason
from bot.core.ports import Json
from bot.core.suggest import did_you_mean, ended, quoted

SUFFIXES = (".yaml", ".yml")
EXPORTED = ("managedFields", "resourceVersion", "uid", "selfLink", "generation")
"""What only a server writes, and stands in what was copied out of one."""


@dataclass(frozen=True)
class Manifest:
    """One document of a file: `file` as it is to be named, below the folder."""

    file: str
    document: yaml_text.Document

    def at(self, *path: str | int) -> str:
        """Returns where the value at that path stands, or its last part that is there: `web.yaml:12`."""
        return f"{self.file}:{self.document.line(path)}"


@dataclass(frozen=True)
class Found:
    """An object, its nulls left out, and where it stands."""

    thing: Json
    source: Manifest

    @property
    def identity(self) -> tuple[str, str, str]:
        """Group, kind and name: an object is the same whatever version of its API a manifest is written in."""
        return self.thing["apiVersion"].rpartition("/")[0], self.thing["kind"], self.thing["metadata"]["name"]

    @property
    def title(self) -> str:
        return f"{self.thing['kind']} {self.thing['metadata']['name']}"


@dataclass(frozen=True)
class Folder:
    """What a folder has for one environment, and a sentence for everything that is wrong in it."""

    objects: tuple[Found, ...]
    problems: tuple[str, ...]


def read(path: Path, environment: str, namespaces: Mapping[str, str]) -> Folder:
    """Returns the folder's objects for the environment. `namespaces`: all environments, each with its namespace."""
    if not path.is_dir():
        return Folder((), (f"{path} is not a folder." if path.exists() else f"The folder {path} does not exist.",))
    try:
        folders = sorted(one.name for one in path.iterdir() if one.is_dir() and not one.name.startswith("."))
        unknown = [
            ended(f"The folder {path.name}/{name} is for no environment{did_you_mean(name, [*namespaces])}") for name in folders if name not in namespaces
        ]
        problems = [*unknown]
        layers = [_layer(one, named, namespaces[environment], problems) for one, named in ((path, ""), (path / environment, f"{environment}/"))]
    except OSError as error:
        return Folder((), (f"The folder {path} cannot be read: {reason(error)}.",))
    merged = {one.identity: one for layer in layers for one in layer}
    if not merged and not problems:
        problems.append(f"The folder {path} has no object for {environment}: no .yaml or .yml file in it has one.")
    return Folder(tuple(merged.values()), tuple(problems))


def _layer(path: Path, named: str, namespace: str, problems: list[str]) -> list[Found]:
    """Returns the objects of the files of one folder, in the files' order, and adds what is wrong to the problems."""
    objects: dict[tuple[str, str, str], Found] = {}
    files = sorted(one for one in path.iterdir() if one.suffix in SUFFIXES and not one.name.startswith(".")) if path.is_dir() else []
    for file in files:
        for source in _documents(file, named + file.name, problems):
            wrong = [*_wrong(source, source.document.data, namespace)]
            problems += wrong
            if wrong:
                continue
            found = Found(_plain(source.document.data), source)
            first = objects.setdefault(found.identity, found)
            if first is not found:
                problems.append(f"{source.at('metadata', 'name')}: {found.title} stands here again; it is in {first.source.at('metadata', 'name')} already.")
    return [*objects.values()]


def _documents(file: Path, name: str, problems: list[str]) -> list[Manifest]:
    try:
        return [Manifest(name, document) for document in yaml_text.manifests(file.read_text("utf-8-sig"))]
    except yaml_text.NotYaml as error:
        problems.append(f"{name}:{error.line}: {error.text}.")
    except (OSError, ValueError) as error:
        problems.append(f"{name} cannot be read: {reason(error)}.")
    return []


def _wrong(source: Manifest, data: Any, namespace: str) -> Iterator[str]:
    """Yields what keeps a document from being an object of that namespace."""
    if not isinstance(data, dict):
        yield f"{source.at()}: expected an object of Kubernetes (apiVersion, kind, metadata), found {_named(data)}."
        return
    missing = [name for name in ("apiVersion", "kind") if not (isinstance(data.get(name), str) and data[name])]
    metadata = data.get("metadata")
    if missing:
        yield f"{source.at(missing[0])}: the object has no {' and no '.join(missing)}."
    elif data["kind"] == "Secret":
        text = f"{source.at('kind')}: a Secret has no place in a folder of manifests, for it would be shown and kept with the plan"
        yield f"{text}; create it by itself, or have an operator do it (External Secrets, Sealed Secrets)."
    elif data["kind"] == "List" or (data["kind"].endswith("List") and "items" in data):
        yield f"{source.at('kind')}: write the objects of the {data['kind']} as documents of their own, with `---` between them."
    elif data["kind"] == "Kustomization":
        yield f"{source.at('kind')}: a Kustomization is no object of a cluster; put into the folder what `kubectl kustomize` makes of it."
    elif not isinstance(metadata, dict):
        yield f"{source.at('metadata')}: {data['kind']} has no metadata with a name."
    else:
        yield from _metadata(source, data["kind"], metadata, namespace)


def _metadata(source: Manifest, kind: str, metadata: Json, namespace: str) -> Iterator[str]:
    if "generateName" in metadata:
        yield f"{source.at('metadata', 'generateName')}: generateName makes another object each time; give {kind} a name."
    elif not (isinstance(metadata.get("name"), str) and metadata["name"]):
        yield f"{source.at('metadata', 'name')}: {kind} has no name, or one that is no text."
    if metadata.get("namespace") not in (None, namespace):
        other = quoted(str(metadata["namespace"]))
        yield f"{source.at('metadata', 'namespace')}: {kind} is for the namespace '{other}', and the environment is '{namespace}'; leave it out."
    for name in EXPORTED:
        if metadata.get(name) is not None:
            yield f"{source.at('metadata', name)}: metadata.{name} comes out of a cluster; take it out of the manifest."
    for name in ("annotations", "labels"):
        if not isinstance(metadata.get(name) or {}, dict):
            yield f"{source.at('metadata', name)}: expected a mapping of {name} to values, found {_named(metadata[name])}."


def _named(value: object) -> str:
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else f"'{quoted(str(value))}'"


def _plain(data: Json) -> Json:
    """Returns the object as JSON has it, without its status, and as kubectl does it without nulls."""
    found: Json = _without_nulls(data)
    return {name: value for name, value in found.items() if name != "status"}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {_key(name): _without_nulls(one) for name, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def _key(name: object) -> str:
    return str(name).lower() if isinstance(name, bool) else str(name)
