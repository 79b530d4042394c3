"""What the parts of the control API are made of: routes that answer with JSON, and refuse in a sentence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

Act = Callable[[Request], Awaitable[Any]]
"""Does something and returns what is answered. Raises LookupError when there is no such thing (a KeyError names it), ValueError when it cannot be done."""


def route(path: str, act: Act, method: str = "POST") -> Route:
    """Returns the route at `path` that does this, documented as `act` is. What cannot be done is answered with 400 or 404 and `{"error": sentence}`."""

    async def endpoint(request: Request) -> JSONResponse:
        try:
            return JSONResponse(await act(request))
        except LookupError as error:
            said = str(error.args[0]) if error.args else "there is no such thing"
            return JSONResponse({"error": f"there is no {said}" if isinstance(error, KeyError) else said}, 404)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)

    endpoint.__doc__ = act.__doc__
    return Route(path, endpoint, methods=[method])
