"""Everybody and everything else that changes the far ends: colleagues with kubectl, pods that die, tags that move, health that goes and comes."""

import json
import random
from collections.abc import Callable
from typing import Any

from bot.core.steps import CHANGE_CAUSE, OPERATION
from sandbox.platform import Answer
from sandbox.world import World
from tests.simulation.invariants import Place, Witness, image_of
from tests.simulation.scene import BAD, GOOD, NAMESPACES, REGISTRY, SERVICES

Json = dict[str, Any]


class Outsiders:
    def __init__(self, luck: random.Random, world: World, witness: Witness, trace: Callable[[str], None]) -> None:
        self._luck, self._world, self._witness, self._trace = luck, world, witness, trace

    def act(self) -> None:
        """One thing happens without the bot's doing."""
        luck = self._luck
        place = (luck.choice([*NAMESPACES]), luck.choice([*SERVICES]))
        kinds: dict[Callable[[Place], str | None], int] = {
            self._sets_image: 6, self._annotates: 4, self._strips: 1, self._restarts: 2, self._scales: 2, self._pauses: 1,
            self._disturbs_pod: 6, self._moves_tag: 2, self._health: 4, self._slack: 2,
        }  # fmt: skip
        said = luck.choices([*kinds], [*kinds.values()])[0](place)
        if said:
            self._trace(f"somebody {said}")

    def leave(self) -> None:
        """They go away, and leave the far ends as they should be."""
        self._world.slack.down = False
        for environment in NAMESPACES:
            self._world.platform.tell(environment, Answer())
        for place in ((environment, service) for environment in NAMESPACES for service in SERVICES):
            self._patch(place, {"spec": {"paused": None}})

    def _sets_image(self, place: Place) -> str:
        """`kubectl set image`, at times to what runs anyway."""
        workload = self._world.kubernetes.get("Deployment", NAMESPACES[place[0]], place[1])
        assert workload is not None
        digest = self._world.registry.digest(f"shop/{place[1]}", self._luck.choice(GOOD))
        image = f"{REGISTRY}/shop/{place[1]}@{digest}" if self._luck.random() < 0.8 else image_of(workload)
        if image != image_of(workload):
            self._witness.foreign(place)
        self._patch(place, {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}}})
        return f"sets {place} to {image[-28:]}"

    def _annotates(self, place: Place) -> str:
        name = self._luck.choice((CHANGE_CAUSE, "team", "argocd.argoproj.io/tracking-id"))
        self._patch(place, {"metadata": {"annotations": {name: f"by hand {self._luck.randrange(1000)}"}}})
        return f"annotates {place} with {name}"

    def _strips(self, place: Place) -> str:
        """Replaces the object from a manifest that knows nothing of our annotations."""
        self._patch(place, {"metadata": {"annotations": {CHANGE_CAUSE: None, OPERATION: None}}})
        return f"strips {place} of its annotations"

    def _restarts(self, place: Place) -> str:
        self._patch(place, {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": self._world.clock.now().isoformat()}}}}})
        return f"restarts {place}"

    def _scales(self, place: Place) -> str:
        self._patch(place, {"spec": {"replicas": self._luck.randint(1, 3)}})
        return f"scales {place}"

    def _pauses(self, place: Place) -> str:
        paused = self._luck.random() < 0.5 or None
        self._patch(place, {"spec": {"paused": paused}})
        return f"{'pauses' if paused else 'resumes'} {place}"

    def _disturbs_pod(self, place: Place) -> str | None:
        pods = self._world.kubernetes.pods(NAMESPACES[place[0]], f"app={place[1]}")
        if not pods:
            return None
        name = self._luck.choice(pods)["metadata"]["name"]
        if self._luck.random() < 0.5:
            self._world.kubernetes.delete("Pod", NAMESPACES[place[0]], name)
            return f"deletes pod {name}"
        fate = self._luck.choice(BAD)
        self._world.kubernetes.set_fate(NAMESPACES[place[0]], name, fate)
        return f"lets pod {name} be {fate}"

    def _moves_tag(self, place: Place) -> str:
        tag, content = self._luck.choice(GOOD), str(self._luck.randrange(1000))
        self._world.registry.put_image(f"shop/{place[1]}", tag, content=content)
        return f"pushes another {place[1]}:{tag}"

    def _health(self, place: Place) -> str:
        status = self._luck.choice((200, 200, 503))
        self._world.platform.tell(place[0], Answer(status=status))
        return f"sees {place[0]} answer {status}"

    def _slack(self, place: Place) -> str:
        self._world.slack.down = not self._world.slack.down
        return f"sees Slack {'down' if self._world.slack.down else 'up'}"

    def _patch(self, place: Place, patch: Json) -> None:
        path = f"/apis/apps/v1/namespaces/{NAMESPACES[place[0]]}/deployments/{place[1]}"
        headers = {"content-type": "application/strategic-merge-patch+json"}
        answer = self._world.kubernetes.handle("PATCH", path, headers=headers, body=json.dumps(patch).encode())
        assert answer.status == 200, answer.body
