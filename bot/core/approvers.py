"""Who may approve a plan, and how that is said. The names are those of aiec.yaml when the plan was made; whether one may is decided again when he approves."""

from collections.abc import Sequence

from bot.core.access import EVERYONE, either, who_may
from bot.core.config import Config
from bot.core.plan import Plan

SHOWN = 3


def addressed(plan: Plan, config: Config, permission: str, asker: str) -> Plan:
    """Returns the plan with whoever may approve it: all who hold the permission there, without whoever asks."""
    approvers = tuple(who for who in who_may(config, permission, plan.environment) if who != asker)
    return plan.model_copy(update={"permission": permission, "approvers": approvers})


def needed(plan: Plan, given: Sequence[str] = ()) -> str:
    """Returns what is still needed after those approvals, and of whom: `one approval of @lead or @devops`."""
    missing = plan.approvals - len(given)
    count = "one approval" if missing == 1 else f"{missing} approvals"
    left = _left(plan, given)
    if not plan.permission:
        return f"{count} of others"
    return f"{count} of {_some(left)}" if left else f"{count}, which nobody else may give"


def advice(plan: Plan, given: Sequence[str] = ()) -> str:
    """Returns what to do where too few may approve; empty where enough may. How many are in a group is not known here: they are enough."""
    left = _left(plan, given)
    if not plan.permission or len(left) >= plan.approvals - len(given) or any(who.startswith("@") for who in left):
        return ""
    return f"Too few people may approve it: let more have `{plan.permission}` in {plan.environment}, in `permissions` of aiec.yaml."


def ask(plan: Plan, given: Sequence[str] = ()) -> str:
    """Returns whom to ask, as the beginning of a sentence; whom, where nobody is left, to let approve it."""
    left = _left(plan, given)
    if not plan.permission:
        return "Ask a colleague who may run it"
    return f"Ask {_some(left)}" if left else f"Let somebody else have `{plan.permission}` in {plan.environment}, in `permissions` of aiec.yaml"


def _left(plan: Plan, given: Sequence[str]) -> list[str]:
    return [who for who in plan.approvers if who not in given]


def _some(names: Sequence[str]) -> str:
    if EVERYONE in names:
        return "anybody else"
    more = len(names) - SHOWN
    return either(names) if more <= 0 else f"{either(names[:SHOWN], ', ')} and {more} more"
