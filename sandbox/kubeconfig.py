"""A kubeconfig for the sandbox's cluster."""

from __future__ import annotations

import json


def kubeconfig(server: str, namespace: str = "default") -> str:
    """The text of a kubeconfig (JSON, which is YAML) whose one context, `sandbox`, is the cluster at the URL `server`."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "sandbox",
            "clusters": [{"name": "sandbox", "cluster": {"server": server}}],
            "users": [{"name": "sandbox", "user": {"token": "sandbox"}}],
            "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox", "namespace": namespace}}],
        },
        indent=2,
    )
