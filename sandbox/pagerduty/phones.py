"""People's phones: who is told of what and when, by their notification rules, and what they do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.pagerduty.state import LOW_URGENCY, Incident, Notification, Rule

if TYPE_CHECKING:
    from sandbox.pagerduty.account import PagerDuty


def rules(account: PagerDuty, incident: Incident, user: str) -> tuple[Rule, ...]:
    """The notification rules that a user (id) has for an incident, in the order of their minutes."""
    own = account.users[user].rules if incident.urgency == "high" else LOW_URGENCY
    return tuple(sorted(own, key=lambda rule: rule.minutes))


def tell(account: PagerDuty, incident: Incident, user: str) -> None:
    """Follows a user's next rule. What rang there before of this incident was missed. E-mail does not ring."""
    followed = incident.told_until.get(user, 0)
    rule = rules(account, incident, user)[followed]
    incident.told_until[user] = followed + 1
    account.stop_ringing((one for one in account.ringing(user) if one.incident == incident.id), "missed")
    state = "ringing" if rule.channel != "email" else "delivered"
    account.notifications.append(Notification(account.make_id("P", 7), user, incident.id, rule.channel, account.now(), state))


def quiet(account: PagerDuty, incident: Incident, user: str | None = None) -> None:
    """Nobody is told of an incident any more: of those phones that ring, that of `user` was answered."""
    for one in account.notifications:
        if one.incident == incident.id:
            account.stop_ringing([one], "answered" if one.user == user else "stopped")


def pass_on(account: PagerDuty, incident: Incident) -> None:
    """An incident goes on to others: whoever was called until now has missed it."""
    account.stop_ringing((one for one in account.notifications if one.incident == incident.id), "missed")


def miss(account: PagerDuty, user: str) -> int:
    """A user does not hear what rings now. Returns how many calls that were."""
    ringing = account.ringing(account.user(user).id)
    account.stop_ringing(ringing, "missed")
    account.changed()
    return len(ringing)
