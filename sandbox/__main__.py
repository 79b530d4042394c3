"""`python -m sandbox`: the stand-ins alone, until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import cast

from sandbox.kubeconfig import kubeconfig
from sandbox.server import Sandbox
from sandbox.world import Scenario, World

DEFAULT_SCENARIO = Path(__file__).parent / "scenario.json"


def main() -> int:
    """Exit 0 when told to stop, 1 if the port is taken, 2 if the arguments or the scenario are wrong."""
    arguments = _parser().parse_args()
    try:
        world = World.build(read(arguments.scenario), arguments.seed)
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"sandbox: {arguments.scenario} is not a scenario: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    try:
        asyncio.run(_run(world, arguments))
    except OSError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    return 0


def read(path: Path) -> Scenario:
    """The scenario in a JSON file. OSError or ValueError if there is none."""
    scenario = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(scenario, dict):
        raise ValueError("it must be an object")
    return cast(Scenario, scenario)


def _parser() -> argparse.ArgumentParser:
    what = "Stand-ins of Slack, Kubernetes, PagerDuty, a registry, Prometheus, Alertmanager and GitHub, on loopback."
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=what)
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed and the same requests give the same world (default: 0)")
    parser.add_argument("--scenario", type=Path, default=DEFAULT_SCENARIO, help="JSON file with what is there at the start")
    parser.add_argument("--kubeconfig", type=Path, help="write a kubeconfig for the cluster to this file")
    parser.add_argument("--webhooks-to", metavar="URL", help="where PagerDuty's webhooks are delivered")
    parser.add_argument("--deliver-to", metavar="URL", help="where Slack's commands, clicks and events are delivered")
    parser.add_argument("--alerts-to", metavar="URL", help="where Alertmanager's webhooks are delivered")
    return parser


async def _run(world: World, arguments: argparse.Namespace) -> None:
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    sandbox = Sandbox(world)
    await sandbox.start(arguments.port)
    async with sandbox:
        if arguments.kubeconfig:
            arguments.kubeconfig.write_text(kubeconfig(sandbox.urls["kubernetes"]), encoding="utf-8")
        if arguments.deliver_to:
            await sandbox.deliver_to(arguments.deliver_to)
        if arguments.webhooks_to:
            await sandbox.webhooks_to(arguments.webhooks_to)
        if arguments.alerts_to:
            await sandbox.alerts_to(arguments.alerts_to)
        for name, url in sandbox.urls.items():
            print(f"{name:<16} {url}", flush=True)
        await told.wait()


if __name__ == "__main__":
    sys.exit(main())
