"""An OCI registry as docker-registry 2.8 answers, with ghcr.io's tokens and the specification's paging of tags."""

from sandbox.registry.app import asgi
from sandbox.registry.control import control
from sandbox.registry.store import Registry

__all__ = ["Registry", "asgi", "control"]
