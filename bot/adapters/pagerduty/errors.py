"""What PagerDuty refuses, as the errors that the ports speak of. Source: PagerDuty, "Errors" and "REST API rate limits"."""

from datetime import timedelta

from httpx2 import Response

from bot.core.errors import AiecError, Conflict, Forbidden, Invalid, NotFound, Throttled, Unauthenticated, Unavailable
from bot.core.foreign import mapping
from bot.core.text import cut

RETRY_AFTER = timedelta(seconds=30)
"""How long to wait when PagerDuty does not say."""
_LATER = "Look at status.pagerduty.com, or correct PAGERDUTY_API_URL."


class UnknownSender(Invalid):
    """No user of the account has the e-mail address in whose name something was to be done."""


class NotIncluded(Forbidden):
    """The account's plan does not include what was asked for."""


class AlreadyResolved(Conflict):
    """The incident is resolved, and what was to be done would open it again or makes no sense."""


def refuse(response: Response) -> None:
    """Raises what an answer other than a success means. As a hook of the client it comes before the client's own ideas of what to do then."""
    if not response.is_success:
        response.read()
        raise refusal(response)


def refusal(response: Response) -> AiecError:
    """Returns the error that an answer of PagerDuty stands for."""
    status, request = response.status_code, f"{response.request.method} {response.request.url.path}"
    said = _said(response)
    match status:
        case 401:
            return Unauthenticated("PagerDuty does not accept the API token.", "Make a new REST API key there, and set PAGERDUTY_API_TOKEN.")
        case 402:
            return NotIncluded(f"PagerDuty's plan of this account does not include that ({request}): {said}.", "Ask the account's owner.")
        case 403:
            return Forbidden(
                f"PagerDuty does not let the API token do that ({request}): {said}.", "It must not be read-only: make another one, and set PAGERDUTY_API_TOKEN."
            )
        case 404:
            return NotFound(f"PagerDuty has no such thing ({request}): {said}.", "Correct the ids under `escalation.pagerduty` and `people` in aiec.yaml.")
        case 405 | 409:
            return Conflict(f"PagerDuty refuses {request}: {said}.", "Look at it in PagerDuty.")
        case 429:
            wait = _wait(response)
            return Throttled(f"PagerDuty asks to wait {wait.total_seconds():.0f} s before the next {request}.", wait)
        case _ if 400 <= status < 500 and status != 408:
            return _rejected(request, said)
        case _:
            return Unavailable(f"PagerDuty could not do {request}: {said}.", _LATER)


def _rejected(request: str, said: str) -> AiecError:
    if "requester user not found" in said.lower():
        return UnknownSender(f"PagerDuty knows no user with the e-mail address that {request} was made for.", "Set PAGERDUTY_FROM to that of a user there.")
    if "already resolved" in said.lower():
        return AlreadyResolved(f"PagerDuty refuses {request}: {said}.", "Open a new incident instead.")
    if request.endswith("/enqueue"):
        return Invalid(f"PagerDuty refuses the event: {said}.", "Set PAGERDUTY_ROUTING_KEY to the integration key (Events API v2) of the service.")
    return Invalid(f"PagerDuty refuses {request}: {said}.", "Look at PAGERDUTY_FROM, and at `escalation.pagerduty` in aiec.yaml.")


def _said(response: Response) -> str:
    """PagerDuty's own words; of what is no answer of PagerDuty the status."""
    try:
        given = mapping(response.json())
    except ValueError:
        given = {}
    error = mapping(given.get("error")) or given  # the Events API has no `error` around it
    details = error.get("errors")
    parts = [error.get("message"), *(details if isinstance(details, list) else [])]
    return cut(" ".join(": ".join(str(part) for part in parts if part).split()).rstrip("."), 300) or f"HTTP {response.status_code}"


def _wait(response: Response) -> timedelta:
    """Seconds stand in `retry-after`, or in PagerDuty's own `ratelimit-reset`."""
    given = response.headers.get("retry-after") or response.headers.get("ratelimit-reset") or ""
    return timedelta(seconds=min(int(given), 3600)) if given.isascii() and given.isdecimal() else RETRY_AFTER
