"""What waits to be delivered, without a network: whoever drives the world takes it from the queue, and says what came of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from sandbox.alertmanager import Alertmanager, Delivery, Receiver
from sandbox.alertmanager.alerts import Alert
from sandbox.clock import Clock

START = datetime(2026, 5, 3, 3, 0, tzinfo=UTC)


class Stage:
    """An Alertmanager whose receiver is this test."""

    def __init__(self, seed: int = 0, **changes: Any) -> None:
        self.clock = Clock.manual(START)
        self.alertmanager = Alertmanager(self.clock, seed, Receiver(url="http://receiver/", token="x", **changes))

    def fires(self, name: str, seconds: float = 3600, **labels: str) -> None:
        now = self.clock.now()
        alert = Alert({"alertname": name, **labels}, {}, now, now + timedelta(seconds=seconds), now)
        assert self.alertmanager.put([alert]) == []

    def ends(self, name: str, **labels: str) -> None:
        self.fires(name, 0, **labels)

    def passes(self, seconds: float) -> list[Delivery]:
        """Lets time pass, and takes what waits then."""
        self.clock.advance(seconds)
        self.alertmanager.play()
        taken = [*self.alertmanager.outgoing]
        self.alertmanager.outgoing.clear()
        return taken

    def answers(self, deliveries: list[Delivery], status: int | None) -> None:
        for delivery in deliveries:
            self.alertmanager.answer(delivery, status)


def alerts(delivery: Delivery) -> list[str]:
    return [f"{one['labels']['alertname']}:{one['status']}" for one in json.loads(delivery.body)["alerts"]]


def test_a_delivery_says_where_it_goes_and_what_it_is() -> None:
    stage = Stage()
    stage.fires("A", service="s")
    assert stage.passes(29.9) == []
    [delivery] = stage.passes(0.1)
    assert (delivery.url, delivery.attempt, delivery.group_key) == ("http://receiver/", 1, '{}:{alertname="A", service="s"}')
    assert delivery.headers["Authorization"] == "Bearer x"
    assert json.loads(delivery.body)["alerts"][0]["startsAt"] == "2026-05-03T03:00:00Z"


def test_it_is_tried_again_with_growing_pauses_until_the_group_is_due_again() -> None:
    stage = Stage()
    stage.fires("A")
    taken, attempts = stage.passes(30), []
    for _ in range(3010):
        attempts += [(delivery.attempt, delivery.at) for delivery in taken]
        stage.answers(taken, 503)
        taken = stage.passes(0.1)
    pauses = [(later - earlier).total_seconds() for (_, earlier), (_, later) in pairwise(attempts)]
    for number, pause in enumerate(pauses[:10]):
        expected = min(0.5 * 1.5**number, 60.0)
        assert 0.5 * expected <= pause <= 1.5 * expected
    assert [at for attempt, at in attempts if attempt == 1] == [START + timedelta(seconds=30), START + timedelta(seconds=330)]
    assert 8 < len(attempts) < 20


def test_no_answer_is_tried_again_and_a_refusal_is_not() -> None:
    stage = Stage()
    stage.fires("A")
    stage.answers(stage.passes(30), None)
    again = stage.passes(1)
    assert [delivery.attempt for delivery in again] == [2]
    stage.answers(again, 429)
    assert stage.passes(298) == []
    assert len(stage.passes(2)) == 1


def test_a_slow_receiver_is_told_what_has_changed_meanwhile_when_it_has_answered() -> None:
    stage = Stage()
    stage.fires("A", pod="1")
    first = stage.passes(30)
    stage.fires("A", pod="2")
    assert stage.passes(3000) == []
    stage.answers(first, 200)
    assert [alerts(delivery) for delivery in stage.passes(0)] == [["A:firing", "A:firing"]]


def test_a_flap_within_the_interval_is_not_told() -> None:
    stage = Stage()
    stage.fires("A", pod="1")
    stage.answers(stage.passes(30), 200)
    stage.ends("A", pod="1")
    stage.passes(10)
    stage.fires("A", pod="1")
    assert stage.passes(600) == []


def test_an_alert_that_ended_before_the_first_look_is_never_told() -> None:
    stage = Stage()
    stage.fires("A")
    stage.passes(5)
    stage.ends("A")
    assert stage.passes(3600) == []


def test_a_new_receiver_is_told_at_once_of_what_it_has_not_heard() -> None:
    stage = Stage()
    stage.fires("A", seconds=7200)
    stage.answers(stage.passes(30), 200)
    stage.fires("B", seconds=7200)
    assert stage.passes(10) == []
    stage.alertmanager.configure(stage.alertmanager.receiver.model_copy(update={"group_wait": 5.0}))
    assert [alerts(delivery) for delivery in stage.passes(0)] == [["B:firing"]]


def test_mishaps_on_the_way() -> None:
    stage = Stage()
    stage.alertmanager.mishap("drop")
    stage.alertmanager.mishap("drop_after")
    stage.alertmanager.mishap("delay", seconds=20)
    stage.alertmanager.mishap("duplicate")
    stage.alertmanager.mishap("lose")
    stage.fires("A")
    assert stage.passes(30) == []  # dropped
    arrived = stage.passes(1)
    stage.answers(arrived, 200)  # it arrived, and the answer is lost
    assert [delivery.attempt for delivery in arrived] == [2]
    assert stage.passes(19) == []  # delayed
    stage.answers(stage.passes(2), 200)
    stage.fires("A", pod="2")
    twice = stage.passes(300)
    assert [delivery.body for delivery in twice] == [twice[0].body] * 2
    stage.answers(twice, 200)
    stage.fires("A", pod="3")
    assert stage.passes(300) == []  # lost, and never told again
    assert stage.passes(1500) == []
    assert [one.mishap for one in stage.alertmanager.deliveries] == ["drop", "drop_after", "delay", "duplicate", "lose"]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_seed_tries_again_at_the_same_times(seed: int) -> None:
    def times() -> list[datetime]:
        stage = Stage(seed)
        stage.fires("A")
        taken, seen = stage.passes(30), []
        for _ in range(200):
            seen += [delivery.at for delivery in taken]
            stage.answers(taken, 500)
            taken = stage.passes(0.25)
        return seen

    assert times() == times()
