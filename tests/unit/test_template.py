"""What is new in a pod template, in words."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.template import short_image, split_image, template_differences
from tests.unit.kubernetes_objects import IMAGE, template


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({}, {"image": f"{IMAGE}:v1.3.0"}, ["image v1.2.0 → v1.3.0"]),
        ({}, {"image": "other.example/gateway:v1.3.0"}, [f"image {IMAGE}:v1.2.0 → other.example/gateway:v1.3.0"]),
        ({"image": f"{IMAGE}:v1@sha256:aa"}, {"image": f"{IMAGE}:v1@sha256:bb"}, ["image v1 with another digest"]),
        ({}, {"env": [{"name": "DSN", "value": "postgres://app:hunter2@db"}]}, ["variable DSN added"]),
        ({"env": [{"name": "DSN", "value": "a"}]}, {"env": [{"name": "DSN", "value": "b"}]}, ["variable DSN changed"]),
        ({"env": [{"name": "DSN", "value": "a"}]}, {}, ["variable DSN removed"]),
        ({}, {"envFrom": [{"secretRef": {"name": "db"}}]}, ["variables from secret db added"]),
        ({}, {"resources": {"limits": {"memory": "64Mi"}}}, ["resources limits.memory: none → 64Mi"]),
        ({}, {"readinessProbe": {"httpGet": {"port": 80, "path": "/up"}, "periodSeconds": 5}}, ["readiness probe: none → GET :80/up, periodSeconds 5"]),
        ({}, {"command": ["/app/run", "--fast"]}, ["command: none → /app/run --fast"]),
        ({"args": ["--password=a"]}, {"args": ["--password=b"]}, ["args changed"]),
        ({}, {"args": ["--password=hunter2", "--fast"]}, ["args: none → --password=[secret] --fast"]),
    ],
)
def test_names_what_is_new_in_a_container_and_shows_no_values_of_variables(before: dict[str, Any], after: dict[str, Any], said: list[str]) -> None:
    assert template_differences(template(**before), template(**after)) == said


def test_names_what_is_new_in_the_pod() -> None:
    before, after = template(), template()
    after["metadata"]["labels"]["tier"] = "front"
    after["spec"] |= {"serviceAccountName": "gateway", "nodeSelector": {"disk": "ssd"}, "volumes": [{"name": "tls", "secret": {"secretName": "tls"}}]}
    after["spec"]["containers"].append({"name": "proxy", "image": "envoy:v1"})
    assert template_differences(before, after) == [
        "container proxy is new (envoy:v1)", "label tier changed", "volume tls added", "service account: none → gateway", "node selector changed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("image", "repository", "tag"),
    [("a/b:v1", "a/b", "v1"), ("host:5000/a", "host:5000/a", ""), ("host:5000/a:v1@sha256:ff", "host:5000/a", "v1"), ("a@sha256:ff", "a", "sha256:ff")],
)
def test_reads_an_images_parts(image: str, repository: str, tag: str) -> None:
    assert split_image(image) == (repository, tag)
    assert tag in short_image(image)


fields = st.fixed_dictionaries(
    {},
    optional={
        "image": st.sampled_from([f"{IMAGE}:a", f"{IMAGE}:b", "x"]),
        "env": st.lists(st.fixed_dictionaries({"name": st.sampled_from("ABC"), "value": st.text(max_size=2)}), unique_by=lambda one: one["name"], max_size=3),
        "command": st.lists(st.sampled_from(["run", "stop"]), max_size=2),
    },
)


def meaning(container: dict[str, Any]) -> tuple[str, dict[str, str], list[str]]:
    return container.get("image", f"{IMAGE}:v1.2.0"), {one["name"]: one["value"] for one in container.get("env", [])}, container.get("command", [])


@given(fields, fields)
def test_silence_means_that_nothing_differs(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert bool(template_differences(template(**before), template(**after))) == (meaning(before) != meaning(after))
