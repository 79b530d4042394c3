"""The demo's bot is a process that can be killed: it comes back, finishes what it had begun, hears of the clock, and is never left behind."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.slow
CHECKOUT = Path(__file__).parent.parent.parent
WITHIN = 120.0


class Demo:
    """A running demo, its story told, seen through the sandbox's control API."""

    def __init__(self, process: subprocess.Popen[str], http: httpx.Client) -> None:
        self.process = process
        self._http = http

    def post(self, path: str, **body: Any) -> Any:
        answer = self._http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path: str, **query: str) -> Any:
        return self._http.get(path, params=query).json()

    def says(self, text: str) -> Any:
        return self.post("slack/say", user="engineer", channel="devops", text=text)["failure"]

    def last(self) -> str:
        """What stands in the latest message that everybody sees, threads aside."""
        messages = self.get("slack/messages", channel="devops")["messages"]
        return str([one for one in messages if not one["ephemeral"] and one.get("thread_ts", one["ts"]) == one["ts"]][-1]["plain"])

    def trouble(self, name: str) -> bool:
        return bool(next(one["on"] for one in self.get("troubles") if one["name"] == name))

    def bots(self) -> list[int]:
        """The process ids of the demo's bot: of those that are alive, whose parent the demo is or was."""
        listed = subprocess.run(["ps", "-eo", "pid=,ppid=,command="], capture_output=True, text=True, check=True).stdout
        found = (line.split(None, 2) for line in listed.splitlines() if "bot.demo_bot" in line)
        return [int(pid) for pid, parent, _ in found if int(parent) == self.process.pid]


def until(condition: Callable[[], Any], what: str) -> Any:
    """Returns the condition's first true value."""
    deadline = time.monotonic() + WITHIN
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {WITHIN:.0f} s: {what}"
        time.sleep(0.05)
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "BROWSER": "true"}
    command = (sys.executable, "-m", "bot", "demo", "--port", "0")
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)
    late = threading.Timer(WITHIN, process.kill)
    late.start()
    try:
        assert process.stdout is not None
        found = next((match for line in process.stdout if (match := re.search(r"open at (http\S+)", line))), None)
        late.cancel()
        assert found is not None, "the demo ended"
        with httpx.Client(base_url=f"{found[1]}_sandbox/", trust_env=False, timeout=20) as http:
            yield Demo(process, http)
    finally:
        late.cancel()
        process.kill()
        process.wait(30)
        process.stdout.close()  # type: ignore[union-attr]


def test_a_killed_bot_comes_back_and_finishes_what_it_had_begun(demo: Demo) -> None:
    (first,) = demo.bots()
    demo.says("/aiec deploy staging v1.2.1")
    until(lambda: "running · *Deploy v1.2.1 to staging" in demo.last() and "░" in demo.last(), "the deploy under way")
    demo.post("troubles/kill", on=True)
    until(lambda: not alive(first), "the bot dead")
    assert demo.says("/aiec status") == "connection_failed"
    stood = demo.last()
    assert "running" in stood
    until(lambda: not demo.trouble("kill"), "the bot started again")
    (second,) = demo.bots()
    assert second != first
    until(lambda: "done · *Deploy v1.2.1 to staging" in demo.last(), "the deploy done")
    assert demo.says("/aiec status") is None

    demo.post("clock", advance=3600)
    time_there = demo.get("clock")["now"][11:13]
    until(lambda: f"|{time_there}:" in _locked_anew(demo), "the lock since an hour later")

    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(30) == 0
    assert not alive(second)


def _locked_anew(demo: Demo) -> str:
    """Returns what the overview says of a lock taken just now: the bot hears of the clock a moment after it was moved, and a lock keeps its time."""
    for command in ("/aiec unlock prod", "/aiec lock prod the clock was moved", "/aiec overview"):
        until(lambda command=command: demo.says(command) is None, f"{command} taken")
    return until(lambda: next((text for text in reversed(_private(demo)) if "prod is held by" in text), None), "an overview")


def _private(demo: Demo) -> list[str]:
    messages = demo.get("slack/messages", channel="devops", user="engineer")["messages"]
    return [str(one["plain"]) for one in messages if one["ephemeral"]]


def test_a_demo_that_is_killed_itself_leaves_no_bot_behind(demo: Demo) -> None:
    (bot,) = demo.bots()
    demo.process.kill()
    demo.process.wait(30)
    until(lambda: not alive(bot), "the bot gone")
