"""Who may do what, decided from `permissions` of aiec.yaml. What no line grants is denied; no line takes away."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.core.config import Config, Grant
from bot.core.request import Actor

EVERYONE = "@everyone"


@dataclass(frozen=True)
class Decision:
    """`reason` is half a sentence: by what it is allowed, or why not and whom to ask."""

    allowed: bool
    reason: str


def allowed(config: Config, actor: Actor, groups: frozenset[str] | None, permission: str, environment: str | None) -> Decision:
    """Decides whether the actor holds a permission in an environment (None: it concerns none, so that only lines without `in` grant it).

    `groups`: the Slack user groups that he is in, with `@`; None when Slack does not say. Somebody who is not in `people` has what his groups have.
    """
    may = who_may(config, permission, environment)
    mine = {EVERYONE, *(groups or ())} | ({actor.name} if actor.known else set())
    by = next((who for who in may if who in mine), None)
    if by is not None:
        return Decision(True, f"granted to {_said(by)}")
    what = f"`{permission}`" + (f" in {environment}" if environment else "")
    asked = _whom_to_ask(may)
    if not actor.known:
        return Decision(False, f"{what} is only for people that aiec.yaml knows, and you are not among them; {asked}")
    if groups is None and (unsure := [who for who in may if who.startswith("@")]):
        return Decision(False, f"{what} is granted to {' and '.join(unsure)}, and Slack does not say now whether you belong to it; {asked}")
    return Decision(False, f"{what} is not granted to you; {asked}")


def who_may(config: Config, permission: str, environment: str | None) -> list[str]:
    """Returns the people and groups (with `@`) that hold the permission there, in the order of aiec.yaml."""
    return list(dict.fromkeys(who for grant in config.permissions if _covers(grant, permission, environment) for who in grant.who))


def _covers(grant: Grant, permission: str, environment: str | None) -> bool:
    return (grant.in_ is None or environment in grant.in_) and any(_matches(pattern, permission) for pattern in grant.may)


def _matches(pattern: str, permission: str) -> bool:
    return pattern in ("*", permission) or (pattern.endswith(".*") and permission.startswith(pattern[:-1]))


def _whom_to_ask(may: list[str]) -> str:
    if not may:
        return "nobody may, by `permissions` of aiec.yaml"
    return f"ask {either(may)}"


def either(names: Sequence[str], last: str = " or ") -> str:
    """Returns the people and groups of whom one is meant: `@ana, @rui or @devops`."""
    said = [_said(who) for who in names]
    return last.join([*([", ".join(said[:-1])] if said[1:] else []), said[-1]])


def _said(who: str) -> str:
    return who if who.startswith("@") else f"@{who}"
