"""aiec.yaml as frozen data: every figure of the platform that is operated. Whoever reads the file is elsewhere; this is what it may say.

A section that is left out turns its part off. Durations are `timedelta`, times UTC.
"""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from bot.core.config_rules import check
from bot.core.config_types import (
    Begin,
    ChannelName,
    Count,
    Cron,
    Duration,
    Email,
    End,
    Flag,
    Handle,
    Image,
    Key,
    Namespace,
    Number,
    ObjectName,
    Permission,
    Positive,
    PositiveDuration,
    Repository,
    SlackId,
    TagForm,
    Text,
    Url,
    UrlPath,
    Zone,
    expects,
)
from bot.core.data import Frozen

Unseen = Annotated[Literal["fail", "pass"], expects("fail or pass")]
"""What it means that something was not seen."""


class Health(Frozen):
    """HTTP health checks after a rollout: every path must answer 2xx within `timeout`, without a break for the time `for_`."""

    url: Url
    paths: tuple[UrlPath, ...] = ("/health",)
    timeout: PositiveDuration = timedelta(seconds=5)
    for_: Duration = Field(default=timedelta(seconds=30), alias="for")

    def urls(self) -> tuple[str, ...]:
        """Returns the URLs to ask."""
        return tuple(self.url.rstrip("/") + path for path in self.paths)


class Gate(Frozen):
    """What must hold: a GitHub workflow that succeeded for the version, or a PromQL expression whose value is below a number.

    `workflow` is a file's name or the workflow's own; `name` what the figure is called in messages (None: the expression itself), `unit` what it is measured
    in; `when_unseen`: what it means when there is no figure, or no run, to be seen.
    """

    workflow: Text | None = None
    promql: Text | None = None
    below: Number | None = None
    name: Text | None = None
    unit: Text | None = None
    when_unseen: Unseen = "fail"


class Figure(Frozen):
    """Something that is only looked at: a PromQL expression, what it is called, and what it is measured in."""

    name: Text
    promql: Text
    unit: Text | None = None


class Promotion(Frozen):
    """A version comes from that environment, where it ran healthily for so long and passed the gates."""

    from_: Key = Field(alias="from")
    healthy_for: Duration = timedelta()
    gates: tuple[Gate, ...] = ()


class Rollout(Frozen):
    """How long a rollout may take (`deadline`), how long its gates are watched afterwards (`bake`), and what a failure leads to."""

    deadline: PositiveDuration = timedelta(minutes=10)
    bake: Duration = timedelta()
    on_failure: Annotated[Literal["rollback", "stop"], expects("rollback or stop")] = "rollback"


class Window(Frozen):
    """Open for `duration` from each moment of the cron expression."""

    cron: Cron
    duration: PositiveDuration


class Freeze(Frozen):
    """Nothing changes from `from_` until before `to`."""

    from_: Begin = Field(alias="from")
    to: End
    reason: Text


class Environment(Frozen):
    """A namespace of a cluster. `approvals` is how many other people a change needs; `context` is one of KUBECONFIG, None the current one or in-cluster."""

    namespace: Namespace
    context: Text | None = None
    channel: ChannelName
    approvals: Count
    approval_expires: PositiveDuration = timedelta(minutes=30)
    promotion: Promotion | None = None
    health: Health | None = None
    rollout: Rollout = Rollout()
    change_window: Window | None = None
    maintenance_slot: Window | None = None
    freezes: tuple[Freeze, ...] = ()


class Replicas(Frozen):
    min: Count
    max: Positive


class GitHub(Frozen):
    """Where versions come from: the tag `tag` of `repository`. `ci`: whether what was said of its commit must be green before a deploy; `workflows` leaves out
    the check runs, which not every token may read. `issues`: the repository in which each action item has an issue.
    """

    repository: Repository
    ci: Annotated[Literal["workflows"] | Flag, expects("true, false or workflows")] = True
    tag: TagForm = "{version}"
    issues: Repository | None = None
    when_unseen: Unseen = "fail"


class Service(Frozen):
    """A workload. `wave` orders services within a deploy; gates on figures are watched while a rollout bakes; `charts` stand beside them in a deploy's chart.
    `repository` is its own one of GitHub.
    """

    kind: Annotated[Literal["Deployment", "StatefulSet", "DaemonSet"], expects("Deployment, StatefulSet or DaemonSet")] = "Deployment"
    name: Annotated[ObjectName | dict[Key, ObjectName] | None, expects("a Kubernetes name, or one per environment")] = None
    container: Namespace
    image: Image | None = None
    strategy: Annotated[Literal["image", "manifests"], expects("image or manifests")] = "image"
    manifests: Text | None = None
    deploy: Flag = True
    wave: Positive = 1
    replicas: Replicas | None = None
    repository: Repository | None = None
    gates: tuple[Gate, ...] = ()
    charts: tuple[Figure, ...] = ()

    @property
    def deployable(self) -> bool:
        """Whether `deploy` changes it."""
        return self.deploy

    def name_in(self, environment: str, service: str) -> str:
        """Returns the object's name there; `service` is this service's key, which is the name when none is given."""
        if isinstance(self.name, dict):
            return self.name[environment]
        return self.name or service


class Person(Frozen):
    slack: SlackId | None = None
    pagerduty: Text | None = None
    email: Email | None = None
    phone: Text | None = None
    zone: Zone = "UTC"
    os_user: Text | None = None


class Grant(Frozen):
    """Who may do what, in which environments (None: in any)."""

    who: tuple[Handle, ...]
    may: tuple[Permission, ...]
    in_: tuple[Key, ...] | None = Field(default=None, alias="in")


class Channels(Frozen):
    """Where incidents, warnings and the daily digest of what needed nobody are said; the digest at the moments of `digest_at`."""

    incidents: ChannelName
    alerts: ChannelName
    digest: ChannelName
    digest_at: Cron = "0 9 * * *"


class Severity(Frozen):
    update_every: PositiveDuration | None = None
    postmortem: Flag = False
    page: Flag


class IncidentAfter(Frozen):
    repeats: Positive
    within: PositiveDuration
    severity: Text


class Route(Frozen):
    """What becomes of alerts whose labels match; of several routes the first that matches."""

    match: dict[str, Text]
    severity: Text | None = None
    policy: Text | None = None
    channel: Text | None = None
    incident_after: IncidentAfter | None = None
    digest: Flag = False


class Storm(Frozen):
    incidents: Positive
    within: PositiveDuration


class Incidents(Frozen):
    resolve_after_quiet: PositiveDuration
    reopen_within: Duration
    ask_after_idle: PositiveDuration
    storm: Storm


class Level(Frozen):
    """`answer_within` is how long this level has to answer before the next one is paged."""

    name: Text
    answer_within: PositiveDuration
    people: tuple[Key, ...]


class Policy(Frozen):
    repeat_last: Flag = True
    levels: Annotated[tuple[Level, ...], Field(min_length=1)]


class PagerDuty(Frozen):
    """The ids of the service and the escalation policy there. `priorities`: by severity, the name of the priority that stands for it there; `urgencies`: the
    severity of an incident that somebody opens there, by its urgency, where its priority does not say it.

    `maintenance`: by our services, those of PagerDuty that other tools page about them, which get a window while a maintenance lasts; never `service` itself,
    or nothing critical would page.
    """

    service: Text
    policy: Text
    priorities: dict[Text, Text] = Field(default_factory=dict)
    urgencies: dict[Annotated[Literal["high", "low"], expects("high or low")], Text] = Field(default_factory=dict)
    maintenance: dict[Key, Text] = Field(default_factory=dict)


class Escalation(Frozen):
    pagerduty: PagerDuty | None = None
    policies: dict[Key, Policy]


class EmailNotifications(Frozen):
    from_: Email = Field(alias="from")
    on: tuple[Text, ...]
    to: tuple[Text, ...]


class Statuspage(Frozen):
    page: Text | None = None
    components: dict[Key, Text | None] = Field(default_factory=dict)


class Notifications(Frozen):
    email: EmailNotifications | None = None
    statuspage: Statuspage | None = None


class Trends(Frozen):
    """When the review of the month posts itself, and in which channel of `channels`."""

    cron: Cron = "0 9 1 * *"
    channel: Text = "incidents"


class PostmortemGitHub(Frozen):
    """The repository that published post-mortems are brought into by pull requests, and the folder there."""

    repository: Repository
    folder: Text = "postmortems"


class Postmortem(Frozen):
    """What comes after an incident. `due`, `action_items_due`: how long there is for a post-mortem and for what it asks for; `remind`: how long before that
    its owner is reminded (0: at it). `lead`: who is told where the owner is silent, gone or nobody (None: see `escalation.reminders.lead`).
    `action_items_digest`: when it is said which action items are open.
    """

    due: PositiveDuration = timedelta(hours=48)
    action_items_due: PositiveDuration = timedelta(days=14)
    remind: tuple[Duration, ...] = (timedelta(hours=24), timedelta(hours=4), timedelta())
    lead: Key | None = None
    action_items_digest: Cron = "0 9 * * MON"
    github: PostmortemGitHub | None = None
    trends: Trends | None = None


class Keep(Frozen):
    daily: Count = 0
    weekly: Count = 0


class DatabaseBackup(Frozen):
    env: Key
    service: Key
    name: Text
    user: Text
    cron: Cron
    keep: Keep


class ConfigBackup(Frozen):
    env: Key
    cron: Cron
    keep: Keep
    secrets: Annotated[Literal["omit", "encrypt"], expects("omit or encrypt")] = "omit"


class VerifyBackup(Frozen):
    """`target` is the name of the environment variable that holds the database's URL."""

    target: Text | None = None
    cron: Cron


class Backup(Frozen):
    database: DatabaseBackup | None = None
    config: ConfigBackup | None = None
    verify: VerifyBackup | None = None


class Logs(Frozen):
    """How long a log is followed at most before it stops by itself."""

    follow_for: PositiveDuration = timedelta(minutes=15)


class Retention(Frozen):
    application: PositiveDuration
    audit: PositiveDuration


class Procedure(Frozen):
    """A named command: run without a shell in the service's container, by the command `for_`, in the environments `in_` (None: in any).

    `timeout`: how long it may run. `check`: run until it succeeds, for `within` at most, where the command itself only begins something. `restart`: services
    that are started anew afterwards.
    """

    service: Key
    command: Annotated[tuple[Text, ...], Field(min_length=1)]
    for_: Annotated[Literal["run", "rotate", "database switch"], expects("run, rotate or database switch")] = Field(default="run", alias="for")
    in_: tuple[Key, ...] | None = Field(default=None, alias="in")
    timeout: PositiveDuration = timedelta(seconds=40)
    check: tuple[Text, ...] = ()
    within: PositiveDuration = timedelta(minutes=5)
    restart: tuple[Key, ...] = ()
    disruptive: Flag = False

    @property
    def disrupts(self) -> bool:
        """Whether it waits for the change window."""
        return self.disruptive or self.for_ == "database switch"


class RunbookFor(Frozen):
    """The runbook that is suggested for an incident whose alerts have these labels."""

    match: Annotated[dict[str, Text], Field(min_length=1)]
    runbook: Key


class Terminal(Frozen):
    impersonate: Flag = False


class Config(Frozen):
    platform: Key
    environments: Annotated[dict[Key, Environment], Field(min_length=1)]
    services: dict[Key, Service]
    github: GitHub | None = None
    people: dict[Key, Person] = Field(default_factory=dict)
    permissions: tuple[Grant, ...] = ()
    channels: Channels
    severities: dict[Text, Severity] = Field(default_factory=dict)
    routing: tuple[Route, ...] = ()
    incidents: Incidents | None = None
    escalation: Escalation | None = None
    notifications: Notifications = Notifications()
    postmortem: Postmortem | None = None
    backup: Backup = Backup()
    logs: Logs = Logs()
    retention: Retention | None = None
    procedures: dict[Key, Procedure] = Field(default_factory=dict)
    runbooks: tuple[RunbookFor, ...] = ()
    terminal: Terminal = Terminal()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check(self)
        return self

    def person(self, said: str) -> str | None:
        """Returns the name of whoever is meant by a name or a Slack member id; None: nobody of `people`."""
        return said if said in self.people else self.person_by_slack(said)

    def person_by_slack(self, id: str) -> str | None:
        """Returns the name of whoever has this Slack member id."""
        return next((name for name, person in self.people.items() if person.slack == id), None)

    def person_by_os_user(self, user: str) -> str | None:
        """Returns the name of whoever has this login of the operating system."""
        return next((name for name, person in self.people.items() if person.os_user == user), None)

    def mail_to(self) -> tuple[str, ...]:
        """Returns the addresses of `notifications.email.to`; who has none is left out."""
        named = self.notifications.email.to if self.notifications.email else ()
        people = {name: person.email for name, person in self.people.items()}
        return tuple(address for address in (one if "@" in one else people.get(one) for one in named) if address)

    def mails(self, severity: str) -> bool:
        """Returns whether incidents of this severity are mailed."""
        return self.notifications.email is not None and severity in self.notifications.email.on

    def choices(self) -> dict[str, list[str]]:
        """Returns the names that arguments of commands choose from."""
        return {
            "environments": list(self.environments),
            "services": list(self.services),
            "deployable": [name for name, service in self.services.items() if service.deployable],
            "people": list(self.people),
        }


def schema() -> dict[str, Any]:
    """Returns the JSON Schema of aiec.yaml, for editors."""
    return Config.model_json_schema(by_alias=True)
