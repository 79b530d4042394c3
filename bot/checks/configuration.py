"""aiec.yaml and the variables, as far as they can be judged without asking anybody."""

from collections.abc import Iterator

from bot.checks.finding import Finding, off, ok, warning, wrong
from bot.config_file import read
from bot.core.access import who_may
from bot.core.config import Config
from bot.core.suggest import did_you_mean, nearest
from bot.settings import SHIPPED, Settings
from commands.registry import COMMANDS

ASKED_INSIDE = ("lock.steal",)
"""Permissions that a command asks for beside its own."""

PARTS = {
    "SLACK_BOT_TOKEN": "Slack is off: only the terminal works, and nothing is announced",
    "SLACK_APP_TOKEN": "Socket Mode is off, Slack delivers over HTTP",
    "SLACK_SIGNING_SECRET": "deliveries over HTTP are off",
    "REGISTRY_USERNAME": "images are read anonymously",
    "PROMETHEUS_URL": "figures of Prometheus are off",
    "PAGERDUTY_API_TOKEN": "PagerDuty is off: nobody is paged by it",
    "PAGERDUTY_ROUTING_KEY": "there is no second way to page when PagerDuty's REST API fails",
    "PAGERDUTY_WEBHOOK_SECRET": "PagerDuty's webhooks are off: an acknowledgement there is seen late",
    "ALERTMANAGER_TOKEN": "Alertmanager's webhook is off: no alerts come in",
    "ALERTMANAGER_URL": "silences are off, and alerts that a notification left out are not asked for",
    "AIEC_POSTMORTEM_DIR": "published post-mortems are kept in no folder",
    "AIEC_RUNBOOK_DIR": "there are only the runbooks that come with aiec",
    "GRAFANA_URL": "links to Grafana are off",
    "SMTP_URL": "nothing is mailed: nobody but #incidents is told who changed production without an approval",
    "AIEC_BACKUP_URL": "there is no place for backups: none are taken",
    "AIEC_BACKUP_KEY": "Secrets cannot be encrypted, and are left out of backups",
    "GITHUB_TOKEN": "GitHub shows public repositories only, and answers 60 requests an hour",
}
"""What is off when a variable is not set."""


def configuration(settings: Settings) -> list[Finding]:
    """Returns what there is to say about the file and the variables."""
    return [*_file(settings), *_unsigned(settings), *_permissions(settings.config), *_people(settings.config), *_approvals(settings.config)]


def parts(names: dict[str, object]) -> list[Finding]:
    """Returns a line for each optional variable (by name) that has no value."""
    return [off(name, f"not set; {PARTS[name]}") for name, value in names.items() if name in PARTS and value is None]


def _file(settings: Settings) -> Iterator[Finding]:
    path = settings.config_path
    if path == SHIPPED:
        yield warning(
            "aiec.yaml", "the shipped example is in force", "people, channels and namespaces are not yours", f"copy {path}, adapt it, set AIEC_CONFIG"
        )
    else:
        yield ok("aiec.yaml", f"{path}: {len(settings.config.environments)} environments, {len(settings.config.services)} services")
    for text in settings.warnings:
        yield warning("environment", text, "the value is not used", "correct the name")
    if settings.config.terminal.impersonate:
        yield warning("aiec.yaml", "`terminal.impersonate` is on", "whoever has a shell here may act as anybody", "turn it off in production")


def _unsigned(settings: Settings) -> Iterator[Finding]:
    if settings.audit_key():
        yield ok("AIEC_AUDIT_KEY", "the event log is signed")
    else:
        yield warning("AIEC_AUDIT_KEY", "not set", "whoever can write to the database can forge the event log", "set it to a long random text")


def known_permissions() -> set[str]:
    """Returns everything that this version asks for."""
    return {*COMMANDS, *(command.permission for command in COMMANDS.values() if command.permission), *ASKED_INSIDE}


def _permissions(config: Config) -> Iterator[Finding]:
    """A permission is a command of this version, a word of the shipped file (a command that other versions have), or a mistake."""
    known = known_permissions()
    elsewhere = {name for grant in read(SHIPPED).permissions for name in grant.may} - known - {"*"}
    absent = set()
    for name in dict.fromkeys(name for grant in config.permissions for name in grant.may):
        if name in known or name == "*" or (name.endswith(".*") and any(one.startswith(name[:-1]) for one in known)):
            continue
        if name in elsewhere or any(name.startswith(one[:-1]) for one in elsewhere if one.endswith(".*")):
            absent.add(name)
            continue
        meant = did_you_mean(name, [*known, *elsewhere]) if nearest(name, known | elsewhere) else ""
        yield warning("permissions", f"`{name}` is no command{meant}", "the line grants nothing", "correct it in aiec.yaml")
    if absent:
        yield off("permissions", f"granted, but this version has no such command: {', '.join(sorted(absent))}")


def _people(config: Config) -> Iterator[Finding]:
    granted = {who for grant in config.permissions for who in grant.who if not who.startswith("@")}
    without = sorted(name for name in granted if config.people[name].slack is None)
    if without:
        breaks = "they cannot use it from Slack, nor approve there"
        yield warning("people", f"{', '.join(without)} may do something and has no Slack id", breaks, "give `slack:` in aiec.yaml (profile, ⋮, Copy member ID)")


def _approvals(config: Config) -> Iterator[Finding]:
    for name, environment in config.environments.items():
        may = who_may(config, "deploy", name)
        if not may:
            yield warning(name, "nobody may deploy there", f"deploys to {name}", "grant `deploy` in `permissions` of aiec.yaml")
        elif not any(who.startswith("@") for who in may) and len(may) <= environment.approvals:
            needed = environment.approvals + 1
            text = f"a deploy needs {needed} people ({environment.approvals} to approve), and only {len(may)} may"
            yield wrong(name, text, f"deploys to {name}", "grant `deploy` to more people, or lower `approvals`")
