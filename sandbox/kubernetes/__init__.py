"""A stand-in for a Kubernetes 1.36 cluster: its API, its controllers, three nodes, and pods that fail on request.

`Cluster` is the state machine: synchronous, deterministic, without I/O, moved by a `sandbox.clock.Clock` alone. `asgi` puts HTTP around it,
with the streams (watch, followed logs, exec); `control` gives the routes that arrange what happens. It does what the real control plane does in
everything offered here; managed fields and server-side apply are not offered.
"""

from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.control import control
from sandbox.kubernetes.server import asgi

__all__ = ["Cluster", "asgi", "control"]
