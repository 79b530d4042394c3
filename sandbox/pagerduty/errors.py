"""PagerDuty's errors: an HTTP status, a code of its own, and a body that says which (developer.pagerduty.com, "Errors")."""

from __future__ import annotations

from sandbox.pagerduty.state import Json

MESSAGES = {
    1001: "Incident Already Resolved",
    1008: "Requester User Not Found",
    2001: "Invalid Input Provided",
    2002: "Arguments Caused Error",
    2006: "Authentication Failed",
    2010: "Access Denied",
    2020: "Rate Limit Exceeded",
    2100: "Not Found",
}


class Refused(Exception):
    """A request that PagerDuty refuses."""

    def __init__(self, status: int, code: int, *errors: str) -> None:
        super().__init__(f"{status} {MESSAGES[code]}: {'; '.join(errors)}")
        self.status, self.code, self.errors = status, code, errors

    @property
    def body(self) -> Json:
        error: Json = {"message": MESSAGES[self.code], "code": self.code}
        return {"error": error | ({"errors": list(self.errors)} if self.errors else {})}


def invalid(*errors: str) -> Refused:
    """The input is wrong: one sentence for each fault."""
    return Refused(400, 2001, *errors)


def unknown() -> Refused:
    """There is no such thing."""
    return Refused(404, 2100)
