"""The kinds of argument that several commands share."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

from bot.core.durations import Duration
from bot.core.incident_name import incident_number
from bot.core.parse import Param, Version
from bot.core.suggest import quoted


def operation_name(value: object) -> object:
    """Accepts `op-142` however it is written (`142`, `OP 142`)."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(?:op[- ]?)?([1-9][0-9]{0,17})", value.strip(), re.IGNORECASE | re.ASCII)
    if found is None:
        raise PydanticCustomError("sentence", "{text}", {"text": f"*{quoted(value)}* is not an operation; they are called like `op-142`"})
    return f"op-{found[1]}"


def _incident(value: object) -> object:
    """Accepts `#42` however it is written (`42`, `inc-42`, the name of its channel)."""
    if not isinstance(value, str):
        return value
    number = incident_number(value)
    if number is None:
        raise PydanticCustomError("sentence", "{text}", {"text": f"*{quoted(value)}* is not an incident; they are called like `#42`"})
    return f"#{number}"


def _action(value: object) -> object:
    """Accepts `act-7` however it is written (`7`, `ACT 7`)."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(?:act[- ]?)?([1-9][0-9]{0,8})", value.strip(), re.IGNORECASE | re.ASCII)
    if found is None:
        raise PydanticCustomError("sentence", "{text}", {"text": f"*{quoted(value)}* is not an action item; they are called like `act-7`"})
    return f"act-{found[1]}"


def _severity(value: object) -> object:
    """Accepts `sev1` for `SEV1`."""
    return value.upper() if isinstance(value, str) and value.casefold().startswith("sev") else value


def _some_time(value: timedelta) -> timedelta:
    if value < timedelta(seconds=1):
        raise ValueError("a length of time of a second or more")
    return value


Environment = Annotated[str, Param(choices="environments", metavar="env", help="the environment")]
Services = Annotated[tuple[str, ...], Param(option=True, choices="deployable", metavar="NAME", help="only this service; may be given several times")]
OperationName = Annotated[str, BeforeValidator(operation_name), Param(metavar="operation", kind="operation", help="an operation, such as op-142")]
IncidentName = Annotated[str, BeforeValidator(_incident), Param(metavar="incident", kind="incident", help="an incident, such as #42")]
ThisIncident = Annotated[
    str | None,
    BeforeValidator(_incident),
    Param(metavar="incident", kind="incident", help="an incident, such as #42; in its own channel it may be left out"),
]
ActionName = Annotated[str, BeforeValidator(_action), Param(metavar="item", kind="action", help="an action item, such as act-7")]
Severity = Annotated[str, BeforeValidator(_severity), Param(choices="severities", metavar="severity", help="how bad it is")]
SomeTime = Annotated[Duration, AfterValidator(_some_time)]
Reason = Annotated[str, Param(rest=True, metavar="reason", help="why, for the others and for the record")]

__all__ = [
    "ActionName",
    "Environment",
    "IncidentName",
    "OperationName",
    "Reason",
    "Services",
    "Severity",
    "SomeTime",
    "ThisIncident",
    "Version",
    "operation_name",
]
