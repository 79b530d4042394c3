"""`/aiec endpoints`, `/aiec ingress`: which pods stand behind a name, and if none do, why."""

import asyncio
from collections.abc import Sequence

from bot.command import Command, Context, Read
from bot.core.card import Bold, Card, Row, State, line
from bot.core.ports import Json
from bot.core.workload import containers, ready, status
from commands.looking.subject import EnvironmentArguments

SERVICE_OF = "kubernetes.io/service-name"
_ADDRESSES = 5


def behind(service: Json, slices: Sequence[Json]) -> tuple[list[str], list[str]]:
    """Returns the addresses behind a Service that are ready, and those that are not."""
    mine = [one for one in slices if (one["metadata"].get("labels") or {}).get(SERVICE_OF) == service["metadata"]["name"]]
    found = [endpoint for one in mine for endpoint in one.get("endpoints") or []]
    good = [address for one in found if (one.get("conditions") or {}).get("ready") is not False for address in one["addresses"]]
    return [*dict.fromkeys(good)], [*dict.fromkeys(address for one in found for address in one["addresses"] if address not in good)]


def nobody(service: Json, pods: Sequence[Json]) -> str:
    """Returns why nobody stands behind a Service, with what to do."""
    wanted = service["spec"].get("selector")
    if not wanted:
        return "nobody: it has no selector, so whoever made it has to write its EndpointSlices"
    words = ",".join(f"{key}={value}" for key, value in wanted.items())
    mine = [pod for pod in pods if wanted.items() <= (pod["metadata"].get("labels") or {}).items()]
    if not mine:
        return f"nobody: no pod has {words}; compare its selector with the pods' labels"
    if not any(map(ready, mine)):
        return f"nobody: none of the {len(mine)} pods with {words} is ready; `/aiec pods` says why"
    names = {port.get("name") for pod in mine for one in containers(pod) for port in one.get("ports") or []}
    missing = [one["targetPort"] for one in service["spec"].get("ports") or [] if isinstance(one.get("targetPort"), str) and one["targetPort"] not in names]
    if missing:
        return f"nobody: its targetPort {missing[0]} is the name of no port of its pods"
    return f"nobody yet, though {sum(map(ready, mine))} pods with {words} are ready"


async def _endpoints(arguments: EnvironmentArguments, context: Context) -> Card:
    cluster = context.world.clusters[arguments.environment]
    services, slices, pods = await asyncio.gather(cluster.list("Service"), cluster.list("EndpointSlice"), cluster.list("Pod"))
    rows = [_service(one, slices, pods) for one in services]
    ill = [row for row, wrong in rows if wrong]
    word = f"nobody stands behind {len(ill)} of {len(rows)} services" if ill else f"{len(rows)} services, somebody behind each" if rows else "no services"
    ordered = sorted(rows, key=lambda one: (not one[1], one[0].name))
    return Card(
        state=State.NEEDS_YOU if ill else State.DONE if rows else None,
        headline=line(Bold(text=f"Endpoints of {arguments.environment}"), f": {word}"),
        rows=tuple(row for row, _ in ordered),
    )


def _service(service: Json, slices: Sequence[Json], pods: Sequence[Json]) -> tuple[Row, bool]:
    name, spec = service["metadata"]["name"], service["spec"]
    if spec.get("type") == "ExternalName":
        return Row(name=name, text=line(f"is another name for {spec.get('externalName')}")), False
    ports = ", ".join(f"{one['port']} → {one.get('targetPort', one['port'])}" for one in spec.get("ports") or [])
    good, bad = behind(service, slices)
    if not good:
        return Row(name=name, text=line(f"{nobody(service, pods)} · port {ports}")), True
    shown = ", ".join(good[:_ADDRESSES]) + (f" and {len(good) - _ADDRESSES} more" if len(good) > _ADDRESSES else "")
    waits = f", {len(bad)} not" if bad else ""
    return Row(name=name, text=line(f"{len(good)} ready{waits} · port {ports} · {shown}")), False


async def _ingress(arguments: EnvironmentArguments, context: Context) -> Card:
    cluster = context.world.clusters[arguments.environment]
    ingresses, services, slices = await asyncio.gather(cluster.list("Ingress"), cluster.list("Service"), cluster.list("EndpointSlice"))
    by_name = {one["metadata"]["name"]: one for one in services}
    rows = [row for one in ingresses for row in _routes(one, by_name, slices)]
    ill = [row for row, wrong in rows if wrong]
    word = f"{len(ill)} of {len(rows)} routes lead nowhere" if ill else f"{len(rows)} routes" if rows else "there are none"
    return Card(
        state=State.NEEDS_YOU if ill else State.DONE if rows else None,
        headline=line(Bold(text=f"Ingresses of {arguments.environment}"), f": {word}"),
        lines=tuple(line(_ingress_words(one)) for one in ingresses),
        rows=tuple(row for row, _ in sorted(rows, key=lambda one: not one[1])),
    )


def _ingress_words(ingress: Json) -> str:
    spec = ingress["spec"]
    given = [one.get("ip") or one.get("hostname", "") for one in (status(ingress).get("loadBalancer") or {}).get("ingress") or []]
    address = f"at {', '.join(given)}" if given else "has no address: no controller has taken it yet"
    secrets = [one["secretName"] for one in spec.get("tls") or [] if one.get("secretName")]
    tls = f"TLS by Secret {', '.join(secrets)}" if secrets else "no TLS"
    return f"{ingress['metadata']['name']} · class {spec.get('ingressClassName') or 'not named'} · {address} · {tls}"


def _routes(ingress: Json, services: dict[str, Json], slices: Sequence[Json]) -> list[tuple[Row, bool]]:
    spec = ingress["spec"]
    routes = [(f"{rule.get('host') or '*'}{path.get('path') or '/'}", path["backend"]) for rule in spec.get("rules") or [] for path in rule["http"]["paths"]]
    routes += [("everything else", spec["defaultBackend"])] if spec.get("defaultBackend") else []
    return [_route(name, backend, services, slices) for name, backend in routes]


def _route(name: str, backend: Json, services: dict[str, Json], slices: Sequence[Json]) -> tuple[Row, bool]:
    if "service" not in backend:
        return Row(name=name, text=line(f"to {backend['resource']['kind']} {backend['resource']['name']}")), False
    target = backend["service"]
    port = target["port"].get("number") or target["port"].get("name")
    to, service = f"to {target['name']}:{port}", services.get(target["name"])
    if service is None:
        return Row(name=name, text=line(f"{to}: there is no such service")), True
    if not any(port in (one["port"], one.get("name")) for one in service["spec"].get("ports") or []):
        return Row(name=name, text=line(f"{to}: the service has no port {port}")), True
    good, _ = behind(service, slices)
    if not good and service["spec"].get("type") != "ExternalName":
        return Row(name=name, text=line(f"{to}: nobody stands behind it; `/aiec endpoints` says why")), True
    return Row(name=name, text=line(f"{to}, {len(good)} ready")), False


ENDPOINTS = Command(
    name="endpoints",
    arguments=EnvironmentArguments,
    does=Read(_endpoints),
    permission="endpoints",
    group="look",
    summary="which pods stand behind each Service, and if none do, why",
    examples=("endpoints prod",),
)
INGRESS = Command(
    name="ingress",
    arguments=EnvironmentArguments,
    does=Read(_ingress),
    permission="ingress",
    group="look",
    summary="which host and path leads to which Service, and which lead nowhere",
    examples=("ingress prod",),
)
