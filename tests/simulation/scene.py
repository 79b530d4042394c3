"""The platform that a run plays on, as data: two environments of three services in two waves, people, and versions with every fate."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

from bot.core.config import Config
from sandbox.clock import Clock
from sandbox.registry import Registry
from sandbox.world import Scenario, World

Json = dict[str, Any]

START = datetime(2026, 5, 4, 9, tzinfo=UTC)
NAMESPACES = {"staging": "shop-staging", "prod": "shop"}
SERVICES = {"gateway": (1, 2), "catalog": (1, 1), "worker": (2, 1)}
"""Each service's wave, and its pods in production."""
BAD = ("crash", "oom", "missing", "private", "unready", "noconfig")
"""Fates of versions that never become healthy."""
FATES = (*BAD, "flaky", "slow")
GOOD = ("v1.0.0", "v1.1.0", "v1.2.0", "v1.2.1")
TAGS = (*GOOD, *(f"v1.3.0-{fate}" for fate in FATES))
REGISTRY = "ghcr.io"
TRUSTED = ("engineer", "senior", "lead")
PEOPLE = (*TRUSTED, "newcomer")
STRANGER = "stranger"
CHANNEL = "devops"
SCOPES = [
    "chat:write", "chat:write.public", "channels:read", "channels:join", "channels:history", "groups:read", "groups:history", "commands", "users:read",
    "usergroups:read",
]  # fmt: skip


@cache
def config(approvals: int, on_failure: str) -> Config:
    """The configuration: short times, `approvals` for production, and what staging does when a deploy fails there."""
    environments = {
        name: {
            "namespace": namespace, "channel": f"#{CHANNEL}", "approvals": 0, "approval_expires": "4m",
            "health": {"url": f"http://platform/{name}", "paths": ["/health"], "timeout": "2s", "for": "4s"},
            "rollout": {"deadline": "50s", "bake": "6s", "on_failure": on_failure if name == "staging" else "rollback"},
        }
        for name, namespace in NAMESPACES.items()
    }  # fmt: skip
    environments["prod"] |= {"approvals": approvals, "promotion": {"from": "staging", "healthy_for": "30s"}}
    return Config.model_validate(
        {
            "platform": "shop",
            "environments": environments,
            "services": {name: {"container": "main", "image": f"{REGISTRY}/shop/{name}", "wave": wave} for name, (wave, _) in SERVICES.items()},
            "people": {name: {"slack": slack_id(name)} for name in PEOPLE},
            "permissions": [
                {"who": ["@everyone"], "may": ["help", "status", "history"]},
                {"who": ["@devops"], "may": ["*"], "in": ["staging"]},
                {"who": ["engineer", "@devops"], "may": ["deploy"], "in": ["prod"]},
                {"who": ["lead"], "may": ["freeze", "lock.steal"], "in": ["prod"]},
            ],
            "channels": {"incidents": f"#{CHANNEL}", "alerts": f"#{CHANNEL}", "digest": f"#{CHANNEL}"},
        }
    )


def slack_id(name: str) -> str:
    return f"U0{name.upper()}"


def world(seed: int, running: str, proven: str) -> World:
    """The far ends at the start: production on the version `running`, staging on `proven`, both for two hours."""
    images = _digests()
    scenario: Scenario = {
        "app": {"user": "U0AIEC", "name": "aiec", "scopes": SCOPES},
        "users": [{"id": slack_id(name), "name": name} for name in (*PEOPLE, STRANGER)],
        "usergroups": [{"id": "S0DEVOPS", "handle": "devops", "users": [*TRUSTED]}],
        "channels": [{"name": CHANNEL, "members": [*PEOPLE, STRANGER]}],
        "images": [{"name": f"shop/{service}", "tags": [tag]} for service in SERVICES for tag in TAGS],
        "kubernetes": [
            deployment(environment, service, f"{REGISTRY}/shop/{service}:{version}@{images[service, version]}", pods if environment == "prod" else 1)
            for environment, version in (("staging", proven), ("prod", running))
            for service, (_, pods) in SERVICES.items()
        ],
        "health": {"staging": {"paths": ["/health"]}, "prod": {"paths": ["/health"]}},
    }
    return World.build(scenario, seed, START)


@cache
def _digests() -> dict[tuple[str, str], str]:
    """The digest of every image: the sandbox's registry gives the same image the same digest always."""
    registry = Registry(Clock.real())
    return {(service, tag): registry.put_image(f"shop/{service}", tag) for service in SERVICES for tag in TAGS}


def deployment(environment: str, service: str, image: str, replicas: int) -> Json:
    """A Deployment as somebody has installed it once."""
    container = {"name": "main", "image": image, "readinessProbe": {"httpGet": {"path": "/", "port": 80}}}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": service, "namespace": NAMESPACES[environment], "annotations": {"kubernetes.io/change-cause": "installed"}},
        "spec": {
            "replicas": replicas, "progressDeadlineSeconds": 600, "selector": {"matchLabels": {"app": service}},
            "template": {"metadata": {"labels": {"app": service}}, "spec": {"containers": [container]}},
        },
    }  # fmt: skip
