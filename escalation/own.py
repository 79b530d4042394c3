"""Alerts that aiec raises of itself: they go where `routing` sends them, as those of others do, and need no Alertmanager."""

from collections.abc import Mapping

from sqlmodel import select

from bot.core.alerts import OURS, Notification, alert
from bot.core.config import Config
from bot.store.incident_tables import AlertRow
from bot.store.transaction import Transaction
from escalation.intake import receive


def fire(tx: Transaction, config: Config, name: str, trouble: str, labels: Mapping[str, str] | None = None, group: str = "") -> None:
    """Fires the warning of this name and these labels, for as long as there is a `trouble`; without one it ends, if it fires.

    `group`: which alerts of that name are told of together.
    """
    labels = {"alertname": name, "severity": "warning", **(labels or {})}
    seen = alert({"labels": labels, "startsAt": tx.now.isoformat()})
    firing = tx.first(select(AlertRow).where(AlertRow.fingerprint == seen.fingerprint, AlertRow.status == "firing"))
    if not trouble and firing is None:
        return
    starts = firing.starts_at if firing is not None else tx.now
    times = {"startsAt": starts.isoformat(), "endsAt": tx.now.isoformat()}
    status = "firing" if trouble else "resolved"
    given = alert({"labels": labels, "annotations": {"summary": trouble}, "status": status, **times})
    receive(tx, config, Notification(OURS, group or name, given.status, (given,), 0, "", {"alertname": name}))
