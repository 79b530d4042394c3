"""What was changed lately, and may be the cause: our own operations, and what others have rolled out."""

from collections.abc import Sequence
from datetime import timedelta

from sqlmodel import col, select

from bot.core.operation import Operation, Phase, Stage
from bot.core.steps import PlainStep, RestartStep, ServiceStep, short
from bot.core.version import meant
from bot.store.tables import OperationRow
from bot.store.transaction import Transaction
from escalation.incident import Incident, Suspect

LATELY = timedelta(hours=2)
"""How long before an incident a change still is a suspect."""
_LOOKED_AT = 50


def ours(tx: Transaction, incident: Incident) -> list[Suspect]:
    """Returns what our operations have changed lately, where the incident is: of its service, or of all where none is named."""
    moving = [Phase.RUNNING, Phase.UNDOING, Phase.DONE, Phase.FAILED]
    query = select(OperationRow).where(col(OperationRow.state).in_(moving)).order_by(col(OperationRow.id).desc()).limit(_LOOKED_AT)
    operations = [Operation.model_validate(row.document) for row in tx.all(query)]
    near = [one for one in operations if incident.environment in ("", one.plan.environment)]
    return [suspect for one in near for suspect in _of(one, incident)]


def ordered(suspects: Sequence[Suspect]) -> tuple[Suspect, ...]:
    """Returns the suspects, the latest first."""
    return tuple(sorted(suspects, key=lambda one: one.at, reverse=True))


def going_back(image: str) -> str:
    """Returns the version that deploys this image again, or nothing where its tag is none."""
    tag = short(image)
    return tag if meant(tag) == tag else ""


def _of(operation: Operation, incident: Incident) -> list[Suspect]:
    at = operation.ended_at or operation.started_at
    if at is None or operation.started_at is None or incident.opened_at - at > LATELY:
        return []
    pairs = zip(operation.plan.steps, operation.runs, strict=True)
    changed = [step for step, run in pairs if isinstance(step, ServiceStep | PlainStep) and run.stage in (Stage.APPLIED, Stage.DONE)]
    return [
        Suspect(
            text=f"{_said(step)} by {operation.actor.name} ({operation.name})",
            at=operation.started_at,
            operation="" if isinstance(step, RestartStep) else operation.name,
            environment=step.environment,
            service=step.service,
            back=going_back(step.before) if isinstance(step, ServiceStep) else "",
        )
        for step in changed
        if incident.service in ("", step.service)
    ]


def _said(step: ServiceStep | PlainStep) -> str:
    if isinstance(step, ServiceStep):
        return f"{step.service} {short(step.before)} → {short(step.after)}"
    return f"{step.service} {step.change}"
