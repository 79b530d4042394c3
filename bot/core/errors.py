"""What can go wrong, said once for a person: a code, one sentence, and what to do about it."""

from datetime import timedelta


class AiecError(Exception):
    """`text` says what is wrong and quotes the offending input; `hint` says what to do, ideally as a runnable example."""

    code = "failed"

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.hint = hint


class UsageError(AiecError):
    """The request cannot be understood; nothing was done."""

    code = "usage"


class Denied(AiecError):
    """The actor may not do this; recorded, nothing was done."""

    code = "denied"


class Refused(AiecError):
    """A check, a lock, a freeze or a drift stands in the way; nothing was done."""

    code = "refused"


class NotFound(AiecError):
    """The outside system answered that the thing does not exist."""

    code = "not_found"


class Forbidden(AiecError):
    """The outside system refuses our credentials this verb (Kubernetes 403, Slack `missing_scope`)."""

    code = "forbidden"


class Unauthenticated(AiecError):
    """The outside system does not accept our credentials at all (expired or revoked token)."""

    code = "unauthenticated"


class Conflict(AiecError):
    """The outside system refused a guarded write: the object is not what was planned (a JSON Patch `test` failed)."""

    code = "conflict"


class Contested(Conflict):
    """Server-side apply was refused because fields belong to others: `fields` are those, each with its field manager."""

    def __init__(self, text: str, fields: tuple[tuple[str, str], ...], hint: str = "") -> None:
        super().__init__(text, hint)
        self.fields = fields


class Invalid(AiecError):
    """The outside system refused the content of a write (Kubernetes 422 or an admission's 403); trying again will not help."""

    code = "invalid"


class CommandFailed(AiecError):
    """A command in a container ended otherwise than well. `exit_code`: None when it did not get so far; `stderr`: the end of what it complained."""

    code = "command_failed"

    def __init__(self, text: str, exit_code: int | None, stderr: str, hint: str = "") -> None:
        super().__init__(text, hint)
        self.exit_code = exit_code
        self.stderr = stderr


class NoProgram(CommandFailed):
    """There is no such program in the container: nothing has run."""


class Unavailable(AiecError):
    """The outside system did not answer, or answered with a server error: the write may or may not have happened."""

    code = "unavailable"


class Throttled(Unavailable):
    """The outside system asks to wait; the call was not executed."""

    code = "throttled"

    def __init__(self, text: str, retry_after: timedelta) -> None:
        super().__init__(text)
        self.retry_after = retry_after
