"""Which path of the REST API does what."""

from __future__ import annotations

from sandbox.pagerduty import incidents, oncalls, things, wire
from sandbox.pagerduty.rest import Handler

_ID = r"/([A-Za-z0-9]+)"

ROUTES: list[tuple[str, str, Handler]] = [
    ("GET", "/incidents", incidents.listing),
    ("POST", "/incidents", incidents.create),
    ("PUT", "/incidents", incidents.update_many),
    ("GET", f"/incidents{_ID}", incidents.get),
    ("PUT", f"/incidents{_ID}", incidents.update),
    ("GET", f"/incidents{_ID}/notes", incidents.notes),
    ("POST", f"/incidents{_ID}/notes", incidents.create_note),
    ("PUT", f"/incidents{_ID}/merge", incidents.merge),
    ("POST", f"/incidents{_ID}/snooze", incidents.snooze),
    ("GET", f"/incidents{_ID}/log_entries", incidents.log_entries),
    ("GET", "/oncalls", oncalls.listing),
    ("GET", "/users/me", things.me),
    ("GET", "/users", things.lister("users", lambda asked: asked.account.users, wire.user)),
    ("GET", f"/users{_ID}", things.getter("user", lambda asked: asked.account.users, wire.user)),
    ("GET", "/services", things.lister("services", lambda asked: asked.account.services, wire.service)),
    ("GET", f"/services{_ID}", things.getter("service", lambda asked: asked.account.services, wire.service)),
    ("GET", "/escalation_policies", things.lister("escalation_policies", lambda asked: asked.account.policies, wire.policy)),
    ("GET", f"/escalation_policies{_ID}", things.getter("escalation_policy", lambda asked: asked.account.policies, wire.policy)),
    ("GET", "/schedules", things.lister("schedules", lambda asked: asked.account.schedules, wire.schedule)),
    ("GET", f"/schedules{_ID}", things.getter("schedule", lambda asked: asked.account.schedules, wire.schedule)),
    ("GET", f"/schedules{_ID}/overrides", things.overrides),
    ("POST", f"/schedules{_ID}/overrides", things.create_overrides),
    ("GET", "/priorities", things.lister("priorities", lambda asked: asked.account.priorities, things.priority)),
    ("GET", "/abilities", things.abilities),
    ("GET", "/abilities/([a-z_]+)", things.ability),
    ("GET", "/maintenance_windows", things.windows),
    ("POST", "/maintenance_windows", things.create_window),
    ("GET", f"/maintenance_windows{_ID}", things.getter("maintenance_window", lambda asked: asked.account.windows, wire.window)),
    ("PUT", f"/maintenance_windows{_ID}", things.update_window),
    ("DELETE", f"/maintenance_windows{_ID}", things.end_window),
    ("GET", "/webhook_subscriptions", things.subscriptions),
    ("POST", "/webhook_subscriptions", things.create_subscription),
    ("GET", f"/webhook_subscriptions{_ID}", things.get_subscription),
    ("DELETE", f"/webhook_subscriptions{_ID}", things.remove_subscription),
    ("POST", f"/webhook_subscriptions{_ID}/enable", things.enable_subscription),
    ("POST", f"/webhook_subscriptions{_ID}/ping", things.ping_subscription),
]
