"""Text to typed arguments: one declaration, a Pydantic model whose fields carry a `Param`, gives parsing, usage, sentences for mistakes, and forms.

A field's type says the rest: `bool` is a flag, `tuple[str, ...]` may be given several times or with commas, a default makes it optional.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from bot.core import version
from bot.core.errors import UsageError
from bot.core.incident_name import incident_number
from bot.core.suggest import did_you_mean, ended, nearest, quoted
from bot.core.words import Word, hidden, words

__all__ = ["Argument", "Choices", "Incomplete", "Param", "Version", "Word", "bind", "check", "fields_of", "find_command", "usage", "validate", "words"]

M = TypeVar("M", bound=BaseModel)
Choices = Mapping[str, Sequence[str]]

_NOUNS = {
    "environments": "an environment",
    "services": "a service",
    "deployable": "a service that can be deployed",
    "people": "a person of aiec.yaml",
    "commands": "a command",
    "severities": "a severity",
    "policies": "an escalation policy",
}
_SLACK_ID = re.compile(r"[UW][A-Z0-9]{2,}")
EXAMPLES = {"version": "v1.2.0", "operation": "op-142", "incident": "#42", "action": "act-7", "person": "@engineer", "level": "L2", "duration": "8h"}


@dataclass(frozen=True)
class Param:
    """How an argument is given. `option`: as `--name`; else by its place. `choices` names the list it is one of, `among` is that list where it is the same
    everywhere. `rest`: takes the rest of the line as it stands, `raw`: also what looks like an option. `kind` is what a form offers for it and an example
    shows; `person` may also be a Slack mention, and an `incident` that may be left out takes only a word that names one.
    """

    option: bool = False
    choices: str = ""
    among: tuple[str, ...] = ()
    rest: bool = False
    raw: bool = False
    kind: Literal["text", "lines", "version", "person", "operation", "incident", "action", "level", "duration"] = "text"
    metavar: str = ""
    help: str = ""


Version = Annotated[version.Version, Param(kind="version", metavar="version", help="the version, such as v1.2.0")]
"""An argument that holds a version."""


class Incomplete(UsageError):
    """Nothing that was given is wrong, but something is missing. `values`: what was given to `command`, by field; a form can ask for the rest."""

    def __init__(self, text: str, hint: str, command: str, values: Mapping[str, Any]) -> None:
        super().__init__(text, hint)
        self.command = command
        self.values = dict(values)


@dataclass(frozen=True)
class Argument:
    """A field of a command's arguments with its declaration."""

    name: str
    param: Param
    info: FieldInfo

    @property
    def flag(self) -> bool:
        return self.info.annotation is bool

    @property
    def several(self) -> bool:
        return getattr(self.info.annotation, "__origin__", None) is tuple

    def offered(self, choices: Choices) -> Sequence[str]:
        """Returns the names that it is one of; none where anything may be given."""
        return self.param.among or choices.get(self.param.choices, ())

    @property
    def label(self) -> str:
        """`--name` of an option, else what stands between `<` and `>`."""
        name = self.name.strip("_").replace("_", "-")
        return f"--{name}" if self.param.option else self.param.metavar or name


def fields_of(model: type[BaseModel]) -> list[Argument]:
    """Returns what a command can be given, in order."""
    found = ((name, info, [each for each in info.metadata if isinstance(each, Param)]) for name, info in model.model_fields.items())
    return [Argument(name, params[-1], info) for name, info, params in found if params]


def find_command(said: Sequence[Word | str], names: Sequence[str]) -> str:
    """Returns the command that the line begins with, whatever its capitals: of one word, or of two (`incident ack`). Raises UsageError with the nearest one."""
    typed = [word.text if isinstance(word, Word) else word for word in said[:2]]
    wanted = [" ".join(typed[:length]).casefold() for length in (2, 1)]
    if (found := next((name for name in wanted if name in names), None)) is not None:
        return found
    verbs = [name.partition(" ")[2] for name in names if name.startswith(f"{wanted[1]} ")]
    if verbs and len(typed) < 2:
        raise UsageError(
            f"`{wanted[1]}` needs to know what to do: {', '.join(verbs)}.",
            f"For example `/aiec {wanted[1]} {verbs[0]}`; `/aiec help {wanted[1]}` explains them.",
        )
    if verbs:
        meant = nearest(typed[1], verbs)
        raise UsageError(
            f"*{quoted(typed[1])}* is nothing that `{wanted[1]}` does: {', '.join(verbs)}{f'; did you mean `{wanted[1]} {meant}`?' if meant else '.'}"
        )
    meant = nearest(typed[0], list(dict.fromkeys(name.partition(" ")[0] for name in names)))
    suggestion = f"; did you mean `{meant}`?" if meant else "."
    raise UsageError(f"*{quoted(typed[0])}* is not a command{suggestion}", "`/aiec help` lists what you may do.")


def bind(model: type[M], given: Sequence[Word], choices: Choices, *, command: str, examples: Sequence[str] = ()) -> M:
    """Returns the arguments that the words after a command's name give. Raises UsageError: what is wrong, the usage, an example, of `examples` the first that
    can be typed here; it is Incomplete when something is missing and nothing is wrong."""
    try:
        return validate(model, _Reading(fields_of(model), command).read(given), choices, command=command, examples=examples)
    except Incomplete:
        raise
    except UsageError as error:
        left_out = f" ({note})" if (note := hidden(given)) else ""
        raise UsageError(error.text + left_out, error.hint or _hint(model, choices, command, examples)) from None


def validate(model: type[M], values: Mapping[str, Any], choices: Choices, *, command: str, examples: Sequence[str] = ()) -> M:
    """Returns the arguments made of values that came without a text (a form, a webhook). Raises UsageError like `bind`."""
    problems = check(model, values, choices)
    if not problems:
        return model.model_validate(dict(values))
    missing = [field for field in fields_of(model) if field.info.is_required() and field.name not in values]
    wrong = next((text for name, text in problems.items() if name not in {field.name for field in missing}), None)
    if wrong is not None:
        raise UsageError(ended(wrong), _hint(model, choices, command, examples))
    needed = " and ".join(f"`<{field.label}>`" for field in missing)
    raise Incomplete(f"`{command}` needs {needed}.", _hint(model, choices, command, examples), command, values)


def check(model: type[BaseModel], values: Mapping[str, Any], choices: Choices) -> dict[str, str]:
    """Returns what is wrong with which field, a sentence each, in the order of the fields; empty when all is well."""
    held = values
    try:
        held = dict(model.model_validate(dict(values)))
        errors = {}
    except ValidationError as error:
        errors = {str(detail["loc"][0]) if detail["loc"] else "": _sentence(detail) for detail in reversed(error.errors())}
    chosen = {field.name: text for field in fields_of(model) for text in _not_among(field, held.get(field.name), choices)}
    found = errors | chosen
    order = [*model.model_fields, *found]
    return dict(sorted(found.items(), key=lambda item: order.index(item[0])))


def usage(model: type[BaseModel], command: str) -> str:
    """Returns `deploy <env> <version> [--service NAME]… [--dry-run]`."""
    return " ".join([command, *(_usage_of(field) for field in fields_of(model))])


def _usage_of(field: Argument) -> str:
    if not field.param.option:
        text = field.label + ("…" if field.param.rest else "")
        return f"<{text}>" if field.info.is_required() else f"[{text}]"
    text = field.label if field.flag else f"{field.label} {_value_name(field)}"
    return (text if field.info.is_required() else f"[{text}]") + ("…" if field.several else "")


def _value_name(field: Argument) -> str:
    return field.param.metavar or field.name.strip("_").upper()


def _hint(model: type[BaseModel], choices: Choices, command: str, examples: Sequence[str]) -> str:
    made = " ".join([command, *(_example(field, choices) for field in fields_of(model) if field.info.is_required())])
    example = next((one for one in examples if _fits(one, model, choices, command)), made)
    return f"Usage: `/aiec {usage(model, command)}`, for example `/aiec {example}`"


def _fits(example: str, model: type[BaseModel], choices: Choices, command: str) -> bool:
    """Returns whether the example can be typed here: it names services, say, that another platform does not have."""
    try:
        return not check(model, _Reading(fields_of(model), command).read(words(example)[len(command.split()) :]), choices)
    except UsageError:
        return False


def _example(field: Argument, choices: Choices) -> str:
    options = field.offered(choices)
    value = options[0] if options else EXAMPLES.get(field.param.kind, field.label)
    return f"{field.label} {value}" if field.param.option else value


def _not_among(field: Argument, value: object, choices: Choices) -> Iterator[str]:
    """Yields a sentence for the first value that is not on the field's list."""
    if not (field.param.choices or field.param.among):
        return
    names, noun = field.offered(choices), _NOUNS.get(field.param.choices) or (field.label.replace("|", " or ") if "|" in field.label else f"a {field.label}")
    for each in value if isinstance(value, list | tuple) else [value]:
        if isinstance(each, str) and each not in names and not (field.param.kind == "person" and _SLACK_ID.fullmatch(each)):
            yield f"*{quoted(each)}* is not {noun}{did_you_mean(each, names)}"
            return


def _sentence(detail: ErrorDetails) -> str:
    value = f"*{quoted(str(detail['input']))}*"
    match detail["type"]:
        case "sentence":
            return detail["msg"]
        case "missing":
            return "This is needed."
        case "value_error":
            return f"{value} is not {detail['ctx']['error']}"
        case "int_parsing" | "int_type" | "int_parsing_size" | "int_from_float":
            return f"{value} is not a whole number"
        case "greater_than_equal":
            return f"{value} is below {detail['ctx']['ge']}"
        case "less_than_equal":
            return f"{value} is above {detail['ctx']['le']}"
        case "extra_forbidden":
            return f"There is no such argument: {value}"
        case _:
            return f"{value} does not fit: {detail['msg']}"


class _Reading:
    """Sorts words into the values of fields. `read` is used once."""

    def __init__(self, fields: Sequence[Argument], command: str) -> None:
        self._command = command
        self._options = {field.label: field for field in fields if field.param.option}
        self._places = [field for field in fields if not field.param.option and not field.param.rest]
        self._rest = next((field for field in fields if field.param.rest), None)
        self._values: dict[str, Any] = {}
        self._text: list[Word] = []

    def read(self, given: Sequence[Word]) -> dict[str, Any]:
        """Returns the values by field. Raises UsageError with no hint where the usage is the best one."""
        left = list(given)
        options = True
        while left:
            word = left.pop(0)
            if options and not word.quoted and word.text == "--":
                options = False
            elif not (options and self._option(word, left)):
                self._place(word)
        if self._rest and self._text:
            only = self._text[0].text if len(self._text) == 1 else "".join(word.raw for word in self._text)
            self._values[self._rest.name] = only.strip()
        return {name: value for name, value in self._values.items() if value != ""}

    def _place(self, word: Word) -> None:
        free = None if self._text else self._free(word)
        if free is not None:
            self._values[free.name] = word.text.removeprefix("@") if free.param.kind == "person" else word.text
        elif self._rest is not None:
            self._text.append(word)
        else:
            raise UsageError(f"*{quoted(word.text)}* is one argument too many for `{self._command}`; a text of several words stands in quotes.")

    def _free(self, word: Word) -> Argument | None:
        """The place that the word takes, or None when it belongs to the text. Where a text follows, a number alone names no incident: it may begin it."""
        free = [field for field in self._places if field.name not in self._values]
        named = incident_number(word.text, bare=self._rest is None) is not None
        fitting = [field for field in free if named or field.info.is_required() or field.param.kind != "incident"]
        return next(iter(fitting or ([] if self._rest else free)), None)

    def _option(self, word: Word, left: list[Word]) -> bool:
        """Takes the word, and its value from those left, when it is an option; returns whether it was."""
        if self._rest is not None and self._rest.param.raw:
            return False
        if word.quoted or not word.text.startswith("-") or not word.text.lstrip("-")[:1].isalpha():
            return False
        label, equals, value = word.text.partition("=")
        field = self._options.get(label)
        if field is None:
            if self._text and not nearest(label, self._options):
                return False
            raise UsageError(f"*{quoted(label)}* is not an option of `{self._command}`{ended(did_you_mean(label, list(self._options)))}")
        if field.flag:
            if equals:
                raise UsageError(f"`{label}` takes no value.", f"Write `{label}` alone, or leave it out.")
            self._values[field.name] = True
            return True
        if not equals and left and (left[0].quoted or not left[0].text.startswith("--")):
            value = left.pop(0).text
        self._assign(field, value.removeprefix("@") if field.param.kind == "person" else value)
        return True

    def _assign(self, field: Argument, value: str) -> None:
        if not value.strip(" ,"):
            name = f'"{_value_name(field)}"' if field.info.annotation is str and not field.param.choices else _value_name(field)
            raise UsageError(f"`{field.label}` needs a value: `{field.label} {name}`.")
        if field.several:
            self._values[field.name] = (*self._values.get(field.name, ()), *(part.strip() for part in value.split(",") if part.strip()))
        elif self._values.setdefault(field.name, value) != value:
            raise UsageError(f"`{field.label}` is given twice, as *{quoted(self._values[field.name])}* and as *{quoted(value)}*.")
