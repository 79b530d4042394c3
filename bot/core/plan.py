"""A plan is data, and planning only reads. What is approved is the plan's hash."""

from datetime import timedelta

from bot.core.card import Action, CheckResult, Verdict
from bot.core.data import Frozen
from bot.core.events import digest
from bot.core.steps import Step


class Plan(Frozen):
    """What a change will do: its steps in waves, and what was checked. `title` names it («Deploy v1.2.0 to prod»), `emergency` is the reason of one.

    `approvals`: how many people other than the requester must agree; `permission` is what each must hold in `environment`, and `approvers` who holds it.
    `undo_on_failure`: whether what was changed is put back when a step fails. `notes`: what else is said of a step's target («5 pods, HPA 3–10»).
    `exclusive`: whether nothing else may be changed in the environment meanwhile.
    `alone`: the open incident for which nobody else has to agree. `offers`: what can be done instead when a check stands in the way.
    """

    command: str
    environment: str
    title: str
    steps: tuple[Step, ...]
    checks: tuple[CheckResult, ...] = ()
    notes: dict[str, str] = {}
    approvals: int = 0
    permission: str = ""
    approvers: tuple[str, ...] = ()
    expires_after: timedelta = timedelta(minutes=30)
    undo_on_failure: bool = True
    emergency: str = ""
    alone: str = ""
    exclusive: bool = True
    offers: tuple[Action, ...] = ()

    @property
    def hash(self) -> str:
        """The SHA-256 of what will be done: the command, the environment and the steps. Checks age, and are made again before the start."""
        return digest([self.command, self.environment, [step.model_dump(mode="json") for step in self.steps]])

    @property
    def blocks(self) -> tuple[CheckResult, ...]:
        """The checks that stand in the way."""
        return tuple(check for check in self.checks if check.verdict is Verdict.BLOCKED)


def differences(approved: Plan, now: Plan) -> list[str]:
    """Returns one sentence for every step of the approved plan that a fresh plan would make differently; empty when nothing has drifted."""
    fresh = {step.target: step for step in now.steps}
    found = []
    for step in approved.steps:
        other = fresh.pop(step.target, None)
        if other is None:
            found.append(f"{step.target} would no longer be changed")
        elif other != step:
            found.extend(step.difference(other))
    return found + [f"{step.target} would be changed as well" for step in fresh.values()]


def demanding(plan: Plan, approvals: int) -> Plan:
    """Returns the plan with at least so many approvals: it may need more, and never fewer. Whoever could do it alone then cannot."""
    if approvals <= plan.approvals:
        return plan
    checks = tuple(check for check in plan.checks if not (plan.alone and check.check == "approval"))
    return plan.model_copy(update={"approvals": approvals, "alone": "", "checks": checks})


def weigh(checks: tuple[CheckResult, ...], emergency: str) -> tuple[CheckResult, ...]:
    """Returns the checks with those that an emergency may waive waived, when there is one."""
    if not emergency:
        return checks
    return tuple(check.model_copy(update={"verdict": Verdict.WAIVED}) if check.verdict is Verdict.BLOCKED and check.waivable else check for check in checks)
