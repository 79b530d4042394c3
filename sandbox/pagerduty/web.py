"""The REST API and the Events API over HTTP, as one Starlette application: `/events/v2/enqueue`, and everything else below the REST API's root."""

from __future__ import annotations

from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.pagerduty.account import PagerDuty
from sandbox.pagerduty.rest import Answer


def asgi(account: PagerDuty) -> Starlette:
    """The application for one account."""

    async def enqueue(request: Request) -> Response:
        return _response(account.enqueue(await request.body()))

    async def rest(request: Request) -> Response:
        query: dict[str, list[str]] = {}
        for name, value in parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True):
            query.setdefault(name, []).append(value)
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        return _response(account.handle(request.method, path, query, dict(request.headers), await request.body()))

    return Starlette(
        routes=[
            Route("/events/v2/enqueue", enqueue, methods=["POST"]),
            Route("/{path:path}", rest, methods=["GET", "POST", "PUT", "DELETE"]),
        ]
    )


def _response(answer: Answer) -> Response:
    return Response(status_code=answer.status, headers=answer.headers) if answer.body is None else JSONResponse(answer.body, answer.status, answer.headers)
