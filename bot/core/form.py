"""A command's arguments as a form, from the same declaration that parsing and usage come from."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel

from bot.core.data import Frozen
from bot.core.parse import EXAMPLES, Argument, Choices, fields_of

Kind = Literal["text", "lines", "flag", "one", "several"]


class Field(Frozen):
    """One input: text on a line or on several, a flag to set, one or several of `options`. `value` is what it holds at first."""

    name: str
    label: str
    kind: Kind
    optional: bool = False
    options: tuple[str, ...] = ()
    value: str | bool | tuple[str, ...] | None = None
    example: str = ""
    hint: str = ""


class Form(Frozen):
    """What is asked of somebody before `command` can be requested. `carried`: what it is requested with besides, and nobody is asked for."""

    command: str
    summary: str
    fields: tuple[Field, ...]
    carried: dict[str, Any] = {}


class Opening(Frozen):
    """What a form is opened with of a command that is given nothing to do yet: the values of its fields, what it carries along, fields that are not asked for,
    and hints that count instead of the fields' own."""

    summary: str
    values: dict[str, Any] = {}
    carried: dict[str, Any] = {}
    hidden: tuple[str, ...] = ()
    hints: dict[str, str] = {}


def form_of(command: str, summary: str, model: type[BaseModel], values: Mapping[str, Any], choices: Choices) -> Form:
    """Returns the form of a command. `values`: what is known already, by field; `choices`: what may be chosen, by the lists that `Param.choices` names."""
    return Form(command=command, summary=summary, fields=tuple(_field(each, values.get(each.name), choices) for each in fields_of(model)))


def opened(command: str, opening: Opening, model: type[BaseModel], choices: Choices) -> Form:
    """Returns the form that a command opens by itself."""
    form = form_of(command, opening.summary, model, opening.values, choices)
    asked = [field for field in form.fields if field.name not in opening.carried and field.name not in opening.hidden]
    return form.model_copy(
        update={
            "fields": tuple(field.model_copy(update={"hint": opening.hints.get(field.name, field.hint)}) for field in asked),
            "carried": opening.carried,
        }
    )


def given(model: type[BaseModel], filled: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what was filled in as the values that `parse.check` takes: without what was left empty, lists where several are meant."""
    values = {each.name: _value(each, filled[each.name]) for each in fields_of(model) if each.name in filled}
    return {name: value for name, value in values.items() if value not in ("", (), None, False)}


def _value(argument: Argument, value: Any) -> Any:
    if argument.several and isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, str):
        return value.strip().removeprefix("@") if argument.param.kind == "person" else value.strip()
    return value


def _field(argument: Argument, value: Any, choices: Choices) -> Field:
    options = tuple(argument.offered(choices))
    return Field(
        name=argument.name,
        label=argument.name.strip("_").replace("_", " ").capitalize(),
        kind=_kind(argument, options),
        optional=not argument.info.is_required(),
        options=options,
        value=value,
        example=EXAMPLES.get(argument.param.kind, ""),
        hint=argument.param.help,
    )


def _kind(argument: Argument, options: tuple[str, ...]) -> Kind:
    if argument.flag:
        return "flag"
    if options:
        return "several" if argument.several else "one"
    return "lines" if argument.param.rest or argument.param.kind == "lines" else "text"
