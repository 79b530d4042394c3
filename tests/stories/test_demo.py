"""The demo as a stranger runs it: from the built wheel, outside the checkout; and on a real cluster where there is one."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import httpx
import pytest

from bot.scenario import PUBLIC_AFTER, PUBLIC_BEFORE, PUBLIC_REPOSITORY
from sandbox.kubeconfig import kubeconfig
from sandbox.server import in_thread
from sandbox.world import World

CHECKOUT = Path(__file__).parent.parent.parent


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "KUBECONFIG")}
    return subprocess.run(command, cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, timeout=180)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The wheel in an environment of its own; what it depends on is borrowed from ours, the checkout is not."""
    built = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(CHECKOUT), cwd=tmp_path)
    assert built.returncode == 0, built.stderr
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False)
    inside = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
    (inside / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    wheel = next(tmp_path.glob("aiec-*.whl"))
    put = run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(inside), str(wheel), cwd=tmp_path)
    assert put.returncode == 0, put.stderr
    return environment / "bin" / "python"


@pytest.mark.slow
def test_the_wheel_plays_the_demo_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    where = run(str(installed), "-c", "import bot; print(bot.__file__)", cwd=tmp_path)
    assert str(tmp_path) in where.stdout
    played = run(str(installed), "-m", "bot", "demo", "--headless", cwd=tmp_path)
    assert played.returncode == 0, played.stdout + played.stderr
    for line in ("engineer  /aiec deploy prod v1.2.0", "⏸ waiting · Deploy v1.2.0 to prod", "lead  presses [Approve]", "✅ done · Deploy v1.2.0 to prod"):
        assert line in played.stdout
    assert played.stderr == ""


def test_the_demo_needs_an_agreement_before_it_touches_a_cluster(tmp_path: Path) -> None:
    with in_thread(World.build({})) as far:
        (tmp_path / "kubeconfig").write_text(kubeconfig(far.urls["kubernetes"]))
        command = (sys.executable, "-m", "bot", "demo", "--headless", "--kubeconfig", str(tmp_path / "kubeconfig"))
        refused = run(*command, cwd=tmp_path, PYTHONPATH=str(CHECKOUT))
        assert refused.returncode == 1
        assert refused.stderr.startswith("Nothing was done in context sandbox")
        names = [one["metadata"]["name"] for one in httpx.get(f"{far.urls['kubernetes']}/api/v1/namespaces").json()["items"]]
        assert "default" in names
        assert not [name for name in names if name.startswith("aiec-demo")]


@pytest.mark.skipif("TEST_KUBECONFIG" not in os.environ, reason="TEST_KUBECONFIG names no cluster")
def test_the_demo_on_a_real_cluster_leaves_nothing_behind(tmp_path: Path) -> None:
    images = [{"name": PUBLIC_REPOSITORY, "tags": [tag]} for tag in (PUBLIC_BEFORE, PUBLIC_AFTER)]
    with in_thread(World.build({"images": images})) as far:
        played = run(
            sys.executable, "-m", "bot", "demo", "--headless", "--yes", "--kubeconfig", os.environ["TEST_KUBECONFIG"], cwd=tmp_path,
            REGISTRY_URL=far.urls["registry"], PYTHONPATH=str(CHECKOUT),
        )  # fmt: skip
    assert played.returncode == 0, played.stdout + played.stderr
    assert f"✅ done · Deploy {PUBLIC_AFTER} to prod" in played.stdout
