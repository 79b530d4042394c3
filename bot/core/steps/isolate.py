"""The step that cuts a service off from the network, or lets it back: a NetworkPolicy of its own that selects its pods and allows nothing."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from bot.core.capacity import selects
from bot.core.card import Code, Line, line
from bot.core.data import Frozen
from bot.core.errors import Conflict
from bot.core.outcome import Done, Failed, Outcome, Waiting
from bot.core.ports import Cluster, Json, World
from bot.core.steps.marks import CHANGE_CAUSE, OPERATION, SERVICE, Stamp, annotations, foreign

POLICY = "NetworkPolicy"


class IsolateStep(Frozen):
    """Makes the service's own NetworkPolicy (`after`: it is isolated), or deletes it. `selector`: the one of its pods.

    Isolated or not, a policy that is not ours is left alone: it carries no mark of an operation.
    """

    kind: Literal["isolate"] = "isolate"
    version: Literal[1] = 1
    wave: int
    environment: str
    service: str
    before: bool
    after: bool
    selector: Json

    @property
    def name(self) -> str:
        return policy_name(self.service)

    @property
    def target(self) -> str:
        return f"networkpolicy/{self.name}"

    @property
    def change(self) -> str:
        return "gets no traffic and sends none" if self.after else "gets and sends traffic again"

    @property
    def was(self) -> str:
        return _word(self.before)

    @property
    def now(self) -> str:
        return _word(self.after)

    def describe(self) -> Line:
        return line(Code(text=self.service), f" {self.change}")

    def difference(self, other: object) -> list[str]:
        if not isinstance(other, IsolateStep):
            return [f"{self.target} would be changed in another way"]
        if other.before != self.before:
            return [f"{self.service} is {other.was} by now"]
        return [f"other pods of {self.service} would be selected"]

    async def apply(self, world: World, stamp: Stamp) -> bool:
        """Makes or deletes the policy, and returns whether it is our change. Raises Conflict when one of that name is there that is not ours."""
        cluster = world.clusters[self.environment]
        return await (self._make(world, cluster, stamp) if self.after else self._remove(world, cluster))

    async def undo(self, world: World, stamp: Stamp) -> str:
        """Deletes the policy where it still carries our mark, or makes it again where there is none. Returns why it was left alone, or ""."""
        cluster = world.clusters[self.environment]
        live = await cluster.get(POLICY, self.name)
        if not self.after:
            if live is None:
                await self._make(world, cluster, stamp)
            return ""
        if live is None:
            return ""
        if (mark := annotations(live).get(OPERATION)) != stamp.operation:
            return foreign(self.target, mark)
        world.about_to_act()
        await cluster.delete(POLICY, self.name, as_seen=live)
        return ""

    async def check(self, world: World, since: datetime, seen: Mapping[str, datetime], *, undoing: bool = False) -> tuple[Outcome, dict[str, datetime]]:
        there = await world.clusters[self.environment].get(POLICY, self.name)
        if (there is not None) == (self.before if undoing else self.after):
            return Done(text=f"by {self.target}" if there else f"{self.target} is gone"), {}
        if there is not None and there["metadata"].get("deletionTimestamp"):
            return Waiting(text=f"{self.target} is still to end"), dict(seen)
        return Failed(code="Superseded", why=f"{self.target} is {'there' if there else 'gone'}: somebody else changed it meanwhile"), dict(seen)

    async def _make(self, world: World, cluster: Cluster, stamp: Stamp) -> bool:
        live = await cluster.get(POLICY, self.name)
        if live is None:
            world.about_to_act()
            try:
                live = await cluster.create(self._policy(cluster, stamp))
            except Conflict:
                live = await cluster.get(POLICY, self.name)
        if live is None or annotations(live).get(OPERATION) != stamp.operation:
            mark = annotations(live).get(OPERATION) if live else None
            raise Conflict(f"{self.target} is there already, made by {mark or 'somebody else'}.", "Ask again: the plan is then made afresh.")
        return True

    async def _remove(self, world: World, cluster: Cluster) -> bool:
        live = await cluster.get(POLICY, self.name)
        if live is None:
            return False
        if OPERATION not in annotations(live):
            raise Conflict(f"{self.target} carries no mark of aiec: it is somebody else's.", f"Delete it by hand: `kubectl delete networkpolicy {self.name}`.")
        world.about_to_act()
        await cluster.delete(POLICY, self.name, as_seen=live)
        return True

    def _policy(self, cluster: Cluster, stamp: Stamp) -> Json:
        marks = {OPERATION: stamp.operation, SERVICE: self.service, CHANGE_CAUSE: stamp.cause}
        return {
            "apiVersion": "networking.k8s.io/v1",
            "kind": POLICY,
            "metadata": {"name": self.name, "namespace": cluster.namespace, "annotations": marks},
            "spec": {"podSelector": self.selector, "policyTypes": ["Ingress", "Egress"]},
        }


def policy_name(service: str) -> str:
    """Returns the name of the NetworkPolicy that isolates a service."""
    return f"aiec-isolates-{service}".replace("_", "-")


def opens(policies: list[Json], labels: Mapping[str, str]) -> list[str]:
    """Returns the NetworkPolicies that let traffic to or from pods with these labels through: what any policy allows is allowed."""
    return [
        policy["metadata"]["name"]
        for policy in policies
        if selects(policy["spec"].get("podSelector") or {}, labels) and (policy["spec"].get("ingress") or policy["spec"].get("egress"))
    ]


def _word(isolated: bool) -> str:
    return "isolated" if isolated else "not isolated"
