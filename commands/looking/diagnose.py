"""`/aiec diagnose`: why a service is not well, what proves it, and the command to run next."""

import asyncio
from dataclasses import dataclass, replace

from bot.command import Command, Context, Read
from bot.core.card import Action, Bold, Card, Code, Evidence, Line, State, line
from bot.core.errors import AiecError
from bot.core.failures.logs import with_logs
from bot.core.outcome import Failed
from bot.core.ports import Cluster, Json
from bot.core.redact import redacted
from bot.core.workload import readiness, ready, status, title
from commands.looking.causes import Cause, Seen, causes
from commands.looking.describe import hindered, metric_words
from commands.looking.network import behind, nobody
from commands.looking.subject import ServiceArguments, revisions_in, scaling
from commands.target import selector, workload_of

_MOST_CAUSES, _MOST_EVIDENCE = 4, 4
_OF_THE_IMAGE = ("Image", "InvalidImage", "ErrImage")
_OF_ROOM = frozenset({"Unschedulable", "QuotaExceeded"})


@dataclass(frozen=True)
class _Around:
    """What stands around the pods: Services with nobody behind them, and an autoscaler that cannot do what it wants."""

    causes: list[Cause]
    lines: list[Line]


async def _diagnose(arguments: ServiceArguments, context: Context) -> Card:
    environment, cluster = arguments.environment, context.world.clusters[arguments.environment]
    workload = await workload_of(arguments.service, environment, context)
    revisions, pods, events = await asyncio.gather(
        revisions_in(environment, workload, context), cluster.list("Pod", labels=selector(workload)), cluster.list("Event")
    )
    around = await _around(cluster, workload, pods)
    seen = Seen(workload, revisions, pods, events)
    found = [*causes(seen, context.now), *around.causes]
    told = await asyncio.gather(*(_with_logs(cause, cluster, seen) for cause in found[:_MOST_CAUSES]))
    ok, wanted = readiness(workload)
    subject = line(Bold(text=f"{arguments.service} in {environment}"))
    if not told:
        return Card(
            state=State.DONE,
            headline=(*subject, f" is well as far as Kubernetes knows: {ok} of {wanted} pods ready, no restart in the last hour"),
            lines=(*around.lines, line("If users see errors all the same, look at its log and at the figures of what it calls.")),
            actions=_steps(None, arguments, context),
        )
    first, steps = told[0], _steps(told[0], arguments, context)
    following = [line("Next: ", Code(text=typed(steps[0])))] if steps else []
    return Card(
        state=State.FAILED if ok == 0 and wanted else State.NEEDS_YOU,
        headline=(*subject, f": {redacted(first.failed.why)}"),
        lines=(*_words(first.failed), *(line(f"Also: {redacted(one.failed.why)}. {one.failed.hint}") for one in told[1:]), *around.lines, *following),
        evidence=_evidence(told),
        actions=steps,
    )


async def _around(cluster: Cluster, workload: Json, pods: list[Json]) -> _Around:
    """Looks at Services and the autoscaler; what may not be read is said, and hides nothing else."""
    found: list[Cause] = []
    said: list[Line] = [line(f"{title(workload)} · {sum(map(ready, pods))} of {len(pods)} pods ready")]
    try:
        services, slices, autoscalers = await asyncio.gather(cluster.list("Service"), cluster.list("EndpointSlice"), cluster.list("HorizontalPodAutoscaler"))
    except AiecError as error:
        return _Around([], [*said, line(f"Not looked at: Services and autoscalers. {error.text} {error.hint}".rstrip())])
    labels = (workload["spec"]["template"]["metadata"].get("labels") or {}).items()
    for service in services:
        wanted = service["spec"].get("selector")
        if wanted and wanted.items() <= labels and any(map(ready, pods)) and not behind(service, slices)[0]:
            name = service["metadata"]["name"]
            why = f"nothing reaches it through Service {name}: {nobody(service, pods)}"
            found.append(Cause(Failed(code="NoEndpoints", why=why, hint=f"Correct Service {name}.")))
    scaler = scaling(workload, autoscalers)
    if scaler:
        metrics = [metric_words(one, status(scaler).get("currentMetrics") or []) for one in scaler["spec"].get("metrics") or []]
        said.append(line(f"Autoscaler: {' · '.join(metrics)} · {status(scaler).get('currentReplicas', 0)} of at most {scaler['spec']['maxReplicas']} pods"))
        if hindrance := hindered(scaler):
            found.append(Cause(Failed(code="Autoscaler", why=f"its autoscaler is held up: {hindrance}", hint="`/aiec hpa` shows its figures.")))
    return _Around(found, said)


async def _with_logs(cause: Cause, cluster: Cluster, seen: Seen) -> Cause:
    """Adds what the logs say; without them the cause stands as well."""
    try:
        texts = await asyncio.gather(*(cluster.logs(one.pod, container=one.container, previous=one.previous) for one in cause.logs))
    except AiecError:
        return cause
    return replace(cause, failed=with_logs(cause.failed, dict(zip(cause.logs, texts, strict=True)), seen.workload, seen.revisions))


def _words(failed: Failed) -> list[Line]:
    new = [line(Bold(text="New"), f": {failed.new}")] if failed.new else []
    return [*new, *([line(Bold(text="Try"), f": {failed.hint}")] if failed.hint else [])]


def _evidence(told: list[Cause]) -> tuple[Evidence, ...]:
    each = [Evidence(title=one.title, text=redacted(one.text)) for cause in told for one in cause.failed.evidence]
    return tuple({one.title: one for one in each}.values())[:_MOST_EVIDENCE]


def _steps(cause: Cause | None, arguments: ServiceArguments, context: Context) -> tuple[Action, ...]:
    """The commands to run next, the likeliest first; only those that the person may run."""
    environment, service = arguments.environment, arguments.service
    here, both = {"environment": environment}, {"environment": environment, "service": service}
    log = {"environment": environment, "target": service}
    undo = Action(
        label=f"Roll back {service}", command="rollback", arguments=both, style="danger", confirm=f"Roll back {service} in {environment} to its revision before"
    )
    wanted: list[Action] = [undo] if cause and cause.of_the_change else []
    if cause and cause.failed.code == "Paused":
        wanted.append(Action(label=f"Resume {service}", command="resume", arguments=both, confirm=f"Let the rollouts of {service} in {environment} go on"))
    if cause and cause.logs:
        request = cause.logs[0]
        exact = {"environment": environment, "target": request.pod, "container": request.container, "previous": request.previous}
        wanted.append(Action(label="Log before the restart" if request.previous else "Log", command="logs", arguments=exact))
    elif cause is None or cause.failed.code == "NotReady":
        wanted.append(Action(label="Log", command="logs", arguments=log))
    code = cause.failed.code if cause else ""
    wanted += [Action(label="Use", command="top", arguments=here)] if not cause or code in _OF_ROOM or code == "Autoscaler" else []
    wanted += [Action(label="Revisions", command="history", arguments=both)] if code.startswith(_OF_THE_IMAGE) else []
    wanted += [Action(label="Endpoints", command="endpoints", arguments=here)] if code == "NoEndpoints" else []
    wanted += [Action(label="Pods", command="pods", arguments=both), Action(label="Events", command="events", arguments=both)]
    able = [one for one in wanted if (command := context.commands.get(one.command)) and context.allows(command.permission, environment).allowed]
    return tuple(one.model_copy(update={"style": one.style or "primary"}) if place == 0 else one for place, one in enumerate(able))


def typed(action: Action) -> str:
    """Returns the command of a button as it is typed, for whoever has no buttons."""
    places = [str(action.arguments[name]) for name in ("environment", "service", "target") if action.arguments.get(name)]
    options = [f"--{name}" if value is True else f"--{name} {value}" for name, value in action.arguments.items() if name in ("container", "previous") and value]
    return " ".join(["/aiec", action.command, *places, *options])


COMMAND = Command(
    name="diagnose",
    arguments=ServiceArguments,
    does=Read(_diagnose),
    permission="diagnose",
    group="look",
    summary="why a service is not well, what proves it, and what to do next",
    examples=("diagnose prod gateway",),
)
