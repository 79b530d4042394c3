"""AIECommerce as the demo and the tests show it: people, channels, images, and what runs in staging and production. Data only; the sandbox plays it."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from bot import yaml_text
from bot.monitoring import ALERTS, METRICS, RECEIVER
from bot.settings import SHIPPED
from bot.tour import FIGURES, HINTS, TROUBLES, completions
from commands.registry import COMMANDS
from sandbox.clock import Clock
from sandbox.registry import Registry
from sandbox.world import Scenario

Json = dict[str, Any]

NAMESPACES = {"staging": "aiecommerce-staging", "prod": "aiecommerce"}
REGISTRY = "ghcr.io"
REPOSITORIES = {"gateway": "aiecommerce/platform/gateway", "ml-recommendation": "aiecommerce/platform/ml-recommendation"}
FATES = ("crash", "oom", "missing", "private", "flaky", "unready", "noconfig", "slow")
TAGS = ("v1.0.0", "v1.1.0", "v1.2.0", "v1.2.1", "v1.2.2", *(f"v1.3.0-{fate}" for fate in FATES), "v1.3.1-slow")
REPOSITORY = "aiecommerce/platform"
PERFORMANCE = {"v1.1.0": "success", "v1.2.0": "success", "v1.2.1": "success", "v1.2.2": "failure"}
"""How the workflow performance-tests ended for the versions that were in staging."""
SIZES = {"gateway": ("500m", "1Gi", 5), "ml-recommendation": ("500m", "1Gi", 2)}
SMALL = {"gateway": ("10m", "16Mi", 3), "ml-recommendation": ("10m", "16Mi", 2)}
STATEFUL = {"postgres": ("postgres:15.18", "250m", "1Gi"), "redis": ("redis:7.4", "100m", "256Mi"), "rabbitmq": ("rabbitmq:4.0", "100m", "256Mi")}

# A public image with versions of our form, which runs without configuration, for a cluster that really pulls.
PUBLIC_REGISTRY, PUBLIC_REPOSITORY, PUBLIC_BEFORE, PUBLIC_AFTER = "registry.k8s.io", "coredns/coredns", "v1.11.3", "v1.12.0"

PEOPLE = {
    "engineer": "DevOps Engineer",
    "senior": "Senior DevOps Engineer",
    "lead": "DevOps Lead",
    "manager": "Engineering Manager",
    "cto": "CTO",
    "newcomer": "new here, may only look",
}
STORM = 3
"""More incidents than that within 5 minutes are one."""
ON_CALL = ((20, ["engineer"]), (40, ["senior"]), (75, ["lead", "manager"]), (150, ["cto"]))
"""The levels of PagerDuty's policy, which is the net below ours: as many minutes each until the next one, and who is on call."""
CHANNELS = {
    "devops": ("Changes to staging and production", "Say what should run. aiec checks it, somebody else approves it, and everybody watches. Type / to begin."),
    "incidents": ("What is broken, and who is on it", "One message for each incident, and for each emergency."),
    "devops-alerts": ("What the monitoring says", "Warnings that need nobody at once."),
}
SCOPES = [
    "channels:history", "channels:join", "channels:manage", "channels:read", "chat:write", "commands", "files:write", "groups:history", "groups:read",
    "groups:write", "reactions:read", "usergroups:read", "users:read",
]  # fmt: skip


SHORTCUTS = [
    {"name": "Deploy…", "type": "global", "callback_id": "form:deploy"},
    {"name": "Declare incident", "type": "global", "callback_id": "form:incident declare"},
    {"name": "Declare incident", "type": "message", "callback_id": "message:incident declare"},
    {"name": "Add to timeline", "type": "message", "callback_id": "message:incident note"},
]


@dataclass(frozen=True)
class Stage:
    """What is played: the sandbox's scenario, the version that is deployed, and what differs from the shipped configuration.

    `objects` are for a real cluster; those of the sandbox stand in its scenario.
    """

    scenario: Scenario
    version: str
    namespaces: Mapping[str, str] = field(default_factory=lambda: NAMESPACES)
    images: Mapping[str, str] = field(default_factory=dict)
    objects: tuple[Json, ...] = ()


def on_sandbox(running: str = "v1.1.0", proven: str = "v1.2.0") -> Stage:
    """Returns the platform with production on the version `running`, and staging on `proven`, which waits there to be promoted."""
    digests = _digests()
    versions = {"staging": proven, "prod": running}
    images = {
        (environment, service): f"{REGISTRY}/{name}:{version}@{digests[name, version]}"
        for environment, version in versions.items()
        for service, name in REPOSITORIES.items()
    }
    found = _services(NAMESPACES, images, SIZES)
    found += [stateful(namespace, service, *sizes) for namespace in NAMESPACES.values() for service, sizes in STATEFUL.items()]
    prod = NAMESPACES["prod"]
    found += [autoscaler(prod, "gateway-production", 3, 10), autoscaler(prod, "ml-recommendation-production", 2, 5), budget(prod, "gateway", 2)]
    health = {name: {"namespace": namespace, "selector": "app=gateway"} for name, namespace in NAMESPACES.items()}
    page: Scenario = {
        "hints": HINTS,
        "troubles": TROUBLES,
        "figures": FIGURES,
        "completions": completions(COMMANDS, {"environments": [*NAMESPACES], "deployable": [*REPOSITORIES], "services": [*SIZES, *STATEFUL]}, TAGS),
    }
    systems: Scenario = {"pagerduty": pagerduty(), "images": _images(), "health": health, "kubernetes": found, "github": [_code()], **_monitoring()}
    return Stage({**_workspace(), **page, **systems}, "v1.2.0")


def _monitoring() -> Scenario:
    return {"metrics": METRICS, "alerts": ALERTS, "receiver": RECEIVER}


def on_cluster(namespaces: Mapping[str, str]) -> Stage:
    """Returns a small platform for a real cluster, of a public image; there is no load balancer, and so no health URL."""
    versions = {"staging": PUBLIC_AFTER, "prod": PUBLIC_BEFORE}
    image = f"{PUBLIC_REGISTRY}/{PUBLIC_REPOSITORY}"
    images = {(environment, service): f"{image}:{version}" for environment, version in versions.items() for service in REPOSITORIES}
    objects = _services(namespaces, images, SMALL)
    for one in objects:  # it listens on other ports than our services; that it runs is enough
        one["spec"]["template"]["spec"]["containers"][0].pop("readinessProbe")
    return Stage({**_workspace(), "pagerduty": pagerduty(), **_monitoring()}, PUBLIC_AFTER, namespaces, dict.fromkeys(REPOSITORIES, image), tuple(objects))


def config(stage: Stage, platform: str) -> Json:
    """Returns the shipped aiec.yaml as data, changed for the stage: short times, anybody may be impersonated, health URLs below `platform`."""
    data = deepcopy(_shipped())
    for name, environment in data["environments"].items():
        environment["namespace"] = stage.namespaces[name]
        environment["health"] = None if stage.objects else {"url": f"{platform}/{name}", "paths": ["/health", "/health/ready", "/health/live"], "for": "3s"}
        environment.setdefault("rollout", {})["bake"] = "3s"
    if not stage.objects:
        data["github"] = {"repository": REPOSITORY}
        data["environments"]["prod"]["promotion"]["gates"] = [{"workflow": "performance-tests"}]
    else:
        data["environments"]["prod"]["promotion"] = None
        data["services"] = {name: service for name, service in data["services"].items() if name in stage.images}
        data["backup"] = {}
    for service, image in stage.images.items():
        data["services"][service]["image"] = image
    data["incidents"]["storm"]["incidents"] = STORM  # there are fewer services than on a platform where ten fail at once
    data["terminal"] = {"impersonate": True}
    return data


@cache
def _shipped() -> Json:
    shipped: Json = yaml_text.parse(SHIPPED.read_text("utf-8")).data
    return shipped


def _workspace() -> Scenario:
    return {
        "team": {"id": "T0AIEC", "name": "AIECommerce", "domain": "aiecommerce"},
        "app": {
            "user": "U0AIEC",
            "name": "aiec",
            "scopes": SCOPES,
            "events": ["app_home_opened", "reaction_added"],
            "shortcuts": SHORTCUTS,
            "commands": [{"command": "/aiec", "description": "Operate the platform", "should_escape": True}],
        },
        "users": [
            {"id": f"U0{name.upper()}", "name": name, "real_name": name.capitalize(), "title": title, "email": f"{name}@example.com"}
            for name, title in PEOPLE.items()
        ],
        "usergroups": [{"id": "S0DEVOPS", "handle": "devops", "name": "may deploy and approve", "users": ["engineer", "senior", "lead"]}],
        "channels": [{"name": name, "members": [*PEOPLE], "topic": topic, "purpose": purpose} for name, (topic, purpose) in CHANNELS.items()],
    }


def pagerduty() -> Json:
    """Returns the PagerDuty account: everybody but the newcomer, a schedule for each who is on call, and a policy with slower levels than ours."""
    on_call = [name for _, names in ON_CALL for name in names]
    return {
        "subdomain": "aiecommerce",
        "token": "pagerduty-sandbox",
        "users": [
            {"id": f"P0{name.upper()}", "name": "CTO" if name == "cto" else name.capitalize(), "title": PEOPLE[name], "email": f"{name}@example.com"}
            for name in PEOPLE
            if name != "newcomer"
        ],
        "schedules": [{"id": f"PS{name.upper()}", "name": PEOPLE[name], "users": [f"P0{name.upper()}"]} for name in on_call],
        "policies": [
            {
                "id": "PPOLICY",
                "name": "AIECommerce",
                "levels": [{"minutes": minutes, "targets": [f"PS{name.upper()}" for name in names]} for minutes, names in ON_CALL],
                "loops": 9,
            }
        ],
        "services": [{"id": "PSERVICE", "name": "AIECommerce", "policy": "PPOLICY", "routing_key": "pagerduty-sandbox-routing-key"}],
        "subscriptions": [{"id": "PWEBHOOK", "secret": "sandbox-webhook-secret"}],
    }


def _images() -> list[Json]:
    return [{"name": name, "tags": [tag]} for name in REPOSITORIES.values() for tag in TAGS]


def _code() -> Json:
    """Returns the repository that all versions come from: their tests passed, and those that were in staging have seen the performance tests."""
    runs = [{"workflow": "tests", "commit": tag, "jobs": ["lint", "unit"], "ago": 7200} for tag in TAGS]
    runs += [{"workflow": "performance-tests", "commit": tag, "event": "workflow_dispatch", "conclusion": end, "ago": 3600} for tag, end in PERFORMANCE.items()]
    return {"name": REPOSITORY, "tags": [*TAGS], "runs": runs}


def _digests() -> dict[tuple[str, str], str]:
    """Returns the digest of every image by repository and tag, as the sandbox's registry will answer it."""
    registry = Registry(Clock.real())
    return {(image["name"], tag): registry.put_image(image["name"], tag) for image in _images() for tag in image["tags"]}


def _services(namespaces: Mapping[str, str], images: Mapping[tuple[str, str], str], sizes: Mapping[str, tuple[str, str, int]]) -> list[Json]:
    return [deployment(namespaces[environment], environment, service, image, sizes[service]) for (environment, service), image in images.items()]


def deployment(namespace: str, environment: str, service: str, image: str, sizes: tuple[str, str, int]) -> Json:
    """Returns a service's Deployment; in production there are more of it."""
    cpu, memory, replicas = sizes
    name = f"{service}-production" if environment == "prod" else service
    probe = {"httpGet": {"path": "/health/ready", "port": 8080}, "periodSeconds": 2}
    container = {
        "name": service,
        "image": image,
        "resources": {"requests": {"cpu": cpu, "memory": memory}},
        "readinessProbe": probe,
        "ports": [{"containerPort": 8080}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": service}, "annotations": {"kubernetes.io/change-cause": "installed"}},
        "spec": {
            "replicas": replicas if environment == "prod" else 1,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {"app": service}},
            "template": {"metadata": {"labels": {"app": service}}, "spec": {"containers": [container]}},
        },
    }


def stateful(namespace: str, service: str, image: str, cpu: str, memory: str) -> Json:
    """Returns one of the platform's stores, with three replicas."""
    container = {"name": service, "image": image, "resources": {"requests": {"cpu": cpu, "memory": memory}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": service, "namespace": namespace, "labels": {"app": service}},
        "spec": {
            "replicas": 3,
            "serviceName": service,
            "selector": {"matchLabels": {"app": service}},
            "podManagementPolicy": "Parallel",
            "template": {"metadata": {"labels": {"app": service}}, "spec": {"containers": [container]}},
        },
    }


def budget(namespace: str, service: str, least: int) -> Json:
    """Returns a PodDisruptionBudget that keeps so many pods of a service."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": service, "namespace": namespace},
        "spec": {"minAvailable": least, "selector": {"matchLabels": {"app": service}}},
    }


def autoscaler(namespace: str, name: str, least: int, most: int) -> Json:
    """Returns a HorizontalPodAutoscaler on CPU."""
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": least,
            "maxReplicas": most,
            "metrics": [metric],
        },
    }
