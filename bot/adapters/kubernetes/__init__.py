"""Kubernetes over HTTP, as the API's own JSON. `connect` opens an environment's cluster; `KubernetesCluster` is what it gives.

Of the official client (`kubernetes.aio`) only the ends are used: kubeconfig, tokens and their refresh, TLS, the HTTP session. Its typed models take twenty
times as long as plain JSON and hide the fields that they do not know.
"""

from bot.adapters.kubernetes.cluster import KubernetesCluster
from bot.adapters.kubernetes.connection import connect

__all__ = ["KubernetesCluster", "connect"]
