"""What Slack and the way to it refuse, as the errors that the ports speak of."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError

from bot.core.errors import AiecError, Forbidden, Invalid, NotFound, Refused, Throttled, Unauthenticated, Unavailable

RETRY_AFTER = timedelta(seconds=30)
"""How long to wait when Slack does not say."""

_UNAUTHENTICATED = {"not_authed", "invalid_auth", "token_revoked", "token_expired", "account_inactive"}
_FORBIDDEN = {"no_permission", "not_allowed_token_type", "access_denied", "ekm_access_denied", "org_login_required", "team_access_not_granted"}
_UNAVAILABLE = {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
_NOT_FOUND = {"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found", "no_such_subteam"}
_INVITE = "Type `/invite @aiec` there."
_UNDELIVERABLE = {
    "channel_not_found": ("there is no such channel, or it is private and aiec is not in it", f"{_INVITE} If it was deleted, name another one in aiec.yaml."),
    "not_in_channel": ("aiec is not in that channel", _INVITE),
    "method_not_supported_for_channel_type": ("aiec cannot join a private channel by itself", _INVITE),
    "is_archived": ("that channel is archived", "Unarchive it, or name another one in aiec.yaml."),
    "is_inactive": ("that channel is archived", "Unarchive it, or name another one in aiec.yaml."),
    "restricted_action": ("only some people may do that", "Ask an administrator of the workspace to let aiec do it."),
    "restricted_action_read_only_channel": ("that channel is read-only", "Ask an administrator of the workspace to let aiec post."),
    "restricted_action_thread_only_channel": ("only threads are allowed there", "Ask an administrator of the workspace to let aiec post."),
    "restricted_action_non_threadable_channel": ("threads are not allowed there", "Ask an administrator of the workspace to allow them."),
    "user_not_in_channel": ("that person is not in the channel", "Ask again from a channel that you are in."),
}


@contextmanager
def translated(method: str) -> Iterator[None]:
    """Lets the calls of one Web API method inside raise only errors of `bot.core.errors`."""
    try:
        yield
    except SlackApiError as error:
        raise _refusal(method, error.response) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unavailable(f"Slack did not answer {method} ({type(error).__name__}).") from error
    except (ValueError, AttributeError) as error:
        # slack_sdk expects JSON; a proxy's page or a truncated body ends like this.
        raise Unavailable(f"Slack's answer to {method} cannot be read.") from error


def code_of(error: SlackApiError) -> str:
    """Returns Slack's error code (`channel_not_found`), or an empty text when the answer has none."""
    return _code(error.response)


def answered(status: int, headers: Mapping[str, str], method: str) -> None:
    """Raises Throttled or Unavailable when this HTTP status says so."""
    if status == 429:
        seconds = headers.get("Retry-After", "")
        wait = timedelta(seconds=int(seconds)) if seconds.isdecimal() else RETRY_AFTER
        raise Throttled(f"Slack asks to wait {wait.total_seconds():.0f} s before the next {method}.", wait)
    if status >= 500:
        raise Unavailable(f"Slack answered {method} with HTTP {status}.")


def _code(response: Any) -> str:
    data = getattr(response, "data", None)
    return str(data.get("error") or "") if isinstance(data, dict) else ""


def _refusal(method: str, response: Any) -> AiecError:
    code = _code(response)
    try:
        answered(429 if code in ("ratelimited", "rate_limited") else getattr(response, "status_code", 500), response.headers, method)
    except (Throttled, Unavailable) as error:
        return error
    if code in _UNDELIVERABLE:
        text, hint = _UNDELIVERABLE[code]
        return Refused(f"Slack refuses {method}: {text} ({code}).", hint)
    if code == "missing_scope":
        scope = response.data.get("needed", "unknown")
        return Forbidden(f"Slack's {method} needs the scope `{scope}`, which the app does not have.", "Add it to the app and install it again: docs/slack.md.")
    if code in _UNAUTHENTICATED:
        if method == "apps.connections.open":
            return Unauthenticated(f"Slack does not accept the app-level token ({code}).", "Make one with the scope connections:write: SLACK_APP_TOKEN.")
        return Unauthenticated(f"Slack does not accept the bot token ({code}).", "Install the app again, and set SLACK_BOT_TOKEN to its new token.")
    if code in _NOT_FOUND:
        return NotFound(f"Slack's {method}: {code}.")
    if code in _FORBIDDEN:
        return Forbidden(f"Slack does not let the app use {method} ({code}).", "Ask an administrator of the workspace.")
    if code in _UNAVAILABLE or not code:
        return Unavailable(f"Slack could not do {method} ({code or 'no reason given'}).")
    details = (response.data.get("response_metadata") or {}).get("messages") or []
    return Invalid(f"Slack refuses {method}: {code}{': ' if details else ''}{'; '.join(details)}.")
