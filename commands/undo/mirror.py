"""From a step that was done to the one that takes it back, where what it changed still carries its operation's mark."""

from bot.core.operation import Operation
from bot.core.ports import Cluster, Json
from bot.core.steps import (
    CHANGE_CAUSE,
    OPERATION,
    PAUSED,
    SCALED,
    BoundsStep,
    ImageStep,
    IsolateStep,
    ManifestsStep,
    ObjectChange,
    PauseStep,
    RollbackStep,
    ScaleStep,
    Step,
    UndoStep,
    annotations,
    bounds,
    foreign,
    paused,
    short,
)
from bot.core.workload import container_image, containers, wanted
from bot.operations import stamp_of

Undoable = ImageStep | ManifestsStep | RollbackStep | ScaleStep | BoundsStep | PauseStep | IsolateStep


async def mirrored(cluster: Cluster, operation: Operation, step: Undoable, wave: int) -> Step | str:
    """Returns the step that takes `step` back, or why what it changed is left alone."""
    if isinstance(step, ManifestsStep):
        return await _folder(cluster, operation, step, wave)
    if isinstance(step, IsolateStep):
        return await _isolation(cluster, operation, step, wave)
    kind, name = ("HorizontalPodAutoscaler", step.autoscaler) if isinstance(step, BoundsStep) else (step.workload, step.name)
    live = await cluster.get(kind, name)
    if live is None:
        return f"{step.target} does not exist any more"
    mark = annotations(live).get(SCALED if isinstance(step, ScaleStep) else PAUSED if isinstance(step, PauseStep) else OPERATION)
    if mark != operation.name:
        return foreign(step.target, mark)
    turned = {"wave": wave, "owner_before": operation.name}
    match step:
        case ImageStep():
            return _image(step, live, turned)
        case RollbackStep():
            if live["spec"]["template"] != step.new:
                return f"{step.target} has another template by now"
            back = {"before": step.after, "after": step.before, "old": step.new, "new": step.old, "present": step.revision, "revision": step.present}
            return step.model_copy(update=turned | back | {"cause_before": annotations(live).get(CHANGE_CAUSE), "revision_name": ""})
        case ScaleStep():
            if wanted(live) != step.after:
                return f"{step.target} has {wanted(live)} pods by now, not {step.after}"
            return step.model_copy(update=turned | {"before": step.after, "after": step.before})
        case BoundsStep():
            if bounds(live) != step.after:
                return f"{step.target} has other bounds by now"
            return step.model_copy(update=turned | {"before": step.after, "after": step.before})
        case PauseStep():
            if paused(live) != step.after:
                return f"{step.target} is {'paused' if paused(live) else 'not paused'} by now"
            return step.model_copy(update=turned | {"before": step.after, "after": step.before})


def _image(step: ImageStep, live: Json, turned: dict[str, object]) -> Step | str:
    image = container_image(live, step.container) or "nothing"
    if image != step.after:
        return f"{step.target} runs {short(image)} by now"
    index = [one["name"] for one in containers(live["spec"]["template"])].index(step.container)
    return step.model_copy(update=turned | {"before": step.after, "after": step.before, "index": index, "cause_before": annotations(live).get(CHANGE_CAUSE)})


async def _isolation(cluster: Cluster, operation: Operation, step: IsolateStep, wave: int) -> Step | str:
    """A policy that was deleted carries no mark any more: it is made again where there is none."""
    live = await cluster.get("NetworkPolicy", step.name)
    if step.after and live is None:
        return f"{step.target} does not exist any more"
    if live is not None and (not step.after or annotations(live).get(OPERATION) != operation.name):
        return foreign(step.target, annotations(live).get(OPERATION))
    return step.model_copy(update={"wave": wave, "before": step.after, "after": step.before})


async def _folder(cluster: Cluster, operation: Operation, step: ManifestsStep, wave: int) -> Step | str:
    live = [await cluster.get(one.ref.kind, one.ref.name) for one in step.objects]
    ours = [one for one, thing in zip(step.objects, live, strict=True) if thing is not None and _is_ours(operation, one, thing)]
    if not ours:
        return f"{step.target} was changed by somebody else since, with all that belongs to it"
    return UndoStep(
        wave=wave,
        environment=step.environment,
        service=step.service,
        before=step.after,
        after=step.before,
        of=step.model_copy(update={"objects": tuple(ours)}),
        stamp=stamp_of(operation),
    )


def _is_ours(operation: Operation, change: ObjectChange, live: Json) -> bool:
    """Whether it carries the operation's mark, and the operation's fields are as it left them. What it created goes as a whole."""
    return annotations(live).get(OPERATION) == operation.name and (change.created or not change.differing(live, after=True))
