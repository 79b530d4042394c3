"""`/aiec help`: what this person may do here, grouped by what he wants; `/aiec help deploy`: one command with its arguments, rules and examples."""

from typing import Annotated, Any

from bot.command import Command, Context, Read
from bot.core.card import Bold, Card, Code, line
from bot.core.data import Frozen
from bot.core.parse import Param, usage

GROUPS = ("change production", "look", "incidents", "people and pages", "afterwards")


class Arguments(Frozen):
    command: Annotated[str | None, Param(choices="commands", metavar="command", help="the command to explain")] = None


async def _help(arguments: Arguments, context: Context) -> Card:
    if arguments.command is not None:
        return _one(context.commands[arguments.command])
    mine = [command for command in context.commands.values() if _may(command, context)]
    lines = [line(Code(text="/aiec help deploy"), " explains one of them.")]
    for group in GROUPS:
        listed = [command for command in mine if command.group == group]
        lines += (
            [line(Bold(text=group.capitalize())), *(line(Code(text=f"/aiec {command.examples[0]}"), f" {command.summary}") for command in listed)]
            if listed
            else []
        )
    return Card(headline=line(f"What you may do here, {context.request.actor.name}"), lines=tuple(lines))


def _may(command: Command[Any], context: Context) -> bool:
    """A command without a permission of its own decides when it is used; one with it is listed if it is granted anywhere."""
    if command.internal or not command.permission:
        return not command.internal
    return any(context.allows(command.permission, environment).allowed for environment in (None, *context.config.environments))


def _one(command: Command[Any]) -> Card:
    rules = tuple(line(f"• {rule}") for rule in command.rules)
    examples = tuple(line(Code(text=f"/aiec {example}")) for example in command.examples)
    return Card(
        headline=line(Bold(text=command.name), f": {command.summary}"),
        lines=(line(Code(text=f"/aiec {usage(command.arguments, command.name)}")), *rules, *examples),
    )


COMMAND = Command(
    name="help",
    arguments=Arguments,
    does=Read(_help),
    permission="help",
    group="look",
    summary="what you may do, and how",
    examples=("help", "help deploy"),
)
