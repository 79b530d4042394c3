"""Slack's deliveries: one command, the buttons of our cards, forms, shortcuts and pins. Each becomes a request that is stored before it is acknowledged.

Slack sends commands and clicks once, shows an error after 3 s without an acknowledgement, and may deliver twice on a bad network: the key is the same then.
Source: "Implementing slash commands", "Handling user interaction", "Verifying requests from Slack".
"""

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qsl

from slack_bolt import BoltResponse
from slack_bolt.adapter.starlette.async_handler import to_starlette_response
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.signature import SignatureVerifier
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.core.card import Card, State
from bot.core.errors import AiecError
from bot.core.form import Form
from bot.core.request import Origin
from bot.entry import payloads
from bot.entry.door import Door, Reply
from bot.entry.http import Endpoint

COMMAND = "/aiec"
PIN = "pushpin"
"""The reaction that adds a message to the timeline of the incident in whose channel it stands."""
BOLT = f"{__name__}.bolt"
ANSWER_WITHIN = 2.5
"""Seconds until the caller is told that the outcome is unknown: Slack gives up after three."""

log = logging.getLogger(__name__)

Json = dict[str, Any]


class Answers(Protocol):
    """How one person is answered: in the body of an acknowledgement, by a `response_url`, or in a modal."""

    def acknowledgement(self, card: Card) -> Json: ...

    def modal(self, card: Card) -> Json: ...

    async def open_modal(self, trigger_id: str, content: Form | Card, metadata: str = "") -> None: ...

    async def publish_home(self, user: str, cards: Sequence[Card]) -> None: ...

    async def respond(self, response_url: str, card: Card) -> None: ...


def slack_app(door: Door, answers: Answers) -> AsyncApp:
    """Returns the Bolt app with its listeners. What it asks of Slack's Web API are answers alone."""
    app = AsyncApp(
        # Bolt gives the logger of this name the level of that one, again with each delivery.
        name=BOLT,
        logger=_bolt_logger(),
        # One workspace, and its token is not used here: there is nothing to look up for a delivery whose signature is right.
        authorize=_authorize,
        # `slack_endpoint` does it, before anything is parsed.
        request_verification_enabled=False,
    )
    _listen_to_requests(app, door, answers)
    _listen_to_forms(app, door, answers)
    _listen_to_homes(app, door, answers)
    _listen_to_reactions(app, door)

    @app.action(re.compile(""))
    async def ignored(ack: AsyncAck) -> None:
        """Links on buttons, and buttons of messages that we no longer know: without an acknowledgement Slack would show a warning."""
        await ack()

    return app


def _listen_to_requests(app: AsyncApp, door: Door, answers: Answers) -> None:
    @app.command(COMMAND)
    async def command(ack: AsyncAck, body: Json) -> None:
        origin, deadline = payloads.origin_of_command(body), _deadline()
        reply = await _asked(door.submit_text(body["text"], key=body["trigger_id"], slack_user=body["user_id"], origin=origin), deadline)
        if reply.form and await _shown(answers, body["trigger_id"], reply.form, origin, deadline):
            await ack()
            return
        card = _card(reply)
        await ack(answers.acknowledgement(card) if card else "")

    @app.action(re.compile("^request:"))
    async def button(ack: AsyncAck, body: Json, action: Json) -> None:
        user, shown = body["user"]["id"], False
        request = payloads.pressed(action)
        if request is None:
            reply = Reply(text="That button is from another version of aiec. Type what you want instead: `/aiec help` lists it.")
        else:
            key, origin, deadline = f"{action['action_ts']}:{user}", payloads.origin_of_click(body, action), _deadline()
            reply = await _asked(door.submit(*request, key=key, slack_user=user, origin=origin), deadline)
            shown = reply.form is not None and await _shown(answers, body["trigger_id"], reply.form, origin, deadline)
        await ack()
        if not shown and (card := _card(reply)):
            await _said(answers, body, card)


def _listen_to_forms(app: AsyncApp, door: Door, answers: Answers) -> None:
    @app.view("form")
    async def submitted(ack: AsyncAck, body: Json, view: Json) -> None:
        user = body["user"]["id"]
        try:
            command, origin, values = payloads.carried(view)
        except ValueError:
            await ack(response_action="update", view=answers.modal(Card(headline=("That form is from another version of aiec. Ask again.",))))
            return
        # A form makes one request, however often it is submitted.
        submission = door.submit_form(command, payloads.filled(view) | values, key=f"{view['id']}:{user}", slack_user=user, origin=origin)
        reply = await _asked(submission, _deadline())
        if reply.errors:
            await ack(response_action="errors", errors=payloads.errors_in(view, dict(reply.errors)))
        elif card := _card(reply):
            await ack(response_action="update", view=answers.modal(card))
        else:
            await ack()

    @app.shortcut(re.compile("^(form|message):"))
    async def wanted(ack: AsyncAck, body: Json) -> None:
        """`form:<command>`, and on a message `message:<command>`."""
        await ack()
        deadline, origin = _deadline(), payloads.origin_of_shortcut(body)
        form = door.form(body["callback_id"].partition(":")[2], slack_user=body["user"]["id"], about=payloads.quote(body))
        reply = await _asked(form, deadline)
        if content := reply.form or _card(reply):
            await _shown(answers, body["trigger_id"], content, origin, deadline)


def _listen_to_homes(app: AsyncApp, door: Door, answers: Answers) -> None:
    @app.event("app_home_opened")
    async def opened(event: Json) -> None:
        if event.get("tab") != "home":
            return
        try:
            await answers.publish_home(event["user"], await door.home(slack_user=event["user"]))
        except AiecError as error:
            log.warning("App Home could not be shown: %s", error.text)


def _listen_to_reactions(app: AsyncApp, door: Door) -> None:
    async def stored(body: Json, next: Callable[[], Awaitable[BoltResponse]]) -> BoltResponse:
        """Stores what is pinned before the event is acknowledged: what was not acknowledged is delivered again."""
        event = body["event"]
        ref = payloads.reacted(event) if event["reaction"] == PIN else None
        if ref is not None:
            try:
                async with asyncio.timeout(ANSWER_WITHIN):
                    await door.pin(ref, slack_user=event["user"])
            except (AiecError, TimeoutError) as error:
                log.warning("A pinned message could not be stored, and is delivered again: %s", error or "not in time")
                return BoltResponse(status=HTTPStatus.SERVICE_UNAVAILABLE)
        return await next()

    @app.event("reaction_added", middleware=[stored])
    async def added() -> None:
        """Everything is done by then."""


def slack_endpoint(app: AsyncApp, signing_secret: str) -> Endpoint:
    """Returns the handler of `POST /slack/events`. What is not signed by Slack within the last five minutes is refused with 401, unread."""
    verifier = SignatureVerifier(signing_secret)

    async def events(request: Request) -> Response:
        body = await request.body()
        if not _signed(verifier, body, request):
            if b"ssl_check=1" in body.split(b"&"):
                return Response()
            return JSONResponse({"error": "invalid signature"}, HTTPStatus.UNAUTHORIZED)
        return to_starlette_response(await app.async_dispatch(_bolt_request(body.decode(), request)))

    return events


def slack_envelopes(app: AsyncApp) -> Callable[[Json], Awaitable[Json | None]]:
    """Returns what takes the envelopes of Socket Mode: what acknowledges one, or None when it is nothing that we listen to."""

    async def take(envelope: Json) -> Json | None:
        response = await app.async_dispatch(AsyncBoltRequest(mode="socket_mode", body=envelope["payload"]))
        if response.status != HTTPStatus.OK:
            return None
        if not response.body:
            return {}
        return dict(json.loads(response.body)) if response.first_headers()["content-type"].startswith("application/json") else {"text": response.body}

    return take


def _signed(verifier: SignatureVerifier, body: bytes, request: Request) -> bool:
    try:
        return verifier.is_valid_request(body, dict(request.headers))
    except (ValueError, TypeError):
        # A timestamp that is no number, a body or a signature that is no text.
        return False


def _bolt_request(body: str, request: Request) -> AsyncBoltRequest:
    bolt = AsyncBoltRequest(body=body, headers=dict(request.headers))
    if not bolt.body:
        # Bolt takes a form with the word "payload" anywhere in it for an interaction, and finds none in `/aiec logs prod --grep payload`.
        return AsyncBoltRequest(body=dict(parse_qsl(body, keep_blank_values=True)), headers=dict(request.headers), mode="socket_mode")
    return bolt


async def _authorize(team_id: str | None, enterprise_id: str | None) -> AuthorizeResult:
    return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id)


def _bolt_logger() -> logging.Logger:
    """Bolt warns of a token in the environment that it does not use, and of every unknown delivery; both are as intended."""
    logger = logging.getLogger(BOLT)
    logger.setLevel(logging.ERROR)
    return logger


def _deadline() -> float:
    """The loop's time at which Slack must have been answered."""
    return asyncio.get_running_loop().time() + ANSWER_WITHIN


async def _asked(request: Awaitable[Reply], deadline: float) -> Reply:
    """What the door says; a sentence when it says nothing in time or fails."""
    try:
        async with asyncio.timeout_at(deadline):
            return await request
    except AiecError as error:
        return Reply(Card(state=State.FAILED, headline=(error.text,), lines=((error.hint,),) if error.hint else ()))
    except TimeoutError:
        log.error("A request was not stored within %s s", ANSWER_WITHIN)
    except Exception:
        log.exception("A request could not be stored")
    return Reply(text="aiec has a problem, and does not know whether your request was taken. `/aiec` shows what is going on now.")


async def _shown(answers: Answers, trigger_id: str, content: Form | Card, origin: Origin, deadline: float) -> bool:
    """Opens a modal, and returns whether Slack has shown it."""
    metadata = payloads.metadata(content.command, origin, content.carried) if isinstance(content, Form) else ""
    try:
        async with asyncio.timeout_at(deadline):
            await answers.open_modal(trigger_id, content, metadata)
    except (AiecError, TimeoutError) as error:
        log.warning("A form could not be shown: %s", error or "Slack did not answer in time")
        return False
    return True


def _card(reply: Reply) -> Card | None:
    return reply.card or (Card(headline=(reply.text,)) if reply.text else None)


async def _said(answers: Answers, body: Json, card: Card) -> None:
    """Answers a click: beside the message, or by a modal where the button stands in a view, which has no `response_url`."""
    try:
        if url := body.get("response_url"):
            await answers.respond(url, card)
        else:
            await answers.open_modal(body["trigger_id"], card)
    except AiecError as error:
        log.warning("A private answer could not be given: %s", error.text)
