"""`/aiec help`: what this person may do here, by what he wants, a line for each family; `/aiec help incident` and `/aiec help deploy` go on from there."""

from typing import Annotated, Any

from bot.command import Command, Context, Read
from bot.core.card import Bold, Card, Code, Line, line
from bot.core.data import Frozen
from bot.core.parse import Param, usage

GROUPS = ("change production", "look", "incidents", "people and pages", "afterwards")
KIN = {
    "unisolate": "isolate",
    "resume": "pause",
    "restore": "backup",
    "backups": "backup",
    "unlock": "lock",
    "unfreeze": "freeze",
    "overview": "status",
    "history": "status",
    **dict.fromkeys(("events", "top", "describe", "hpa", "endpoints", "ingress"), "pods"),
    "show": "operations",
}
"""Commands that are told in the line of another one. Those of two words are of the family that the first one names."""
REFUSED = ("exec", "port-forward")
"""What nobody may: help explains it to whoever asks, and lists it to nobody."""


class Arguments(Frozen):
    command: Annotated[str | None, Param(choices="commands", metavar="command", rest=True, help="the command, or the family of commands, to explain")] = None


async def _help(arguments: Arguments, context: Context) -> Card:
    families: dict[str, list[Command[Any]]] = {}
    for command in context.commands.values():
        if _may(command, context) and _there(command.name, context):
            families.setdefault(_family(command.name), []).append(command)
    asked = arguments.command
    if asked is None:
        return _all(families, context.request.actor.name)
    return _one(context.commands[asked], families.get(asked, [])) if asked in context.commands else _several(asked, families.get(asked, []))


def _family(name: str) -> str:
    return KIN.get(name, name.partition(" ")[0])


def _may(command: Command[Any], context: Context) -> bool:
    """A command without a permission of its own decides when it is used; one with it is listed if it is granted anywhere."""
    if command.internal or not command.permission:
        return not command.internal and command.name not in REFUSED
    return any(context.allows(command.permission, environment).allowed for environment in (None, *context.config.environments))


def _there(name: str, context: Context) -> bool:
    """Whether what the command needs is configured."""
    config, world = context.config, context.world
    match _family(name):
        case "run" | "rotate" | "database":
            return any(one.for_ == name for one in config.procedures.values())
        case "backup":
            return world.backups is not None
        case "incident":
            return bool(config.severities)
        case "runbook":
            return world.shelf is not None
        case "silence":
            return world.alerting is not None
        case "oncall" | "page":
            return config.escalation is not None or world.pager is not None
        case _:
            return True


def _all(families: dict[str, list[Command[Any]]], person: str) -> Card:
    lines = [line(Code(text="/aiec help deploy"), " explains one of them, ", Code(text="/aiec help incident"), " all of a kind.")]
    for group in GROUPS:
        listed = [_line(name, family) for name, family in families.items() if family[0].group == group]
        lines += [line(Bold(text=group.capitalize())), *listed] if listed else []
    return Card(headline=line(f"What you may do here, {person}"), lines=tuple(lines))


def _line(family: str, commands: list[Command[Any]]) -> Line:
    """Returns what is said of a family: of one command an example, of several what they are."""
    if not commands[1:]:
        return _example(commands[0])
    return line(Code(text=f"/aiec help {family}"), f" {', '.join(command.name.removeprefix(f'{family} ') for command in commands)}")


def _example(command: Command[Any]) -> Line:
    return line(Code(text=f"/aiec {command.examples[0]}"), f" {command.summary}")


def _several(family: str, commands: list[Command[Any]]) -> Card:
    if not commands:
        hint = "`permissions` of aiec.yaml says who may, and the rest of it what is configured."
        return Card(headline=line(f"Nothing of `{family}` is granted to you, or configured."), lines=(line(hint),))
    more = line(Code(text=f"/aiec help {commands[0].name}"), " explains one of them.")
    count = f"{len(commands)} command{'s' * (len(commands) > 1)}"
    return Card(headline=line(Bold(text=family), f": {count} that you may use"), lines=(*map(_example, commands), more))


def _one(command: Command[Any], family: list[Command[Any]]) -> Card:
    rules = tuple(line(f"• {rule}") for rule in command.rules)
    examples = tuple(line(Code(text=f"/aiec {example}")) for example in command.examples)
    kin = tuple(_example(other) for other in family if other is not command)
    return Card(
        headline=line(Bold(text=command.name), f": {command.summary}"),
        lines=(line(Code(text=f"/aiec {usage(command.arguments, command.name)}")), *rules, *examples, *((line(Bold(text="Besides")), *kin) if kin else ())),
    )


COMMAND = Command(
    name="help",
    arguments=Arguments,
    does=Read(_help),
    permission="help",
    group="look",
    summary="what you may do, and how",
    examples=("help", "help deploy", "help incident"),
)
