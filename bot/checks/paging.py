"""PagerDuty and Alertmanager: may we page, would PagerDuty's own escalation stay behind ours, do acknowledgements and alerts come back to us.

PagerDuty's policy is the net under a dead bot: the same levels as ours, with longer delays. Where it is quicker, people are paged twice; where it is not
there, a page that nobody answers ends with the bot.
"""

import asyncio
from collections.abc import Awaitable, Iterator
from datetime import datetime
from urllib.parse import urlsplit

from bot.checks.finding import Finding, failed, ok, warning, wrong
from bot.core.alerting import Alerting
from bot.core.clock import SystemClock
from bot.core.config import Config, Policy
from bot.core.errors import AiecError
from bot.core.pager import Pager, Setup, Subscription
from bot.core.suggest import quoted
from bot.core.text import duration
from bot.settings import Settings
from escalation import oncall
from escalation.roster import AHEAD, ladders

PATH = "/webhooks/pagerduty"
EVENTS = (
    *("incident.triggered", "incident.acknowledged", "incident.unacknowledged", "incident.escalated", "incident.reassigned", "incident.delegated"),
    *("incident.resolved", "incident.reopened", "incident.priority_updated", "incident.annotated"),
)
"""What is understood of PagerDuty's webhooks."""
SHORTEST_TOKEN = 16


async def pagerduty(settings: Settings, pager: Pager) -> list[Finding]:
    """Returns what is to be said of the token, the sender, service and policy, and webhooks."""
    parts = (_sender(settings, pager), _setup(settings.config, pager), _ahead(settings.config, pager, SystemClock().now()), _webhooks(settings, pager))
    found = await asyncio.gather(*(_asked(part) for part in parts))
    return list(dict.fromkeys(one for some in found for one in some))


def unused(settings: Settings) -> Iterator[Finding]:
    """Yields what is given and not used, because something beside it is missing."""
    there = settings.config.escalation.pagerduty if settings.config.escalation else None
    if settings.pagerduty_api_token is not None and there is None:
        yield wrong("pagerduty", "PAGERDUTY_API_TOKEN is set, and aiec.yaml names no service and policy", "pages", "add `escalation.pagerduty` to aiec.yaml")
    if settings.pagerduty_api_token is None and settings.pagerduty_routing_key is not None:
        yield wrong("pagerduty", "PAGERDUTY_ROUTING_KEY is set, and PAGERDUTY_API_TOKEN is not", "pages", "set PAGERDUTY_API_TOKEN to a REST API key")
    if settings.alertmanager_url is not None and settings.alertmanager_token is None:
        text = "ALERTMANAGER_URL is set, and ALERTMANAGER_TOKEN is not"
        yield wrong("alertmanager", text, "alerts: our webhook does not exist", "set it, and give it to Alertmanager's receiver (docs/operations.md)")
    if settings.alertmanager_token is not None and len(settings.alertmanager_token.get_secret_value()) < SHORTEST_TOKEN:
        text = f"ALERTMANAGER_TOKEN has fewer than {SHORTEST_TOKEN} characters"
        yield warning("alertmanager", text, "who guesses it can page everybody", "make another one: openssl rand -hex 32")


async def alertmanager(alerting: Alerting) -> list[Finding]:
    """Returns whether Alertmanager answers."""
    try:
        return [ok("alertmanager", f"answers, version {await alerting.ready() or 'unknown'}")]
    except AiecError as error:
        return [failed("alertmanager", error, "silences, and completing notifications that were cut")]


async def _asked(part: Awaitable[list[Finding]]) -> list[Finding]:
    try:
        return await part
    except AiecError as error:
        return [failed("pagerduty", error, "pages, and what is acknowledged in PagerDuty")]


async def _sender(settings: Settings, pager: Pager) -> list[Finding]:
    email = settings.pagerduty_from
    if email is None:
        text, fix = "PAGERDUTY_FROM is not set", "set it to the e-mail address of a user there, unless the token is a user's own"
        return [warning("pagerduty sender", text, "pages, with a general access key", fix)]
    if await pager.user() is None:
        fix = "make that user in PagerDuty, or correct PAGERDUTY_FROM"
        return [wrong("pagerduty sender", f"no user of PagerDuty has the address {quoted(email)}", "every page: it is refused", fix)]
    return [ok("pagerduty sender", f"pages are made by {email}")]


async def _setup(config: Config, pager: Pager) -> list[Finding]:
    there = config.escalation.pagerduty if config.escalation else None
    setup, name = await pager.setup(), oncall.mirrored(config)
    ours = levels(setup, name, config.escalation.policies[name]) if config.escalation and name else ()
    found = [*service(setup, there.policy if there else None), *ours]
    return found or [
        ok("pagerduty", f"{setup.name}: {len(setup.levels)} levels, each slower than ours, at high urgency, and nothing undoes an acknowledgement")
    ]


async def _ahead(config: Config, pager: Pager, now: datetime) -> list[Finding]:
    """Returns when nobody is on call within the next seven days, as PagerDuty plans it."""
    facts = oncall.Known(tuple(await pager.on_call(now, now + oncall.HORIZON)), now)
    found = [(one, gap) for one in ladders(config) if one.name == oncall.mirrored(config) for gap in oncall.gaps(config, one, facts, now, now + AHEAD)]
    return [
        warning(
            "on call",
            f"nobody at L{gap.level} {one.rung(gap.level).name} from {gap.start:%a %Y-%m-%d %H:%M} until {gap.end:%a %Y-%m-%d %H:%M} UTC",
            "pages skip that level then",
            "put somebody on its schedule in PagerDuty, or here: aiec exec 'oncall override …'",
        )
        for one, gap in found
    ]


def service(setup: Setup, policy: str | None) -> Iterator[Finding]:
    """Yields what of PagerDuty's service would spoil a page. `policy` is the one that we page."""
    where, place = "pagerduty service", f"in PagerDuty, at the service {setup.name}"
    if setup.status == "disabled":
        yield wrong(where, f"{setup.name} is disabled", "every page: it opens no incidents", f"enable it {place}")
    if setup.status == "maintenance":
        yield warning(where, f"{setup.name} is in maintenance now", "pages: it opens no incidents until that ends", f"end it {place}, unless it is meant")
    if setup.urgency != "high":
        said = setup.urgency.replace("_", " ")
        yield wrong(
            where, f"the urgency of {setup.name} is {said}, not high", "pages of low urgency wake nobody and do not escalate", f"set it to high {place}"
        )
    if setup.acknowledge_timeout is not None:
        text = f"an acknowledgement is undone after {duration(setup.acknowledge_timeout)}"
        yield wrong(where, text, "whoever acknowledged is paged again by PagerDuty", f"turn the acknowledgement timeout off {place}: aiec asks by itself")
    if setup.auto_resolve is not None:
        text = f"incidents resolve by themselves after {duration(setup.auto_resolve)}"
        yield wrong(where, text, "a page ends that nobody has answered", f"turn auto-resolution off {place}")
    if policy is not None and setup.service_policy not in (None, policy):
        text = f"{setup.name} has another escalation policy ({setup.service_policy}) than the one that we page ({policy})"
        yield warning(where, text, "pages by Events v2, when the REST API fails, reach other people", f"give it that policy {place}")
    if setup.loops == 0:
        yield warning("pagerduty policy", "it is not repeated", "with the bot dead, paging ends at the last level", "let the policy repeat, in PagerDuty")


def levels(setup: Setup, name: str, policy: Policy) -> Iterator[Finding]:
    """Yields where PagerDuty's levels are not those of a policy of ours, or not slower."""
    subject = f"pagerduty policy {name}"
    if len(setup.levels) != len(policy.levels):
        text = f"PagerDuty has {len(setup.levels)} levels, `escalation.policies.{name}` has {len(policy.levels)}"
        yield wrong(subject, text, "levels that are not on both sides are never paged", "make them equal, in PagerDuty or in aiec.yaml")
    for number, (theirs, ours) in enumerate(zip(setup.levels, policy.levels, strict=False), start=1):
        if theirs.delay <= ours.answer_within:
            text = f"level {number} waits {duration(theirs.delay)} in PagerDuty, and {duration(ours.answer_within)} in aiec.yaml"
            fix = f"let it wait longer in PagerDuty, such as {duration(ours.answer_within * 4 / 3)}"
            yield wrong(subject, text, "PagerDuty pages the next level before us: twice, or too early", fix)
        if not theirs.users:
            text = f"nobody is on call at level {number} in PagerDuty"
            yield warning(subject, text, "pages skip that level", "put somebody on its schedule")


async def _webhooks(settings: Settings, pager: Pager) -> list[Finding]:
    ours = [one for one in await pager.subscriptions() if urlsplit(one.url).path.endswith(PATH)]
    return [*webhooks(ours, secret=settings.pagerduty_webhook_secret is not None)]


def webhooks(ours: list[Subscription], *, secret: bool) -> Iterator[Finding]:
    """Yields what is wrong with the subscriptions that come to us. `secret`: whether we can tell that they are PagerDuty's."""
    subject, breaks = "pagerduty webhooks", "an acknowledgement in PagerDuty is seen at the next poll only"
    if not secret:
        if ours:
            yield wrong(subject, "PagerDuty sends them, and PAGERDUTY_WEBHOOK_SECRET is not set", breaks, "set it to the subscription's secret")
        return
    if not ours:
        yield wrong(subject, f"no subscription of our service goes to …{PATH}", breaks, "add a generic webhook (v3) to the service: docs/operations.md")
    for one in ours:
        missing = [event.removeprefix("incident.") for event in EVENTS if event not in one.events]
        if not one.active:
            yield wrong(subject, f"the subscription to {one.url} is switched off", breaks, "look why deliveries were refused, and enable it in PagerDuty")
        elif missing:
            yield warning(subject, f"the subscription to {one.url} lacks {', '.join(missing)}", "those are seen at the next poll only", "add them in PagerDuty")
        else:
            yield ok(subject, f"they go to {one.url}")
