"""From what a deploy is about to change to the steps that do it, in the waves of the services."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from bot.core.config import Config
from bot.core.gates import MetricGate
from bot.core.steps import CHANGE_CAUSE, OPERATION, ImageStep, ManifestsStep, PruneStep, Step, VerifyStep, annotations
from commands.preflight.target import FolderChange, Target

PATIENCE = timedelta(seconds=30)  # how long health may be away without a break before it is a failure: a load balancer needs a moment to see new pods


def steps_for(config: Config, targets: Sequence[Target], gates: Mapping[str, tuple[MetricGate, ...]]) -> tuple[Step, ...]:
    """Returns the services' steps in their waves, and after each wave a look at its health: a short one between waves, the long one at the end. What is to be
    removed goes when all is well.
    """
    steps: list[Step] = []
    waves = sorted({target.settings.wave for target in targets})
    for place, wave in enumerate(waves):
        here = [target for target in targets if target.settings.wave == wave]
        environment = config.environments[here[0].environment]
        steps += [_step(target, wave=2 * place, deadline=environment.rollout.deadline) for target in here]
        health = environment.health
        hold = max(health.for_ if health else environment.rollout.bake, environment.rollout.bake)
        steps.append(
            VerifyStep(
                wave=2 * place + 1,
                environment=here[0].environment,
                urls=health.urls() if health else (),
                timeout=health.timeout if health else hold,
                workloads=tuple(one for target in targets if target.settings.wave <= wave for one in target.expects),
                hold=hold if place == len(waves) - 1 else hold * 0,
                patience=PATIENCE,
                gates=tuple(gate for target in targets if target.settings.wave <= wave for gate in gates[target.service]),
            )
        )
    return (*steps, *_removals(targets, wave=2 * len(waves)))


def _step(target: Target, *, wave: int, deadline: timedelta) -> Step:
    return _image_step(target, wave, deadline) if target.folder is None else _manifests_step(target, target.folder, wave, deadline)


def _manifests_step(target: Target, folder: FolderChange, wave: int, deadline: timedelta) -> ManifestsStep:
    return ManifestsStep(
        wave=wave,
        environment=target.environment,
        service=target.service,
        workload=target.settings.kind,
        name=target.name,
        container=target.settings.container,
        before=target.before,
        after=target.image,
        objects=folder.objects,
        inventory=folder.inventory,
        take=folder.take,
        deadline=deadline,
    )


def _image_step(target: Target, wave: int, deadline: timedelta) -> ImageStep:
    marks = annotations(target.workload)
    return ImageStep(
        wave=wave,
        environment=target.environment,
        service=target.service,
        workload=target.settings.kind,
        name=target.name,
        container=target.settings.container,
        index=target.index,
        before=target.before,
        after=target.image,
        cause_before=marks.get(CHANGE_CAUSE),
        owner_before=marks.get(OPERATION),
        deadline=deadline,
    )


def _removals(targets: Sequence[Target], *, wave: int) -> list[PruneStep]:
    return [
        PruneStep(wave=wave, environment=target.environment, service=target.service, removals=target.folder.removals)
        for target in targets
        if target.folder and target.folder.removals
    ]
