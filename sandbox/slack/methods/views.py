"""views.*: modals, which need a trigger, and home tabs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.slack.answer import Json, Refusal
from sandbox.slack.blocks import check_view, completed
from sandbox.slack.forms import initial_state
from sandbox.slack.state import View

if TYPE_CHECKING:
    from sandbox.slack.workspace import Workspace

STACK_LIMIT = 3


def new_hash(workspace: Workspace) -> str:
    return f"{int(workspace.now().timestamp())}.{workspace.secret(8)}"


def view_object(workspace: Workspace, given: Json, view_id: str, previous: str | None, root: str | None) -> Json:
    """Slack's view object for a view that the app gave."""
    blocks = completed(given["blocks"], workspace.random)
    return {
        "id": view_id,
        "team_id": workspace.team["id"],
        "type": given["type"],
        "blocks": blocks,
        "private_metadata": given.get("private_metadata", ""),
        "callback_id": given.get("callback_id", ""),
        "state": {"values": initial_state(blocks)},
        "hash": new_hash(workspace),
        "title": given.get("title"),
        "clear_on_close": given.get("clear_on_close", False),
        "notify_on_close": given.get("notify_on_close", False),
        "close": given.get("close"),
        "submit": given.get("submit"),
        "previous_view_id": previous,
        "root_view_id": root or view_id,
        "app_id": workspace.app.id,
        "external_id": given.get("external_id", ""),
        "app_installed_team_id": workspace.team["id"],
        "bot_id": workspace.app.bot_id,
    }


def _external_id_free(workspace: Workspace, given: Json, besides: str | None = None) -> None:
    wanted = given.get("external_id")
    if wanted and any(view.wire["external_id"] == wanted and view.id != besides for view in [*workspace.views.values(), *workspace.homes.values()]):
        raise Refusal("duplicate_external_id")


def _exchange(workspace: Workspace, arguments: Json) -> tuple[str, str | None]:
    """The user (and the view) of a trigger, which can be exchanged once, within three seconds."""
    trigger_id = arguments.get("trigger_id") or arguments.get("interactivity_pointer")
    if not trigger_id:
        raise Refusal("invalid_arguments", ["[ERROR] missing required field: trigger_id"])
    trigger = workspace.triggers.get(trigger_id)
    if trigger is None:
        raise Refusal("invalid_trigger_id")
    if trigger.used:
        raise Refusal("exchanged_trigger_id")
    if workspace.now() > trigger.expires:
        raise Refusal("expired_trigger_id")
    trigger.used = True
    return trigger.user, trigger.view


def show(workspace: Workspace, user: str, given: Json, previous: View | None = None) -> View:
    """Opens a checked modal for a user, alone or above `previous`."""
    view_id = workspace.make_id("V")
    view = View(user, view_object(workspace, given, view_id, previous.id if previous else None, str(previous.wire["root_view_id"]) if previous else None))
    workspace.views[view_id] = view
    if previous is None:
        drop_stack(workspace, user)
    workspace.stacks.setdefault(user, []).append(view_id)
    workspace.changed()
    return view


def drop_stack(workspace: Workspace, user: str) -> None:
    """Closes all modals of a user."""
    for view_id in workspace.stacks.pop(user, []):
        del workspace.views[view_id]


def replace(workspace: Workspace, view: View, given: Json) -> None:
    """Puts a checked view in the place of another; what was typed into blocks that stay is kept, as Slack keeps it."""
    typed = view.wire["state"]["values"]
    wire = view_object(workspace, given, view.id, view.wire["previous_view_id"], view.wire["root_view_id"])
    for block_id, values in wire["state"]["values"].items():
        for action_id, value in typed.get(block_id, {}).items():
            if action_id in values and values[action_id]["type"] == value["type"]:
                values[action_id] = value
    view.wire, view.errors, view.notice = wire, {}, ""
    workspace.changed()


def open_(workspace: Workspace, arguments: Json) -> Json:
    check_view(arguments["view"], "modal")
    _external_id_free(workspace, arguments["view"])
    user, _ = _exchange(workspace, arguments)
    return {"view": show(workspace, user, arguments["view"]).wire}


def push(workspace: Workspace, arguments: Json) -> Json:
    check_view(arguments["view"], "modal")
    _external_id_free(workspace, arguments["view"])
    user, below = _exchange(workspace, arguments)
    if below is None or below not in workspace.views:
        raise Refusal("not_found")
    if len(workspace.stacks[user]) >= STACK_LIMIT:
        raise Refusal("push_limit_reached")
    return {"view": show(workspace, user, arguments["view"], previous=workspace.views[below]).wire}


def update(workspace: Workspace, arguments: Json) -> Json:
    view_id, external_id = arguments.get("view_id"), arguments.get("external_id")
    views = [view for view in workspace.views.values() if view.id == view_id or (external_id and view.wire["external_id"] == external_id)]
    if not views:
        raise Refusal("not_found")
    view = views[0]
    check_view(arguments["view"], "modal")
    _external_id_free(workspace, arguments["view"], besides=view.id)
    if arguments.get("hash") not in (None, view.wire["hash"]):
        raise Refusal("hash_conflict")
    replace(workspace, view, arguments["view"])
    return {"view": view.wire}


def publish(workspace: Workspace, arguments: Json) -> Json:
    user = arguments["user_id"]
    if user not in workspace.users:
        raise Refusal("user_not_found")
    check_view(arguments["view"], "home")
    current = workspace.homes.get(user)
    _external_id_free(workspace, arguments["view"], besides=current.id if current else None)
    if current and arguments.get("hash") not in (None, current.wire["hash"]):
        raise Refusal("hash_conflict")
    view_id = current.id if current else workspace.make_id("V")
    workspace.homes[user] = View(user, view_object(workspace, arguments["view"], view_id, None, None))
    workspace.changed()
    return {"view": workspace.homes[user].wire}


HANDLERS = {"views.open": open_, "views.push": push, "views.update": update, "views.publish": publish}
