"""Who is who: auth.test, users.*, usergroups.*, team.info, and the address of Socket Mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.slack.answer import Json, Refusal
from sandbox.slack.methods.common import page
from sandbox.slack.wire import user_json, usergroup_json

if TYPE_CHECKING:
    from sandbox.slack.workspace import Workspace


def auth_test(workspace: Workspace, _arguments: Json) -> Json:
    app = workspace.app
    return {
        "url": f"{workspace.base_url}/",
        "team": workspace.team["name"],
        "user": app.name,
        "team_id": workspace.team["id"],
        "user_id": app.user,
        "bot_id": app.bot_id,
        "is_enterprise_install": False,
    }


def users_info(workspace: Workspace, arguments: Json) -> Json:
    user = workspace.users.get(arguments["user"])
    if user is None:
        raise Refusal("user_not_found")
    return {"user": user_json(workspace, user)}


def users_list(workspace: Workspace, arguments: Json) -> Json:
    some, cursor = page(list(workspace.users.values()), arguments, 1000)
    return {"members": [user_json(workspace, user) for user in some], "cache_ts": int(workspace.now().timestamp()), **cursor}


def lookup_by_email(workspace: Workspace, arguments: Json) -> Json:
    for user in workspace.users.values():
        if user.email.lower() == arguments["email"].lower() and not user.deleted:
            return {"user": user_json(workspace, user)}
    raise Refusal("users_not_found")


def usergroups_list(workspace: Workspace, arguments: Json) -> Json:
    groups = [group for group in workspace.usergroups.values() if arguments.get("include_disabled") or not group.disabled]
    users, count = bool(arguments.get("include_users")), bool(arguments.get("include_count"))
    return {"usergroups": [usergroup_json(workspace, group, users=users, count=count) for group in groups]}


def usergroups_users_list(workspace: Workspace, arguments: Json) -> Json:
    group = workspace.usergroups.get(arguments["usergroup"])
    if group is None or (group.disabled and not arguments.get("include_disabled")):
        raise Refusal("no_such_subteam")
    return {"users": list(group.users)}


def team_info(workspace: Workspace, _arguments: Json) -> Json:
    return {"team": {**workspace.team, "url": f"{workspace.base_url}/", "email_domain": "", "icon": {}}}


def connections_open(workspace: Workspace, _arguments: Json) -> Json:
    scheme, _, rest = workspace.base_url.partition("://")
    ticket = workspace.secret()
    workspace.tickets.add(ticket)
    return {"url": f"{'wss' if scheme == 'https' else 'ws'}://{rest}/link?ticket={ticket}&app_id={workspace.app.id}"}


HANDLERS = {
    "auth.test": auth_test,
    "users.info": users_info,
    "users.list": users_list,
    "users.lookupByEmail": lookup_by_email,
    "usergroups.list": usergroups_list,
    "usergroups.users.list": usergroups_users_list,
    "team.info": team_info,
    "apps.connections.open": connections_open,
}
