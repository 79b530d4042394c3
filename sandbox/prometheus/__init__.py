"""Prometheus' query API, answering from series that are set: it checks how an expression is written but does not work it out."""

from sandbox.prometheus.app import asgi
from sandbox.prometheus.control import control, load
from sandbox.prometheus.series import Failure, Prometheus, Series, ramp, written

__all__ = ["Failure", "Prometheus", "Series", "asgi", "control", "load", "ramp", "written"]
