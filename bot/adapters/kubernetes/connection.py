"""From a kubeconfig, or from inside a pod, to a cluster."""

from pathlib import Path
from typing import Any

from kubernetes.aio import config
from kubernetes.aio.client import Configuration
from kubernetes.aio.config.incluster_config import SERVICE_TOKEN_FILENAME
from yaml import YAMLError

from bot.adapters.kubernetes.cluster import KubernetesCluster
from bot.adapters.kubernetes.rest import Rest
from bot.core.errors import Unavailable


async def connect(kubeconfig: str | None, context: str | None, namespace: str, environment: str) -> KubernetesCluster:
    """Returns an environment's cluster; nothing is asked of it yet.

    `kubeconfig`: the path or paths of KUBECONFIG; None: the service account of the pod that we run in, else `~/.kube/config`. `context`: one of its contexts,
    or None for the current one. Where that does not make sense the cluster is Unavailable, and it is read again with each call: one environment's trouble is
    no other's. Tokens of service accounts and of exec plugins are renewed as they expire.
    """

    async def opening() -> tuple[Configuration, Rest]:
        return await _opened(kubeconfig, context, environment)

    try:
        return KubernetesCluster(*await opening(), namespace, environment)
    except Unavailable:
        nowhere = Configuration()
        return KubernetesCluster(nowhere, Rest(nowhere), namespace, environment, opening)


async def _opened(kubeconfig: str | None, context: str | None, environment: str) -> tuple[Configuration, Rest]:
    configuration = Configuration()
    paths = kubeconfig or str(Path.home() / ".kube" / "config")
    in_cluster = kubeconfig is None and context is None and _exists(SERVICE_TOKEN_FILENAME)
    if not in_cluster and not any(_exists(path) for path in paths.split(":") if path):
        raise Unavailable(f"There is no kubeconfig at {paths} (environment {environment}).", "Put it there, or set KUBECONFIG to the path of one.")
    loader: Any = None
    try:
        if in_cluster:
            config.load_incluster_config(configuration)  # type: ignore[no-untyped-call]
        else:
            loader = await config.load_kube_config(paths, context, configuration, persist_config=False)  # type: ignore[no-untyped-call]
        rest = Rest(configuration)
    except (config.ConfigException, OSError, ValueError, TypeError, AttributeError, YAMLError) as error:  # the library does not look at a file's shape
        source = "The mounted service account" if in_cluster else f"The kubeconfig {paths}"
        raise Unavailable(f"{source} does not serve environment {environment}: {error}", "Check it, and `context` in aiec.yaml.") from error
    if hasattr(loader, "exec_plugin_expiry"):

        async def renew(configuration: Configuration) -> None:
            await loader.load_from_exec_plugin()  # runs the plugin only when its token is about to expire
            configuration.api_key["BearerToken"] = loader.token

        configuration.refresh_api_key_hook = renew  # type: ignore[assignment]
    return configuration, rest


def _exists(path: str) -> bool:
    return Path(path).expanduser().is_file()
