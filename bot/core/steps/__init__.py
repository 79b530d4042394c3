"""The steps that plans are made of: a tagged, versioned union, stored with the operation and replayable after a crash.

Every step says what it is (`describe`), acts (`apply`, `undo`) and looks (`check`). A converge step does nothing at `after` and refuses at neither.
"""

from typing import Annotated

from pydantic import Field

from bot.core.steps.backup import DatabaseBackupStep
from bot.core.steps.config_backup import ConfigBackupStep
from bot.core.steps.image import ImageStep
from bot.core.steps.isolate import IsolateStep, opens, policy_name
from bot.core.steps.manifests import ManifestsStep
from bot.core.steps.marks import CHANGE_CAUSE, OPERATION, PAUSED, RAN, SCALED, SERVICE, Stamp, annotations, foreign, short
from bot.core.steps.object import MARKS, ObjectChange, Ref, manifest_for, marked, ref
from bot.core.steps.pause import PauseStep, halfway, paused
from bot.core.steps.procedure import ProcedureStep
from bot.core.steps.prune import PruneStep, Removal
from bot.core.steps.restore import RestoreStep, VerifyBackupStep
from bot.core.steps.scale import BoundsStep, ScaleStep, bounds
from bot.core.steps.template import RestartStep, RollbackStep
from bot.core.steps.undo import UndoStep
from bot.core.steps.verify import Expected, VerifyStep
from bot.core.steps.work import WorkStep

__all__ = [
    "CHANGE_CAUSE",
    "MARKS",
    "OPERATION",
    "PAUSED",
    "RAN",
    "SCALED",
    "SERVICE",
    "SEVERAL",
    "BoundsStep",
    "ConfigBackupStep",
    "DatabaseBackupStep",
    "Expected",
    "ImageStep",
    "IsolateStep",
    "ManifestsStep",
    "ObjectChange",
    "PauseStep",
    "PlainStep",
    "ProcedureStep",
    "PruneStep",
    "Ref",
    "Removal",
    "RestartStep",
    "RestoreStep",
    "RollbackStep",
    "ScaleStep",
    "ServiceStep",
    "Stamp",
    "Step",
    "UndoStep",
    "VerifyBackupStep",
    "VerifyStep",
    "WorkStep",
    "annotations",
    "bounds",
    "foreign",
    "halfway",
    "manifest_for",
    "marked",
    "opens",
    "paused",
    "policy_name",
    "ref",
    "short",
]

ServiceStep = ImageStep | ManifestsStep | RollbackStep | UndoStep
"""The steps that bring a service to a version: they have `service`, `target`, and the image `before` and `after`."""

PlainStep = (
    RestartStep | ScaleStep | BoundsStep | PauseStep | IsolateStep | ProcedureStep | DatabaseBackupStep | ConfigBackupStep | RestoreStep | VerifyBackupStep
)
"""The steps that leave the version as it is: they say in words what they `change`, and what is so `now` or `was`."""

SEVERAL = (ManifestsStep, PruneStep, ScaleStep, UndoStep)
"""The steps that do several things one after the other: an error leaves those done that came before it."""

Step = Annotated[
    ImageStep
    | ManifestsStep
    | RollbackStep
    | UndoStep
    | RestartStep
    | ScaleStep
    | BoundsStep
    | PauseStep
    | IsolateStep
    | ProcedureStep
    | PruneStep
    | VerifyStep
    | DatabaseBackupStep
    | ConfigBackupStep
    | RestoreStep
    | VerifyBackupStep,
    Field(discriminator="kind"),
]
