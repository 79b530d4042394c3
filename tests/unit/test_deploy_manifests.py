"""The manifests of the bot itself: they build, fit its code and its configuration, and grant exactly what is used."""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from bot.adapters.kubernetes.cluster import WATCHED
from bot.adapters.kubernetes.kinds import KINDS
from bot.config_file import read
from bot.entry.http import http_app
from bot.manifest_folder import Folder
from bot.manifest_folder import read as read_folder
from bot.settings import variables
from commands.manifests.rights import ALWAYS, TO_CREATE

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PLATFORM = DEPLOY / "aiecommerce"
COMPONENTS = ("postgresql", "paging")
SECRETS = "/run/secrets/aiec/"

Json = dict[str, Any]
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")

USES: list[tuple[str, tuple[str, ...], str]] = [
    ("get", WORKLOADS, "existing(cluster, self.workload, self.name)"),
    ("patch", WORKLOADS, "cluster.patch(self.workload, self.name, operations)"),
    ("list", WORKLOADS, "cluster.list(kind) for kind in kinds"),
    ("list", WATCHED, 'Call("list", self._resource'),
    ("watch", WATCHED, 'Call("watch", self._resource'),
    ("list", ("ReplicaSet", "ControllerRevision"), 'cluster.list("ReplicaSet" if service.kind == "Deployment" else "ControllerRevision")'),
    ("list", ("Pod",), 'cluster.list("Pod"'),
    ("get", ("Pod/log",), "cluster.logs(one.pod"),
    ("list", ("Event",), 'cluster.list("Event"'),
    ("get", ("Pod/log",), "cluster.read_logs("),
    ("list", ("Service",), 'cluster.list("Service")'),
    ("list", ("EndpointSlice",), 'cluster.list("EndpointSlice")'),
    ("list", ("Ingress",), 'cluster.list("Ingress")'),
    ("list", ("PodMetrics",), 'cluster.list("PodMetrics")'),
    ("list", ("ResourceQuota",), 'cluster.list("ResourceQuota")'),
    ("delete", ("Pod",), 'cluster.delete("Pod"'),
    ("list", ("PodDisruptionBudget",), 'cluster.list("PodDisruptionBudget")'),
    ("list", ("HorizontalPodAutoscaler",), 'cluster.list("HorizontalPodAutoscaler")'),
    ("get", ("HorizontalPodAutoscaler",), 'existing(cluster, "HorizontalPodAutoscaler", self.autoscaler)'),
    ("patch", ("HorizontalPodAutoscaler",), 'cluster.patch("HorizontalPodAutoscaler", self.autoscaler'),
    ("list", ("NetworkPolicy",), 'cluster.list("NetworkPolicy")'),
    ("get", ("NetworkPolicy",), "cluster.get(POLICY, self.name)"),
    ("create", ("NetworkPolicy",), "cluster.create(self._policy("),
    ("delete", ("NetworkPolicy",), "cluster.delete(POLICY, self.name"),
    ("patch", ("Deployment/scale", "StatefulSet/scale"), 'cluster.patch(self.workload, self.name, operations, subresource="scale")'),
]
"""Which verb on which kinds is needed, and the call that needs it."""


def sources() -> str:
    return "".join(path.read_text() for folder in ("bot", "commands") for path in sorted((ROOT / folder).rglob("*.py")))


def rule(verb: str, kind: str) -> tuple[str, str, str]:
    """Returns API group, resource and verb as RBAC has them. `kind` may name a subresource: `Pod/log`."""
    resource, subresource = KINDS[kind.partition("/")[0]], kind.partition("/")[2]
    return resource.group, f"{resource.plural}/{subresource}" if subresource else resource.plural, verb


def granted(role: Json) -> list[tuple[str, str, str]]:
    return [(group, resource, verb) for one in role["rules"] for group in one["apiGroups"] for resource in one["resources"] for verb in one["verbs"]]


def document(path: Path) -> Json:
    loaded: Json = yaml.safe_load(path.read_text())
    return loaded


def test_every_file_is_yaml() -> None:
    files = [path for path in DEPLOY.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".yaml"}
    assert all(document(path) for path in files)


def test_every_call_of_the_table_is_made() -> None:
    code = sources()
    assert [call for _, _, call in USES if call not in code] == []


def test_the_role_grants_what_the_adapter_uses_and_nothing_else() -> None:
    rules = granted(document(DEPLOY / "managed-namespace" / "role.yaml"))
    assert sorted(rules) == sorted({rule(verb, kind) for verb, kinds, _ in USES for kind in kinds})
    assert granted(document(DEPLOY / "nodes" / "clusterrole.yaml")) == [rule("list", "Node"), rule("list", "NodeMetrics")]


def test_no_code_lists_a_kind_that_the_role_does_not() -> None:
    asked = set(re.findall(r'cluster\.list\(\s*"(\w+)"', sources()))
    listed = {kind for verb, kinds, _ in USES for kind in kinds if verb == "list"} | {"Node", "NodeMetrics"}
    assert asked
    assert asked <= listed


def test_the_configuration_is_valid_and_a_role_stands_in_each_of_its_namespaces() -> None:
    config = read(PLATFORM / "aiec.yaml")
    folders = [path.parent for path in PLATFORM.glob("*/kustomization.yaml")]
    assert {document(path / "kustomization.yaml")["namespace"] for path in folders} == {one.namespace for one in config.environments.values()}
    assert {path.name for path in folders} <= set(document(PLATFORM / "kustomization.yaml")["resources"])


FOLDERS = DEPLOY / "folders"


def foldered() -> list[Json]:
    """The objects of the example's folder, for all of its environments."""
    found = [one for environment in ("staging", "prod") for one in example(environment).objects]
    return [one.thing for one in found]


def example(environment: str) -> Folder:
    config = read(FOLDERS / "aiec.yaml")
    namespaces = {name: one.namespace for name, one in config.environments.items()}
    return read_folder(Path(config.services["ml-recommendation"].manifests or ""), environment, namespaces)


def test_the_example_of_folders_is_the_other_example_with_a_folder() -> None:
    config, other = (read(folder / "aiec.yaml").model_dump() for folder in (FOLDERS, PLATFORM))
    changed = config["services"]["ml-recommendation"]
    assert (changed.pop("strategy"), changed.pop("manifests")) == ("manifests", str(FOLDERS / "ml-recommendation"))
    for name in ("strategy", "manifests"):
        del other["services"]["ml-recommendation"][name]
    assert config == other
    namespaces = {document(path)["namespace"] for path in FOLDERS.glob("*/kustomization.yaml") if path.parent.name != "role"}
    assert namespaces == {one["namespace"] for one in config["environments"].values()}


def test_the_example_of_folders_has_what_its_service_is() -> None:
    config = read(FOLDERS / "aiec.yaml")
    for environment in config.environments:
        folder = example(environment)
        service = config.services["ml-recommendation"]
        assert folder.problems == ()
        found = {(one.thing["kind"], one.thing["metadata"]["name"]): one.thing for one in folder.objects}
        own = found[service.kind, service.name_in(environment, "ml-recommendation")]
        assert [one["name"] for one in own["spec"]["template"]["spec"]["containers"]] == [service.container]


def test_the_role_of_folders_grants_what_their_kinds_need_and_nothing_else() -> None:
    base = set(granted(document(DEPLOY / "managed-namespace" / "role.yaml")))
    kinds = {one["kind"] for one in foldered()}
    needed = {rule(verb, kind) for verb in (*ALWAYS, *TO_CREATE) for kind in kinds}
    assert sorted(granted(document(FOLDERS / "role" / "role.yaml"))) == sorted(needed - base)


def test_every_file_of_the_folder_is_mounted_where_it_belongs() -> None:
    kustomization = document(FOLDERS / "kustomization.yaml")
    files = dict(entry.split("=") for entry in kustomization["configMapGenerator"][1]["files"])
    volume = yaml.safe_load(kustomization["patches"][0]["patch"])[0]["value"]
    items = {item["key"]: item["path"] for item in volume["projected"]["sources"][1]["configMap"]["items"]}
    assert items == files
    assert set(files.values()) == {str(path.relative_to(FOLDERS)) for path in (FOLDERS / "ml-recommendation").rglob("*.yaml")}


def container(path: Path) -> Json:
    found: Json = document(path)["spec"]["template"]["spec"]["containers"][0]
    return found


def test_every_variable_is_one_of_the_settings() -> None:
    known = {"AIEC_CONFIG", *(variable.name for variable in variables().values())}
    names = [entry["name"] for name in ("base", *COMPONENTS) for entry in container(DEPLOY / name / "deployment.yaml")["env"]]
    assert names
    assert [name for name in names if name.removesuffix("_FILE") not in known] == []


def test_every_secret_is_a_mounted_file_that_the_documentation_names() -> None:
    entries = [entry for name in ("base", *COMPONENTS) for entry in container(DEPLOY / name / "deployment.yaml")["env"]]
    keys = {entry["value"].removeprefix(SECRETS) for entry in entries if entry["name"].endswith("_FILE")}
    hidden = {variable.name for variable in variables().values() if variable.hide}
    paging = {"pagerduty-api-token", "pagerduty-routing-key", "pagerduty-webhook-secret", "alertmanager-token"}
    assert keys == {"slack-bot-token", "slack-signing-secret", "audit-key", "database-url", *paging}
    # A URL is hidden only because it may carry a password.
    assert [entry["name"] for entry in entries if entry["name"] in hidden - {"DATABASE_URL", "ALERTMANAGER_URL"}] == []
    assert [entry["name"] for entry in entries if "@" in entry.get("value", "") and entry["name"].endswith("_URL")] == []
    told = (ROOT / "README.md").read_text() + (ROOT / "docs" / "operations.md").read_text()
    assert [key for key in keys if f"{key}=" not in told] == []


def test_the_probes_ask_what_is_served() -> None:
    async def ready() -> list[Any]:
        return []

    served = {getattr(route, "path", "") for route in http_app(readiness=ready, metrics=CollectorRegistry()).routes}
    asked = {probe["httpGet"]["path"] for name, probe in container(DEPLOY / "base" / "deployment.yaml").items() if name.endswith("Probe")}
    health = re.search(r"HEALTHCHECK.*?(/\w+)\\?\"", (ROOT / "Dockerfile").read_text(), re.S)
    assert health is not None
    assert asked | {health[1]} == {"/healthz", "/readyz"} <= served


def instructions() -> list[tuple[str, str]]:
    """Returns the Dockerfile's instructions with their arguments, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", (ROOT / "Dockerfile").read_text()))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def copied() -> list[str]:
    """Returns what is copied from the build's context."""
    words = [rest.split() for name, rest in instructions() if name == "COPY"]
    return [source for given in words if not given[0].startswith("--from") for source in given[:-1]]


def test_what_the_image_copies_exists_and_is_sent_to_the_build() -> None:
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    assert patterns[1] == "*"
    sent = {pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")}
    assert sent == {source.removeprefix("./") for source in copied()}
    assert [source for source in copied() if not (ROOT / source).exists()] == []


def test_the_image_has_every_package() -> None:
    include = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    packages = [path.parent.name for path in ROOT.glob("*/__init__.py") if any(fnmatch(path.parent.name, pattern) for pattern in include)]
    assert packages
    assert set(packages) <= set(copied())


def test_the_image_installs_what_is_locked_and_runs_as_nobody_special() -> None:
    runs = [rest for name, rest in instructions() if name == "RUN"]
    installs = [part for run in runs for part in run.split("&&") if "install " in part and "pip" in part]
    assert installs
    assert all("--require-hashes" in part or "--no-deps /wheels/" in part for part in installs)
    last = instructions()
    last = last[max(index for index, (name, _) in enumerate(last) if name == "FROM") :]
    assert [rest for name, rest in last if name == "USER"] == ["65532:65532"]
    assert [rest for name, rest in last if name in ("ENTRYPOINT", "CMD")] == ['["aiec"]', '["run"]']


@pytest.fixture(scope="module")
def kubectl() -> str:
    found = shutil.which("kubectl")
    if found is None:
        pytest.skip("there is no kubectl")
    return found


@pytest.fixture(params=[(), ("postgresql",), ("paging",), COMPONENTS], ids=lambda given: "+".join(given) or "alone")
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder as it is, and as it is with the components that its comment offers."""
    copy = tmp_path / "deploy"
    shutil.copytree(DEPLOY, copy)
    file = copy / "aiecommerce" / "kustomization.yaml"
    for wanted in ("components:", *(f"  - ../{name}" for name in request.param)) if request.param else ():
        assert f"\n# {wanted}" in file.read_text()
        file.write_text(file.read_text().replace(f"\n# {wanted}", f"\n{wanted}"))
    return copy / "aiecommerce"


def built(kubectl: str, folder: Path) -> list[Json]:
    text = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=True).stdout
    return [*yaml.safe_load_all(text)]


def pod_containers(objects: list[Json]) -> Iterator[tuple[Json, Json]]:
    for deployment in (one for one in objects if one["kind"] == "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        yield from ((pod, one) for one in (*pod.get("initContainers", ()), *pod["containers"]))


def test_what_is_built_fits_together(kubectl: str, platform: Path) -> None:
    objects = built(kubectl, platform)
    names = {(one["kind"], one["metadata"]["name"]) for one in objects}
    account = {"kind": "ServiceAccount", "name": "aiec", "namespace": "aiec"}
    assert all(one["subjects"] == [account] for one in objects if one["kind"].endswith("Binding"))
    found = [*pod_containers(objects)]
    assert found
    for pod, one in found:
        assert one["image"] == "registry.example.com/aiec:0.1.0"
        assert {mount["name"] for mount in one["volumeMounts"]} <= {volume["name"] for volume in pod["volumes"]}
        paths = [mount["mountPath"] for mount in one["volumeMounts"]]
        files = [entry["value"] for entry in one["env"] if entry["name"].endswith(("_FILE", "_CONFIG"))]
        assert all(any(file.startswith(f"{path}/") for path in paths) for file in files)
    volumes = found[-1][0]["volumes"]
    maps = [volume["configMap"] for volume in volumes if "configMap" in volume]
    assert {("ConfigMap", one["name"]) for one in maps if not one.get("optional")} <= names
    assert [one["name"] for one in maps if one.get("optional")] == ["aiec-runbooks"]  # whoever has runbooks of his own makes it
    claims = {("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) for volume in volumes if "persistentVolumeClaim" in volume}
    assert claims == {name for name in names if name[0] == "PersistentVolumeClaim"}


def test_the_example_of_folders_is_built_with_its_folder(kubectl: str) -> None:
    objects = built(kubectl, FOLDERS)
    names = {(one["kind"], one["metadata"]["name"]) for one in objects}
    (deployment,) = [one for one in objects if one["kind"] == "Deployment"]
    (volume,) = [one for one in deployment["spec"]["template"]["spec"]["volumes"] if "projected" in one]
    sources = {("ConfigMap", source["configMap"]["name"]) for source in volume["projected"]["sources"]}
    assert len(sources) == 2
    assert sources <= names, "the ConfigMaps' names have a hash behind them"
    assert len([one for one in objects if one["kind"] == "RoleBinding"]) == 4


def test_what_a_component_adds_is_there(kubectl: str, platform: Path) -> None:
    paging = "\n  - ../paging" in (platform / "kustomization.yaml").read_text()
    objects = built(kubectl, platform)
    names = {entry["name"] for pod, one in pod_containers(objects) for entry in one["env"]}
    (policy,) = (one for one in objects if one["kind"] == "NetworkPolicy")
    ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    assert ("ALERTMANAGER_TOKEN_FILE" in names) is ("PAGERDUTY_API_TOKEN_FILE" in names) is (9093 in ports) is paging
    assert {53, 443, 6443} <= ports


def test_every_container_is_restricted(kubectl: str, platform: Path) -> None:
    """What the Pod Security Standard "restricted" asks for, and a read-only root filesystem."""
    found = [*pod_containers(built(kubectl, platform))]
    assert found
    for pod, one in found:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert one["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        assert one["resources"]["requests"].keys() == {"cpu", "memory"}


def test_a_cluster_accepts_it(kubectl: str, platform: Path) -> None:
    kubeconfig = os.environ.get("TEST_KUBECONFIG")
    if kubeconfig is None:
        pytest.skip("TEST_KUBECONFIG names no cluster")
    calling = [kubectl, "--kubeconfig", kubeconfig]
    objects = built(kubectl, platform)
    for namespace in {one["metadata"]["namespace"] for one in objects if "namespace" in one["metadata"]}:
        subprocess.run([*calling, "create", "namespace", namespace], capture_output=True, check=False)
    told = subprocess.run([*calling, "apply", "--dry-run=server", "-k", str(platform)], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout.count("(server dry run)") == len(objects)
    assert "warning" not in told.stderr.lower()
