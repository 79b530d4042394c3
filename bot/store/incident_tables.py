"""The tables of alerts, incidents and paging. What managers search for has a column of its own; what people read is a JSON document."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, UniqueConstraint
from sqlmodel import Field, SQLModel

from bot.store.tables import Serial, Utc


class IncidentRow(SQLModel, table=True):
    """An incident: the document is `escalation.incident.Incident`. `topic` is what alerts find it by (a service, or a group of alerts).

    `next_at`: when something is due that only looks at the incident (idle, update, quiet). `stale`: its cards are to be drawn anew.
    `gathered_at`: when its evidence was kept. `timeline`: the rendered timeline, kept for ever once it is closed. `runbooks`: those that are suggested;
    `matched`: it has not changed since they were found.
    """

    __tablename__ = "incidents"
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    state: str = Field(index=True)
    severity: str
    service: str = ""
    topic: str = Field(default="", index=True)
    private: bool = False
    document: dict[str, Any] = Field(sa_type=JSON)
    opened_at: datetime = Field(sa_type=Utc, index=True)
    resolved_at: datetime | None = Field(default=None, sa_type=Utc)
    next_at: datetime | None = Field(default=None, sa_type=Utc, index=True)
    stale: bool = Field(default=True, index=True)
    gathered_at: datetime | None = Field(default=None, sa_type=Utc)
    timeline: str | None = None
    runbooks: list[str] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    matched: bool | None = Field(default=None, index=True)

    @property
    def number(self) -> int:
        assert self.id is not None
        return self.id


class EvidenceRow(SQLModel, table=True):
    """What was seen when an incident was opened, and would be gone soon: pods, events, logs."""

    __tablename__ = "evidence"
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    incident: int = Field(index=True)
    title: str
    text: str
    at: datetime = Field(sa_type=Utc)


class PolicyRow(SQLModel, table=True):
    """A snapshot of an escalation policy by the digest of its content: what an incident began with stays in force for it."""

    __tablename__ = "policies"
    digest: str = Field(primary_key=True)
    document: dict[str, Any] = Field(sa_type=JSON)


class EscalationRow(SQLModel, table=True):
    """Where an incident's paging is: `level` from 1 (0: nobody yet), `rounds` counts pages, `asked` are the people of the last one.

    Without a `next_at` it stands still. `stale`: what those who were paged are told of it is to be written anew.
    """

    __tablename__ = "escalations"
    incident: int = Field(sa_column=Column(Serial, primary_key=True, autoincrement=False))
    policy: str
    level: int = 0
    rounds: int = 0
    asked: list[str] = Field(default_factory=list, sa_type=JSON)
    paged_at: datetime | None = Field(default=None, sa_type=Utc)
    next_at: datetime | None = Field(default=None, sa_type=Utc, index=True)
    stale: bool = Field(default=False, index=True)


class PageRow(SQLModel, table=True):
    """What should stand in PagerDuty under a key (its `incident_key`), and what does: desired state, as messages are.

    `version` grows with each change of what is wanted, `sent_version` follows. `rounds` counts the times that somebody is to be paged (0: nobody yet).
    `again`: the round that it was made for, where the last level is paged once more. `people`: page these (PagerDuty ids) instead of the policy; `call`: whom
    to call by phone, by name; `since`: only who was called there from then on counts as called for it (None: who is called there is). `notes`: what is still
    to be added there. `remote`: the incident's id there; `fallback`: it was sent by Events v2.
    `trouble`: why it is not delivered, since `failing_since`; `mute`: it is delivered, and still nobody may hear of it. `settled_at`: when it last was as
    wanted; `seen_at`: the moment of the newest state that PagerDuty has told of.
    """

    __tablename__ = "pages"
    key: str = Field(primary_key=True)
    incident: int | None = Field(default=None, index=True)
    service: str = ""
    title: str
    body: str = ""
    level: int = 1
    rounds: int = 1
    again: int = 0
    status: str = "triggered"
    people: list[str] = Field(default_factory=list, sa_type=JSON)
    call: list[str] = Field(default_factory=list, sa_type=JSON)
    since: datetime | None = Field(default=None, sa_type=Utc)
    priority: str | None = None
    by: str | None = None
    notes: list[str] = Field(default_factory=list, sa_type=JSON)
    version: int = 1
    sent_version: int = 0
    sent_rounds: int = 0
    sent_level: int = 0
    sent_status: str = ""
    sent_priority: str | None = None
    remote: str | None = Field(default=None, index=True)
    fallback: bool = False
    created_at: datetime = Field(sa_type=Utc)
    delivered_at: datetime | None = Field(default=None, sa_type=Utc)
    next_at: datetime | None = Field(default=None, sa_type=Utc, index=True)
    attempts: int = 0
    attempted_at: datetime | None = Field(default=None, sa_type=Utc)
    lease_until: datetime | None = Field(default=None, sa_type=Utc)
    failing_since: datetime | None = Field(default=None, sa_type=Utc)
    trouble: str | None = None
    mute: str | None = None
    settled_at: datetime | None = Field(default=None, sa_type=Utc)
    seen_at: datetime | None = Field(default=None, sa_type=Utc)
    snoozed_until: datetime | None = Field(default=None, sa_type=Utc)


class AlertRow(SQLModel, table=True):
    """One firing of an alert, from `starts_at` to its end. `fate`: opened | merged | suppressed | resolved | rejected, with the reason in `because`.

    `count`: how often it was received. `held`: a maintenance keeps it back. `next_at`: when it is looked at again, if it still fires then.
    `missing_since`: Alertmanager no longer has it, although its end was never received.
    """

    __tablename__ = "alerts"
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    fingerprint: str
    starts_at: datetime = Field(sa_type=Utc)
    ends_at: datetime | None = Field(default=None, sa_type=Utc)
    status: str = Field(index=True)
    severity: str = ""
    service: str = ""
    environment: str = ""
    name: str = ""
    labels: dict[str, str] = Field(sa_type=JSON)
    annotations: dict[str, str] = Field(sa_type=JSON)
    url: str = ""
    receiver: str = ""
    group_key: str = Field(default="", index=True)
    fate: str
    because: str = ""
    incident: int | None = Field(default=None, index=True)
    count: int = 1
    held: bool = False
    first_at: datetime = Field(sa_type=Utc, index=True)
    last_at: datetime = Field(sa_type=Utc)
    next_at: datetime | None = Field(default=None, sa_type=Utc, index=True)
    missing_since: datetime | None = Field(default=None, sa_type=Utc)
    __table_args__ = (UniqueConstraint("fingerprint", "starts_at", name="alerts_once"),)


class AlertGroupRow(SQLModel, table=True):
    """A group of alerts that Alertmanager tells of. `truncated`: how many it left out the last time; `next_at`: when it is to be asked for the rest."""

    __tablename__ = "alert_groups"
    key: str = Field(primary_key=True)
    receiver: str
    group_key: str
    labels: dict[str, str] = Field(default_factory=dict, sa_type=JSON)
    truncated: int = 0
    last_at: datetime = Field(sa_type=Utc)
    next_at: datetime | None = Field(default=None, sa_type=Utc, index=True)


class ChannelRow(SQLModel, table=True):
    """The channel that an incident should have, and what it has: desired state, as messages are. `slack`: its id once it is there.

    `purpose`: what it says of itself, and is known by. `members`: Slack ids to invite; `invited`: those who were, `refused`: those who could not be, with the
    reason. `first_at`: when it was first tried to make it. `trouble`: why it cannot be made or kept.
    """

    __tablename__ = "channels"
    incident: int = Field(sa_column=Column(Serial, primary_key=True, autoincrement=False))
    name: str
    private: bool = False
    topic: str = ""
    purpose: str = ""
    members: list[str] = Field(default_factory=list, sa_type=JSON)
    archived: bool = False
    slack: str | None = Field(default=None, index=True)
    invited: list[str] = Field(default_factory=list, sa_type=JSON)
    refused: dict[str, str] = Field(default_factory=dict, sa_type=JSON)
    first_at: datetime | None = Field(default=None, sa_type=Utc)
    version: int = 1
    sent_version: int = 0
    next_at: datetime | None = Field(default=None, sa_type=Utc, index=True)
    attempts: int = 0
    attempted_at: datetime | None = Field(default=None, sa_type=Utc)
    lease_until: datetime | None = Field(default=None, sa_type=Utc)
    trouble: str | None = None


class MaintenanceRow(SQLModel, table=True):
    """A maintenance of named services. `ended_by`: who ended it before its time. `next_at`: when something is to be done about it (announce, end).

    `window`: the id of its window in PagerDuty, where there is one; `trouble`: why there is none.
    """

    __tablename__ = "maintenances"
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    environment: str
    services: list[str] = Field(sa_type=JSON)
    starts_at: datetime = Field(sa_type=Utc)
    ends_at: datetime = Field(sa_type=Utc)
    reason: str
    by: str
    ended_at: datetime | None = Field(default=None, sa_type=Utc)
    ended_by: str | None = None
    window: str | None = None
    trouble: str | None = None
    next_at: datetime | None = Field(default=None, sa_type=Utc, index=True)


class SilenceRow(SQLModel, table=True):
    """A silence that Alertmanager should have, and has: desired state. `ended`: who wants it over. `remote`: its id there.

    `done`: it is there as it should be; `trouble`: why it is not.
    """

    __tablename__ = "silences"
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    matchers: list[str] = Field(sa_type=JSON)
    starts_at: datetime = Field(sa_type=Utc)
    ends_at: datetime = Field(sa_type=Utc, index=True)
    reason: str
    by: str
    ended: str | None = None
    remote: str | None = None
    done: bool = False
    attempts: int = 0
    trouble: str | None = None
    next_at: datetime | None = Field(default=None, sa_type=Utc, index=True)


class OnCallRow(SQLModel, table=True):
    """Who PagerDuty says is on call (`shifts`: level, person, from, to), for days ahead, and when it said so."""

    __tablename__ = "oncall"
    policy: str = Field(primary_key=True)
    shifts: list[dict[str, Any]] = Field(sa_type=JSON)
    fetched_at: datetime = Field(sa_type=Utc)


class OverrideRow(SQLModel, table=True):
    """Somebody who is on call at a level instead of whoever else would be, for a time."""

    __tablename__ = "overrides"
    id: int | None = Field(default=None, sa_column=Column(Serial, primary_key=True))
    policy: str
    level: int
    person: str
    starts_at: datetime = Field(sa_type=Utc)
    ends_at: datetime = Field(sa_type=Utc, index=True)
    by: str


class DutyRow(SQLModel, table=True):
    """Who was on call at a level when it was last looked, and since when: whoever comes after them is told what goes on."""

    __tablename__ = "duties"
    policy: str = Field(primary_key=True)
    level: int = Field(primary_key=True)
    people: list[str] = Field(sa_type=JSON)
    since: datetime = Field(sa_type=Utc)


class ScheduleRow(SQLModel, table=True):
    """Something that happens again and again (`digest`, `lookahead`, `reconcile`): when it is due next, and when it was done last."""

    __tablename__ = "schedules"
    name: str = Field(primary_key=True)
    next_at: datetime = Field(sa_type=Utc, index=True)
    done_at: datetime | None = Field(default=None, sa_type=Utc)
