"""GitHub's REST API, as far as tags, commit statuses, check runs, workflow runs and issues go. Nothing runs in it: what was told is what it shows."""

from sandbox.github.app import asgi
from sandbox.github.control import control, load
from sandbox.github.state import GitHub

__all__ = ["GitHub", "asgi", "control", "load"]
