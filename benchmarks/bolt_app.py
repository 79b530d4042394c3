"""The peer of aiec's Slack side: the least app that Bolt can be, on the same HTTP server. `python -m benchmarks.bolt_app PORT SIGNING_SECRET`."""

import sys

import uvicorn
from slack_bolt.adapter.starlette.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route


def app(signing_secret: str) -> Starlette:
    """Returns an app that verifies the signature of a command and acknowledges it, and does nothing else."""

    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(enterprise_id=None, team_id="T0", bot_token="xoxb-bench", bot_user_id="U0")

    bolt = AsyncApp(signing_secret=signing_secret, authorize=authorize)

    @bolt.command("/aiec")
    async def command(ack: AsyncAck) -> None:
        await ack()

    handler = AsyncSlackRequestHandler(bolt)

    async def endpoint(request: Request) -> Response:
        return await handler.handle(request)

    async def ready(_request: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(routes=[Route("/slack/events", endpoint, methods=["POST"]), Route("/readyz", ready)])


if __name__ == "__main__":
    uvicorn.run(app(sys.argv[2]), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False, timeout_keep_alive=75)
