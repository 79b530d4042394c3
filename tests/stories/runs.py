"""What stories of runbooks share: beginning one, its one message, its buttons and its thread."""

import re

from sandbox.slack.state import Message
from tests.harness import Somebody, Stage, said

DECLARE = "/aiec incident declare SEV2 error rate 12 % --service gateway"
TITLE = re.compile(r"\*[a-z-]+\* for #1 ")


async def begun(bot: Stage, runbook: str, *options: str, declare: str = DECLARE) -> None:
    """An incident that the engineer has acknowledged, with its channel, and a runbook at its first step."""
    await bot.engineer.says(declare)
    await bot.engineer.says("/aiec incident ack 1")
    await caught_up(bot)
    await bot.engineer.says(" ".join([f"/aiec runbook start {runbook} #1", *options]), room(bot))
    await caught_up(bot)


def room(bot: Stage) -> str:
    return next(channel.name for channel in bot.slack.channels.values() if channel.name.startswith("inc-1"))


def message(bot: Stage) -> Message:
    """The run's one message."""
    (found,) = [one for one in bot.slack.messages(room(bot)) if TITLE.search(said(one).partition("\n")[0]) and not one.visible_to and not one.is_reply]
    return found


def card(bot: Stage) -> str:
    return said(message(bot))


def buttons(bot: Stage) -> list[str]:
    return list(message(bot).buttons)


def thread(bot: Stage) -> str:
    return "\n".join(said(one) for one in bot.slack.messages(room(bot)) if one.is_reply)


async def caught_up(bot: Stage, seconds: float = 2) -> None:
    await bot.forward(seconds, step=1)


async def press(bot: Stage, somebody: Somebody, *labels: str, seconds: float = 2) -> None:
    """Somebody presses the buttons of the run's message, one after the other."""
    for label in labels:
        await somebody.clicks(label, room(bot), message(bot))
        await caught_up(bot, seconds)


def whispered(somebody: Somebody, bot: Stage) -> str:
    return said([one for one in somebody.sees(room(bot)) if one.app and one.visible_to][-1])


async def timeline(bot: Stage) -> str:
    return await bot.engineer.says("/aiec incident show #1")


def step(bot: Stage) -> str:
    found = re.search(r"step \d+ of \d+: \*([^*]+)\*", card(bot))
    assert found, card(bot)
    return found[1]
