"""A real cluster for the demo: named and asked for before anything is done, in namespaces of its own that are removed afterwards."""

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from kubernetes.aio import client, config
from kubernetes.aio.client import ApiException

from bot.core.errors import AiecError, Refused, UsageError

Json = dict[str, Any]
READY_WITHIN = 120.0  # seconds for the platform's pods to run: a cluster may have to pull the images


class RealCluster:
    """`namespaces`: by environment."""

    def __init__(self, api: client.ApiClient, namespaces: dict[str, str]) -> None:
        self.namespaces = namespaces
        self._core: Any = client.CoreV1Api(api)
        self._apps: Any = client.AppsV1Api(api)

    @classmethod
    @asynccontextmanager
    async def asked(cls, kubeconfig: str, yes: bool) -> AsyncIterator["RealCluster"]:
        """Yields the cluster of a kubeconfig's current context, with its namespaces made. Raises Refused when the person does not agree."""
        try:
            _, active = config.list_kube_config_contexts(kubeconfig)  # type: ignore[no-untyped-call]
            api = await config.new_client_from_config(kubeconfig)  # type: ignore[no-untyped-call]
        except (config.ConfigException, OSError) as error:
            raise UsageError(f"The kubeconfig {kubeconfig} cannot be used: {error}.", "Give the path of one with --kubeconfig.") from error
        async with api:
            token = secrets.token_hex(3)
            cluster = cls(api, {name: f"aiec-demo-{token}-{name}" for name in ("staging", "prod")})
            question = (
                f"Context {active['name']}: make the namespaces {' and '.join(cluster.namespaces.values())} there, deploy in them, and remove them again?"
            )
            if not yes and not await asyncio.to_thread(_agreed, question):
                raise Refused(f"Nothing was done in context {active['name']}: nobody agreed to it.", "Answer at a terminal, or give --yes.")
            try:
                await cluster._make()
                yield cluster
            finally:
                await cluster._remove()

    async def install(self, objects: Sequence[Json]) -> None:
        """Creates the platform's Deployments and waits until they are available."""
        for thing in objects:
            await self._apps.create_namespaced_deployment(thing["metadata"]["namespace"], thing)
        print(f"Waiting for {len(objects)} Deployments to run …", flush=True)
        async with asyncio.timeout(READY_WITHIN):
            for thing in objects:
                while not await self._available(thing["metadata"]["namespace"], thing["metadata"]["name"]):
                    await asyncio.sleep(0.5)

    async def _available(self, namespace: str, name: str) -> bool:
        found = await self._apps.read_namespaced_deployment_status(name, namespace)
        return bool(found.status.available_replicas == found.spec.replicas)

    async def _make(self) -> None:
        try:
            for namespace in self.namespaces.values():
                await self._core.create_namespace({"metadata": {"name": namespace}})
        except ApiException as error:
            raise AiecError(f"A namespace could not be made there: {error.status} {error.reason}.", "Use credentials that may.") from error

    async def _remove(self) -> None:
        for namespace in self.namespaces.values():
            try:
                await self._core.delete_namespace(namespace)
            except ApiException as error:
                if error.status != 404:
                    print(f"The namespace {namespace} could not be removed: {error.status} {error.reason}.", file=sys.stderr)


def _agreed(question: str) -> bool:
    return sys.stdin.isatty() and input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
