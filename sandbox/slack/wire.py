"""Slack's JSON for what a workspace holds."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from sandbox.slack.answer import Json
from sandbox.slack.state import Channel, File, Message, User, Usergroup

if TYPE_CHECKING:
    from sandbox.slack.workspace import Workspace


def message_json(workspace: Workspace, message: Message, *, metadata: bool = False) -> Json:
    """A message object. `metadata` as `include_all_metadata` asks; its event_type is shown either way to the app that wrote it."""
    body: Json = {"type": "message", "user": message.user, "ts": message.ts, "text": message.text, "team": workspace.team["id"]}
    if message.subtype:
        body["subtype"] = message.subtype
    if message.app:
        body |= message.app
    for name in ("blocks", "attachments", "files"):
        if value := getattr(message, name):
            body[name] = value
    if message.metadata and metadata:
        body["metadata"] = message.metadata
    if message.edited:
        body["edited"] = {"user": message.user, "ts": message.edited}
    if message.reactions:
        body["reactions"] = [{"name": name, "users": users, "count": len(users)} for name, users in message.reactions.items()]
    if message.thread_ts:
        body["thread_ts"] = message.thread_ts
    replies = [reply for reply in workspace.channels[message.channel].replies(message.ts) if reply.visible_to is None]
    if replies:
        writers = list(dict.fromkeys(reply.user for reply in replies))
        body |= {
            "thread_ts": message.ts, "reply_count": len(replies), "reply_users": writers, "reply_users_count": len(writers), "latest_reply": replies[-1].ts,
        }  # fmt: skip
    return body


def channel_json(workspace: Workspace, channel: Channel) -> Json:
    """A conversation object as the app sees it."""
    member = workspace.app.user in channel.members
    body: Json = {
        "id": channel.id,
        "created": channel.created,
        "creator": channel.creator,
        "is_archived": channel.archived,
        "is_channel": channel.kind == "public",
        "is_group": channel.kind == "private",
        "is_im": channel.kind == "im",
        "is_mpim": channel.kind == "mpim",
        "is_private": channel.kind != "public",
        "context_team_id": workspace.team["id"],
    }
    if channel.kind == "im":
        return body | {"user": next((user for user in channel.members if user != workspace.app.user), workspace.app.user)}
    return body | {
        "name": channel.name,
        "name_normalized": channel.name,
        "is_general": False,
        "is_member": member,
        "num_members": len(channel.members),
        "topic": {"value": channel.topic, "creator": channel.creator, "last_set": channel.created},
        "purpose": {"value": channel.purpose, "creator": channel.creator, "last_set": channel.created},
    }


def user_json(workspace: Workspace, user: User) -> Json:
    """A user object; the e-mail address only with the scope users:read.email."""
    profile: Json = {"real_name": user.real_name, "display_name": user.name, "title": user.title, "team": workspace.team["id"]}
    if user.email and "users:read.email" in workspace.app.scopes:
        profile["email"] = user.email
    return {
        "id": user.id,
        "team_id": workspace.team["id"],
        "name": user.name,
        "real_name": user.real_name,
        "deleted": user.deleted,
        "is_bot": user.is_bot,
        "is_app_user": False,
        "tz": user.tz,
        "profile": profile,
    }


def usergroup_json(workspace: Workspace, group: Usergroup, *, users: bool, count: bool) -> Json:
    """A user group object, with its members or their number when asked for."""
    body: Json = {
        "id": group.id,
        "team_id": workspace.team["id"],
        "is_usergroup": True,
        "name": group.name or group.handle,
        "handle": group.handle,
        "description": "",
        "date_delete": 1 if group.disabled else 0,
    }
    if users:
        body["users"] = list(group.users)
    if count:
        body["user_count"] = len(group.users)
    return body


def file_json(workspace: Workspace, file: File) -> Json:
    """A file object; an image's has its size and its `alt_txt`."""
    image: Json = {}
    if file.mimetype == "image/png":
        width, height = struct.unpack(">II", (file.content or b"")[16:24])
        image = {"filetype": "png", "original_w": width, "original_h": height, "alt_txt": file.alternative}
    return image | {
        "id": file.id,
        "name": file.name,
        "title": file.title or file.name,
        "size": len(file.content or b""),
        "user": workspace.app.user,
        "mode": "hosted",
        "mimetype": file.mimetype,
        "url_private": f"{workspace.base_url}/files/{file.id}/{file.name}",
        "permalink": f"{workspace.base_url}/files/{file.id}/{file.name}",
    }
