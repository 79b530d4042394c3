"""Things to try are done when that was observed; troubles last until they are ended, or happen once."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sandbox.clock import Clock
from sandbox.server import Sandbox
from sandbox.slack.state import Message
from sandbox.slack.trying import things
from sandbox.world import World

STEPS = [{"text": "ask", "seen": {"text": "waiting · op"}}, {"text": "wait", "seen": {"text": "done · op", "across": "outage"}}]
DEPLOYMENT = "/apis/apps/v1/namespaces/shop/deployments/web"
TROUBLES = [
    {"name": "slack", "title": "Slack is down", "slack_down": True},
    {"name": "registry", "title": "The registry is down", "fault": {"kind": "status", "system": "registry"}},
    {"name": "drift", "title": "By hand", "patch": {"path": DEPLOYMENT, "body": {"spec": {"replicas": 4}}}},
    {"name": "nowhere", "title": "By hand, elsewhere", "patch": {"path": f"{DEPLOYMENT}2", "body": {}}},
    {"name": "errors", "title": "Errors", "metric": {"expression": "errors", "series": [{"value": 7}]}},
]
WEB = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:v1"}]}},
    },
}


def test_a_step_is_done_when_a_message_shows_it_and_proves_the_steps_before() -> None:
    world = World.build({"channels": [{"name": "devops"}], "hints": [{"title": "T", "steps": STEPS}]})
    slack = world.slack
    channel = slack.channel("devops")

    def done() -> list[bool]:
        [thing] = things(slack)
        return [*(step["done"] for step in thing["steps"]), thing["done"]]

    assert done() == [False, False, False]
    message = slack.post(channel, Message(channel.id, slack.next_ts(channel), "U0APP", "waiting · *op*"))
    assert done() == [True, False, False]
    message.text, message.edited = "done · *op*", slack.tick()
    assert done() == [False, False, False]  # nothing had happened in between
    slack.mark("outage")
    assert done() == [False, False, False]
    message.edited = slack.next_ts(channel)
    assert done() == [True, True, True]


def test_a_step_of_a_moment_is_done_as_soon_as_the_moment_comes() -> None:
    world = World.build({"channels": [{"name": "devops"}], "hints": [{"title": "T", "steps": [{"text": "break", "seen": {"text": "op", "before": "outage"}}]}]})
    slack = world.slack
    channel = slack.channel("devops")

    def done() -> bool:
        [thing] = things(slack)
        return bool(thing["done"])

    slack.mark("outage")
    slack.post(channel, Message(channel.id, slack.next_ts(channel), "U0APP", "waiting · *op*"))
    assert not done()  # it broke before there was anything to see
    slack.mark("outage")
    assert done()


@pytest.fixture
async def far() -> Any:
    world = World.build({"kubernetes": [WEB], "troubles": TROUBLES})
    async with Sandbox(world) as sandbox, httpx.AsyncClient(base_url=sandbox.url) as client:
        yield sandbox, client


async def test_lasting_troubles_are_on_until_they_are_ended(far: Any) -> None:
    sandbox, client = far
    for name in ("slack", "registry"):
        assert (await client.post(f"/_sandbox/troubles/{name}", json={"on": True})).status_code == 200
    assert [one["name"] for one in (await client.get("/_sandbox/troubles")).json() if one["on"]] == ["slack", "registry"]
    assert sandbox.world.slack.down
    assert (await client.get("/v2/")).status_code == 503
    for name in ("slack", "registry", "registry"):
        await client.post(f"/_sandbox/troubles/{name}", json={"on": False})
    assert not [one for one in (await client.get("/_sandbox/troubles")).json() if one["on"]]
    assert not sandbox.world.slack.down
    assert (await client.get("/v2/")).status_code == 200


async def test_others_happen_once_each_time_and_it_is_remembered_when(far: Any) -> None:
    sandbox, client = far
    for name in ("drift", "errors", "errors"):
        assert (await client.post(f"/_sandbox/troubles/{name}")).status_code == 200
    assert sandbox.world.kubernetes.get("Deployment", "shop", "web")["spec"]["replicas"] == 4
    assert (await client.get("/_sandbox/prometheus/series")).json()["errors"][0]["value"] == "7"
    assert {name: len(moments) for name, moments in sandbox.world.slack.moments.items()} == {"drift": 1, "errors": 2}


async def test_what_cannot_be_done_is_said(far: Any) -> None:
    _, client = far
    refused = await client.post("/_sandbox/troubles/nowhere")
    assert (refused.status_code, refused.json()["error"]) == (400, "the cluster refused it: 404")
    assert (await client.post("/_sandbox/troubles/none")).status_code == 404
    assert (await client.post("/_sandbox/troubles/drift", json={"off": True})).status_code == 400
    with pytest.raises(ValueError, match="Extra inputs"):
        World.build({"troubles": [{"name": "x", "title": "x", "explode": True}]}, start=Clock.real().now())
