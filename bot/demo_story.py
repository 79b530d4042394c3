"""What the demo shows: the stand-ins, the bot on them, the main job as two people do it, and then the page."""

import asyncio
import os
import secrets
import signal
import sys
import webbrowser
from contextlib import AsyncExitStack
from pathlib import Path

import yaml

from bot.core.errors import UsageError
from bot.core.operation import Operation, Phase
from bot.core.operation_card import operation_card
from bot.demo_cluster import RealCluster
from bot.demo_process import BotProcess
from bot.scenario import Stage, config, on_cluster, on_sandbox, pagerduty
from bot.screen import Screen
from bot.store.store import Store
from bot.store.tables import OperationRow
from bot.tour import KILL
from sandbox.kubeconfig import kubeconfig as sandbox_kubeconfig
from sandbox.server import Sandbox
from sandbox.slack import Message
from sandbox.world import World

LONGEST = 180.0  # seconds that the story may take
READY_AFTER = 2.0  # seconds that a pod of the sandbox takes, so that one can watch it
READ = 1.0  # seconds to read the plan before it is approved


async def play(bot: BotProcess, *, headless: bool, port: int, kubeconfig: str | None, yes: bool) -> int:
    """Sets the stage for the bot, plays the story, and leaves the page open unless `headless`. Returns 0 only if the deploy ended healthy."""
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(RealCluster.asked(kubeconfig, yes)) if kubeconfig else None
        stage = on_cluster(cluster.namespaces) if cluster else on_sandbox()
        try:
            sandbox = await stack.enter_async_context(await Sandbox(World.build(stage.scenario)).start(port))
        except OSError as error:
            raise UsageError(f"Port {port} cannot be used: {error.strerror}.", "Choose another: `aiec demo --port 8080`.") from error
        sandbox.world.kubernetes.ready_after = READY_AFTER
        if cluster:
            await cluster.install(stage.objects)
        environ = _environ(bot.folder, sandbox, stage, kubeconfig)
        await stack.enter_async_context(bot.running(sandbox, environ, killed_by=KILL))
        store = Store(environ["DATABASE_URL"], sandbox.world.clock)
        stack.callback(store.close)
        healthy = await Story(sandbox, store, stage).play()
        if not headless:
            await _leave_open(sandbox)
    return 0 if healthy else 1


def _environ(folder: Path, sandbox: Sandbox, stage: Stage, kubeconfig: str | None) -> dict[str, str]:
    """Returns the bot's variables: nothing of the user's environment is used but the registry, and that only with his own cluster."""
    (folder / "aiec.yaml").write_text(yaml.safe_dump(config(stage, sandbox.urls["platform"])))
    (folder / "kubeconfig").write_text(sandbox_kubeconfig(sandbox.urls["kubernetes"]))
    backups = folder / "backups"
    backups.mkdir(exist_ok=True)
    app, paging = sandbox.world.slack.app, pagerduty()
    environ = {
        "AIEC_CONFIG": str(folder / "aiec.yaml"),
        "AIEC_BACKUP_URL": backups.as_uri(),
        "DATABASE_URL": f"sqlite:///{folder / 'aiec.db'}",
        "SLACK_BOT_TOKEN": app.token,
        "SLACK_SIGNING_SECRET": app.signing_secret,
        "SLACK_API_URL": sandbox.urls["slack"],
        "PROMETHEUS_URL": sandbox.urls["prometheus"],
        "ALERTMANAGER_URL": sandbox.urls["alertmanager"],
        "ALERTMANAGER_TOKEN": secrets.token_hex(),
        "PAGERDUTY_API_URL": sandbox.urls["pagerduty"],
        "PAGERDUTY_EVENTS_URL": sandbox.urls["pagerduty_events"],
        "PAGERDUTY_API_TOKEN": paging["token"],
        "PAGERDUTY_FROM": "lead@example.com",
        "PAGERDUTY_ROUTING_KEY": paging["services"][0]["routing_key"],
        "PAGERDUTY_WEBHOOK_SECRET": paging["subscriptions"][0]["secret"],
        "GITHUB_API_URL": sandbox.urls["github"],
        "KUBECONFIG": kubeconfig or str(folder / "kubeconfig"),
        "AIEC_AUDIT_KEY": secrets.token_hex(),
        "AIEC_PORT": "0",
    }
    if kubeconfig is None:
        environ["REGISTRY_URL"] = sandbox.urls["registry"]
    elif own := os.environ.get("REGISTRY_URL"):
        environ["REGISTRY_URL"] = own
    return environ


class Story:
    """The main job, as two people do it in Slack: asked, approved, rolled out."""

    def __init__(self, sandbox: Sandbox, store: Store, stage: Stage) -> None:
        self._slack = sandbox.world.slack
        self._store = store
        self._command = f"/aiec deploy prod {stage.version}"
        self._screen = Screen(quiet=False)

    async def play(self) -> bool:
        """Returns whether the deploy ended healthy."""
        self._screen.say(f"#devops  engineer  {self._command}\n")
        await self._slack.says("engineer", "devops", self._command)
        pressed = False
        try:
            async with asyncio.timeout(LONGEST):
                while not (operation := await self._operation()) or not operation.phase.over:
                    if operation is not None:
                        self._screen.show(operation_card(operation))
                    if not pressed and (card := self._waiting()):
                        pressed = True
                        await asyncio.sleep(READ)
                        self._screen.say("\n#devops  lead  presses [Approve]\n")
                        await self._slack.clicks("lead", card, "Approve")
                    await asyncio.sleep(0.1)
        except TimeoutError:
            self._screen.end(None, {})
            print("The deploy did not end in time.", file=sys.stderr)
            return False
        self._screen.end(operation_card(operation), {})
        return operation.phase is Phase.DONE

    def _waiting(self) -> Message | None:
        """Returns the message that waits for an approval, as it stands in the channel."""
        return next((message for message in self._slack.messages("devops", "lead") if "Approve" in message.buttons), None)

    async def _operation(self) -> Operation | None:
        row = await self._store.read(lambda tx: tx.get(OperationRow, 1))
        return Operation.model_validate(row.document) if row else None


async def _leave_open(sandbox: Sandbox) -> None:
    url = sandbox.urls["workspace"]
    print(f"\nThe workspace is open at {url}  (Ctrl-C ends it)", flush=True)
    webbrowser.open(url)
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    await stop.wait()
