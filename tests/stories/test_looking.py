"""The looks: pods, events, use, autoscalers, endpoints, ingresses, a description, and a diagnosis with what to do next."""

from typing import Any

import pytest

from tests.harness import Stage
from tests.stories.test_logs import NAMESPACE, pods, writes

SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "gateway-service", "namespace": NAMESPACE},
    "spec": {"selector": {"app": "gateway"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
}


def service(bot: Stage, name: str = "gateway-service", **spec: Any) -> None:
    bot.world.kubernetes.apply({**SERVICE, "metadata": {**SERVICE["metadata"], "name": name}, "spec": {**SERVICE["spec"], **spec}})


def ingress(bot: Stage, *routes: tuple[str, str, int]) -> None:
    paths = [{"path": path, "pathType": "Prefix", "backend": {"service": {"name": name, "port": {"number": port}}}} for path, name, port in routes]
    rules = [{"host": "api.aiecommerce.com", "http": {"paths": paths}}]
    metadata = {"name": "platform", "namespace": NAMESPACE}
    bot.world.kubernetes.apply(
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": {"ingressClassName": "nginx", "rules": rules}}
    )


async def breaks(bot: Stage, fate: str = "crash", seconds: float = 30) -> str:
    """Makes one of the gateway's pods fail; returns its name."""
    name = str(pods(bot)[0]["metadata"]["name"])
    bot.world.kubernetes.set_fate(NAMESPACE, name, fate)
    bot.world.kubernetes.kill(NAMESPACE, name)
    await bot.forward(seconds)
    return name


async def test_pods_that_are_not_ready_come_first_with_what_is_wrong(bot: Stage) -> None:
    count = len(pods(bot))
    assert f"*Pods of gateway in prod*: all {count} are well" in await bot.engineer.says("/aiec pods prod gateway")
    name = await breaks(bot)
    answer = await bot.engineer.says("/aiec pods prod gateway")
    assert f"*Pods of gateway in prod*: 1 of {count} are not ready" in answer
    assert answer.index(name) < min(answer.index(pod["metadata"]["name"]) for pod in pods(bot) if pod["metadata"]["name"] != name)
    assert "CrashLoopBackOff · 0 of 1 ready · " in answer
    assert "exit 1" in answer
    await bot.engineer.clicks("Diagnose", message=bot.engineer.sees()[-1])
    assert "*gateway in prod*" in bot.engineer.sees()[-1].plain


async def test_pods_of_everything_and_of_nothing(bot: Stage) -> None:
    answer = await bot.engineer.says("/aiec pods prod")
    assert "*Pods of prod*: all " in answer
    assert all(pod["metadata"]["name"] in answer for pod in bot.world.kubernetes.pods(NAMESPACE))
    assert "*nothing* is not a service" in await bot.engineer.says("/aiec pods prod nothing")


async def test_warnings_come_first_and_only_a_services_own_are_shown(bot: Stage) -> None:
    name = await breaks(bot)
    workload = bot.world.kubernetes.get("Deployment", NAMESPACE, "gateway-production")
    labels = {"app": "other"}
    template = {**workload["spec"]["template"], "metadata": {"labels": labels}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    bot.world.kubernetes.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "other-service", "namespace": NAMESPACE}, "spec": spec})
    await bot.forward(5)
    answer = await bot.engineer.says("/aiec events prod gateway")
    assert "⚠️ *BackOff" in answer
    assert answer.index("⚠️") < answer.index("*Started") if "*Started" in answer else True
    assert name in answer
    assert "other-service" not in answer
    assert "other-service" in await bot.engineer.says("/aiec events prod")


async def test_use_is_set_against_the_limits(bot: Stage) -> None:
    name = str(pods(bot)[0]["metadata"]["name"])
    bot.world.kubernetes.set_usage(NAMESPACE, name, "2", "300Mi")
    answer = await bot.engineer.says("/aiec top prod")
    assert "*Use in prod*: " in answer
    assert "cpu 2, asked for " in answer
    assert "memory 300Mi, asked for " in answer
    assert "node-1: cpu " in answer


async def test_an_autoscaler_says_how_much_it_sees_and_may(bot: Stage) -> None:
    await bot.forward(60)
    answer = await bot.engineer.says("/aiec hpa prod")
    assert "*Autoscalers of prod*: " in answer
    assert "Deployment gateway-production · 3–10 pods · 3 pods, wants 3 · cpu " in answer
    assert " % of 70 %" in answer


async def test_who_stands_behind_a_service_and_why_nobody_does(bot: Stage) -> None:
    service(bot)
    service(bot, "lost", selector={"app": "gatewy"})
    await bot.forward(2)
    answer = await bot.engineer.says("/aiec endpoints prod")
    assert "nobody stands behind 1 of 2 services" in answer
    assert "`lost` nobody: no pod has app=gatewy; compare its selector with the pods' labels" in answer
    assert f"`gateway-service` {len(pods(bot))} ready · port 80 → 8080 · 10." in answer


async def test_routes_that_lead_nowhere(bot: Stage) -> None:
    service(bot)
    await bot.forward(2)
    ingress(bot, ("/", "gateway-service", 80), ("/admin", "admin", 80), ("/old", "gateway-service", 81))
    answer = await bot.engineer.says("/aiec ingress prod")
    assert "2 of 3 routes lead nowhere" in answer
    assert "`api.aiecommerce.com/admin` to admin:80: there is no such service" in answer
    assert "`api.aiecommerce.com/old` to gateway-service:81: the service has no port 81" in answer
    assert f"`api.aiecommerce.com/` to gateway-service:80, {len(pods(bot))} ready" in answer
    assert "platform · class nginx · has no address: no controller has taken it yet · no TLS" in answer
    assert "there are none" in await bot.engineer.says("/aiec ingress staging")


async def test_a_description_names_variables_and_not_their_values(bot: Stage) -> None:
    workload = bot.world.kubernetes.get("Deployment", NAMESPACE, "gateway-production")
    workload["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "PAYMENTS_KEY", "value": "a-secret-value"}]
    bot.world.kubernetes.apply(workload)
    await bot.forward(10)
    answer = await bot.engineer.says("/aiec describe prod gateway")
    assert "*Deployment gateway-production in prod*: 3 of 3 ready" in answer
    assert "variables PAYMENTS_KEY" in answer
    assert "a-secret-value" not in answer
    assert "readiness probe" in answer
    assert "/health/ready" in answer
    assert "`autoscaler` 3–10 pods" in answer
    assert "ScalingReplicaSet" in answer


async def test_a_healthy_service_is_said_to_be(bot: Stage) -> None:
    answer = await bot.engineer.says("/aiec diagnose prod gateway")
    assert "*gateway in prod* is well as far as Kubernetes knows: 3 of 3 pods ready" in answer


async def test_a_crash_is_diagnosed_with_its_log_and_the_log_is_one_click_away(bot: Stage) -> None:
    name = await breaks(bot)
    writes(bot, pods(bot)[0], "starting", "KeyError: 'PAYMENTS_URL'", previous=True)
    answer = await bot.engineer.says("/aiec diagnose prod gateway")
    assert "*gateway in prod*: 1 of 3 pods crashed" in answer
    assert "KeyError: 'PAYMENTS_URL'" in answer
    assert f"log of {name}/gateway before its restart" in answer
    assert f"Next: `/aiec logs prod {name} --container gateway --previous`" in answer
    await bot.engineer.clicks("Log before the restart", message=bot.engineer.sees()[-1])
    assert f"*Log of {name} in prod* · 2 lines · before the last restart" in bot.engineer.sees()[-1].plain


async def test_a_restart_that_is_over_is_found_too(bot: Stage) -> None:
    name = str(pods(bot)[0]["metadata"]["name"])
    bot.world.kubernetes.kill(NAMESPACE, name)
    await bot.forward(30)
    answer = await bot.engineer.says("/aiec diagnose prod gateway")
    assert "1 of 3 pods went down and came back in the last hour, the last 30 s ago (Error, exit 137)" in answer


async def test_a_service_that_nobody_reaches_is_found(bot: Stage) -> None:
    service(bot, selector={"app": "gateway"}, ports=[{"port": 80, "targetPort": "web"}])
    bot.world.kubernetes.play()
    answer = await bot.engineer.says("/aiec diagnose prod gateway")
    assert "nothing reaches it through Service gateway-service: nobody: its targetPort web is the name of no port of its pods" in answer


async def test_a_new_version_that_cannot_be_pulled_is_told_as_new(bot: Stage) -> None:
    workload = bot.world.kubernetes.get("Deployment", NAMESPACE, "gateway-production")
    workload["spec"]["template"]["spec"]["containers"][0]["image"] = "ghcr.io/aiecommerce/platform/gateway:v9.9.9-missing"
    bot.world.kubernetes.apply(workload)
    await bot.forward(40)
    answer = await bot.engineer.says("/aiec diagnose prod gateway")
    assert "v9.9.9-missing" in answer
    assert "*New*: image " in answer
    assert "Next: `/aiec rollback prod gateway`" in answer
    assert bot.engineer.sees()[-1].buttons[:2] == ["Roll back gateway", "Revisions"]


@pytest.mark.parametrize("command", ["logs prod gateway", "diagnose prod gateway"])
async def test_what_shows_logs_needs_a_permission(bot: Stage, command: str) -> None:
    answer = await bot.newcomer.says(f"/aiec {command}")
    assert "`/aiec help` lists what you may do" in answer


@pytest.mark.parametrize("command", ["pods prod", "events prod", "top prod", "hpa prod", "endpoints prod", "ingress prod", "describe prod gateway"])
async def test_everybody_may_look_at_the_rest(bot: Stage, command: str) -> None:
    assert " prod*: " in await bot.newcomer.says(f"/aiec {command}")
