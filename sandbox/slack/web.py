"""The Web API over HTTP: `/api/<method>`, `response_url`s, uploads and files, as one Starlette application."""

from __future__ import annotations

import json
from http import HTTPStatus
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute

from sandbox.slack.answer import Answer, Json
from sandbox.slack.responses import respond
from sandbox.slack.sockets import SocketMode
from sandbox.slack.workspace import Workspace


class _Unreadable(Exception):
    """The body cannot be read; the argument is Slack's code for it."""


async def _arguments(request: Request) -> Json:
    """Arguments from the query and the body, which is a form or JSON by its Content-Type."""
    given: Json = dict(request.query_params)
    body = await request.body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip()
    if not body:
        return given
    if kind == "application/json":
        try:
            parsed = json.loads(body)
        except ValueError:
            raise _Unreadable("invalid_json") from None
        if not isinstance(parsed, dict):
            raise _Unreadable("json_not_object")
        return given | parsed
    if kind == "application/x-www-form-urlencoded":
        return given | dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
    raise _Unreadable("invalid_post_type" if kind else "missing_post_type")


def _bearer(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else None


def _response(answer: Answer) -> Response:
    return JSONResponse(answer.body, answer.status, answer.headers)


def asgi(workspace: Workspace, sockets: SocketMode | None = None) -> Starlette:
    """The application for one workspace, with Socket Mode if `sockets` is given. `workspace.base_url` must be the URL at which it is mounted."""

    async def api(request: Request) -> Response:
        try:
            arguments = await _arguments(request)
        except _Unreadable as unreadable:
            return JSONResponse({"ok": False, "error": str(unreadable)})
        return _response(workspace.call(request.path_params["method"], arguments, _bearer(request)))

    async def hook(request: Request) -> Response:
        try:
            body = json.loads(await request.body())
        except ValueError:
            return PlainTextResponse("invalid_payload", HTTPStatus.BAD_REQUEST)
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        answer = respond(workspace, path, body if isinstance(body, dict) else {"text": str(body)})
        return PlainTextResponse("ok") if answer.ok else _response(answer)

    async def upload(request: Request) -> Response:
        file = workspace.files.get(request.path_params["file"])
        if file is None or workspace.down:
            return PlainTextResponse("not found", HTTPStatus.SERVICE_UNAVAILABLE if workspace.down else HTTPStatus.NOT_FOUND)
        file.content = await _uploaded(request)
        return PlainTextResponse(f"OK - {len(file.content)}")

    async def download(request: Request) -> Response:
        file = workspace.files.get(request.path_params["file"])
        if file is None or file.content is None:
            return PlainTextResponse("not found", HTTPStatus.NOT_FOUND)
        return Response(file.content, media_type=file.mimetype, headers={"Content-Security-Policy": "sandbox"})

    return Starlette(
        routes=[
            Route("/api/{method}", api, methods=["GET", "POST"]),
            Route("/upload/v1/{file}", upload, methods=["POST"]),
            Route("/files/{file}/{name:path}", download, methods=["GET"]),
            *(Route(f"/{kind}/{{rest:path}}", hook, methods=["POST"]) for kind in ("commands", "actions", "app")),
            *([WebSocketRoute("/link", sockets.endpoint)] if sockets else []),
        ]
    )


async def _uploaded(request: Request) -> bytes:
    """The file's bytes, sent as the body itself or as the one part of a multipart form."""
    body = await request.body()
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    if kind.strip() != "multipart/form-data":
        return body
    boundary = b"--" + rest.partition("boundary=")[2].strip('"').encode()
    part = body.split(boundary)[1]
    return part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
