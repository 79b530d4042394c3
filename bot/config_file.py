"""aiec.yaml from its file to data; what is wrong is said with the file's name, the line, the path of keys, and what was expected."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from bot import yaml_text
from bot.core.config import Config, schema
from bot.core.config_types import found
from bot.core.errors import AiecError
from bot.core.suggest import nearest, quoted

SHOWN = 20


class SettingsError(AiecError):
    """The environment or aiec.yaml cannot be used: a line of text for each thing that is wrong."""

    code = "settings"


def reason(error: OSError | ValueError) -> str:
    """Returns why a text file could not be read."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8 text"


def read(path: Path) -> Config:
    """Returns the configuration. Raises SettingsError, at most 20 lines of it."""
    try:
        document = yaml_text.parse(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} cannot be read: {reason(error)}") from error
    except yaml_text.NotYaml as error:
        raise SettingsError(f"{path.name}:{error.line}: {error.text}") from error
    try:
        return _anchored(Config.model_validate(document.data), path.parent)
    except ValidationError as error:
        lines = sorted((document.line(where), _said(where, detail)) for detail in error.errors() if (where := _place(detail["loc"])) is not None)
        shown = [f"{path.name}:{line}: {text}" for line, text in lines[:SHOWN]]
        raise SettingsError("\n".join([*shown, *([f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])])) from None


def _anchored(config: Config, folder: Path) -> Config:
    """Returns the configuration with the folders of manifests below the one that aiec.yaml is in, wherever the process runs."""
    services = {
        name: service.model_copy(update={"manifests": str((folder / service.manifests).absolute())}) if service.manifests else service
        for name, service in config.services.items()
    }
    return config.model_copy(update={"services": services})


def _place(loc: Iterable[str | int]) -> yaml_text.Path:
    """Pydantic marks a mapping's key that is wrong by `[key]` behind it."""
    return tuple(part for part in loc if part != "[key]")


def _said(path: yaml_text.Path, detail: ErrorDetails) -> str:
    value = detail["input"]
    match detail["type"]:
        case "missing":
            return _at(path[:-1], f"`{path[-1]}` is missing")
        case "extra_forbidden":
            meant = nearest(str(path[-1]), _keys(path[:-1]))
            return _at(path[:-1], f"there is no `{quoted(str(path[-1]))}`" + (f"; did you mean `{meant}`?" if meant else ""))
        case "model_type" | "model_attributes_type" | "dict_type":
            return _at(path, f"expected a mapping of keys to values, found {found(value)}")
        case "tuple_type":
            return _at(path, f"expected a list, found {found(value)}")
        case "too_short":
            return _at(path, "expected at least one")
        case "expected" | "rule":
            return _at(path, detail["msg"])
        case _:
            return _at(path, f"{detail['msg']}, found {found(value)}")


def _at(path: yaml_text.Path, text: str) -> str:
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    return f"{where}: {text}" if where else text


def _keys(path: yaml_text.Path) -> list[str]:
    """Returns the keys that may stand at a path, by the schema; empty where any may."""
    whole = schema()
    here: dict[str, Any] = whole
    for part in path:
        options = [_resolved(option, whole) for option in here.get("anyOf", [here])]
        steps = (option.get("properties", {}).get(part) or option.get("additionalProperties") or option.get("items") for option in options)
        here = _resolved(next((step for step in steps if step), {}), whole)
    return [key for option in here.get("anyOf", [here]) for key in _resolved(option, whole).get("properties", {})]


def _resolved(option: Any, whole: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(option, dict):
        return {}
    return whole["$defs"][option["$ref"].rpartition("/")[2]] if "$ref" in option else option
