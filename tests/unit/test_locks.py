"""What is locked is what pyproject.toml asks for, and what is tested is what the image installs."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+).*\\\n((?:    --hash=sha256:\w{64}.*\n)+)", re.M)


def locked(name: str) -> dict[str, dict[str, list[str]]]:
    """Returns the versions of each package of a lock file, of which there may be one for each Python, with their hashes."""
    text = (ROOT / name).read_text()
    found: dict[str, dict[str, list[str]]] = {}
    for package, version, hashes in LOCKED.findall(text):
        found.setdefault(canonicalize_name(package), {})[version] = sorted(re.findall(r"sha256:(\w+)", hashes))
    assert sum(map(len, found.values())) == len(re.findall(r"(?m)^[A-Za-z0-9]", text)), f"{name} has a line without a hash"
    return found


@pytest.mark.parametrize(
    ("name", "asked"),
    [("requirements.lock", PROJECT["dependencies"]), ("requirements-dev.lock", [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]])],
    ids=["image", "development"],
)
def test_each_requirement_is_locked_in_a_version_that_it_allows(name: str, asked: list[str]) -> None:
    there = locked(name)
    required = [Requirement(one) for one in asked]
    versions = {str(one): (one.specifier, [*there.get(canonicalize_name(one.name), {})]) for one in required}
    assert [one for one, (allowed, found) in versions.items() if not found or not all(map(allowed.contains, found))] == [], "`make lock` writes them anew"


def test_what_is_tested_is_what_the_image_has() -> None:
    tested = locked("requirements-dev.lock")
    assert {name: one for name, one in locked("requirements.lock").items() if tested.get(name) != one} == {}
