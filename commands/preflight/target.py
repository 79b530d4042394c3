"""What a deploy is about to change: the workload as it is now, and the image it shall run."""

from dataclasses import dataclass

from bot.core.config import Service
from bot.core.ports import Json
from bot.core.steps import Expected, ObjectChange, Ref, Removal


@dataclass(frozen=True)
class FolderChange:
    """What a folder of manifests changes. `objects`: those to apply, in order; `inventory`: all that the folder has or had; `removals`: what goes at last;
    `expects`: what its workloads run afterwards; `take`: whether fields of others are taken over.
    """

    objects: tuple[ObjectChange, ...]
    inventory: tuple[Ref, ...]
    removals: tuple[Removal, ...]
    expects: tuple[Expected, ...]
    take: bool


@dataclass(frozen=True)
class Target:
    """One service in one environment. `image` is the new one, pinned to its digest; `workload` the object as read while planning, or as a dry run of its
    folder made it; `before` is empty where it does not exist yet."""

    environment: str
    service: str
    version: str
    settings: Service
    name: str
    workload: Json
    index: int
    before: str
    image: str
    folder: FolderChange | None = None

    @property
    def settled(self) -> bool:
        """Whether there is nothing to do."""
        if self.folder is None:
            return self.before == self.image
        return not self.folder.removals and not any(one.changes for one in self.folder.objects)

    @property
    def expects(self) -> tuple[Expected, ...]:
        """What runs afterwards."""
        if self.folder is not None:
            return self.folder.expects
        return (Expected(workload=self.settings.kind, name=self.name, container=self.settings.container, image=self.image),)

    @property
    def title(self) -> str:
        return f"{self.settings.kind.lower()}/{self.name}"
