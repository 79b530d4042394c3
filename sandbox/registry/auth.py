"""Who may do what: basic authentication, and bearer tokens as the Docker registry's token specification has them."""

from __future__ import annotations

import base64
import binascii
import secrets

from starlette.requests import Request
from starlette.responses import Response

from sandbox.registry.errors import RegistryError
from sandbox.registry.store import TOKEN_LIFETIME, Registry
from sandbox.registry.wire import answer, here

_WRITES = {"POST", "PUT", "PATCH", "DELETE"}


def authorize(registry: Registry, request: Request, name: str | None) -> None:
    """Raises UNAUTHORIZED with the challenge that fits unless the request may go on. `name`: the repository, None for /v2/ itself."""
    actions = ("pull", "push") if request.method in _WRITES else ("pull",)
    wanted = frozenset((name, action) for action in actions) if name else frozenset()
    details = [{"Type": "repository", "Class": "", "Name": name, "Action": action} for action in actions] if name else None
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if registry.auth == "basic" and not (scheme.lower() == "basic" and account(registry, value)):
        raise RegistryError("UNAUTHORIZED", details, headers={"WWW-Authenticate": 'Basic realm="sandbox"'})
    if registry.auth == "token":
        error = _refused(registry, scheme, value, wanted)
        if error is not None:
            scope = f',scope="repository:{name}:{",".join(actions)}"' if name else ""
            challenge = f'Bearer realm="{here(request, "/token")}",service="{service(request)}"{scope}{error}'
            raise RegistryError("UNAUTHORIZED", details, headers={"WWW-Authenticate": challenge})


def _refused(registry: Registry, scheme: str, token: str, wanted: frozenset[tuple[str, str]]) -> str | None:
    """The part of the challenge that says what is wrong with the token ('' when there is none), or None if all is well."""
    if scheme.lower() != "bearer":
        return ""
    grant = registry.grants.get(token)
    if grant is None or grant.expires <= registry.clock.now():
        return ',error="invalid_token"'
    return None if wanted <= grant.allowed else ',error="insufficient_scope"'


def account(registry: Registry, credentials: str) -> str | None:
    """The user name, if `credentials` (base64 of `user:password`) are those of an account."""
    try:
        username, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    known = registry.accounts.get(username)
    return username if known is not None and secrets.compare_digest(known.encode(), password.encode()) else None


def service(request: Request) -> str:
    """The name under which the registry asks its token service for tokens: its own host."""
    return request.headers["host"]


def token(registry: Registry, request: Request) -> Response:
    """GET /token?service=…&scope=repository:NAME:ACTION[,ACTION]: a bearer token, with basic authentication or anonymously (as ghcr.io answers)."""
    username: str | None = None
    if "authorization" in request.headers:
        scheme, _, value = request.headers["authorization"].partition(" ")
        username = account(registry, value) if scheme.lower() == "basic" else None
        if username is None:
            raise RegistryError("DENIED", message="denied")
    issued = registry.token(username, frozenset(_scopes(request.query_params.getlist("scope"))))
    if issued is None:
        raise RegistryError("UNAUTHORIZED", None)
    return answer({"token": issued, "expires_in": int(TOKEN_LIFETIME.total_seconds()), "issued_at": registry.clock.now().isoformat()})


def _scopes(texts: list[str]) -> list[tuple[str, str]]:
    scopes = []
    for text in " ".join(texts).split():
        kind, _, rest = text.partition(":")
        name, _, actions = rest.rpartition(":")
        if kind == "repository" and name:
            scopes += [(name, action) for action in actions.split(",")]
    return scopes
