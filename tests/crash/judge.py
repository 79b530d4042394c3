"""Whether a deploy ended as it should, exactly once, as anybody can see it: in the cluster, in Slack, in the database."""

from sqlmodel import select

from bot.core.clock import SystemClock
from bot.store.store import Store
from bot.store.tables import LockRow, OperationRow
from sandbox.slack.state import Message
from tests.crash.scene import Scene

GOOD, CRASHING = "deploy prod v1.2.0", 'deploy prod v1.3.0-crash --emergency "checkout is down"'
GATEWAY, RECOMMENDATION = "gateway-production", "ml-recommendation-production"
PICTURE = "aiec-op-1-figures.png"
ENDS = ("✅ done", "↩︎ rolled back", "❌ failed", "refused")


def _replies(scene: Scene, message: Message) -> list[str]:
    """What stands in the thread: keys of messages, names of files."""
    return [reply.metadata["event_payload"]["key"] if reply.metadata else reply.files[0]["name"] for reply in scene.slack.thread(message)]


def generations(scene: Scene) -> dict[str, int]:
    """How often each Deployment's spec has been changed so far."""
    return {name: scene.deployment(name)["metadata"]["generation"] for name in (GATEWAY, RECOMMENDATION)}


async def judge(scene: Scene, asked: str, before: dict[str, int]) -> None:
    """`before`: the generations before anything was asked."""
    good = asked == GOOD
    (message,) = scene.messages()
    assert ENDS[0 if good else 1] in message.plain, message.plain
    assert [scene.tag(name) for name in before] == (["v1.2.0"] * 2 if good else ["v1.1.0"] * 2)
    changes = {name: generation - before[name] for name, generation in generations(scene).items()}
    assert changes == ({GATEWAY: 1, RECOMMENDATION: 1} if good else {GATEWAY: 2, RECOMMENDATION: 0})
    replies = _replies(scene, message)
    assert len(replies) == len(set(replies)), replies
    assert PICTURE in replies, replies
    assert [m for m in scene.slack.messages("devops", "engineer") if m.visible_to], "whoever asked was never answered"
    store = Store(scene.database, SystemClock())
    rows, locks = store.look(lambda tx: (tx.all(select(OperationRow)), tx.all(select(LockRow))))
    store.close()
    assert ([row.state for row in rows], locks) == (["done" if good else "rolled_back"], [])
    code, out, err = await scene.aiec("audit", "verify")
    assert code == 0, out + err
