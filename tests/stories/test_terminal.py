"""`aiec` in a terminal and in scripts: the same door, exit codes, one JSON object, plain lines, and sentences instead of stack traces."""

import asyncio
import getpass
import json
import os
import pty
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from sqlmodel import col, select

from bot.core.clock import SystemClock
from bot.core.events import Event
from bot.settings import load
from bot.store.store import Store
from bot.store.tables import EngineRow, EventRow, GroupRow, OperationRow
from sandbox.faults import Fault
from tests.crash.scene import Scene, staged, until

KEYS = ["request", "operation", "state", "verdicts", "before", "after", "error", "card"]
STAGING = "aiecommerce-staging"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
ENGINEER = ("--as", "engineer")


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with staged(tmp_path, f"sqlite:///{tmp_path / 'aiec.db'}") as found:
        yield found


async def as_json(scene: Scene, request: str, *arguments: str, **environ: str) -> tuple[int, dict]:
    """The exit code and the one JSON object."""
    code, out, err = await scene.aiec("exec", request, "--output", "json", *(arguments or ENGINEER), **environ)
    found = json.loads(out)
    assert (list(found), err) == (KEYS, "")
    return code, found


def tag(scene: Scene, name: str = "gateway") -> str:
    workload = scene.world.kubernetes.get("Deployment", STAGING, name)
    return str(workload["spec"]["template"]["spec"]["containers"][0]["image"].partition("@")[0].rpartition(":")[2])


# ---- exec: what it does and how it ends


async def test_a_deploy_that_is_done_is_0_and_one_json_object(scene):
    code, found = await as_json(scene, "deploy staging v1.2.1")
    assert (code, found["state"], found["request"], found["operation"], found["error"]) == (0, "done", "request-1", "op-1", None)
    assert tag(scene) == "v1.2.1"
    for when, version in (("before", "v1.2.0"), ("after", "v1.2.1")):
        assert {service: image.partition("@")[0].rpartition(":")[2] for service, image in found[when].items()} == dict.fromkeys(
            ("gateway", "ml-recommendation"), version
        )
    assert {"check": "image", "verdict": "passed", "text": "images found, pinned"} in found["verdicts"]
    (message,) = scene.messages()
    assert "✅ done · *Deploy v1.2.1 to staging*" in message.plain


@pytest.mark.slow
async def test_a_deploy_that_was_put_back_is_5_and_told_in_plain_lines(scene):
    code, out, err = await scene.aiec("exec", "deploy staging v1.3.0-crash", *ENGINEER)
    assert (code, err, tag(scene)) == (5, "", "v1.2.0")
    assert "\x1b" not in out
    lines = out.splitlines()
    assert lines[0].startswith("⏳ running · Deploy v1.3.0-crash to staging")
    assert any(line.startswith("↩︎ rolled back · Deploy v1.3.0-crash to staging failed") for line in lines)
    assert any("KeyError: 'PAYMENTS_URL'" in line for line in lines)


@pytest.mark.slow
async def test_action_items_are_written_down_listed_and_done(scene):
    await as_json(scene, "incident declare SEV3 search is slow")
    code, found = await as_json(scene, 'action add #1 "an index for search" @senior --due 2d')
    assert (code, found["state"], found["card"]["headline"].partition(", due")[0]) == (0, "answered", "act-1 is senior's")
    (row,) = (await as_json(scene, "action list --owner @senior"))[1]["card"]["rows"]
    assert (row["name"], row["text"].partition(" · ")[0]) == ("act-1", "an index for search")
    code, found = await as_json(scene, "action done act-9")
    assert (code, found["error"]["text"]) == (1, "There is no action item act-9.")
    assert (await as_json(scene, "action done act-1"))[0] == 0
    assert '`aiec exec "status"` shows what runs' in (await scene.aiec("exec", *ENGINEER))[1]
    assert "No action item is open" in (await scene.aiec("exec", "action list", *ENGINEER))[1]


@pytest.mark.slow
async def test_one_that_waits_for_an_approval_is_4_and_is_approved_and_cancelled_by_name(scene):
    code, found = await as_json(scene, "deploy prod v1.2.0")
    assert (code, found["state"], found["operation"]) == (4, "waiting", "op-1")
    own, cancelled = [await scene.aiec("exec", text, *ENGINEER) for text in ("approve op-1", "cancel op-1")]
    assert own[0] == 6
    assert "own request" in own[1]
    assert cancelled[0] == 0
    assert "cancelled" in scene.messages()[0].plain


@pytest.mark.slow
async def test_one_that_somebody_cancels_is_7_and_whoever_cancels_only_writes(scene):
    scene.world.kubernetes.ready_after = 600
    deploy = asyncio.create_task(as_json(scene, "deploy staging v1.2.1"))
    await until(lambda: tag(scene) == "v1.2.1", what=scene.describe)
    cancelling, found = await as_json(scene, "cancel op-1", "--as", "lead")
    assert (cancelling, found["state"]) == (0, "answered")
    scene.world.kubernetes.ready_after = 0.2
    code, found = await deploy
    assert (code, found["state"], tag(scene)) == (7, "cancelled", "v1.2.0")


@pytest.mark.slow
async def test_what_a_check_refuses_is_6_a_mistake_2_a_denial_3_an_unreachable_cluster_1(scene):
    refused, mistaken, denied = await asyncio.gather(
        as_json(scene, "deploy staging v9.9.9"), as_json(scene, "deploy stagign v1.2.0"), as_json(scene, "deploy prod v1.2.0", "--as", "newcomer")
    )
    assert (refused[0], refused[1]["state"]) == (6, "refused")
    assert [check["verdict"] for check in refused[1]["verdicts"] if check["check"] == "image"] == ["blocked"]
    assert (mistaken[0], mistaken[1]["error"]["code"], mistaken[1]["request"]) == (2, "usage", None)
    assert "`staging`" in mistaken[1]["error"]["text"]
    assert (denied[0], denied[1]["error"]["code"]) == (3, "denied")
    scene.world.faults.add(Fault(kind="drop", system="kubernetes"))
    code, found = await as_json(scene, "deploy staging v1.2.1")
    assert (code, found["state"], found["error"]["code"]) == (1, "failed", "unavailable")
    store = Store(scene.database, SystemClock())
    events = store.look(lambda tx: {row.actor: row.kind for row in tx.all(select(EventRow).where(col(EventRow.kind) == "request.denied"))})
    store.close()
    assert events == {"newcomer": "request.denied"}


async def test_without_an_environments_kubeconfig_only_what_needs_its_cluster_fails_and_says_what_to_do(scene):
    settings = yaml.safe_load((scene.folder / "aiec.yaml").read_text())
    settings["environments"]["prod"]["context"] = "elsewhere"
    (scene.folder / "aiec.yaml").write_text(yaml.safe_dump(settings))
    helped, listed, mistaken, elsewhere, needing = await asyncio.gather(
        *(as_json(scene, request) for request in ("help", "incident list", "deploy stagign v1.2.0", "history staging gateway", "history prod gateway"))
    )
    assert [code for code, _ in (helped, listed, mistaken, elsewhere, needing)] == [0, 0, 2, 0, 1]
    error = needing[1]["error"]
    assert (error["code"], error["try"]) == ("unavailable", "Check it, and `context` in aiec.yaml.")
    assert re.match(r"The kubeconfig \S+ does not serve environment prod: .*elsewhere", error["text"])
    nowhere = await as_json(scene, "history staging gateway", KUBECONFIG="nowhere.yaml")
    assert (nowhere[0], nowhere[1]["error"]["text"]) == (1, "There is no kubeconfig at nowhere.yaml (environment staging).")


@pytest.mark.slow
async def test_a_rehearsal_and_a_look_are_0_and_change_nothing(scene):
    rehearsal, (look, seen) = await asyncio.gather(as_json(scene, "deploy prod v1.2.0 --dry-run"), as_json(scene, "status"))
    assert (rehearsal[0], rehearsal[1]["operation"], rehearsal[1]["state"]) == (0, None, "answered")
    assert (rehearsal[1]["card"]["state"], rehearsal[1]["card"]["headline"]) == (None, "Rehearsal: Deploy v1.2.0 to prod · nothing was changed")
    assert (look, seen["verdicts"], "v1.1.0" in {row["name"]: row["text"] for row in seen["card"]["rows"]}["prod/gateway"]) == (0, [], True)
    assert scene.tag("gateway-production") == "v1.1.0"


# ---- who asks


@pytest.mark.slow
async def test_the_system_says_who_asks_and_whom_it_does_not_know_is_denied(scene):
    unknown = await as_json(scene, "deploy staging v1.2.1 --dry-run", "--yes")
    assert (unknown[0], unknown[1]["state"]) == (3, "denied")
    config = yaml.safe_load((scene.folder / "aiec.yaml").read_text())
    config["people"]["engineer"]["os_user"] = getpass.getuser()
    config["terminal"] = {"impersonate": False}
    (scene.folder / "mine.yaml").write_text(yaml.safe_dump(config))
    known, other = await asyncio.gather(
        as_json(scene, "deploy staging v1.2.1 --dry-run", "--yes", AIEC_CONFIG="mine.yaml", USER="lead"),
        as_json(scene, "status", "--as", "lead", AIEC_CONFIG="mine.yaml"),
    )
    assert (known[0], known[1]["state"]) == (0, "answered")
    assert (other[0], other[1]["error"]["code"]) == (3, "denied")


@pytest.mark.slow
async def test_nobody_is_a_mistake(scene):
    code, found = await as_json(scene, "status", "--as", "nobody")
    assert (code, "engineer" in found["error"]["try"]) == (2, True)


# ---- beside a running bot, and with Slack down


@pytest.mark.slow
async def test_beside_a_running_bot_it_only_writes_and_watches(scene):
    async with scene.running():
        before = await until(lambda: _engine(scene))
        code, found = await as_json(scene, "deploy staging v1.2.1")
        assert (code, found["state"]) == (0, "done")
        after = _engine(scene)
        assert (after.holder, after.fence) == (before.holder, before.fence)


def _engine(scene: Scene) -> EngineRow | None:
    store = Store(scene.database, SystemClock())
    row = store.look(lambda tx: tx.get(EngineRow, 1))
    store.close()
    return row


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["down", "hanging"])
async def test_with_slack_down_it_works_and_the_message_comes_later(scene, trouble):
    scene.slack.down = trouble == "down"
    if trouble == "hanging":
        scene.world.faults.add(Fault(kind="hang", system="slack"))
    code, out, _ = await scene.aiec("exec", "deploy staging v1.2.1", *ENGINEER)
    assert (code, tag(scene), scene.messages()) == (0, "v1.2.1", [])
    assert "✅ done" in out
    scene.slack.down = False
    scene.world.faults.clear()
    assert (await scene.aiec("exec", "status", *ENGINEER))[0] == 0
    (message,) = scene.messages()
    assert "✅ done" in message.plain


# ---- on a terminal


@dataclass
class Terminal:
    """A terminal of 100 columns with `aiec` running in it."""

    process: asyncio.subprocess.Process
    side: int
    shown: str = ""

    @classmethod
    async def open(cls, scene: Scene, *arguments: str, **environ: str) -> "Terminal":
        side, other = pty.openpty()
        everything = {**scene.environ, "TERM": "xterm-256color", "COLUMNS": "100", **environ}
        call = (sys.executable, "-m", "bot", *arguments)
        process = await asyncio.create_subprocess_exec(*call, env=everything, cwd=scene.folder, stdin=other, stdout=other, stderr=other)
        os.close(other)
        return cls(process, side)

    async def shows(self, text: str) -> None:
        """Waits until the text has been shown."""
        while text not in self.shown:
            part = await asyncio.to_thread(self._read)
            assert part, self.shown
            self.shown += part

    def types(self, text: str) -> None:
        os.write(self.side, text.encode())

    async def ends(self) -> tuple[int, str]:
        """The exit code and all that was shown."""
        while part := await asyncio.to_thread(self._read):
            self.shown += part
        os.close(self.side)
        return await self.process.wait(), self.shown

    def _read(self) -> str:
        with suppress(OSError):  # the other side is closed
            return os.read(self.side, 65536).decode(errors="replace")
        return ""


@pytest.mark.slow
async def test_what_a_group_grants_that_slack_does_not_say_now_is_said_to_be_of_earlier(scene):
    scene.world.faults.add(Fault(kind="status", system="slack", path="usergroups"))
    store = Store(scene.database, SystemClock())
    asked = SystemClock().now() - timedelta(hours=1)
    await store.transaction(lambda tx: tx.save(GroupRow(handle="@devops", members=["U0NEWCOMER"], fetched_at=asked)))
    store.close()
    code, found = await as_json(scene, "deploy staging v1.2.1", "--as", "newcomer")
    assert (code, found["state"]) == (0, "done")
    assert "you are in @devops is of" in str(found["card"]["lines"][-1])


async def on_terminal(scene: Scene, *arguments: str, **environ: str) -> tuple[int, str]:
    return await (await Terminal.open(scene, *arguments, **environ)).ends()


@pytest.mark.slow
async def test_a_terminal_is_asked_first_and_shows_colours_unless_told_not_to(scene):
    asked = await Terminal.open(scene, "exec", "deploy staging v1.2.1", *ENGINEER)
    await asked.shows("Go on? [y/N]")
    asked.types("n\n")
    assert (await asked.ends())[0] == 7
    (look, coloured), (plain_look, plain) = await asyncio.gather(
        on_terminal(scene, "exec", "status", *ENGINEER), on_terminal(scene, "exec", "status", *ENGINEER, NO_COLOR="1")
    )
    assert tag(scene) == "v1.2.0"
    assert (look, bool(COLOUR.search(coloured))) == (0, True)
    assert (plain_look, bool(COLOUR.search(plain))) == (0, False)
    assert "prod/gateway" in plain


@pytest.mark.slow
async def test_yes_answers_the_terminals_question_and_no_approval(scene):
    code, shown = await on_terminal(scene, "exec", "deploy prod v1.2.0", *ENGINEER, "--yes")
    assert (code, "waits for one approval" in shown, "Go on?" in shown) == (4, True, False)


async def test_ctrl_c_at_the_question_does_nothing(scene):
    asked = await Terminal.open(scene, "exec", "deploy staging v1.2.1", *ENGINEER)
    await asked.shows("Go on? [y/N]")
    asked.process.send_signal(signal.SIGINT)
    code, shown = await asked.ends()
    assert (code, tag(scene), "No longer watched" in shown) == (130, "v1.2.0", False)


@pytest.mark.slow
async def test_no_answer_at_all_is_no(scene):
    asked = await Terminal.open(scene, "exec", "deploy staging v1.2.1", *ENGINEER)
    await asked.shows("Go on? [y/N]")
    asked.types("\x04")
    assert ((await asked.ends())[0], tag(scene)) == (7, "v1.2.0")


@pytest.mark.slow
@pytest.mark.parametrize(("ended_by", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_who_is_ended_later_only_stops_watching_and_gives_back_what_was_his(scene, ended_by, exit_code):
    scene.world.kubernetes.ready_after = 600
    watched = await Terminal.open(scene, "exec", "deploy staging v1.2.1", *ENGINEER, "--yes")
    await watched.shows("old pod")
    watched.process.send_signal(ended_by)
    code, shown = await watched.ends()
    assert (code, "aiec exec operations" in shown, "Traceback" in shown) == (exit_code, True, False)
    assert shown.rstrip().rfind("\x1b[?25h") > shown.rfind("\x1b[?25l"), "the cursor stays hidden"
    store = Store(scene.database, SystemClock())
    holder, lease = store.look(lambda tx: (tx.get(EngineRow, 1).holder, tx.get(OperationRow, 1).lease_until))
    store.close()
    assert (holder, lease) == ("", None)
    _, found = await as_json(scene, "cancel op-1")
    assert (found["state"], tag(scene)) == ("answered", "v1.2.0")


@pytest.mark.slow
async def test_a_followed_log_streams_until_ctrl_c(scene):
    kubernetes = scene.world.kubernetes
    (pod,) = [pod for pod in kubernetes.pods(STAGING) if pod["metadata"]["name"].startswith("gateway")]
    kubernetes.logs.set(pod, [(scene.world.clock.now(), "before")])
    followed = await Terminal.open(scene, "exec", "logs staging gateway --follow", *ENGINEER)
    await followed.shows("before")
    for number in range(3):
        kubernetes.logs.append(pod, (scene.world.clock.now(), f"number {number} of maria@example.com"))
        await followed.shows(f"number {number} of [e-mail]")
    followed.process.send_signal(signal.SIGINT)
    code, shown = await followed.ends()
    assert (code, "No longer following the log of gateway in staging: 4 lines." in shown, "Traceback" in shown) == (130, True, False)
    assert "What was asked for goes on" not in shown
    code, found = await as_json(scene, "logs staging gateway --follow")
    assert (code, found["error"]["text"]) == (2, "A followed log has no end, and so no JSON object.")


async def test_whoever_reads_only_the_beginning_of_the_output_sees_no_stack_trace(scene):
    store = Store(scene.database, SystemClock())
    await store.transaction(lambda tx: [tx.record(Event(kind="note", subject="prod", data={"n": n})) for n in range(3000)])
    store.close()
    shell = f"{sys.executable} -m bot audit export | head -1; exit ${{PIPESTATUS[0]}}"
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", shell, env=scene.environ, cwd=scene.folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert (process.returncode, json.loads(out)["kind"], err) == (128 + signal.SIGPIPE, "note", b"")


# ---- what is wrong, in one or two sentences


WRONG = {
    "no folder": ({"DATABASE_URL": "sqlite:////no/such/folder/aiec.db"}, 1, "The database cannot be used: unable to open database file."),
    "no server": ({"DATABASE_URL": "postgresql://aiec:hidden@127.0.0.1:1/aiec"}, 1, "The database cannot be used: connection failed"),
    "no database": ({"DATABASE_URL": "mysql://aiec:hidden@db/aiec"}, 1, "DATABASE_URL: expected sqlite:///PATH or postgresql://"),
    "read-only": ({"DATABASE_URL": "sqlite:///file:aiec.db?mode=ro&uri=true"}, 1, "The database cannot be used: attempt to write a readonly database."),
    "port": ({"AIEC_PORT": "http"}, 1, "AIEC_PORT: expected a port, 0 to 65535 (0: any free one), found 'http'"),
    "configuration": ({"AIEC_CONFIG": "wrong.yaml"}, 1, "wrong.yaml:3: environments.prod.approvals: expected a whole number"),
    "no configuration": ({"AIEC_CONFIG": "none.yaml"}, 1, "AIEC_CONFIG: expected the path of a file such as aiec.yaml, found 'none.yaml'"),
}


@pytest.mark.slow
async def test_what_is_wrong_is_said_with_its_name_or_line_and_nothing_is_done(scene):
    (scene.folder / "wrong.yaml").write_text("environments:\n  prod:\n    approvals: many\n    namespace: prod\n    channel: '#devops'\n")
    for first in range(0, len(WRONG), 2):
        cases = [*WRONG.values()][first : first + 2]
        ends = await asyncio.gather(*(scene.aiec("exec", "status", *ENGINEER, **environ) for environ, _, _ in cases))
        for (code, out, err), (_, expected, sentence) in zip(ends, cases, strict=True):
            said = " ".join(out.split())
            assert (code, err) == (expected, "")
            assert sentence in said
            assert "Traceback" not in said
            assert "hidden" not in said
            assert len(out.splitlines()) <= 4 or "wrong.yaml" in said


@pytest.mark.slow
async def test_the_running_bot_says_the_same_of_itself(scene):
    wrong, nowhere = await asyncio.gather(
        scene.aiec("run", AIEC_PORT="http"), scene.aiec("run", AIEC_PORT="0", DATABASE_URL="postgresql://aiec:hidden@127.0.0.1:1/aiec")
    )
    assert (wrong[0], wrong[1]) == (1, "")
    assert wrong[2].startswith("AIEC_PORT: expected a port")
    assert (nowhere[0], "hidden" in nowhere[2]) == (1, False)
    assert nowhere[2].startswith("The database cannot be used: ")


# ---- looking after it


@pytest.mark.slow
async def test_the_log_is_verified_and_exported_and_another_key_is_noticed(scene):
    assert (await scene.aiec("exec", "status", *ENGINEER))[0] == 0
    verified, other, exported = await asyncio.gather(
        scene.aiec("audit", "verify"), scene.aiec("audit", "verify", AIEC_AUDIT_KEY="another"), scene.aiec("audit", "export")
    )
    assert (verified[0], "every one in its place" in verified[1]) == (0, True)
    assert (other[0], other[1]) == (1, "")
    assert "does not hold" in other[2]
    events = [json.loads(line) for line in exported[1].splitlines()]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert "engine.started" in {event["kind"] for event in events}


@pytest.mark.slow
async def test_a_database_without_a_schema_is_said_to_be_so_and_migrated(scene):
    empty = {"DATABASE_URL": "sqlite:///empty.db"}
    code, out, err = await scene.aiec("audit", "verify", **empty)
    assert (code, out, err) == (1, "", "There is no event log: the database has no schema yet: run `aiec migrate`.\n")
    for _ in range(2):
        assert await scene.aiec("migrate", **empty) == (0, "The database has the schema that this version needs.\n", "")
    assert (await scene.aiec("audit", "verify", **empty))[0] == 0
    code, _, err = await scene.aiec("migrate", DATABASE_URL="postgresql://aiec:hidden@127.0.0.1:1/aiec")
    assert (code, err.startswith("The database cannot be used: "), "hidden" in err) == (1, True, False)


async def test_the_configuration_is_shown_without_secrets_and_reads_back_the_same(scene):
    shown, schema = await asyncio.gather(scene.aiec("config", "show"), scene.aiec("config", "schema"))
    assert (shown[0], schema[0]) == (0, 0)
    assert scene.environ["SLACK_BOT_TOKEN"] not in shown[1]
    assert scene.environ["AIEC_AUDIT_KEY"] not in shown[1]
    again = scene.folder / "again.yaml"
    again.write_text(shown[1])
    first, second = (load(scene.environ | {"AIEC_CONFIG": str(path)}, scene.folder) for path in (scene.folder / "aiec.yaml", again))
    assert first.config == second.config
    assert json.loads(schema[1])["additionalProperties"] is False


async def test_help_and_version_are_everywhere_and_a_wrong_subcommand_is_2(scene):
    subcommands = ([], ["demo"], ["run"], ["check"], ["exec"], ["migrate"], ["audit"], ["audit", "verify"], ["config"], ["config", "schema"])
    for first in range(0, len(subcommands), 2):
        for code, out, err in await asyncio.gather(*(scene.aiec(*words, "--help") for words in subcommands[first : first + 2])):
            assert (code, out.startswith("usage: aiec"), err) == (0, True, "")
    version, wrong, none = await asyncio.gather(scene.aiec("--version"), scene.aiec("frobnicate"), scene.aiec())
    assert (version[0], bool(re.fullmatch(r"aiec \d+\.\d+\.\d+\n", version[1]))) == (0, True)
    assert (wrong[0], none[0]) == (2, 2)
    assert "invalid choice: 'frobnicate'" in wrong[2]
