"""AIECommerce on the sandbox in real time, and the bot beside it as processes of its own, which die and are started again."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml
from sqlmodel import col, select

from bot import scenario
from bot.core.clock import SystemClock
from bot.scenario import on_sandbox
from bot.store.migrate import upgrade
from bot.store.store import Store
from bot.store.tables import MessageRow, RequestRow
from sandbox.kubeconfig import kubeconfig
from sandbox.server import Sandbox
from sandbox.slack.state import Message
from sandbox.world import World

ROOT = Path(__file__).parents[2]
PROD = "aiecommerce"
STARTS_WITHIN = 120.0
ENDS_WITHIN = 120.0
AGAIN_AFTER = 50  # looks at the button, every 0.2 s
STORED_WITHIN = 2.0  # what is not stored a second after it was asked is given up
UNSURE = ("nothing was done", "does not know whether your request was taken")
Outcome = tuple[int, str, str]


async def until(condition: Callable[[], Any], within: float = ENDS_WITHIN, *, what: Callable[[], str] = lambda: "") -> Any:
    """Returns the condition's first true value. Fails with `what` when there is none in time."""
    try:
        async with asyncio.timeout(within):
            while not (found := condition()):
                await asyncio.sleep(0.02)
            return found
    except TimeoutError:
        raise AssertionError(f"not within {within:.0f} s: {what()}") from None


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class Replica:
    """One `python -m bot run` at a port of its own. Whenever it is killed, it is started again, unless `mortal`."""

    environ: dict[str, str]
    folder: Path
    mortal: bool = False
    deaths: int = 0
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with (self.folder / f"{self.port}.log").open("a") as log:
            environ = {**self.environ, "AIEC_PORT": str(self.port)}
            self.process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bot", "run", env=environ, cwd=self.folder, stdout=log, stderr=log)
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(STARTS_WITHIN):
            while self.process.returncode is None:
                try:
                    await client.get(f"http://127.0.0.1:{self.port}/healthz")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)

    async def keep(self) -> None:
        """Starts it again whenever it dies."""
        while await self.process.wait() == -signal.SIGKILL:
            self.deaths += 1
            if self.mortal:
                return
            await self.start()

    def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            os.kill(self.process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kills it for good."""
        self.mortal = True
        self.kill()

    async def stop(self) -> int:
        """Ends it as Kubernetes does and returns the exit code."""
        if self.process.returncode is None:
            self.process.terminate()
        async with asyncio.timeout(STARTS_WITHIN):
            return await self.process.wait()

    @property
    def log(self) -> str:
        return (self.folder / f"{self.port}.log").read_text()


@dataclass
class Scene:
    """`database` is where it is; the bot's own way there, in `environ`, may be another."""

    folder: Path
    sandbox: Sandbox
    database: str
    environ: dict[str, str]
    replicas: list[Replica] = field(default_factory=list)

    @property
    def world(self) -> World:
        return self.sandbox.world

    @property
    def slack(self) -> Any:
        return self.world.slack

    @asynccontextmanager
    async def running(self, *, replicas: int = 1, mortal: bool = False) -> AsyncIterator[Replica]:
        """Runs the bot, and lets Slack deliver to the first replica, which is yielded. In the end all are told to stop, and must exit with 0."""
        self.replicas = [Replica(self.environ, self.folder, mortal) for _ in range(replicas)]
        async with AsyncExitStack() as stack:
            for replica in self.replicas:
                stack.callback(replica.end)
            await asyncio.gather(*(replica.start() for replica in self.replicas))
            keepers = [asyncio.create_task(replica.keep()) for replica in self.replicas]
            await self.sandbox.deliver_to(f"http://127.0.0.1:{self.replicas[0].port}/slack/events")
            yield self.replicas[0]
            codes = [await replica.stop() for replica in self.replicas]
            await asyncio.gather(*keepers)
        expected = [-signal.SIGKILL if mortal and replica.deaths else 0 for replica in self.replicas]
        assert codes == expected, self.describe()

    async def aiec(self, *arguments: str, **environ: str) -> Outcome:
        """Runs the terminal's `aiec` and returns its exit code and what it printed."""
        pipe = asyncio.subprocess.PIPE
        everything = {**self.environ, **environ}
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "bot", *arguments, env=everything, cwd=self.folder, stdout=pipe, stderr=pipe)
        out, err = await asyncio.wait_for(process.communicate(), ENDS_WITHIN)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()

    async def say(self, who: str, text: str) -> None:
        """Types a command in #devops, again when aiec says that nothing was done, or when there was trouble and nothing came of it."""
        with self.store() as store:
            before = _requests(store)
            while (reply := await self.slack.says(who, "devops", text)) and (reply.failure or any(word in str(reply.body) for word in UNSURE)):
                with suppress(AssertionError):
                    await until(lambda: _requests(store) > before, within=STORED_WITHIN)
                    break

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Yields our own way into the database."""
        store = Store(self.database, SystemClock())
        try:
            yield store
        finally:
            store.close()

    async def button(self, label: str) -> Message:
        """Waits for a message with that button."""
        return await until(lambda: next((m for m in self.messages() if label in m.buttons), None), what=self.describe)

    async def press(self, who: str, button: str) -> None:
        """Presses a button as soon as it is there, and again while it stays there: the click may have been lost with the process."""
        message = await self.button(button)
        while any(button in now.buttons for now in self.messages() if now.ts == message.ts):
            reply = await self.slack.clicks(who, message, button)
            for _ in range(1 if reply.failure else AGAIN_AFTER):
                await asyncio.sleep(0.2)
                if all(button not in now.buttons for now in self.messages()):
                    break

    def messages(self) -> list[Message]:
        """What everybody sees in #devops, threads aside."""
        return [message for message in self.slack.messages("devops") if message.app and not message.is_reply]

    async def ended(self, *words: str) -> Message:
        """Waits until the last message shows one of these words, and the bot has said all that it has to say, and then returns it."""
        await until(lambda: any(word in message.plain for message in self.messages()[-1:] for word in words), what=self.describe)
        await self.all_said()
        return self.messages()[-1]

    async def all_said(self) -> None:
        waiting = select(MessageRow).where(col(MessageRow.next_at).is_not(None))
        with self.store() as store:
            await until(lambda: store.look(lambda tx: tx.first(waiting)) is None, what=self.describe)

    def describe(self) -> str:
        """What can be seen from outside, for whoever reads a failure."""
        return "\n".join([*(message.plain for message in self.slack.messages("devops", "engineer")), *(replica.log for replica in self.replicas)])

    def deployment(self, name: str) -> Any:
        return self.world.kubernetes.get("Deployment", PROD, name)

    def tag(self, name: str) -> str:
        return str(self.deployment(name)["spec"]["template"]["spec"]["containers"][0]["image"].partition("@")[0].rpartition(":")[2])


def _requests(store: Store) -> int:
    """How many were stored so far."""
    return store.look(lambda tx: len(tx.all(select(RequestRow))))


@asynccontextmanager
async def staged(folder: Path, database: str, **changes: Any) -> AsyncIterator[Scene]:
    """Yields a scene with the sandbox running and the database migrated; `changes` go to the configuration's top level."""
    async with AsyncExitStack() as stack:
        stage = on_sandbox()
        sandbox = await stack.enter_async_context(Sandbox(World.build(stage.scenario)))
        _configure(folder, sandbox, stage, changes)
        store = Store(database, SystemClock())
        upgrade(store.engine)
        store.close()
        yield Scene(folder, sandbox, database, _environ(folder, sandbox, database))


def _configure(folder: Path, sandbox: Sandbox, stage: scenario.Stage, changes: dict[str, Any]) -> None:
    config = scenario.config(stage, sandbox.urls["platform"])
    for environment in config["environments"].values():
        environment["health"] |= {"for": "1s", "timeout": "2s"}
        environment["rollout"] = {**environment.get("rollout", {}), "bake": "1s"}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "aiec.yaml").write_text(yaml.safe_dump(config | changes))
    (folder / "kubeconfig").write_text(kubeconfig(sandbox.urls["kubernetes"]))


def _environ(folder: Path, sandbox: Sandbox, database: str) -> dict[str, str]:
    app = sandbox.world.slack.app
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "AIEC_CONFIG": str(folder / "aiec.yaml"),
        "AIEC_AUDIT_KEY": "a key of tests",
        "DATABASE_URL": database,
        "GITHUB_API_URL": sandbox.urls["github"],
        "KUBECONFIG": str(folder / "kubeconfig"),
        "PROMETHEUS_URL": sandbox.urls["prometheus"],
        "REGISTRY_URL": sandbox.urls["registry"],
        "SLACK_API_URL": sandbox.urls["slack"],
        "SLACK_BOT_TOKEN": app.token,
        "SLACK_SIGNING_SECRET": app.signing_secret,
    }
