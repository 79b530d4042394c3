"""An incident as frozen data, and the one table of what may become of it."""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from bot.core.data import Frozen
from bot.core.errors import Refused


class State(StrEnum):
    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"
    CLOSED = "closed"
    MERGED = "merged"

    @property
    def open(self) -> bool:
        """Whether somebody still has to do something about it."""
        return self in (State.TRIGGERED, State.ACKNOWLEDGED, State.MITIGATED)


LEGAL: dict[State, frozenset[State]] = {
    State.TRIGGERED: frozenset({State.ACKNOWLEDGED, State.MITIGATED, State.RESOLVED, State.MERGED}),
    State.ACKNOWLEDGED: frozenset({State.TRIGGERED, State.MITIGATED, State.RESOLVED, State.MERGED}),
    State.MITIGATED: frozenset({State.TRIGGERED, State.ACKNOWLEDGED, State.RESOLVED, State.MERGED}),
    State.RESOLVED: frozenset({State.TRIGGERED, State.CLOSED}),
    State.CLOSED: frozenset(),
    State.MERGED: frozenset(),
}
"""From a state to those that it may go to. Back to triggered: nobody looks after it any more, or it came back."""

Role = Literal["commander", "comms", "scribe"]
ROLES: tuple[Role, ...] = ("commander", "comms", "scribe")


class Suspect(Frozen):
    """A change that may be the cause: what was done and when, in which of our operations (empty: past aiec), and the version that takes it back (`back`)."""

    text: str
    at: datetime
    operation: str = ""
    environment: str = ""
    service: str = ""
    back: str = ""


class Incident(Frozen):
    """`number` is said as `#42`. `origin`: what opened it, `alert`: of which name. `answered_at`: when it was first acknowledged, also where nobody is on it
    any more. `asked_at`: when its people were asked whether they are still on it, since `active_at`, the last
    time that anything was done. `quiet_since`: when its last alert fell silent; `quiet_asked`: whether its people were asked since. `told`: the newest status
    that was given, and `update_due` when the next one should be. `firing`, `groups`: its alerts that fire, and their groups. `storm`: it stands for many."""

    number: int
    title: str
    severity: str
    state: State = State.TRIGGERED
    service: str = ""
    environment: str = ""
    private: bool = False
    origin: Literal["person", "alert", "pagerduty"] = "person"
    storm: bool = False
    alert: str = ""
    policy: str | None = None
    opened_at: datetime
    opened_by: str
    answered_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    mitigated_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str | None = None
    closed_at: datetime | None = None
    merged_into: int | None = None
    commander: str | None = None
    comms: str | None = None
    scribe: str | None = None
    told: str = ""
    told_at: datetime | None = None
    update_due: datetime | None = None
    update_asked: bool = False
    active_at: datetime
    asked_at: datetime | None = None
    quiet_since: datetime | None = None
    quiet_asked: bool = False
    firing: int = 0
    alerts: int = 0
    groups: int = 0
    suspects: tuple[Suspect, ...] = ()

    @property
    def name(self) -> str:
        return f"#{self.number}"

    def role(self, role: Role) -> str | None:
        """Returns who has this role."""
        held: str | None = getattr(self, role)
        return held

    def go(self, state: State, now: datetime, by: str) -> "Incident":
        """Returns the incident in another state, with who did it when. Raises Refused where the table does not allow it."""
        if state not in LEGAL[self.state]:
            raise Refused(f"{self.name} is {self.state} and cannot become {state}.", _instead(self))
        change: dict[str, object] = {"state": state, "active_at": now, "asked_at": None}
        match state:
            case State.ACKNOWLEDGED:
                change |= {"acknowledged_at": now, "acknowledged_by": by, "commander": self.commander or by, "answered_at": self.answered_at or now}
            case State.MITIGATED:
                change |= {"mitigated_at": now}
            case State.RESOLVED:
                change |= {"resolved_at": now, "resolved_by": by, "update_due": None}
            case State.CLOSED:
                change |= {"closed_at": now}
            case State.TRIGGERED:
                change |= {"acknowledged_at": None, "acknowledged_by": None, "mitigated_at": None, "resolved_at": None, "resolved_by": None}
            case State.MERGED:
                change |= {"update_due": None}
        return self.model_copy(update=change)


def _instead(incident: Incident) -> str:
    match incident.state:
        case State.RESOLVED:
            return f"`/aiec incident reopen {incident.number}` opens it again."
        case State.MERGED:
            return f"It belongs to #{incident.merged_into} now."
        case State.CLOSED:
            return "A closed incident stays as it is; declare a new one."
        case _:
            return f"`/aiec incident show {incident.number}` shows what it is."
