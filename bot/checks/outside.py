"""What is asked over HTTP beside Slack and Kubernetes: the registry, the health URLs, Prometheus."""

from collections.abc import Sequence
from datetime import timedelta

from bot.checks.finding import Finding, failed, ok, warning, wrong
from bot.core.config import Config, Gate
from bot.core.errors import AiecError
from bot.core.gates import look
from bot.core.ports import Mailer, Metrics, Prober, Registry
from commands.preflight.gates import figures

PATIENCE = timedelta(seconds=4)


async def repository(service: str, image: str, registry: Registry) -> list[Finding]:
    """Returns whether the registry lets us see the versions of a service's image."""
    breaks = f"deploys of {service}"
    try:
        tags = await registry.tags(image)
    except AiecError as error:
        return [failed(f"registry {service}", error, breaks)]
    if not tags:
        return [wrong(f"registry {service}", f"{image} has no tags, or does not exist", breaks, f"correct `services.{service}.image`, or push a version")]
    return [ok(f"registry {service}", f"{image}: {len(tags)} tags")]


async def health(environment: str, url: str, prober: Prober) -> list[Finding]:
    """Returns whether a health URL answers as it must after a deploy."""
    answer = await prober.probe(url, PATIENCE)
    if answer.status is not None and 200 <= answer.status < 300:
        return [ok(f"health {environment}", f"{url} answers {answer.status}")]
    breaks = f"a deploy to {environment} would be taken for unhealthy"
    fix = f"correct `environments.{environment}.health` in aiec.yaml, or look at the platform: curl -i {url}"
    return [wrong(f"health {environment}", f"{url}: {answer.text}", breaks, fix)]


async def prometheus(url: str, prober: Prober) -> list[Finding]:
    """Returns whether Prometheus answers a query (`url` may carry a password, and is not shown)."""
    answer = await prober.probe(f"{url.rstrip('/')}/api/v1/query?query=1", PATIENCE)
    if answer.status == 200:
        return [ok("prometheus", "answers")]
    return [wrong("prometheus", f"PROMETHEUS_URL: {answer.text}", "gates on figures", "correct PROMETHEUS_URL, or look at Prometheus")]


async def email(config: Config, mailer: Mailer) -> list[Finding]:
    """Returns whether the mail server takes something from us, and whether there is somebody to send it to."""
    breaks = "nobody is mailed who changed production without an approval"
    try:
        await mailer.reach()
    except AiecError as error:
        return [failed("e-mail", error, breaks)]
    addresses = config.mail_to()
    if not addresses:
        return [warning("e-mail", "SMTP_URL is set, and there is nobody to mail to", breaks, "name people or addresses in `notifications.email.to`")]
    return [ok("e-mail", f"the server answers; mails go to {', '.join(addresses)}")]


async def gates(service: str, configured: Sequence[Gate], metrics: Metrics | None) -> list[Finding]:
    """Returns whether the figures that are watched after a deploy can be seen, and are well."""
    breaks = f"deploys of {service}: they are blocked"
    readings = await look(metrics, figures(configured, service))
    return [
        ok(f"gate {service}", one.said) if one.passes else wrong(f"gate {service}", one.said, breaks, one.hint or "see why the figure is high")
        for one in readings
    ]
