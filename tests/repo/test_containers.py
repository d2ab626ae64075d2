"""The container files, by the real tools (hadolint, docker-compose) and against the code they start."""

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from tests.repo import ROOT, settings_docs
from workflows.broker import CLASSES
from workflows.cli.app import COMMANDS
from workflows.policy import PLACES
from workflows.settings import Settings

BIN = Path(sys.executable).parent
DOCKERFILES = ("Dockerfile.api", "Dockerfile.worker")
SECRETS = (*settings_docs.COMPOSE_SECRETS, *settings_docs.COMPOSE_REQUIRED)
SERVERS = {"postgres", "redis", "objectstore"}
# Read by the programs themselves, not by our settings: Flower and Celery.
FOREIGN = {"FLOWER_BASIC_AUTH", "REMAP_SIGTERM"}
OURS = {spec.metadata["env"] for spec in fields(Settings)} | {variable for _, variable in PLACES.values() if variable}


def compose(*arguments: str, env_file: Path) -> subprocess.CompletedProcess[str]:
    """Run docker-compose, which here only reads files, with nothing but `env_file` to fill in."""
    argv = [BIN / "docker-compose", "--env-file", env_file, "-f", ROOT / "docker-compose.yml", *arguments]
    return subprocess.run(argv, env={"PATH": str(BIN), "HOME": "/"}, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def env_file(tmp_path_factory):
    """The .env somebody makes who follows .env.example."""
    text = settings_docs.ENV_EXAMPLE.read_text()
    for name in SECRETS:
        text = text.replace(f"\n{name}=\n", f"\n{name}=filled\n")
    path = tmp_path_factory.mktemp("compose") / "env"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def services(env_file):
    """The services as docker-compose resolves them."""
    run = compose("config", "--format", "json", env_file=env_file)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)["services"]


def test_compose_file_is_valid_without_warnings(env_file):
    run = compose("config", "--quiet", env_file=env_file)
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("name", SECRETS)
def test_compose_refuses_to_start_without(name, env_file, tmp_path):
    without = tmp_path / "env"
    without.write_text(env_file.read_text().replace(f"\n{name}=filled\n", "\n"))
    run = compose("config", "--quiet", env_file=without)
    assert run.returncode != 0
    assert f"required variable {name} is missing" in run.stderr


def test_services_are_those_of_the_documents(services):
    assert set(services) == SERVERS | {
        "orchestrator-migrate", "orchestrator-master", "orchestrator-reconciler", "orchestrator-worker",
        "orchestrator-worker-quick", "orchestrator-beat", "flower",
    }  # fmt: skip


def test_workers_can_be_scaled(services):
    for name in ("orchestrator-worker", "orchestrator-worker-quick"):
        assert not {"container_name", "ports", "hostname"} & set(services[name])
        assert not services[name]["environment"].get("NODE_ID"), "scaled workers must not share one node's name"


def test_nothing_is_published_beyond_loopback(services):
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert {port.get("host_ip") for port in published} == {"127.0.0.1"}


def test_every_variable_is_one_the_code_reads(services):
    for name in set(services) - SERVERS:
        assert set(services[name]["environment"]) <= OURS | FOREIGN, name


def test_workers_serve_every_queue(services):
    argvs = [services[name]["command"] for name in ("orchestrator-worker", "orchestrator-worker-quick")]
    served = {queue for argv in argvs for queue in argv[argv.index("-Q") + 1].split(",")}
    assert served == set(CLASSES)


def test_commands_of_ours_exist(services):
    used = {s["command"][1] for s in services.values() if s.get("command") and s["command"][0] == "orchestrator"}
    assert used
    assert used <= set(COMMANDS)


def test_our_services_are_kept_from_more_rights(services):
    for name in set(services) - SERVERS:
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_finds_nothing(name):
    run = subprocess.run([BIN / "hadolint", ROOT / name], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_image_installs_by_hash_and_runs_unprivileged(name):
    text = (ROOT / name).read_text()
    assert "--require-hashes -r requirements-runtime.lock" in text
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE)[-1] == "10001:10001"
    assert all(
        ":" in image and not image.endswith(":latest") for image in re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    )


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_an_image_copies_exists_and_reaches_the_builder(name):
    admitted = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copies = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", (ROOT / name).read_text(), re.MULTILINE)
    sources = [source for copy in copies for source in copy.split()]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in admitted, source


def test_scripts_of_the_images_can_run():
    for script in (ROOT / "deploy").iterdir():
        assert script.stat().st_mode & 0o111, script
        shell = script.read_text().splitlines()[0].removeprefix("#!")
        subprocess.run([shell, "-n", script], check=True)
