"""A stand-in for Slack: a workspace with one app installed, its Web API, and what it delivers to the app.

`Workspace` is a state machine without I/O; `asgi` serves its Web API, `Deliverer` carries commands, clicks and events to the app over HTTP or
Socket Mode, `control` lets a page or a test act as the people in it.
"""

from sandbox.slack.answer import Answer, Delivery, Reply
from sandbox.slack.control import control
from sandbox.slack.deliver import Deliverer
from sandbox.slack.forms import Incomplete
from sandbox.slack.sockets import SocketMode
from sandbox.slack.state import Channel, Message, User, View
from sandbox.slack.web import asgi
from sandbox.slack.workspace import Workspace

__all__ = ["Answer", "Channel", "Deliverer", "Delivery", "Incomplete", "Message", "Reply", "SocketMode", "User", "View", "Workspace", "asgi", "control"]
