"""`aiec`: the terminal's way to the same door, and the process itself."""

import argparse
import asyncio
import gc
import os
import shlex
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from bot.core.errors import AiecError

USAGE = 2


def parser() -> argparse.ArgumentParser:
    """Returns the parser of all subcommands."""
    top = argparse.ArgumentParser(prog="aiec", description="The ChatOps bot for incidents and operations on Kubernetes, driven from Slack.")
    top.add_argument("--version", action="version", version=f"aiec {version('aiec')}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")

    demo = commands.add_parser("demo", help="play a deploy on stand-ins, and leave the workspace open in the browser")
    demo.add_argument("--headless", action="store_true", help="only play the story, and exit 0 if the deploy ended healthy")
    demo.add_argument("--port", type=int, default=0, metavar="N", help="the workspace's port (default: any free one)")
    demo.add_argument("--kubeconfig", metavar="PATH", help="use this real cluster, in a namespace of its own, after asking")
    demo.add_argument("--yes", action="store_true", help="answer that question")

    commands.add_parser("run", help="run the bot")
    check = commands.add_parser("check", help="say what is wrong with the configuration and everything that it names")
    check.add_argument("--live", action="store_true", help="also ask the running bot whether it keeps up")
    check.add_argument("--output", choices=("text", "json"), default="text", help="json prints one list")
    execute = commands.add_parser("exec", help="make a request, as in Slack")
    execute.add_argument("text", metavar="REQUEST", nargs="?", default="", help='such as "deploy prod v1.2.0"; without it, what is going on')
    execute.add_argument("--as", dest="person", metavar="USER", help="somebody of `people` (needs terminal.impersonate)")
    execute.add_argument("--yes", action="store_true", help="do not ask me; never an approval")
    execute.add_argument("--output", choices=("text", "json"), default="text", help="json prints one object")

    commands.add_parser("migrate", help="bring the database to the schema that this version needs")
    audit = commands.add_parser("audit", help="the event log").add_subparsers(dest="what", required=True, metavar="verify|export")
    audit.add_parser("verify", help="prove that no event was changed, removed or put in between")
    audit.add_parser("export", help="print all events as JSON lines")
    backup = commands.add_parser("backup", help="backups").add_subparsers(dest="what", required=True, metavar="open")
    opening = backup.add_parser("open", help="print a backup of configuration with its Secrets readable (AIEC_BACKUP_KEY)")
    opening.add_argument("path", metavar="FILE", help="the file, as it lies in the store")
    books = commands.add_parser("runbook", help="runbooks").add_subparsers(dest="what", required=True, metavar="lint")
    linting = books.add_parser("lint", help="say what is wrong in runbooks, with file and line; exit 1 when something is")
    linting.add_argument("paths", nargs="*", metavar="PATH", help="a file or a folder (default: all that are in force)")
    config = commands.add_parser("config", help="the configuration").add_subparsers(dest="what", required=True, metavar="show|schema")
    config.add_parser("show", help="print what is in force, secrets hidden")
    config.add_parser("schema", help="print the JSON Schema of aiec.yaml, for editors")
    return top


async def _run(options: argparse.Namespace) -> int:
    with _fast_imports():
        act = _imported(options)
    return await act()


def _imported(options: argparse.Namespace) -> Callable[[], Awaitable[int]]:
    """Imports what the subcommand needs only now, for `--help` should not wait for a Kubernetes client, and returns how to run it."""
    match options.command:
        case "exec":
            from bot.exec import execute

            return lambda: execute(options.text, person=options.person, yes=options.yes, as_json=options.output == "json")
        case "check":
            from bot.check import check

            return lambda: check(live=options.live, as_json=options.output == "json")
        case "runbook":
            from bot.lint import lint

            return lambda: lint(options.paths)
        case "run":
            from bot.app import serve

            return serve
        case "demo":
            from bot.demo import demo

            return lambda: demo(headless=options.headless, port=options.port, kubeconfig=options.kubeconfig, yes=options.yes)
        case "backup":
            from bot.unseal import unseal

            return lambda: unseal(options.path)
        case other:
            from bot import upkeep

            return lambda: {"migrate": upkeep.migrate, "audit": upkeep.audit, "config": upkeep.config}[other](getattr(options, "what", ""))


@contextmanager
def _fast_imports() -> Iterator[None]:
    """Leaves the garbage collector out of the imports, whose objects all stay: a fifth of the start, and of every full collection afterwards."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _read(arguments: Sequence[str]) -> argparse.Namespace:
    """Returns the options. What is wrong ends the process with 2, as argparse does; without any command the help says which there are."""
    top = parser()
    options, left = top.parse_known_args(arguments)
    if options.command is None and not left:
        top.print_help(sys.stderr)
        raise SystemExit(USAGE)
    if options.command == "exec" and left:
        top.error(f"the request stands in quotes, as one argument: aiec exec {shlex.quote(' '.join([options.text, *left]))}")
    if left:
        top.error(f"unrecognized arguments: {' '.join(left)}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a subcommand and returns the exit code. What goes wrong is one or two sentences, never a stack trace."""
    options = _read(sys.argv[1:] if arguments is None else arguments)
    try:
        return asyncio.run(_run(options))
    except AiecError as error:
        print(error.text, *([error.hint] if error.hint else []), sep="\n", file=sys.stderr)
        return USAGE if error.code == "usage" else 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read the output has seen enough (`| head`); what is left would fail again when Python flushes it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
