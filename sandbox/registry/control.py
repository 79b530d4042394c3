"""The control API of the registry, below /_sandbox/registry."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sandbox.registry.store import OCI_INDEX, Registry


class _Put(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    tags: list[str]
    media_type: str = OCI_INDEX
    content: str | None = None
    private: bool | None = None


class _Remove(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    reference: str | None = None


class _Access(BaseModel):
    model_config = ConfigDict(extra="forbid")
    auth: Literal["none", "basic", "token"]
    accounts: dict[str, str] = {}


def control(registry: Registry) -> list[Route]:
    """The routes that look at and change `registry`."""

    async def images(request: Request) -> JSONResponse:
        """The repositories: their tags with digests, and whether they are private."""
        return JSONResponse({name: {"tags": held.tags, "private": held.private} for name, held in sorted(registry.repositories.items())})

    async def put(request: Request) -> JSONResponse:
        """Put an image with tags: {name, tags, media_type?, content?, private?}. Two images of the same content have the same digest."""
        body = _Put.model_validate_json(await request.body())
        digest = registry.put_image(body.name, *body.tags, media_type=body.media_type, content=body.content, private=body.private)
        return JSONResponse({"digest": digest})

    async def remove(request: Request) -> JSONResponse:
        """Remove a tag, a digest with its tags, or a whole repository: {name, reference?}."""
        body = _Remove.model_validate_json(await request.body())
        registry.remove(body.name, body.reference)
        return JSONResponse({})

    async def access(request: Request) -> JSONResponse:
        """Say who may read: {auth: none | basic | token, accounts?: {user: password}}. token is what ghcr.io does."""
        body = _Access.model_validate_json(await request.body())
        registry.auth, registry.accounts = body.auth, body.accounts
        return JSONResponse({})

    return [
        Route("/images", images, methods=["GET"]),
        Route("/images", put, methods=["POST"]),
        Route("/remove", remove, methods=["POST"]),
        Route("/access", access, methods=["POST"]),
    ]
