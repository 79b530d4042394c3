"""A stand-in for PagerDuty: an account with its REST API v2, Events API v2, escalation by the sandbox's clock, phones that ring, and webhooks v3.

`PagerDuty` is a state machine without I/O; `asgi` serves its APIs, `Courier` carries webhooks over HTTP, `control` lets a page or a test act as
the people who are on call, and make things go wrong.
"""

from sandbox.pagerduty.account import PagerDuty
from sandbox.pagerduty.control import control
from sandbox.pagerduty.courier import Courier
from sandbox.pagerduty.state import Incident, Notification, User
from sandbox.pagerduty.web import asgi
from sandbox.pagerduty.webhooks import Delivery, Webhooks

__all__ = ["Courier", "Delivery", "Incident", "Notification", "PagerDuty", "User", "Webhooks", "asgi", "control"]
