"""The object that a step is about, as it is at this moment."""

from bot.core.errors import NotFound
from bot.core.ports import Cluster, Json


async def existing(cluster: Cluster, kind: str, name: str) -> Json:
    """Returns the object. Raises NotFound when somebody has deleted it."""
    found = await cluster.get(kind, name)
    if found is None:
        raise NotFound(f"{kind.lower()}/{name} does not exist in {cluster.namespace} any more.", "Somebody deleted it; restore it from its manifests.")
    return found
