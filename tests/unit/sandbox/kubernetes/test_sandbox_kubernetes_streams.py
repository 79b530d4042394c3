"""The cluster over HTTP: watches, followed logs and exec as clients hold them open, below a prefix."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from sandbox.kubernetes.execs import Answer
from tests.unit.sandbox.kubernetes.cluster_driver import MERGE_PATCH, NAMESPACE, Driver

V4, V5 = "v4.channel.k8s.io", "v5.channel.k8s.io"
BELOW = f"/kubernetes/api/v1/namespaces/{NAMESPACE}"


@pytest.fixture
async def client(port: int) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        yield client


def exec_in(driver: Driver, port: int, *command: str, protocol: str = V5, stdin: bool = False, pod: str = "") -> connect:
    words = "&".join(f"command={word}" for word in command)
    name = pod or driver.pods()[0]["metadata"]["name"]
    flags = "stdout=true&stderr=true" + ("&stdin=true" if stdin else "")
    url = f"ws://127.0.0.1:{port}{BELOW}/pods/{name}/exec?{words}&{flags}"
    return connect(url, subprotocols=[protocol], max_size=None)  # type: ignore[list-item]


async def outcome(socket: ClientConnection) -> dict[int, bytes]:
    """What came on each channel until the connection was closed."""
    channels: dict[int, bytes] = {}
    async for message in socket:
        assert isinstance(message, bytes)
        channels[message[0]] = channels.get(message[0], b"") + message[1:]
    return channels


async def test_a_watch_delivers_at_once_and_time_goes_on_while_it_is_open(driver: Driver, client: httpx.AsyncClient) -> None:
    version = driver.get("Deployment", "web")["metadata"]["resourceVersion"]
    path = f"/kubernetes/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
    async with client.stream("GET", path, params={"watch": "true", "resourceVersion": version}) as response:
        lines = response.aiter_lines()
        driver.patch("apps/v1 deployments/web", {"spec": {"replicas": 2}}, MERGE_PATCH)
        first = json.loads(await anext(lines))
        assert (first["type"], first["object"]["spec"]["replicas"]) == ("MODIFIED", 2)
        driver.clock.advance(2)
        while json.loads(await anext(lines))["object"]["status"].get("availableReplicas") != 2:
            pass


async def test_a_refused_stream_is_an_ordinary_answer(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{BELOW}/pods?watch=true&labelSelector=a%3D%3D%3Db")
    assert (answer.status_code, answer.json()["reason"]) == (400, "BadRequest")
    answer = await client.get(f"{BELOW}/pods/none/log?follow=true")
    assert (answer.status_code, answer.json()["reason"]) == (404, "NotFound")


async def test_a_followed_log_goes_on_until_the_pod_is_gone(driver: Driver, client: httpx.AsyncClient) -> None:
    (pod,) = driver.pods()
    driver.cluster.logs.set(pod, [(driver.clock.now(), "first")])
    async with client.stream("GET", f"{BELOW}/pods/{pod['metadata']['name']}/log", params={"follow": "true"}) as response:
        lines = response.aiter_lines()
        assert await anext(lines) == "first"
        for text in ("second", "third"):
            driver.cluster.logs.append(pod, (driver.clock.now(), text))
            assert await anext(lines) == text
        driver.cluster.delete("Pod", NAMESPACE, pod["metadata"]["name"])
        driver.clock.advance(5)
        assert [line async for line in lines] == []


async def test_exec_passes_on_what_was_arranged(driver: Driver, port: int) -> None:
    everything = bytes(range(256))
    driver.cluster.execs.arrange(Answer("^pg_dump", stdout=everything, times=1000, stderr=b"careful\n"))
    async with exec_in(driver, port, "pg_dump", "-Fc") as socket:
        channels = await outcome(socket)
    assert channels[1] == everything * 1000
    assert channels[2] == b"careful\n"
    assert json.loads(channels[3]) == {"metadata": {}, "status": "Success"}


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        (V5, "command terminated with non-zero exit code: command terminated with exit code 3"),
        (V4, "command terminated with non-zero exit code: error executing command [false], exit code 3"),
    ],
)
async def test_a_failed_command_tells_its_exit_code(driver: Driver, port: int, protocol: str, message: str) -> None:
    driver.cluster.execs.arrange(Answer("^false", exit_code=3))
    async with exec_in(driver, port, "false", protocol=protocol) as socket:
        status = json.loads((await outcome(socket))[3])
    assert (status["status"], status["reason"], status["message"]) == ("Failure", "NonZeroExitCode", message)
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


async def test_an_unknown_command_is_not_found(driver: Driver, port: int) -> None:
    async with exec_in(driver, port, "nosuch") as socket:
        status = json.loads((await outcome(socket))[3])
    assert (status["reason"], status["code"]) == ("InternalError", 500)
    assert 'exec: "nosuch": executable file not found in $PATH' in status["message"]


async def test_a_command_reads_to_the_end_of_its_input(driver: Driver, port: int) -> None:
    driver.cluster.execs.arrange(Answer("^pg_restore", reads_stdin=True, stdout=b"done"))
    async with exec_in(driver, port, "pg_restore", stdin=True) as socket:
        await socket.send(b"\x00one ")
        await socket.send(b"\x00two")
        await socket.send(b"\xff\x00")
        assert (await outcome(socket))[1] == b"done"
    assert driver.cluster.execs.calls[-1].stdin == b"one two"


async def test_a_connection_can_break_without_a_status(driver: Driver, port: int) -> None:
    driver.cluster.execs.arrange(Answer("^pg_dump", stdout=b"x" * 100_000, cut_after=70_000))
    async with exec_in(driver, port, "pg_dump") as socket:
        channels = await outcome(socket)
    assert (len(channels[1]), 3 in channels) == (70_000, False)


async def test_exec_is_refused_before_it_is_opened(driver: Driver, port: int) -> None:
    for pod, command, code, message in (("none", "ls", 404, 'pods "none" not found'), ("", "", 400, "you must specify at least 1 command")):
        with pytest.raises(InvalidStatus) as refusal:
            await exec_in(driver, port, *filter(None, [command]), pod=pod)
        assert refusal.value.response.status_code == code
        assert message in json.loads(refusal.value.response.body or b"")["message"]
    with pytest.raises(InvalidStatus) as refusal:
        await exec_in(driver, port, "ls", protocol="unknown")
    assert refusal.value.response.status_code == 403


async def test_the_control_api_arranges_and_looks(driver: Driver, client: httpx.AsyncClient) -> None:
    name = driver.pods()[0]["metadata"]["name"]
    here = {"namespace": NAMESPACE, "pod": name}
    applied = await client.post("/control/apply", content="kind: ConfigMap\napiVersion: v1\nmetadata: {name: a, namespace: other}\n---\n")
    assert applied.json() == [{"kind": "ConfigMap", "namespace": "other", "name": "a"}]
    for path, body in (
        ("usage", {**here, "cpu": "1", "memory": "1Gi"}),
        ("logs", {**here, "text": "one\ntwo"}),
        ("exec", {"command": "^ls", "stdout": "a\n"}),
        ("ready_after", {"seconds": 5}),
        ("fate", {**here, "fate": "crash"}),
        ("compact", {}),
        ("delete", {"kind": "ConfigMap", "namespace": "other", "name": "a"}),
    ):
        answer = await client.post(f"/control/{path}", json=body)
        assert answer.status_code == 200, (path, answer.text)
    assert driver.cluster.get("ConfigMap", "other", "a") is None
    assert driver.get("Pod", name)["metadata"]["annotations"] == {"usage/cpu": "1", "usage/memory": "1Gi", "fate": "crash"}
    assert driver.cluster.exec(NAMESPACE, name, ["ls", "-l"])[0] == b"a\n"
    assert (await client.post("/control/kill", json=here)).status_code == 200
    (workload,) = (await client.get("/control/state")).json()["workloads"]
    assert (workload["name"], workload["images"], workload["pods"][0]["restarts"]) == ("web", ["shop/web:v1"], 1)
    answer = await client.post("/control/kill", json={**here, "pod": "none"})
    assert (answer.status_code, answer.json()["reason"]) == (404, "NotFound")
