"""When somebody is reminded of what he owes (a post-mortem, an action item), and whom it goes to. Pure.

The moments follow from when it is due: some time before, at it, and after it again and again, until it is done. What is kept is one time: when the last
reminder went out, or since when there is something to be reminded of. However many moments have passed since then, one reminder goes out, and says that it
is late.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Literal

from bot.core.config import Config
from bot.core.data import Frozen
from bot.core.text import duration
from bot.destinations import slack_of

DAILY = timedelta(days=1)
WEEKLY = timedelta(days=7)
LEAD_AFTER = timedelta(days=2)
"""How long after it was due the lead is told as well."""
LATE_AFTER = timedelta(minutes=30)
"""How long after its moment a reminder says that it comes late: nobody was there to send it."""


class Reminder(Frozen):
    """One reminder that is to go out now. `due`: when the thing is, or was, due; `planned`: the moment that the reminder belongs to.

    `late`: by how much it comes after that, or None; `lead`: the lead is told, too.
    """

    when: Literal["before", "at", "after"]
    due: datetime
    planned: datetime
    late: timedelta | None = None
    lead: bool = False


def reminder(due: datetime, before: Sequence[timedelta], since: datetime, now: datetime) -> Reminder | None:
    """Returns what is to be sent now of something that is due at `due`, or None.

    `before`: how long before it reminders are wanted (0: at it). `since`: when the last one was sent, or the thing came to be owed. A clock that was set back
    sends nothing twice.
    """
    passed = None
    for moment in _moments(due, before, since):
        if moment > now:
            break
        passed = moment
    if passed is None:
        return None
    late = now - passed if now - passed > LATE_AFTER else None
    # Where the moment was before it was due and now is after, it says what is true now.
    when: Literal["before", "at", "after"] = "before" if now < due else "at" if passed <= due and late is None else "after"
    return Reminder(when=when, due=due, planned=passed, late=late, lead=now >= due + LEAD_AFTER)


def next_reminder(due: datetime, before: Sequence[timedelta], since: datetime) -> datetime:
    """Returns the moment of the next one after `since`. There always is one: what is owed is never forgotten."""
    return next(_moments(due, before, since))


def standing(due: datetime, now: datetime) -> str:
    """Returns `due in 4 h`, `due now` or `2 d overdue`."""
    if abs(due - now) < timedelta(minutes=1):
        return "due now"
    return f"due in {duration(due - now)}" if due > now else f"{duration(now - due)} overdue"


def lead(config: Config) -> str | None:
    """Returns who is told where the owner is silent, gone or nobody: `postmortem.lead`, else whoever is called lead, else the first of the last level."""
    wanted = config.postmortem.lead if config.postmortem is not None else None
    if wanted is not None or "lead" in config.people:
        return wanted or "lead"
    policies = [*config.escalation.policies.values()] if config.escalation is not None else []
    return next((name for policy in policies for name in policy.levels[-1].people), None)


def absent(config: Config, owner: str | None, gone: Collection[str] = ()) -> str:
    """Returns why the owner cannot be told, empty where he can. `gone`: those whose Slack account is deactivated."""
    if owner is None:
        return "nobody has it"
    if owner in gone:
        return f"the Slack account of {owner} is deactivated"
    if slack_of(config, owner) is not None:
        return ""
    return f"{owner} {'has no Slack account in aiec.yaml' if owner in config.people else 'is not in aiec.yaml any more'}"


def recipients(config: Config, owner: str | None, one: Reminder, gone: Collection[str] = ()) -> tuple[str, ...]:
    """Returns the people who get a reminder: the owner, and the lead where it is his turn or the owner cannot be told."""
    there = owner if not absent(config, owner, gone) else None
    names = [there or lead(config), lead(config) if one.lead else None]
    return tuple(dict.fromkeys(name for name in names if name is not None and (name == there or name in config.people)))


def _moments(due: datetime, before: Sequence[timedelta], since: datetime) -> Iterator[datetime]:
    """Yields all moments after `since`, in order: those of `before`, then daily for a week, then weekly."""
    for ahead in sorted(set(before), reverse=True):
        if due - ahead > since:
            yield due - ahead
    for day in range(1, 7):
        if due + day * DAILY > since:
            yield due + day * DAILY
    weeks = max((since - due) // WEEKLY + 1, 1)
    for week in count(weeks):
        yield due + week * WEEKLY
