"""What the demo's page offers: things to try, troubles to make, figures to watch and lines to complete. Data only; the sandbox's page plays it."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot import monitoring
from bot.command import Command
from bot.core.parse import Argument, Choices, fields_of

Json = dict[str, Any]

KILL = "kill"
"""The trouble that the demo itself makes: it kills the bot's process."""
APPROVE = "Nobody approves his own request: be lead, and press *Approve*."

FAILING = "SEV2 The gateway answers with errors"
DOWN = "SEV1 postgres: PostgreSQL does not answer"
MONTH = 31 * 86400
"""Seconds after which another month has begun, whenever the demo is played."""


def _emergency(version: str, why: str) -> str:
    return f'/aiec deploy prod {version} --emergency "{why}"'


HINTS: list[Json] = [
    {
        "title": "Ship a version",
        "hint": "Staging first, then production, with a second pair of eyes.",
        "steps": [
            {
                "text": "Deploy to staging, which needs nobody else. Watch its pods at the side.",
                "as": "engineer",
                "say": "/aiec deploy staging v1.2.1",
                "seen": {"text": "done · Deploy v1.2.1 to staging"},
            },
            {
                "text": "Production wants to see it healthy there for 15 minutes. Move the clock, then ask.",
                "as": "engineer",
                "advance": 900,
                "say": "/aiec deploy prod v1.2.1",
                "seen": {"text": "waiting · Deploy v1.2.1 to prod"},
            },
            {"text": APPROVE, "as": "lead", "seen": {"text": "Deploy v1.2.1 to prod.*approved by"}},
            {"text": "Watch one message tell the whole story, pod by pod.", "seen": {"text": "done · Deploy v1.2.1 to prod"}},
        ],
    },
    {
        "title": "A night on call",
        "hint": "An alert calls people, one level after the other, until somebody answers.",
        "steps": [
            {
                "text": "Let the gateway fail. Within a minute there is an incident in #incidents, and the engineer's phone rings at the side.",
                "trouble": "errors",
                "advance": 60,
                "seen": {"text": f"{FAILING}.*L1 @engineer is paged"},
            },
            {"text": "The engineer sleeps on. After 15 minutes the next level is called.", "advance": 900, "seen": {"text": f"{FAILING}.*L2 @senior is paged"}},
            {
                "text": "The senior's phone rings at the side: press *Acknowledge* there. It falls silent, and #incidents shows who has it.",
                "seen": {"text": f"{FAILING}.*acknowledged by @"},
            },
            {
                "text": "Others want to know how it stands. In #incidents press *Update* under the incident, and tell them.",
                "as": "senior",
                "seen": {"text": f"{FAILING}.*Status at"},
            },
            {
                "text": "End the trouble and let time pass. When the alerts have been quiet for 10 minutes, the senior is asked whether it is over.",
                "trouble": "errors",
                "advance": 900,
                "seen": {"text": f"{FAILING}.*have been quiet for .*is it over"},
            },
            {
                "text": "Answer that, in the senior's messages: *Resolve*. It is resolved in PagerDuty too.",
                "as": "senior",
                "seen": {"text": f"{FAILING}.*resolved by @(?!aiec)"},
            },
        ],
    },
    {
        "title": "From the fault to the post-mortem",
        "hint": "What happened is written already; people add what only they know, and the month is looked back at.",
        "steps": [
            {
                "text": "Take the database away. Within a minute there is an incident in #incidents.",
                "trouble": "postgres",
                "advance": 60,
                "seen": {"text": f"{DOWN}.*is paged"},
            },
            {
                "text": "In #incidents press *Acknowledge* under it: somebody is on it.",
                "as": "engineer",
                "seen": {"text": f"{DOWN}.*acknowledged by @"},
            },
            {
                "text": "End the trouble, and press *Resolve* under the incident. Its card then leads to a post-mortem.",
                "as": "engineer",
                "trouble": "postgres",
                "seen": {"text": f"{DOWN}.*Post-mortem.*: owner @"},
            },
            {
                "text": "It stands in the incident's own channel. Press *Continue writing* there, say who noticed, and send it.",
                "as": "engineer",
                "seen": {"text": "Saved in the post-mortem of #"},
            },
            {
                "text": 'Empty sections want a reason. Send there: /aiec postmortem publish --anyway "only a demo". Read it in #incidents.',
                "as": "engineer",
                "seen": {"text": "Post-mortem of #[0-9]+ is published"},
            },
            {
                "text": "Let a month pass. Its review posts itself in #incidents, beside the month before.",
                "advance": MONTH,
                "seen": {"text": "Review of [A-Za-z]+ [0-9]+\\*?: [0-9]+ incident"},
            },
        ],
    },
    {
        "title": "Ship a version that crashes",
        "hint": "The cause is named, and production is put back.",
        "steps": [
            {
                "text": "It was never in staging, so it is an emergency. That waives checks, never the approval.",
                "as": "engineer",
                "say": _emergency("v1.3.0-crash", "trying it out"),
                "seen": {"text": "waiting · Deploy v1.3.0-crash to prod"},
            },
            {"text": APPROVE, "as": "lead", "seen": {"text": "Deploy v1.3.0-crash to prod.*approved by"}},
            {"text": "See why it failed, and the old version running again. The thread has the logs.", "seen": {"text": "v1.3.0-crash.*rolled back"}},
        ],
    },
    {
        "title": "Promote a version whose tests failed",
        "hint": "What was seen in staging decides what may leave it.",
        "steps": [
            {
                "text": "Staging takes it: CI is green, and its pods are well.",
                "as": "engineer",
                "say": "/aiec deploy staging v1.2.2",
                "seen": {"text": "done · Deploy v1.2.2 to staging"},
            },
            {
                "text": "But its performance tests failed on GitHub, so production does not take it. Move the clock, then ask.",
                "as": "engineer",
                "advance": 900,
                "say": "/aiec deploy prod v1.2.2",
                "seen": {"text": "performance-tests did not succeed for v1\\.2\\.2"},
            },
        ],
    },
    {
        "title": "Ask for a version that is not there",
        "hint": "The answer says what was probably meant.",
        "steps": [
            {
                "text": "No such image was ever built.",
                "as": "engineer",
                "say": "/aiec deploy prod v1.2.9",
                "seen": {"text": "v1\\.2\\.9.*did you mean|v1\\.2\\.9.*not"},
            }
        ],
    },
    {
        "title": "Be somebody who may not",
        "hint": "Denied, and said only to you.",
        "steps": [
            {"text": "A newcomer may look, and nothing else.", "as": "newcomer", "say": "/aiec deploy prod v1.2.1", "seen": {"text": "not granted to you"}}
        ],
    },
    {
        "title": "Leave something out",
        "hint": "A form asks for the rest.",
        "steps": [
            {
                "text": "Name no version; type v1.2.0 into the form, tick *Dry run*, and send it: a rehearsal.",
                "as": "engineer",
                "say": "/aiec deploy staging",
                "seen": {"text": "Rehearsal"},
            }
        ],
    },
    {
        "title": "Change production behind its back",
        "hint": "What was approved is what happens, or nothing does.",
        "steps": [
            {
                "text": "Ask for something, and do not approve it yet.",
                "as": "engineer",
                "say": _emergency("v1.1.0", "going back"),
                "seen": {"text": "waiting · Deploy v1.1.0 to prod"},
            },
            {
                "text": "Meanwhile somebody deploys by hand. See the gateway's version change.",
                "trouble": "drift",
                "seen": {"text": "v1.1.0 to prod", "before": "drift"},
            },
            {
                "text": "Now be lead and approve: it is refused, with the difference.",
                "as": "lead",
                "seen": {"text": "Deploy v1.1.0 to prod was refused", "across": "drift"},
            },
        ],
    },
    {
        "title": "Take Slack away during a deploy",
        "hint": "Production does not wait for Slack.",
        "steps": [
            {
                "text": "Ask for a version whose pods are slow to start.",
                "as": "engineer",
                "say": _emergency("v1.3.0-slow", "trying it out"),
                "seen": {"text": "waiting · Deploy v1.3.0-slow to prod"},
            },
            {"text": APPROVE, "as": "lead", "seen": {"text": "Deploy v1.3.0-slow to prod.*approved by"}},
            {
                "text": "Take Slack away, before the pods are all new.",
                "trouble": "slack",
                "seen": {"text": "v1.3.0-slow to prod", "before": "slack"},
            },
            {
                "text": "Pods change, the message stands still. Bring Slack back: it catches up within a minute.",
                "trouble": "slack",
                "seen": {"text": "done · Deploy v1.3.0-slow to prod", "across": "slack"},
            },
        ],
    },
    {
        "title": "Kill the bot half-way",
        "hint": "What it had begun, its successor finishes.",
        "steps": [
            {
                "text": "Ask for a version whose pods are slow to start.",
                "as": "engineer",
                "say": _emergency("v1.3.1-slow", "trying it out"),
                "seen": {"text": "waiting · Deploy v1.3.1-slow to prod"},
            },
            {"text": APPROVE, "as": "lead", "seen": {"text": "Deploy v1.3.1-slow to prod.*approved by"}},
            {
                "text": "Kill it while pods start. The message stands still; a command fails. Within 20 seconds its successor has taken over.",
                "trouble": KILL,
                "seen": {"text": "v1.3.1-slow to prod", "across": KILL},
            },
            {"text": "See the deploy end as if nothing had been.", "seen": {"text": "done · Deploy v1.3.1-slow to prod", "across": KILL}},
        ],
    },
]

GATEWAY = "/apis/apps/v1/namespaces/aiecommerce/deployments/gateway-production"
BY_HAND = "ghcr.io/aiecommerce/platform/gateway:v1.2.0-byhand"

TROUBLES: list[Json] = [
    {
        "name": KILL,
        "title": "The bot is killed",
        "text": "By SIGKILL, whatever it is doing. It is started again after 5 seconds, and takes over when the lock of the dead one runs out.",
        "by_host": True,
    },
    {
        "name": "slack",
        "title": "Slack is down",
        "text": "Nothing is sent or received. Operations go on, and messages catch up afterwards.",
        "slack_down": True,
    },
    {
        "name": "limits",
        "title": "Slack says 429: too many requests",
        "text": "Messages come later, and fewer of them.",
        "fault": {"kind": "status", "system": "slack", "path": "/chat", "status": 429, "retry_after": 3},
    },
    {
        "name": "registry",
        "title": "The registry is down",
        "text": "No version can be looked up: a deploy is refused before anything is changed.",
        "fault": {"kind": "drop", "system": "registry"},
    },
    {
        "name": "github",
        "title": "GitHub does not answer",
        "text": "Nobody knows whether CI is green: a deploy is refused, unless it is an emergency.",
        "fault": {"kind": "drop", "system": "github"},
    },
    {
        "name": "cluster",
        "title": "The cluster does not answer",
        "text": "Planning says so; a running deploy tries again for 10 minutes.",
        "fault": {"kind": "drop", "system": "kubernetes"},
    },
    {
        "name": "health",
        "title": "Health URLs answer 503",
        "text": "A deploy whose pods are ready still fails, and is put back.",
        "fault": {"kind": "status", "system": "platform", "status": 503},
    },
    *monitoring.TROUBLES,
    {
        "name": "drift",
        "title": "Somebody deploys by hand",
        "text": "The gateway of production gets v1.2.0-byhand, past aiec.",
        "patch": {"path": GATEWAY, "body": {"spec": {"template": {"spec": {"containers": [{"name": "gateway", "image": BY_HAND}]}}}}},
    },
]

FIGURES: list[Json] = [{"title": "gateway, errors", "expression": monitoring.ERRORS, "unit": "/s", "limit": 0.1}]
"""`limit` is what the gateway's gate allows while a deploy is watched."""


NOTES = {
    "v1.2.0": "runs in production",
    "v1.2.1": "is fine",
    "v1.2.2": "runs well, but its performance tests failed",
    "v1.3.0-crash": "crashes at start",
    "v1.3.0-oom": "needs more memory than it may have",
    "v1.3.0-missing": "cannot be pulled: not found",
    "v1.3.0-private": "cannot be pulled: not allowed",
    "v1.3.0-flaky": "is pulled at the second attempt",
    "v1.3.0-unready": "never becomes ready",
    "v1.3.0-noconfig": "wants a ConfigMap that is not there",
    "v1.3.0-slow": "takes 8 s to become ready",
    "v1.3.1-slow": "takes 8 s to become ready",
}
"""What is to be known of the versions that one can choose."""


def completions(commands: Mapping[str, Command[Any]], choices: Choices, versions: Sequence[str]) -> list[Json]:
    """Returns what a line may become, from the commands' declarations: `{line, hint, words: a list by place, options: [{name, values, hint}]}`."""
    return [{"line": "/aiec", "hint": "what is going on now, and what waits for you"}, *(_line(command, choices, versions) for command in commands.values())]


def _line(command: Command[Any], choices: Choices, versions: Sequence[str]) -> Json:
    fields = fields_of(command.arguments)

    def values(field: Argument) -> list[str] | list[Json]:
        if field.param.kind == "version":
            return [{"text": version, "hint": NOTES.get(version)} for version in versions]
        return [*field.offered(choices)]

    return {
        "line": f"/aiec {command.name}",
        "hint": command.summary,
        "words": [values(field) for field in fields if not field.param.option],
        "options": [{"name": field.label, "values": [] if field.flag else values(field), "hint": field.param.help} for field in fields if field.param.option],
    }
