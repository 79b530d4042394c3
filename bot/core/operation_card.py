"""An operation as a card, in each of its phases: what, where, who, and what now (UX: one message, edited in place)."""

from collections.abc import Iterator

from bot.core.approvers import advice, needed
from bot.core.card import Action, Bold, Card, Evidence, Line, Person, Ref, Row, Span, State, Time, Verdict, line
from bot.core.fields import changes, lines
from bot.core.operation import TOUCHED, Operation, Phase, Run, Stage
from bot.core.plan import Plan
from bot.core.steps import (
    BoundsStep,
    ImageStep,
    IsolateStep,
    ManifestsStep,
    PauseStep,
    PlainStep,
    ProcedureStep,
    PruneStep,
    RestartStep,
    RollbackStep,
    ScaleStep,
    ServiceStep,
    Step,
    UndoStep,
    VerifyStep,
    WorkStep,
    short,
)
from bot.core.text import duration

DIFF_LINES = 80
"""How many lines of an object's difference are shown."""

STATES = {
    Phase.WAITING: State.WAITING,
    Phase.RUNNING: State.RUNNING,
    Phase.UNDOING: State.RUNNING,
    Phase.DONE: State.DONE,
    Phase.FAILED: State.FAILED,
    Phase.ROLLED_BACK: State.ROLLED_BACK,
    Phase.CANCELLED: State.ROLLED_BACK,
    Phase.EXPIRED: State.FAILED,
    Phase.REFUSED: State.FAILED,
}

ENDINGS = {
    Phase.DONE: "",
    Phase.FAILED: " failed",
    Phase.ROLLED_BACK: " failed and was rolled back",
    Phase.CANCELLED: " was cancelled",
    Phase.EXPIRED: " expired",
    Phase.REFUSED: " was refused",
}


def operation_card(operation: Operation) -> Card:
    """Returns the operation's card; it depends on the operation alone, so that nothing is edited when nothing has changed."""
    plan = operation.plan
    suffix = ENDINGS.get(operation.phase, " is being undone" if operation.phase is Phase.UNDOING else "")
    if operation.phase is Phase.ROLLED_BACK and plan.command == "rollback":
        suffix = " failed and was undone"
    return Card(
        state=STATES[operation.phase],
        headline=line(Bold(text=f"{plan.title}{suffix}")),
        lines=(_who(operation), *_why(operation)),
        rows=_rows(operation),
        checks=plan.checks if operation.phase is Phase.WAITING else (),
        evidence=operation.failure.evidence if operation.failure else (),
        actions=_actions(operation),
    )


def refused_card(plan: Plan, again: Action) -> Card:
    """Returns a plan that checks stand against: each of them once, with what to do about it, then the rows and the other checks. `again` where it may help."""
    lines: dict[Line, None] = {}
    for place, check in enumerate(plan.blocks):
        lines[line(Bold(text="Also" if place else "Refused"), f": {check.text}")] = None
        if check.hint:
            lines[line(check.hint)] = None
    others = tuple(check for check in plan.checks if check.verdict is not Verdict.BLOCKED)
    title, actions = line(Bold(text=plan.title)), plan.offers if any(check.lasting for check in plan.blocks) else (*plan.offers, again)
    return Card(state=State.FAILED, headline=title, lines=tuple(lines), rows=_planned(plan), checks=others, actions=actions)


def rehearsal_card(plan: Plan) -> Card:
    """Returns a plan that was only asked to be shown: what an approval would show, and the diff."""
    needs = needed(plan) if plan.approvals else "nobody's approval"
    headline = line(Bold(text=f"Rehearsal: {plan.title}"), " · nothing was changed")
    return Card(headline=headline, lines=(line(f"It would need {needs}"),), rows=_planned(plan), checks=plan.checks, evidence=(diff(plan),))


def _planned(plan: Plan) -> tuple[Row, ...]:
    return tuple(_row(step, Run(), plan) for step in plan.steps if not isinstance(step, VerifyStep))


def emergency_card(operation: Operation) -> Card:
    """Returns what #incidents is told at once of an emergency: who, what, why, and which checks are waived."""
    waived = [f"waived: {check.text}" for check in operation.plan.checks if check.verdict is Verdict.WAIVED]
    return Card(
        state=State.NEEDS_YOU,
        headline=line(Bold(text=f"Emergency: {operation.plan.title}"), " · ", Ref(key=operation.name, text=operation.name)),
        lines=(line("asked by ", Person(name=operation.actor.name), f": {operation.plan.emergency}"), *(line(text) for text in waived)),
    )


def alone_card(operation: Operation) -> Card:
    """Returns what #incidents is told when somebody changes production alone, as he may for the incident that he has acknowledged."""
    return Card(
        state=State.NEEDS_YOU,
        headline=line(Bold(text=f"Without an approval: {operation.plan.title}"), " · ", Ref(key=operation.name, text=operation.name)),
        lines=(line("asked by ", Person(name=operation.actor.name), f", who has acknowledged {operation.plan.alone}"),),
    )


def details(operation: Operation, card: Card) -> Card:
    """Returns what goes into the thread: the evidence of a failure."""
    return Card(headline=line(f"Evidence of {operation.name}"), evidence=card.evidence)


def diff(plan: Plan) -> Evidence:
    """Returns the plan's changes as a diff, target by target."""
    return Evidence(title="Diff", text="\n".join(text for step in plan.steps for text in _diff(step)))


def _diff(step: Step) -> Iterator[str]:
    match step:
        case ImageStep():
            yield f"{step.target}\n- image: {step.before}\n+ image: {step.after}"
        case ManifestsStep():
            for one in step.objects:
                told = [text for change in one.changes for text in lines(change)]
                yield f"{one.title}{' (new)' if one.created else '' if told else ' (only its ownership)'}"
                yield from _shortened(told)
        case UndoStep():
            yield from (f"{one.title} ({'removed' if one.created else 'as it was before ' + step.stamp.operation})" for one in step.of.objects)
        case RollbackStep():
            yield f"{step.target}: revision {step.present} → {step.revision}"
            yield from _shortened([text for change in changes(step.old, step.new, "/spec/template") for text in lines(change)])
        case RestartStep() | ScaleStep() | BoundsStep() | PauseStep() | IsolateStep() | WorkStep():
            yield f"{step.target}: {step.change}"
        case ProcedureStep():
            yield f"{step.target}: {' '.join(step.command)}"
        case PruneStep():
            yield from (f"{one.ref.title} (removed)" for one in step.removals)


def _shortened(told: list[str]) -> Iterator[str]:
    yield from told[:DIFF_LINES]
    if len(told) > DIFF_LINES:
        yield f"  … and {len(told) - DIFF_LINES} lines more"


def _who(operation: Operation) -> Line:
    spans: list[Span] = [f"{operation.name} · asked by ", Person(name=operation.actor.name)]
    if operation.plan.emergency:
        spans.append(f" as an emergency ({operation.plan.emergency})")
    for place, approval in enumerate(operation.approvals):
        spans += [", approved by " if place == 0 else " and ", Person(name=approval.by)]
    spans += _timing(operation)
    return tuple(spans)


def _timing(operation: Operation) -> list[Span]:
    if operation.phase is Phase.WAITING:
        if operation.approved:
            return [" · starts now"]
        return [f" · waits for {needed(operation.plan, operation.approvers)} (until ", Time(at=operation.expires_at), ")"]
    if operation.ended_at is not None:
        return [f" · {duration(operation.ended_at - (operation.started_at or operation.created_at))}"]
    return [" · since ", Time(at=operation.started_at or operation.created_at)]


def _why(operation: Operation) -> tuple[Line, ...]:
    """Returns the lines that explain an ending, or a wait that is not for people."""
    found: list[Line] = []
    if operation.phase is Phase.WAITING and not operation.approved and (advised := advice(operation.plan, operation.approvers)):
        found.append(line(advised))
    if operation.cancelled_by:
        found.append(line("Cancelled by ", Person(name=operation.cancelled_by)))
    failure = operation.failure
    if failure is not None:
        found.append(line(Bold(text="Why"), f": {failure.why}"))
        if failure.new:
            found.append(line(Bold(text="New in this version"), f": {failure.new}"))
        if failure.hint:
            found.append(line(Bold(text="Try"), f": {failure.hint}"))
    if operation.because:
        found.append(line(Bold(text="Why" if failure is None else "Also"), f": {operation.because}"))
    return tuple(found)


def _rows(operation: Operation) -> tuple[Row, ...]:
    pairs = zip(operation.plan.steps, operation.runs, strict=True)
    return tuple(
        _row(step, run, operation.plan, operation.phase) for step, run in pairs if not isinstance(step, VerifyStep) or (run.text and _telling(step, run))
    )


def _telling(step: Step, run: Run) -> bool:
    """Health is told while it is looked at, and when it is away; afterwards only the figures of the last look, the one that takes its time."""
    return run.stage in (Stage.APPLIED, Stage.FAILED) or (isinstance(step, VerifyStep) and bool(step.gates and step.hold) and run.stage is Stage.DONE)


def _row(step: Step, run: Run, plan: Plan, phase: Phase = Phase.WAITING) -> Row:
    if isinstance(step, VerifyStep):
        return Row(name="health", text=line(run.text), progress=run.progress)
    if isinstance(step, PruneStep):
        return _prune_row(step, run, phase)
    if isinstance(step, PlainStep):
        return _plain_row(step, run, plan, phase)
    change = f"{short(step.before)} → {short(step.after)}"
    note = plan.notes.get(step.target, "")
    if phase is Phase.WAITING:
        return Row(name=step.service, text=line(f"{short(step.before)} → ", Bold(text=short(step.after)), f" · {note}" if note else ""))
    match run.stage:
        case Stage.PENDING:
            return Row(name=step.service, text=line("was not touched" if phase.over or phase is Phase.UNDOING else _waits_for(step, plan)))
        case Stage.UNDONE:
            return Row(
                name=step.service,
                text=line(f"runs {short(step.before)}{f', {run.text}' if run.text else ''}" if run.ours else f"ran {short(step.after)} already; left as it is"),
            )
        case Stage.KEPT | Stage.UNDO_FAILED:
            return Row(name=step.service, text=line(Bold(text="not put back"), f": {run.text}"))
        case Stage.DONE:
            return Row(name=step.service, text=line(f"runs {short(step.after)}{f', {run.text}' if run.text else ''}"))
        case Stage.UNDO_INTENDED | Stage.UNDO_APPLIED:
            return Row(name=step.service, text=line(f"back to {short(step.before)}{f': {run.text}' if run.text else ''}"), progress=run.progress)
        case _:
            return Row(name=step.service, text=line(run.text or change), progress=run.progress)


def _plain_row(step: PlainStep, run: Run, plan: Plan, phase: Phase) -> Row:
    note, more = plan.notes.get(step.target, ""), f", {run.text}" if run.text else ""
    match run.stage:
        case Stage.PENDING if phase is Phase.WAITING:
            said = line(Bold(text=step.change), f" · {note}" if note else "")
        case Stage.PENDING:
            said = line("was not touched" if phase.over or phase is Phase.UNDOING else "is next")
        case Stage.UNDONE:
            said = line(f"back to {step.was}{more}" if run.ours else "left as it is")
        case Stage.KEPT | Stage.UNDO_FAILED:
            said = line(Bold(text="not put back"), f": {run.text}")
        case Stage.DONE:
            said = line(f"{step.now}{more}")
        case Stage.UNDO_INTENDED | Stage.UNDO_APPLIED:
            said = line(f"back to {step.was}{more}")
        case _:
            said = line(run.text or step.change)
    return Row(name=step.service, text=said, progress=run.progress)


def _prune_row(step: PruneStep, run: Run, phase: Phase) -> Row:
    match run.stage:
        case Stage.PENDING if phase is Phase.WAITING:
            said = f"removes {step.titles}"
        case Stage.PENDING:
            said = "was not touched" if phase.over or phase is Phase.UNDOING else f"at last removes {step.titles}"
        case Stage.UNDONE:
            said = f"put back {step.titles}" if run.ours else "was not touched"
        case _:
            said = run.text or f"removes {step.titles}"
    return Row(name=step.target, text=line(said))


def _waits_for(step: ServiceStep, plan: Plan) -> str:
    earlier = [other.service for other in plan.steps if isinstance(other, ServiceStep) and other.wave < step.wave]
    return f"waits for {earlier[-1]}" if earlier else "is next"


def _actions(operation: Operation) -> tuple[Action, ...]:
    name, title = operation.name, operation.plan.title
    again = Action(label="Plan again", command=operation.command, arguments=dict(operation.arguments))
    match operation.phase:
        case Phase.WAITING:
            approve = Action(label="Approve", command="approve", arguments={"operation": name, "plan": operation.plan.hash}, style="primary")
            reject = Action(label="Reject", command="cancel", arguments={"operation": name})
            return (*(() if operation.approved else (approve,)), reject, Action(label="Show diff", command="show", arguments={"operation": name}))
        case Phase.RUNNING:
            confirm = f"Stop {title} and put back what it has changed so far?"
            return (Action(label="Cancel", command="cancel", arguments={"operation": name}, style="danger", confirm=confirm),)
        case Phase.REFUSED | Phase.EXPIRED:
            return (again,)
        case Phase.ROLLED_BACK | Phase.FAILED:
            retry = again.model_copy(update={"label": "Retry", "confirm": f"{title}: plan it again?"})
            return (*_logs(operation), retry, *_undo(operation))
        case _:
            return ()


def _logs(operation: Operation) -> tuple[Action, ...]:
    """What the pods of the service wrote that the operation failed at: of those that were begun the last one."""
    pairs = zip(operation.plan.steps, operation.runs, strict=True)
    begun = [step.service for step, run in pairs if isinstance(step, ServiceStep | PlainStep) and run.stage is not Stage.PENDING]
    if not begun:
        return ()
    arguments = {"environment": operation.plan.environment, "target": begun[-1], "since": "15m"}
    return (Action(label="Logs", command="logs", arguments=arguments),)


def _undo(operation: Operation) -> tuple[Action, ...]:
    """What a failed operation has changed, and what is still so, can be undone by another one."""
    pairs = zip(operation.plan.steps, operation.runs, strict=True)
    left = any(run.ours and run.stage in TOUCHED and not isinstance(step, ProcedureStep | WorkStep) for step, run in pairs)
    if operation.phase is not Phase.FAILED or not left:
        return ()
    undone = {"environment": operation.plan.environment, "operation": operation.name}
    return (Action(label="Undo it", command="rollback", arguments=undone, confirm=f"Undo what {operation.name} ({operation.plan.title}) has changed?"),)
