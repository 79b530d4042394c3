"""What `kubectl logs` would show."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.sandbox.kubernetes.cluster_driver import NAMESPACE, START, Driver, workload


def log(driver: Driver, **query: str) -> tuple[int, str]:
    name = driver.pods()[0]["metadata"]["name"]
    status, answer = driver.ask("GET", f"v1 pods/{name}/log", **query)
    return status, answer if isinstance(answer, str) else answer["message"].replace(name, "*")


def test_a_running_pod_writes_while_time_passes(driver: Driver) -> None:
    driver.deploy()
    driver.until(driver.complete)
    _, first = log(driver)
    assert first == 'level=info msg="starting" version=v1\nlevel=info msg="listening" addr=":8080"\n'
    driver.passes(60)
    _, later = log(driver)
    assert later.startswith(first)
    assert len(later.splitlines()) > 10


def test_a_crashed_pods_last_words_are_its_previous_log(driver: Driver) -> None:
    driver.deploy(image="shop/web:v2-crash")
    driver.passes(3)
    assert log(driver, previous="true")[1].splitlines()[-1] == "KeyError: 'PAYMENTS_URL'"
    assert log(driver, previous="true", tailLines="1") == (200, "KeyError: 'PAYMENTS_URL'\n")


@pytest.mark.parametrize(
    ("image", "query", "message"),
    [
        ("v1-missing", {}, 'container "web" in pod "*" is waiting to start: trying and failing to pull image'),
        ("v1-noconfig", {}, 'container "web" in pod "*" is waiting to start: CreateContainerConfigError'),
        ("v1-slow", {}, 'container "web" in pod "*" is waiting to start: ContainerCreating'),
        ("v1", {"previous": "true"}, 'previous terminated container "web" in pod "*" not found'),
        ("v1", {"container": "nope"}, "container nope is not valid for pod *"),
        ("v1", {"tailLines": "x"}, 'strconv.ParseInt: parsing "x": invalid syntax'),
    ],
)
def test_what_has_no_log_says_why(driver: Driver, image: str, query: dict[str, str], message: str) -> None:
    driver.deploy(image=f"shop/web:{image}")
    driver.passes(3)
    assert log(driver, **query) == (400, message)


def test_options_are_checked(driver: Driver) -> None:
    driver.deploy()
    driver.until(driver.complete)
    status, message = log(driver, sinceSeconds="0", limitBytes="-1")
    assert (status, message.count("must be greater than 0")) == (422, 2)
    assert "at most one of" in log(driver, sinceSeconds="1", sinceTime="2026-01-01T00:00:00Z")[1]


def test_a_set_log_is_cut_by_lines_time_and_bytes(driver: Driver) -> None:
    driver.deploy()
    driver.until(driver.complete)
    (pod,) = driver.pods()
    driver.passes(100)
    now = driver.clock.now()
    driver.cluster.logs.set(pod, [(now - timedelta(seconds=ago), f"{ago} s ago") for ago in (90, 50, 10)])
    assert log(driver)[1] == "90 s ago\n50 s ago\n10 s ago\n"
    assert log(driver, tailLines="2")[1] == "50 s ago\n10 s ago\n"
    assert log(driver, tailLines="0")[1] == ""
    assert log(driver, sinceSeconds="60")[1] == "50 s ago\n10 s ago\n"
    assert log(driver, sinceTime=(now - timedelta(seconds=20)).isoformat())[1] == "10 s ago\n"
    assert log(driver, limitBytes="4")[1] == "90 s"
    assert log(driver, tailLines="1", timestamps="true")[1].startswith(f"{now - timedelta(seconds=10):%Y-%m-%dT%H:%M:%S}.")
    driver.cluster.logs.append(pod, (now, "now"))
    assert log(driver, tailLines="1")[1] == "now\n"


def test_a_pod_of_several_containers_has_to_be_told_which(driver: Driver) -> None:
    described = workload("Deployment")
    described["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "image": "proxy:v1"})
    driver.cluster.apply(described)
    driver.until(driver.complete)
    assert log(driver) == (400, "a container name must be specified for pod *, choose one of: [web proxy]")
    assert log(driver, container="proxy")[0] == 200


def test_a_pod_without_a_node_has_an_empty_log(driver: Driver) -> None:
    driver.deploy(resources={"requests": {"cpu": "100"}})
    driver.passes(1)
    assert log(driver) == (200, "")
    assert driver.clock.now() > START
    assert driver.cluster.pods(NAMESPACE)
