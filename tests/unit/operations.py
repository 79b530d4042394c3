"""Operations as small as their rules need them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from bot.core.operation import Operation, begin
from bot.core.plan import Plan
from bot.core.request import Actor, Origin
from bot.core.steps import ImageStep

START = datetime(2026, 5, 4, 9, tzinfo=UTC)
ENGINEER, LEAD, SENIOR = (Actor(name=name) for name in ("engineer", "lead", "senior"))


def image_step(service: str = "gateway", wave: int = 0, **changes: Any) -> ImageStep:
    fields = {
        "wave": wave,
        "environment": "prod",
        "service": service,
        "workload": "Deployment",
        "name": f"{service}-production",
        "container": service,
        "index": 0,
        "before": f"shop/{service}:v1.1.0",
        "after": f"shop/{service}:v1.2.0@sha256:12",
        "cause_before": "installed",
        "owner_before": None,
        "deadline": timedelta(minutes=10),
    }
    return ImageStep.model_validate(fields | changes)


def plan(*waves: int, **changes: Any) -> Plan:
    """A plan with one step for each of the waves."""
    steps = tuple(image_step(f"service-{number}", wave) for number, wave in enumerate(waves))
    return Plan.model_validate({"command": "deploy", "environment": "prod", "title": "Deploy v1.2.0 to prod", "steps": steps, "approvals": 1} | changes)


def operation(*waves: int, **changes: Any) -> Operation:
    """A new operation of the engineer's, that waits."""
    return begin(7, "deploy", {"environment": "prod"}, ENGINEER, Origin(kind="terminal"), plan(*(waves or (0,)), **changes), START)
