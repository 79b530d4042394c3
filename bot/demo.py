"""`aiec demo`: the whole bot on stand-ins (or on a real cluster), a deploy played in the terminal, and the workspace left open in the browser."""

import tempfile
from pathlib import Path

from bot.demo_process import bot_process


async def demo(*, headless: bool, port: int, kubeconfig: str | None, yes: bool) -> int:
    """Plays the story and returns 0 only if the deploy ended healthy; then waits for Ctrl-C, unless `headless`."""
    with tempfile.TemporaryDirectory(prefix="aiec-demo-") as folder:
        async with bot_process(Path(folder)) as bot:
            # Only now, while the bot's process imports what it needs itself.
            from bot.demo_story import play

            return await play(bot, headless=headless, port=port, kubeconfig=kubeconfig, yes=yes)
