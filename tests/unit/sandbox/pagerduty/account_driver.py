"""A small account (two levels, three people, one service), and what is done with it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sandbox.pagerduty import PagerDuty

START = datetime(2026, 11, 25, 3, tzinfo=UTC)
SETTING: dict[str, Any] = {
    "subdomain": "acme",
    "token": "key",
    "users": [
        {"id": "PANA", "name": "Ana", "email": "ana@example.com", "token": "ana-key"},
        {"id": "PBEN", "name": "Ben", "email": "ben@example.com"},
        {"id": "PCAI", "name": "Cai", "email": "cai@example.com"},
    ],
    "schedules": [{"id": "PFIRST", "name": "First", "users": ["PANA"]}],
    "policies": [{"id": "PLADDER", "name": "Ladder", "levels": [{"minutes": 10, "targets": ["PFIRST"]}, {"minutes": 20, "targets": ["PBEN", "PCAI"]}]}],
    "services": [{"id": "PSHOP", "name": "Shop", "policy": "PLADDER", "routing_key": "route"}],
    "subscriptions": [{"id": "PHOOK", "url": "http://app/hook", "secret": "s3cret"}],
}


class Account(PagerDuty):
    """An account that is asked as a client does it, with the key of the account and Ana's address."""

    def ask(self, method: str, path: str, body: Any = None, *, token: str = "key", sender: str | None = "ana@example.com", **query: Any) -> Any:
        """The answer to a request of the REST API; a list in the query is sent as `name[]`."""
        parameters = {(f"{name}[]" if isinstance(value, list) else name): value if isinstance(value, list) else [str(value)] for name, value in query.items()}
        headers = {"authorization": f"Token token={token}", "accept": "application/vnd.pagerduty+json;version=2"} | ({"from": sender} if sender else {})
        return self.handle(method, path, parameters, headers, b"" if body is None else json.dumps(body).encode())

    def opens(self, title: str = "Checkout is slow", **given: Any) -> str:
        """Opens an incident by REST and returns its id."""
        incident = {"type": "incident", "title": title, "service": {"id": "PSHOP", "type": "service_reference"}, **given}
        answer = self.ask("POST", "/incidents", {"incident": incident})
        assert answer.status == 201, answer.body
        return str(answer.body["incident"]["id"])

    def puts(self, incident: str, sender: str = "ana@example.com", **changes: Any) -> Any:
        return self.ask("PUT", f"/incidents/{incident}", {"incident": {"type": "incident_reference", **changes}}, sender=sender)

    def reads(self, incident: str) -> Any:
        return self.ask("GET", f"/incidents/{incident}").body["incident"]

    def sends(self, action: str, key: str | None = None, **more: Any) -> Any:
        """An event of the Events API."""
        payload = {"payload": {"summary": "Disk full", "source": "db-1", "severity": "critical"}} if action == "trigger" else {}
        return self.enqueue(json.dumps({"routing_key": "route", "event_action": action, **({"dedup_key": key} if key else {}), **payload, **more}).encode())

    def passes(self, minutes: float) -> None:
        self.clock.advance(minutes * 60)
        self.play()

    def rings(self, user: str) -> list[str]:
        """By which channels a user's phone rings now."""
        return [one.channel for one in self.ringing(user)]

    def carry(self, status: int | None = 200) -> list[Any]:
        """Takes all webhooks that are due and answers each so. Returns them as events."""
        carried = []
        while taken := self.webhooks.take():
            for _, _, body, delivery in taken:
                carried.append(json.loads(body)["event"])
                self.webhooks.settle(delivery, status)
        return carried

    def news(self) -> list[str]:
        """The types of the events that are delivered now."""
        return [event["event_type"].removeprefix("incident.") for event in self.carry()]
