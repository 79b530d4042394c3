"""StatefulSets, DaemonSets, autoscalers, budgets, endpoints, claims, namespaces."""

from __future__ import annotations

import json

from tests.unit.sandbox.kubernetes.cluster_driver import MERGE_PATCH, NAMESPACE, Driver, workload

HPA, BUDGET = "HorizontalPodAutoscaler", "PodDisruptionBudget"


def test_a_stateful_set_is_made_and_replaced_in_order(driver: Driver) -> None:
    watch = driver.cluster.watch(f"/api/v1/namespaces/{NAMESPACE}/pods")

    def seen() -> list[str]:
        events = [json.loads(line) for line in watch.poll()]
        return [f"{event['type']} {event['object']['metadata']['name']}" for event in events if event["type"] != "MODIFIED"]

    driver.cluster.apply(workload("StatefulSet", replicas=3, serviceName="web"))
    driver.until(lambda: driver.complete(kind="StatefulSet"))
    assert seen() == ["ADDED web-0", "ADDED web-1", "ADDED web-2"]
    driver.set_image("shop/web:v2", kind="statefulsets")
    driver.until(lambda: driver.complete(kind="StatefulSet"))
    assert seen() == ["DELETED web-2", "ADDED web-2", "DELETED web-1", "ADDED web-1", "DELETED web-0", "ADDED web-0"]
    status = driver.status(kind="StatefulSet")
    assert status["currentRevision"] == status["updateRevision"]


def test_a_partition_holds_back_the_lower_pods(driver: Driver) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    driver.cluster.apply(workload("StatefulSet", replicas=2, serviceName="web", updateStrategy=strategy))
    driver.until(lambda: driver.complete(kind="StatefulSet"))
    driver.set_image("shop/web:v2", kind="statefulsets")
    driver.passes(20)
    assert [pod["spec"]["containers"][0]["image"] for pod in driver.pods()] == ["shop/web:v1", "shop/web:v2"]


def test_a_failing_pod_stops_the_update_of_a_stateful_set(driver: Driver) -> None:
    driver.cluster.apply(workload("StatefulSet", replicas=2, serviceName="web"))
    driver.until(lambda: driver.complete(kind="StatefulSet"))
    driver.set_image("shop/web:v2-crash", kind="statefulsets")
    driver.passes(60)
    assert [pod["spec"]["containers"][0]["image"] for pod in driver.pods()] == ["shop/web:v1", "shop/web:v2-crash"]


def test_going_back_makes_the_old_controller_revision_the_newest(driver: Driver) -> None:
    driver.cluster.apply(workload("StatefulSet", serviceName="web"))
    for version in ("v2", "v1"):
        driver.until(lambda: driver.complete(kind="StatefulSet"))
        driver.set_image(f"shop/web:{version}", kind="statefulsets")
    driver.until(lambda: driver.complete(kind="StatefulSet"))
    revisions = driver.cluster.objects("ControllerRevision", NAMESPACE)
    numbers = {found["data"]["spec"]["template"]["spec"]["containers"][0]["image"]: found["revision"] for found in revisions}
    assert numbers == {"shop/web:v1": 3, "shop/web:v2": 2}


def test_claims_outlive_their_pods(driver: Driver) -> None:
    template = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    driver.cluster.apply(workload("StatefulSet", serviceName="web", volumeClaimTemplates=[template]))
    driver.until(lambda: driver.complete(kind="StatefulSet"))
    assert driver.get("PersistentVolumeClaim", "data-web-0")["status"]["phase"] == "Bound"
    assert {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}} in driver.pods()[0]["spec"]["volumes"]
    driver.cluster.delete("StatefulSet", NAMESPACE, "web")
    driver.until(lambda: not driver.pods())
    assert driver.get("PersistentVolumeClaim", "data-web-0")["status"]["phase"] == "Bound"


def test_a_daemon_set_runs_on_every_node_and_updates_one_at_a_time(driver: Driver) -> None:
    driver.cluster.apply(workload("DaemonSet"))
    driver.until(lambda: driver.status(kind="DaemonSet").get("numberAvailable") == 3)
    assert sorted(pod["spec"]["nodeName"] for pod in driver.pods()) == ["node-1", "node-2", "node-3"]
    driver.set_image("shop/web:v2", kind="daemonsets")
    available = []

    def updated() -> bool:
        status = driver.status(kind="DaemonSet")
        available.append(status.get("numberAvailable", 0))
        return bool(status["observedGeneration"] == 2 and status.get("updatedNumberScheduled") == status.get("numberAvailable") == 3)

    driver.until(updated)
    assert min(available) == 2


def test_an_autoscaler_follows_use_upwards_at_once_and_downwards_after_five_minutes(driver: Driver) -> None:
    driver.deploy(replicas=2, resources={"requests": {"cpu": "100m"}})
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    metrics = [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 6, "metrics": metrics}
    driver.cluster.apply({"apiVersion": "autoscaling/v2", "kind": HPA, "metadata": {"name": "web", "namespace": NAMESPACE}, "spec": spec})
    driver.passes(60)
    assert driver.status(kind=HPA)["currentMetrics"][0]["resource"]["current"] == {"averageValue": "50m", "averageUtilization": 50}

    def use(cpu: str) -> None:
        for pod in driver.pods():
            driver.cluster.set_usage(NAMESPACE, pod["metadata"]["name"], cpu, "64Mi")

    use("90m")
    driver.until(lambda: driver.get("Deployment", "web")["spec"]["replicas"] == 4)
    assert driver.events(HPA, "SuccessfulRescale")[0]["message"] == "New size: 4; reason: cpu resource utilization (percentage of request) above target"
    use("5m")
    driver.passes(200)
    assert driver.get("Deployment", "web")["spec"]["replicas"] == 4
    driver.passes(200)
    assert driver.get("Deployment", "web")["spec"]["replicas"] == 2
    conditions = {entry["type"]: entry["reason"] for entry in driver.status(kind=HPA)["conditions"]}
    assert conditions == {"AbleToScale": "ReadyForNewScale", "ScalingActive": "ValidMetricFound", "ScalingLimited": "TooFewReplicas"}


def test_an_autoscaler_says_what_it_lacks(driver: Driver) -> None:
    driver.deploy()
    for name, target in (("lost", "nope"), ("web", "web")):
        spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}, "maxReplicas": 3}
        driver.cluster.apply({"apiVersion": "autoscaling/v2", "kind": HPA, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})
    driver.passes(60)
    assert driver.status("lost", HPA)["conditions"][0]["message"].endswith('deployments.apps "nope" not found')
    active = next(entry for entry in driver.status("web", HPA)["conditions"] if entry["type"] == "ScalingActive")
    assert (active["status"], active["reason"]) == ("False", "FailedGetResourceMetric")
    assert "missing request for cpu in container web of Pod web-" in active["message"]


def test_a_budget_counts_what_may_be_disrupted(driver: Driver) -> None:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    driver.cluster.apply({"apiVersion": "policy/v1", "kind": BUDGET, "metadata": {"name": "web", "namespace": NAMESPACE}, "spec": spec})
    driver.deploy(replicas=3)
    driver.until(lambda: driver.status(kind=BUDGET)["disruptionsAllowed"] == 1)
    driver.cluster.set_fate(NAMESPACE, driver.pods()[0]["metadata"]["name"], "unready")
    driver.until(lambda: driver.status(kind=BUDGET)["disruptionsAllowed"] == 0)
    status = driver.status(kind=BUDGET)
    assert (status["currentHealthy"], status["desiredHealthy"], status["expectedPods"]) == (2, 2, 3)


def test_endpoints_are_the_ready_pods(driver: Driver) -> None:
    spec = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    driver.cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": NAMESPACE}, "spec": spec})
    driver.deploy(replicas=2)
    driver.until(driver.complete)
    driver.passes(0.2)
    (subset,) = driver.get("Endpoints", "web")["subsets"]
    assert sorted(address["ip"] for address in subset["addresses"]) == sorted(pod["status"]["podIP"] for pod in driver.pods())
    assert subset["ports"] == [{"port": 8080, "protocol": "TCP"}]
    driver.cluster.set_fate(NAMESPACE, driver.pods()[0]["metadata"]["name"], "unready")
    driver.passes(1)
    (subset,) = driver.get("Endpoints", "web")["subsets"]
    assert (len(subset["addresses"]), len(subset["notReadyAddresses"])) == (1, 1)
    (found,) = driver.cluster.objects("EndpointSlice", NAMESPACE)
    assert sorted(endpoint["conditions"]["ready"] for endpoint in found["endpoints"]) == [False, True]


def test_a_services_address_outlives_an_update(driver: Driver) -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": NAMESPACE}, "spec": {"ports": [{"port": 80}]}}
    address = driver.cluster.apply(service)["spec"]["clusterIP"]
    assert address.startswith("10.96.")
    assert driver.cluster.apply({**service, "spec": {"ports": [{"port": 81}]}})["spec"]["clusterIP"] == address


def test_a_deleted_namespace_is_emptied_and_takes_nothing_new(driver: Driver) -> None:
    driver.deploy()
    driver.until(driver.complete)
    assert driver.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}")[1]["status"]["phase"] == "Terminating"
    status, answer = driver.ask("POST", "v1 configmaps", {"metadata": {"name": "late"}})
    assert (status, answer["details"]["causes"][0]["reason"]) == (403, "NamespaceTerminating")
    driver.until(lambda: driver.ask("GET", f"/api/v1/namespaces/{NAMESPACE}")[0] == 404)


def test_the_scale_subresource_of_a_stateful_set(driver: Driver) -> None:
    driver.cluster.apply(workload("StatefulSet", serviceName="web"))
    scale = driver.patch("apps/v1 statefulsets/web/scale", {"spec": {"replicas": 0}}, MERGE_PATCH)
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {}, "app=web")
    driver.until(lambda: driver.complete(kind="StatefulSet"))
