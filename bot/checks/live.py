"""The running bot, as its own readiness and metrics tell: does it tick, does it keep up."""

from collections.abc import Iterable

import httpx
from prometheus_client.parser import text_string_to_metric_families

from bot.checks.finding import Finding, ok, warning, wrong
from bot.settings import Settings

PATIENCE = 4.0  # seconds
LATE = 60.0  # seconds that a message or an operation may be overdue
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


async def live(settings: Settings, transport: httpx.AsyncBaseTransport | None = None) -> list[Finding]:
    """Asks the bot that listens at AIEC_HOST and AIEC_PORT on this machine."""
    host = EVERYWHERE.get(settings.host, settings.host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    try:
        # Our own address is never reached by a proxy.
        async with httpx.AsyncClient(timeout=PATIENCE, transport=transport, trust_env=False) as client:
            ready, metrics = await client.get(f"{url}/readyz"), await client.get(f"{url}/metrics")
            parts = ready.json()["parts"]
            figures = _figures(metrics.text)
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        text = f"nothing that is aiec answers at {url} ({type(error).__name__})"
        return [wrong("live", text, "everything: the bot is not running, or listens elsewhere", "start it with `aiec run`, or set AIEC_HOST and AIEC_PORT")]
    return [*_readiness(parts), *_lags(figures)]


def _readiness(parts: Iterable[dict[str, object]]) -> list[Finding]:
    breaks = "commands are not taken, and nothing moves"
    return [
        ok("live", f"{part['part']}: {part['text']}") if part["ok"] else wrong("live", f"{part['part']}: {part['text']}", breaks, "look at the bot's log")
        for part in parts
    ]


def _figures(text: str) -> dict[str, float]:
    return {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples if not sample.labels}


def _lags(figures: dict[str, float]) -> list[Finding]:
    outbox, pending = figures.get("aiec_outbox_age_seconds", 0), figures.get("aiec_outbox_pending", 0)
    overdue, failures = figures.get("aiec_operations_overdue_seconds", 0), figures.get("aiec_engine_failures", 0)
    found = [
        wrong("live", f"the oldest message has waited for {outbox:.0f} s ({pending:.0f} are not sent)", "people are not told", "look at Slack, and at the log")
        if outbox > LATE
        else ok("live", f"outbox: {pending:.0f} messages wait, the oldest for {outbox:.0f} s"),
        wrong("live", f"an operation should have moved {overdue:.0f} s ago", "deploys stand still", "look at the bot's log, and restart it")
        if overdue > LATE
        else ok("live", "operations move when they are due"),
    ]
    untaken, unstored = figures.get("aiec_deliveries_age_seconds", 0), figures.get("aiec_delivery_failures", 0)
    if untaken > LATE:
        breaks = "alerts, and answers from PagerDuty, are missing here"
        found.append(wrong("live", f"what a webhook brought is not taken in for {untaken:.0f} s", breaks, "look at the bot's log, and at Alertmanager itself"))
    if unstored:
        text = f"{unstored:.0f} deliveries of webhooks failed by a mistake of aiec since it started"
        found.append(warning("live", text, "an alert came late, or is still to come", "the bot's log says where; please report it"))
    if failures:
        found.append(warning("live", f"{failures:.0f} updates failed since it started", "something came late", "the bot's log says which"))
    return found
