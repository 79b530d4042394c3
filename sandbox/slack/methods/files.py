"""Uploading a file: get a URL, send the bytes there, complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.slack.answer import Json, Refusal
from sandbox.slack.methods.chat import app_identity
from sandbox.slack.methods.common import joined_channel, live_channel
from sandbox.slack.state import File, Message
from sandbox.slack.wire import file_json

if TYPE_CHECKING:
    from sandbox.slack.workspace import Workspace

SIZE_LIMIT = 1_000_000_000
ALT_TEXT_LIMIT = 1_000


def get_upload_url(workspace: Workspace, arguments: Json) -> Json:
    if not 0 < arguments["length"] <= SIZE_LIMIT:
        raise Refusal("file_upload_size_restricted")
    # The reference of the method and the Python SDK say `alt_txt`, the types of the JavaScript SDK `alt_text`.
    alternative = arguments.get("alt_txt") or arguments.get("alt_text") or ""
    if len(alternative) > ALT_TEXT_LIMIT:
        raise Refusal("alt_txt_too_large")
    file = File(workspace.make_id("F"), arguments["filename"], arguments["length"], alternative)
    workspace.files[file.id] = file
    return {"upload_url": f"{workspace.base_url}/upload/v1/{file.id}", "file_id": file.id}


def complete_upload(workspace: Workspace, arguments: Json) -> Json:
    found = []
    for item in arguments["files"]:
        file = workspace.files.get(str(item.get("id"))) if isinstance(item, dict) else None
        if file is None or file.content is None or len(file.content) != file.length or file.shared:
            raise Refusal("file_not_found")
        found.append((file, item.get("title", "")))
    channel = live_channel(joined_channel(workspace, arguments["channel_id"])) if arguments.get("channel_id") else None
    for file, title in found:
        file.title, file.shared = title, True
    rows = [file_json(workspace, file) for file, _ in found]
    if channel:
        message = Message(
            channel.id,
            workspace.next_ts(channel),
            workspace.app.user,
            arguments.get("initial_comment", ""),
            app=app_identity(workspace),
            thread_ts=arguments.get("thread_ts"),
            files=rows,
            subtype="file_share",
        )
        workspace.post(channel, message)
    return {"files": rows}


HANDLERS = {"files.getUploadURLExternal": get_upload_url, "files.completeUploadExternal": complete_upload}
