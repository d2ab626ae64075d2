"""The command line against a real HTTP server that speaks the service's shapes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from workflows.cli import main

SPEC = {"output_format": "mp4", "width": 640, "height": 360, "elements": []}
RESULT_URL = "https://store.example/results/one.mp4?signature=abc"
HEAVY = {"celery", "sqlalchemy", "boto3", "av", "flask", "numpy", "PIL", "redis"}

INVALID = {
    "type": "/api/v1/docs#invalid_spec", "title": "Invalid spec", "status": 422, "code": "invalid_spec",
    "detail": "widht is not a property of a job", "path": "widht", "retryable": False,
    "remedy": "Correct the fields named under `errors` and post the job again.",
    "errors": [
        {"path": "widht", "code": "unknown_property", "message": "No such property.", "remedy": "Did you mean width?"},
        {"path": "elements[0].source", "code": "required", "message": "A video needs a source."},
    ],
}  # fmt: skip
JOB_ERROR = {
    "code": "source_not_found", "message": "the server answered 404", "path": "elements[0].source",
    "retryable": False, "remedy": "Check that the URL opens without a login.",
}  # fmt: skip


@dataclass
class Service:
    """What the server answers, and what it was asked."""

    orchestrate: tuple[int, dict[str, Any]] = (202, {})
    statuses: list[dict[str, Any]] = field(default_factory=list)
    posted: list[dict[str, Any]] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    hold_post: threading.Event | None = None  # the POST answers only when the last status has been read
    url: str = ""

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if method == "POST" and path == "/api/v1/orchestrate":
            self.posted.append(body)
            if self.hold_post:
                assert self.hold_post.wait(timeout=20)
            code, answer = self.orchestrate
            return code, {"jobId": body.get("id", "job_made"), "orchestrationId": "orch_1"} | answer
        name = path.removeprefix("/api/v1/jobs/").removesuffix("/status")
        if not self.posted and name != "old":
            return 404, {"code": "not_found", "detail": f"no job {name}"}
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if self.hold_post and len(self.statuses) == 1:
            self.hold_post.set()
        return 200, {"job_id": name, **status}


@pytest.fixture
def service() -> Iterator[Service]:
    state = Service()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.reply("GET")

        def do_POST(self) -> None:
            self.reply("POST")

        def reply(self, method: str) -> None:
            state.keys.add(self.headers.get("Authorization", ""))
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
            code, answer = state.answer(method, self.path, body)
            data = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/problem+json" if code >= 400 else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def spec(tmp_path: Path) -> str:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(SPEC))
    return str(path)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ORCHESTRATOR_URL", "ORCHESTRATOR_API_KEY", "DATABASE_URL", "REDIS_URL", "API_KEY_PEPPER", "PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "home"))


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=text)


def processing(fraction: float, step: str = "video_processing") -> dict[str, Any]:
    return {
        "status": "processing", "progress": f"{fraction * 100:.0f}%", "progress_fraction": fraction,
        "current_step": step, "message": "Processing video elements",
    }  # fmt: skip


COMPLETED = {
    "status": "completed", "progress": "100%", "progress_fraction": 1.0, "current_step": "completed",
    "message": "Job completed successfully", "result_url": RESULT_URL,
}  # fmt: skip
FAILED = {
    "status": "failed", "progress": "12%", "progress_fraction": 0.12, "current_step": "failed",
    "message": JOB_ERROR["message"], "error": JOB_ERROR,
}  # fmt: skip


def test_submit_prints_the_result_of_a_job_answered_at_once(service: Service, spec: str) -> None:
    service.orchestrate = (200, {"status": "immediate", "result_url": RESULT_URL, "message": "Job completed"})
    result = run("submit", spec, "--url", service.url, "--api-key", "vos_dev_x")
    assert (result.exit_code, result.stdout) == (0, RESULT_URL + "\n")
    assert service.posted == [SPEC]
    assert service.keys == {"Bearer vos_dev_x"}


def test_submit_prints_the_id_of_a_queued_job(service: Service, spec: str) -> None:
    service.orchestrate = (202, {"status": "queued", "message": "Job queued for processing"})
    result = run("submit", spec, "--url", service.url)
    assert (result.exit_code, result.stdout) == (0, "job_made\n")
    assert "orchestrator status job_made" in result.stderr


def test_submit_reads_the_job_from_standard_input(service: Service) -> None:
    service.orchestrate = (202, {"status": "queued", "message": "Job queued for processing"})
    run("submit", "-", "--url", service.url, text='{"id": "mine", "elements": []}')
    assert service.posted == [{"id": "mine", "elements": []}]


def test_wait_follows_a_queued_job_to_its_result(service: Service, spec: str) -> None:
    service.orchestrate = (202, {"status": "queued", "message": "Job queued for processing"})
    service.statuses = [processing(0.1), processing(0.5), COMPLETED]
    result = run("submit", spec, "--wait", "--url", service.url)
    assert (result.exit_code, result.stdout) == (0, RESULT_URL + "\n")
    assert "100%" in result.stderr


def test_wait_shows_progress_while_the_post_is_held(service: Service, spec: str) -> None:
    service.hold_post = threading.Event()
    service.orchestrate = (200, {"status": "immediate", "result_url": RESULT_URL})
    service.statuses = [processing(0.2), COMPLETED]
    result = run("submit", spec, "--wait", "--url", service.url)
    assert (result.exit_code, result.stdout) == (0, RESULT_URL + "\n")
    assert service.posted[0].pop("id").startswith("job_")
    assert service.posted == [SPEC]


def test_a_failed_job_is_exit_code_1_with_its_reason(service: Service, spec: str) -> None:
    service.orchestrate = (202, {"status": "queued", "message": "Job queued for processing"})
    service.statuses = [processing(0.1), FAILED]
    result = run("submit", spec, "--wait", "--url", service.url)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the server answered 404 at elements[0].source (source_not_found)" in result.stderr
    assert "Check that the URL opens without a login." in result.stderr


@pytest.mark.parametrize("wait", [(), ("--wait",)])
def test_a_job_that_fails_while_the_post_waits_is_exit_code_1(service: Service, spec: str, wait: tuple[str]) -> None:
    detail = {"detail": JOB_ERROR["message"], "status": 422, **{k: JOB_ERROR[k] for k in ("code", "path", "remedy")}}
    service.orchestrate = (422, detail)  # a job's end carries its jobId
    service.statuses = [FAILED]
    result = run("submit", spec, *wait, "--url", service.url)
    assert result.exit_code == 1
    assert "source_not_found" in result.stderr
    assert "Check that the URL opens without a login." in result.stderr


@pytest.mark.parametrize("wait", [(), ("--wait",)])
def test_an_invalid_job_is_exit_code_2_with_every_path(service: Service, spec: str, wait: tuple[str]) -> None:
    service.orchestrate = (422, {**INVALID, "jobId": None})
    service.statuses = [FAILED]
    result = run("submit", spec, *wait, "--url", service.url)
    assert result.exit_code == 2
    assert "widht: No such property. Did you mean width?" in result.stderr
    assert "elements[0].source: A video needs a source." in result.stderr
    assert "invalid_spec" in result.stderr


def test_a_busy_service_is_exit_code_3(service: Service, spec: str) -> None:
    problem = {"code": "overloaded", "detail": "too many jobs wait", "remedy": "Wait and send it again.", "jobId": None}
    service.orchestrate = (503, problem)
    result = run("submit", spec, "--url", service.url)
    assert (result.exit_code, "too many jobs wait (overloaded)" in result.stderr) == (3, True)


def test_nobody_at_the_url_is_exit_code_3_in_plain_words(spec: str) -> None:
    result = run("submit", spec, "--url", "http://127.0.0.1:1")
    assert result.exit_code == 3
    assert "http://127.0.0.1:1 does not answer" in result.stderr
    assert "Traceback" not in result.output


def test_no_service_named_or_running_says_what_to_set(spec: str) -> None:
    result = run("submit", spec)
    assert result.exit_code == 2
    assert "ORCHESTRATOR_URL" in result.stderr


def test_a_stack_on_this_machine_is_found_by_its_note(service: Service, spec: str, tmp_path: Path) -> None:
    service.orchestrate = (202, {"status": "queued", "message": "Job queued for processing"})
    (tmp_path / "home").mkdir()
    (tmp_path / "home/ready.json").write_text(json.dumps({"url": service.url, "api_key": "vos_dev_local"}))
    assert run("submit", spec).exit_code == 0
    assert service.keys == {"Bearer vos_dev_local"}


def test_the_environment_names_the_service(service: Service, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service.orchestrate = (202, {"status": "queued", "message": "Job queued for processing"})
    monkeypatch.setenv("ORCHESTRATOR_URL", service.url)
    monkeypatch.setenv("ORCHESTRATOR_API_KEY", "vos_dev_env")
    assert run("submit", spec).exit_code == 0
    assert service.keys == {"Bearer vos_dev_env"}


@pytest.mark.parametrize(
    ("content", "said"),
    [("{\n  nope", "line 2, column 3"), ("[1]", "a job is a JSON object"), (None, "No such file")],
)
def test_a_spec_that_cannot_be_read_is_exit_code_2(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "bad.json"
    if content is not None:
        path.write_text(content)
    for command in ("submit", "explain"):
        result = run(command, str(path))
        assert (result.exit_code, said in result.stderr) == (2, True), result.stderr


def test_status_prints_progress_and_the_result(service: Service) -> None:
    service.statuses = [processing(0.75), COMPLETED]
    first = run("status", "old", "--url", service.url)
    assert (first.exit_code, first.stdout) == (0, "processing  75%  Processing video elements\n")
    second = run("status", "old", "--url", service.url)
    assert (second.exit_code, second.stdout.splitlines()[-1]) == (0, RESULT_URL)


def test_status_of_a_failed_job_is_exit_code_1(service: Service) -> None:
    service.statuses = [FAILED]
    result = run("status", "old", "--url", service.url)
    assert (result.exit_code, "source_not_found" in result.stderr) == (1, True)


def test_status_of_an_unknown_job_is_exit_code_2(service: Service) -> None:
    result = run("status", "nowhere", "--url", service.url)
    assert (result.exit_code, "no job nowhere (not_found)" in result.stderr) == (2, True)


@pytest.mark.parametrize("command", [("migrate",), ("reconcile",), ("keys", "create")])
def test_what_works_on_the_database_names_the_missing_variable(command: tuple[str, ...]) -> None:
    result = run(*command)
    assert (result.exit_code, "DATABASE_URL" in result.stderr) == (2, True)


def test_a_setting_that_does_not_parse_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "ninety")
    result = run("migrate")
    assert (result.exit_code, "PORT='ninety'" in result.stderr) == (2, True)


def test_a_database_that_does_not_answer_is_exit_code_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:secret-word@127.0.0.1:1/none")
    result = run("migrate")
    assert (result.exit_code, "does not answer" in result.stderr) == (3, True)
    assert "secret-word" not in result.output


def test_client_commands_import_nothing_of_the_service(service: Service, spec: str) -> None:
    service.orchestrate = (202, {"status": "queued", "message": "Job queued for processing"})
    service.statuses = [COMPLETED]
    program = (
        "import sys; from workflows.cli import main\n"
        f"main(['submit', {spec!r}, '--wait', '--url', {service.url!r}], standalone_mode=False)\n"
        "print(*sorted(name for name in sys.modules if '.' not in name))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    loaded = set(done.stdout.split())
    assert "urllib3" in loaded
    assert not loaded & HEAVY


def test_help_lists_the_commands_without_importing_them() -> None:
    program = (
        "import sys; from workflows.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "print(*(name for name in sys.modules if name.startswith('workflows.cli.')), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    wanted = ["up", "doctor", "demo", "submit", "status", "explain", "migrate", "reconcile", "keys", "version"]
    assert [line.split()[0] for line in done.stdout.split("Commands:")[1].splitlines() if line.strip()] == wanted
    assert set(done.stderr.split()) == {"workflows.cli.app"}


def test_up_hands_its_arguments_to_the_program_that_starts_the_stack() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "workflows.cli", "up", "--help"], capture_output=True, text=True, check=True, timeout=30
    )
    assert "orchestrator_tasks.embedded up" in done.stdout
    assert "--ready-file" in done.stdout


def test_version_is_that_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert run("version").stdout.strip() == project["version"]
