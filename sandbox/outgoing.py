"""How the sandbox calls those whom it tells something."""

from __future__ import annotations

import ssl
from functools import cache

import httpx


def client(patience: float) -> httpx.AsyncClient:
    """Returns a client that waits `patience` seconds for an answer, and takes no proxy from the environment."""
    return httpx.AsyncClient(timeout=patience, trust_env=False, verify=_tls())


@cache
def _tls() -> ssl.SSLContext:
    """One for all clients: reading the certificates of all authorities takes longer than to make everything else of a sandbox's server."""
    return httpx.create_ssl_context(trust_env=False)
