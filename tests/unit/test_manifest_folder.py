"""A folder of manifests: what of it is for which environment, and each mistake in a sentence with its file and line."""

from pathlib import Path
from typing import Any

import pytest

from bot.manifest_folder import Folder, read

NAMESPACES = {"staging": "shop-staging", "prod": "shop"}
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web-config}\n"


def folder(path: Path, **files: str) -> Path:
    """Writes files; `_` in a name is the `/` of a subfolder, and each ends in .yaml."""
    root = path / "web"
    root.mkdir()
    for name, text in files.items():
        file = root / f"{name.replace('_', '/')}.yaml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return root


def named(found: Folder) -> list[tuple[str, Any]]:
    return [(one.title, one.thing.get("data")) for one in found.objects]


def test_an_environments_object_stands_instead_of_the_common_one(tmp_path: Path) -> None:
    other = CONFIG.replace("web-config", "other")
    root = folder(tmp_path, config=f"{CONFIG}data: {{a: common}}\n---\n{other}", prod_config=f"{CONFIG}data: {{b: prod}}")
    (root / "README.md").write_text("# not one of them")
    (root / ".hidden.yaml").write_text("no")
    (root / "..data").mkdir()
    assert named(read(root, "staging", NAMESPACES)) == [("ConfigMap web-config", {"a": "common"}), ("ConfigMap other", None)]
    assert named(read(root, "prod", NAMESPACES)) == [("ConfigMap web-config", {"b": "prod"}), ("ConfigMap other", None)]
    assert read(root, "prod", NAMESPACES).problems == ()


def test_manifests_are_read_as_kubectl_reads_them(tmp_path: Path) -> None:
    """Seen with `kubectl create --dry-run=client -o json` of 1.36."""
    text = "data: {a: yes, b: y, c: off, d: 0440, e: 1:30, f: 2024-01-01, g: 0o17, h: ~, i: 0x1F, j: 1_000, k: .5, l: 010, m: '010', q: -7, o: 1e3, on: x}"
    (found,) = read(folder(tmp_path, config=f"{CONFIG}{text}\nstatus: {{x: y}}\n"), "prod", NAMESPACES).objects
    assert found.thing == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "web-config"},
        "data": {
            "a": True, "b": True, "c": False, "d": 288, "e": "1:30", "f": "2024-01-01", "g": 15, "i": 31, "j": 1000, "k": 0.5, "l": 8, "m": "010", "q": -7,
            "o": 1000, "true": "x",
        },
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "config.yaml:1: while parsing a flow node expected the node content, but found '<stream end>'."),
        ("kind: ConfigMap\n\tapiVersion: v1\n", "config.yaml:2: a tab stands where YAML wants spaces."),
        (CONFIG + "kind: ConfigMap\n", "config.yaml:4: 'kind' stands here twice, first in line 2."),
        (CONFIG + "data: !!binary x\n", "config.yaml:4: the tag !!binary has no place here."),
        (CONFIG + "---\njust a word\n", "config.yaml:5: expected an object of Kubernetes (apiVersion, kind, metadata), found 'just a word'."),
        ("metadata: {name: web}\n", "config.yaml:1: the object has no apiVersion and no kind."),
        ("apiVersion: v1\nmetadata: {name: web}\n", "config.yaml:1: the object has no kind."),
        ("apiVersion: v1\nkind: ConfigMap\n", "config.yaml:1: ConfigMap has no metadata with a name."),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  labels: {a: b}\n", "config.yaml:3: ConfigMap has no name, or one that is no text."),
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 7}\n", "config.yaml:3: ConfigMap has no name, or one that is no text."),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  generateName: web-\n",
            "config.yaml:4: generateName makes another object each time; give ConfigMap a name.",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n  namespace: other\n",
            "config.yaml:5: ConfigMap is for the namespace 'other', and the environment is 'shop'; leave it out.",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n  uid: 12-34\n",
            "config.yaml:5: metadata.uid comes out of a cluster; take it out of the manifest.",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n  labels: [a]\n",
            "config.yaml:5: expected a mapping of labels to values, found a list.",
        ),
        (f"{CONFIG}---\n{CONFIG}", "config.yaml:7: ConfigMap web-config stands here again; it is in config.yaml:3 already."),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: web}\ndata: {password: aGlkZGVu}\n",
            "config.yaml:2: a Secret has no place in a folder of manifests, for it would be shown and kept with the plan; "
            "create it by itself, or have an operator do it (External Secrets, Sealed Secrets).",
        ),
        (
            f"apiVersion: v1\nkind: List\nitems:\n- {CONFIG.splitlines()[0]}\n",
            "config.yaml:2: write the objects of the List as documents of their own, with `---` between them.",
        ),
        (
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n",
            "config.yaml:2: a Kustomization is no object of a cluster; put into the folder what `kubectl kustomize` makes of it.",
        ),
    ],
)
def test_a_mistake_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    assert read(folder(tmp_path, config=text), "prod", NAMESPACES).problems == (said,)


def test_everything_that_is_wrong_is_said_at_once_and_the_files_in_the_order_of_their_names(tmp_path: Path) -> None:
    found = read(folder(tmp_path, b="a: [", a=f"{CONFIG}---\nkind: x\n", prod_c="- 1"), "prod", NAMESPACES)
    assert [problem.partition(": ")[0] for problem in found.problems] == ["a.yaml:5", "b.yaml:1", "prod/c.yaml:1"]
    assert [one.title for one in found.objects] == ["ConfigMap web-config"]


def test_a_folder_that_is_not_there_or_has_nothing(tmp_path: Path) -> None:
    root = folder(tmp_path, staging_config=CONFIG)
    assert read(root / "nothing", "prod", NAMESPACES).problems == (f"The folder {root}/nothing does not exist.",)
    assert read(root / "staging" / "config.yaml", "prod", NAMESPACES).problems == (f"{root}/staging/config.yaml is not a folder.",)
    assert read(root, "prod", NAMESPACES).problems == (f"The folder {root} has no object for prod: no .yaml or .yml file in it has one.",)


def test_a_subfolder_for_no_environment_is_not_left_out_silently(tmp_path: Path) -> None:
    found = read(folder(tmp_path, config=CONFIG, production_config=CONFIG), "prod", NAMESPACES)
    assert found.problems == ("The folder web/production is for no environment; did you mean `prod`?",)


def test_what_is_no_text_is_said(tmp_path: Path) -> None:
    root = folder(tmp_path, config=CONFIG)
    (root / "bad.yaml").write_bytes(b"\xff\xfe\x00")
    assert read(root, "prod", NAMESPACES).problems == ("bad.yaml cannot be read: it is not UTF-8 text.",)
