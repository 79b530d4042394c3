"""`python -m sandbox` as a process, and the sandbox in a thread."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sandbox.server import in_thread
from sandbox.world import World


class Running:
    """The process, once it has printed where it listens."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen([sys.executable, "-m", "sandbox", *arguments], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.urls: dict[str, str] = {}
        while "control" not in self.urls:  # the last one
            name, url = self.process.stdout.readline().split()
            self.urls[name] = url

    def stop(self, number: int) -> tuple[int, float]:
        """Its exit code, and how many seconds it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(10), time.monotonic() - began


@pytest.fixture
def started() -> Iterator[list[Running]]:
    running: list[Running] = []
    yield running
    for one in running:
        one.process.kill()
        one.process.wait()
        assert one.process.stdout is not None
        one.process.stdout.close()


def test_it_says_where_it_listens_and_stops_within_a_second(started: list[Running], tmp_path: Path) -> None:
    started.append(Running("--kubeconfig", str(tmp_path / "config")))
    urls = started[0].urls
    assert list(urls) == [
        "workspace",
        "slack",
        "kubernetes",
        "registry",
        "prometheus",
        "alertmanager",
        "platform",
        "pagerduty",
        "pagerduty_events",
        "github",
        "control",
    ]
    with httpx.Client() as client:
        assert client.get(f"{urls['registry']}/v2/shop/web/tags/list").json()["tags"] == ["v1.0.0", "v1.1.0"]
        assert client.get(f"{urls['prometheus']}/-/healthy").status_code == 200
        assert client.get(f"{urls['platform']}/prod/health").status_code == 200
        assert client.get(f"{urls['github']}/repos/shop/web/git/ref/tags/v1.1.0").json()["object"]["type"] == "commit"
        assert client.get(urls["control"]).status_code == 200
        assert client.post(f"{urls['slack']}auth.test", headers={"Authorization": "Bearer xoxb-sandbox"}).json()["team"] == "Shop"
        config = json.loads((tmp_path / "config").read_text())
        assert config["clusters"][0]["cluster"]["server"] == urls["kubernetes"]
        assert len(client.get(f"{urls['kubernetes']}/api/v1/namespaces/shop/pods").json()["items"]) == 3
        watching = client.stream("GET", f"{urls['kubernetes']}/api/v1/pods", params={"watch": "true"})
        with watching as watch, client.stream("GET", f"{urls['control']}slack/events") as events:
            assert (watch.status_code, events.status_code) == (200, 200)
            code, seconds = started[0].stop(signal.SIGTERM)
    assert code == 0
    assert seconds < 4  # a watch that is under way would never end


def test_it_stops_on_ctrl_c_and_reads_a_scenario(started: list[Running], tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({"images": [{"name": "mine", "tags": ["v7"]}]}))
    started.append(Running("--scenario", str(tmp_path / "mine.json"), "--seed", "5", "--webhooks-to", "http://127.0.0.1:9/hook"))
    assert httpx.get(f"{started[0].urls['registry']}/v2/mine/tags/list").json()["tags"] == ["v7"]
    assert httpx.get(f"{started[0].urls['control']}scenario").json()["seed"] == 5
    assert httpx.get(f"{started[0].urls['control']}pagerduty/webhooks").json()["subscriptions"][0]["url"] == "http://127.0.0.1:9/hook"
    code, seconds = started[0].stop(signal.SIGINT)
    assert code == 0
    assert seconds < 4  # a watch that is under way would never end


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "sandbox", *arguments], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(("text", "says"), [("{", "Expecting"), ("[]", "must be an object"), ('{"imagse": []}', "has no imagse"), (None, "No such file")])
def test_a_wrong_scenario_is_refused_in_one_line(tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / "wrong.json").write_text(text)
    done = run("--scenario", str(tmp_path / "wrong.json"))
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_taken_port_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "in use" in done.stderr
    assert done.stderr.count("\n") == 1


def test_it_runs_in_a_thread_beside_code_that_blocks() -> None:
    with in_thread(World.build({"images": [{"name": "mine", "tags": ["v7"]}]})) as sandbox:
        url = sandbox.urls["registry"]
        assert httpx.get(f"{url}/v2/mine/tags/list").json()["tags"] == ["v7"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/v2/")


def test_a_taken_port_is_an_error_in_a_thread_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"), in_thread(World.build({}), taken.getsockname()[1]):
        pass
