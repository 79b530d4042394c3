"""Commands in containers: what they write comes as it is and no faster than it is taken, and only an explicit Success is one."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from bot.adapters.kubernetes import KubernetesCluster, connect
from bot.core.errors import CommandFailed, Forbidden, NotFound, Unauthenticated, Unavailable
from sandbox.kubernetes.execs import Answer
from tests.adapters.conftest import InSandbox, Kubernetes, with_token

BYTES = bytes(range(256)) * 1000


async def pod(place: Kubernetes) -> None:
    """A pod that runs."""
    await place.create({"kind": "Pod", "metadata": {"name": "db"}, "spec": {"containers": [{"name": "postgres", "image": "registry.example/postgres:15"}]}})
    for _ in range(100):
        found = await place.cluster.get("Pod", "db")
        if found is not None and any("running" in one["state"] for one in found["status"].get("containerStatuses", ())):
            return
        await place.passes(0.2)
    raise AssertionError("the pod does not run")


def arranged(place: Kubernetes, command: list[str], **answer: Any) -> list[str]:
    """Returns the command; the sandbox has to be told what it does, the real one does it."""
    if isinstance(place, InSandbox):
        place.world.kubernetes.execs.arrange(Answer(re.escape(" ".join(command)), **answer))
    return command


async def ran(cluster: KubernetesCluster, command: list[str], stdin: bytes | None = None) -> tuple[bytes, bytes]:
    """Returns all of what the command wrote, to both."""
    written = {"stdout": b"", "stderr": b""}
    async for piece in cluster.exec("db", container="postgres", command=command, stdin=pieces(stdin) if stdin is not None else None):
        written[piece.stream] += piece.data
    return written["stdout"], written["stderr"]


async def pieces(data: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def test_bytes_come_as_they_are(kubernetes: Kubernetes) -> None:
    await pod(kubernetes)
    program = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 1000); sys.stdout.flush(); sys.stderr.write('careful\\n')"
    command = arranged(kubernetes, ["python3", "-c", program], stdout=BYTES, stderr=b"careful\n")
    assert await ran(kubernetes.cluster, command) == (BYTES, b"careful\n")


async def test_the_input_is_read_to_its_end(kubernetes: Kubernetes) -> None:
    """A kwok's pods are never told that their input is over, so that what reads it there has to know its length."""
    await pod(kubernetes)
    digest = hashlib.sha256(BYTES).hexdigest().encode()
    command = arranged(kubernetes, ["sh", "-c", f"head -c {len(BYTES)} | sha256sum"], stdout=digest + b"  -\n", reads_stdin=True)
    assert await ran(kubernetes.cluster, command, BYTES) == (digest + b"  -\n", b"")
    if isinstance(kubernetes, InSandbox):
        assert kubernetes.world.kubernetes.execs.calls[-1].stdin == BYTES


async def test_a_command_that_fails_says_how_and_with_which_words(kubernetes: Kubernetes) -> None:
    await pod(kubernetes)
    command = arranged(kubernetes, ["sh", "-c", "printf half; echo out of cheese >&2; exit 3"], stdout=b"half", stderr=b"out of cheese\n", exit_code=3)
    with pytest.raises(CommandFailed) as failed:
        await ran(kubernetes.cluster, command)
    assert failed.value.text == "`sh` in db ended with exit code 3: out of cheese"
    assert (failed.value.exit_code, failed.value.stderr) == (3, "out of cheese\n")


async def test_a_command_that_is_not_in_the_image(kubernetes: Kubernetes) -> None:
    await pod(kubernetes)
    with pytest.raises(CommandFailed) as failed:
        await ran(kubernetes.cluster, ["no-such-program"])
    assert failed.value.text == "There is no `no-such-program` in the container of db."
    assert failed.value.exit_code is None


async def test_a_pod_that_is_not_there(kubernetes: Kubernetes) -> None:
    await kubernetes.create({"kind": "ConfigMap", "metadata": {"name": "so-that-the-namespace-exists"}})
    with pytest.raises(NotFound):
        await ran(kubernetes.cluster, ["true"])


@pytest.mark.parametrize("verb", ["get", "create"])
async def test_without_either_right_it_says_which_rule_is_missing(kubernetes: Kubernetes, verb: str) -> None:
    await pod(kubernetes)
    arranged(kubernetes, ["true"])
    token = await kubernetes.token(("", "pods/exec", [verb]))
    cluster = await connect(str(with_token(kubernetes.kubeconfig, token)), None, kubernetes.namespace, "test")
    try:
        with pytest.raises(Forbidden) as refused:
            await ran(cluster, ["true"])
    finally:
        await cluster.close()
    assert "We may not create pods/db/exec in namespace" in refused.value.text
    assert refused.value.text.endswith('pods "db" is forbidden: ' if verb == "get" else f'in API group "" in the namespace "{kubernetes.namespace}"')
    assert refused.value.hint == 'Add this rule to aiec\'s role: {apiGroups: [""], resources: ["pods/exec"], verbs: ["get", "create"]}'


async def test_a_token_that_is_no_good(kubernetes: Kubernetes) -> None:
    await pod(kubernetes)
    cluster = await connect(str(with_token(kubernetes.kubeconfig, "nobody's")), None, kubernetes.namespace, "test")
    try:
        with pytest.raises(Unauthenticated):
            await ran(cluster, ["true"])
    finally:
        await cluster.close()


async def test_whoever_stops_taking_stops_the_command(kubernetes: Kubernetes) -> None:
    """It would end by itself one day: a kwok's goes on where a container runtime ends it, and must not for ever."""
    await pod(kubernetes)
    command = arranged(kubernetes, ["sh", "-c", "yes on and on | head -n 3000000"], stdout=b"on and on\n" * 1000, times=1_000_000)
    async with aclosing(kubernetes.cluster.exec("db", container="postgres", command=command)) as written:
        assert (await anext(written)).data.startswith(b"on and on\n")
    assert await ran(kubernetes.cluster, arranged(kubernetes, ["echo", "still well"], stdout=b"still well\n")) == (b"still well\n", b"")


async def test_an_input_that_cannot_be_read_is_no_shorter_input(sandboxed: InSandbox) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"the first half"
        raise Unavailable("The store is gone.")

    await pod(sandboxed)
    command = arranged(sandboxed, ["cat"], reads_stdin=True)
    with pytest.raises(Unavailable, match="The store is gone"):
        async for _ in sandboxed.cluster.exec("db", container="postgres", command=command, stdin=broken()):
            pass


@pytest.mark.parametrize("after", [0, 1, 200_000])
async def test_a_connection_that_ends_without_a_status_is_no_success(sandboxed: InSandbox, after: int) -> None:
    await pod(sandboxed)
    command = arranged(sandboxed, ["pg_dump"], stdout=BYTES, cut_after=after)
    with pytest.raises(Unavailable, match="ended before it said how it went"):
        await ran(sandboxed.cluster, command)
