"""Alertmanager, and the alerting rules of the Prometheus in front of it: a state machine, its API v2, and its webhooks as they are really sent."""

from sandbox.alertmanager.app import asgi
from sandbox.alertmanager.control import control
from sandbox.alertmanager.deliver import Deliverer
from sandbox.alertmanager.machine import Alertmanager, Delivery
from sandbox.alertmanager.rules import Rule, Rules
from sandbox.alertmanager.webhook import Receiver

__all__ = ["Alertmanager", "Deliverer", "Delivery", "Receiver", "Rule", "Rules", "asgi", "control"]
