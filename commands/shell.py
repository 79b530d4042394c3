"""`/aiec exec`, `/aiec port-forward`: what people type who know kubectl. It is refused with the reason, and with what there is instead."""

from typing import Annotated

from bot.command import Command, Context, Read
from bot.core.card import Card
from bot.core.data import Frozen
from bot.core.errors import Refused
from bot.core.parse import Param


class Arguments(Frozen):
    asked: Annotated[str, Param(rest=True, raw=True, metavar="anything", help="what kubectl would be given")] = ""


async def _exec(arguments: Arguments, context: Context) -> Card:
    names = [name for name, one in context.config.procedures.items() if one.for_ == "run"]
    there = f"`/aiec run <env> <name>`: there are {', '.join(names)}." if names else "a command of `procedures` in aiec.yaml, which `/aiec run` then runs."
    raise Refused(
        "A shell in production is not opened from here: what is typed in it is in no record, and nobody agrees to it.",
        f"What is needed again gets a name: {there} To look: `/aiec diagnose`, `/aiec logs`, `/aiec describe`.",
    )


async def _forward(arguments: Arguments, context: Context) -> Card:
    raise Refused(
        "No port is forwarded from here: it would be a way past the load balancer, and from a chat there is no end of it to connect to.",
        "Whether a service answers: `/aiec endpoints`, `/aiec ingress` and `/aiec diagnose`; its health URLs are asked after each change.",
    )


EXEC = Command(
    name="exec",
    arguments=Arguments,
    does=Read(_exec),
    group="look",
    summary="is refused: it says why, and what instead",
    examples=("exec -it gateway-production-6d5f-x7k2p -- /bin/bash",),
)
FORWARD = Command(
    name="port-forward",
    arguments=Arguments,
    does=Read(_forward),
    group="look",
    summary="is refused: it says why, and what instead",
    examples=("port-forward service/gateway-service 8080:80",),
)
