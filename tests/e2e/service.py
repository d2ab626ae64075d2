"""A whole running stack as the tests see it: its HTTP door, its processes, its ledger (read), its store (listed)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import urllib3
from sqlalchemy import Engine, Row, text

from tests.e2e.conditions import until
from workflows.client import ENDED, Client
from workflows.settings import Settings, load
from workflows.storage.objects import ObjectStore

Body = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: Body
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Service:
    """The stack of this test session."""

    note: Mapping[str, Any]
    data_dir: Path
    engine: Engine
    http: urllib3.PoolManager
    store: ObjectStore
    environ: Mapping[str, str]  # of the stack's own processes

    @property
    def client(self) -> Client:
        """The product's client, with the stack's key."""
        return Client(url=self.note["url"], api_key=self.note["api_key"], _pool=self.http)

    @property
    def settings(self) -> Settings:
        """The settings the stack's processes have."""
        return load(self.environ)

    @property
    def scratch(self) -> Path:
        """Where this node works."""
        return self.data_dir / "node" / "scratch"

    def post(self, body: Body, *, url: str | None = None, timeout_s: float = 90.0) -> Answer:
        """POST /api/v1/orchestrate, whatever comes of it."""
        return self.call("POST", "/api/v1/orchestrate", body, url=url, timeout_s=timeout_s)

    def call(
        self, method: str, path: str, body: Body | None = None, *, url: str | None = None, timeout_s: float = 10.0
    ) -> Answer:
        """One request with the stack's key."""
        answer = self.http.request(
            method, (url or self.note["url"]) + path, body=json.dumps(body) if body is not None else None,
            headers={"Authorization": f"Bearer {self.note['api_key']}", "Content-Type": "application/json"},
            timeout=timeout_s, retries=False,
        )  # fmt: skip
        return Answer(answer.status, json.loads(answer.data), answer.headers)

    def status(self, job_id: str) -> Body:
        """The job's status as clients read it."""
        return self.client.status(job_id)

    def ended(self, job_id: str, within_s: float = 60.0) -> Body:
        """The job's last status, once it has ended and nothing of it runs any more."""
        last = until(lambda: _if(self.status(job_id), lambda s: s["status"] in ENDED), f"{job_id} ends", within_s)
        until(lambda: not self.open_steps(job_id), f"the steps of {job_id} end", within_s)
        return last

    def completed(self, job_id: str, within_s: float = 60.0) -> Body:
        """The job's last status, which must be success."""
        last = self.ended(job_id, within_s)
        assert last["status"] == "completed", self.history(job_id)
        return last

    def at_step(self, job_id: str, word: str, *, past: float = 0.0) -> Body:
        """The status once the job is at this step, and has come further than `past` (of 1)."""
        return until(
            lambda: _if(
                self.status(job_id), lambda s: s["current_step"] == word and s["progress_fraction"] > past
            ),
            f"{job_id} is at {word}",
        )  # fmt: skip

    def sql(self, query: str, **parameters: Any) -> list[Row[Any]]:
        """Rows of the ledger."""
        with self.engine.begin() as conn:
            result = conn.execute(text(query), parameters)
            return list(result.all()) if result.returns_rows else []

    def job(self, job_id: str) -> Row[Any]:
        """The job's row."""
        return self.sql("SELECT * FROM jobs WHERE job_id = :id", id=job_id)[0]

    def steps(self, job_id: str) -> dict[str, Row[Any]]:
        """The rows of the job's present workflow, by step."""
        query = "SELECT s.* FROM steps s JOIN jobs j USING (workflow_id) WHERE j.job_id = :id ORDER BY s.position"
        return {row.name: row for row in self.sql(query, id=job_id)}

    def open_steps(self, job_id: str) -> list[str]:
        """Steps of the job that are not finished."""
        query = """SELECT s.name FROM steps s JOIN jobs j USING (orchestration_id) WHERE j.job_id = :id
                   AND s.state IN ('ready', 'waiting', 'running', 'blocked')"""
        return [row.name for row in self.sql(query, id=job_id)]

    def history(self, job_id: str, kind: str | None = None) -> list[tuple[str, str | None, Body]]:
        """The job's events as (type, step, data), all or those of one type."""
        query = """SELECT e.type, e.step, e.data FROM events e JOIN jobs j USING (orchestration_id)
                   WHERE j.job_id = :id ORDER BY e.number"""
        return [tuple(row) for row in self.sql(query, id=job_id) if kind in (None, row.type)]

    def published(self, job_id: str) -> list[str]:
        """Keys of the job's published artifacts."""
        query = """SELECT key FROM artifacts JOIN jobs USING (orchestration_id)
                   WHERE job_id = :id AND artifacts.state = 'published'"""
        return [row.key for row in self.sql(query, id=job_id)]

    def ended_once(self, job_id: str) -> None:
        """Assert that the job succeeded exactly once and its result is there, whole."""
        assert len(self.history(job_id, "job_succeeded")) == 1
        (key,) = self.published(job_id)
        result = self.job(job_id).result
        assert result["key"] == key
        found = self.store.head(key)
        assert found is not None
        assert (found.size_bytes, found.sha256) == (result["size_bytes"], result["sha256"])

    def held(self, job_id: str) -> dict[str, list[Any]]:
        """Everything a job still holds anywhere; empty values when it holds nothing."""
        job = self.job(job_id)
        at = {"job": job.orchestration_id}
        prefix = f"{job.tenant}/jobs/{job.orchestration_id}/"
        return {
            "scratch": [str(path) for path in self.scratch.glob(f"{job.orchestration_id}/**")],
            "objects": [one.key for one in self.store.list(prefix)],
            "allocations": self.sql(
                "SELECT id FROM allocations WHERE orchestration_id = :job AND state <> 'released'", **at
            ),
            "leases": self.sql(
                "SELECT id FROM steps WHERE orchestration_id = :job AND lease_owner IS NOT NULL", **at
            ),
            "compensations": self.sql(
                "SELECT id FROM compensations WHERE orchestration_id = :job AND state IN ('pending', 'debt')", **at
            ),
            "ffmpeg": self.ffmpegs(job.orchestration_id),
        }  # fmt: skip

    def leaves_nothing(self, job_id: str) -> None:
        """Wait until the job holds nothing."""
        until(lambda: not any(self.held(job_id).values()) or None, f"{job_id} holds nothing: {self.held(job_id)}")

    def ffmpegs(self, mention: str | None = None) -> list[psutil.Process]:
        """FFmpeg processes anywhere on this machine that work in this stack's scratch (for one job)."""
        wanted = str(self.scratch / mention) if mention else str(self.scratch)
        return [p for p in psutil.process_iter(["name", "cmdline"]) if _is_ffmpeg(p, wanted)]

    def ffmpeg_of(self, job_id: str) -> psutil.Process:
        """The FFmpeg that renders the job, once it runs."""
        name = self.job(job_id).orchestration_id
        return until(lambda: self.ffmpegs(name), f"FFmpeg renders {job_id}")[0]

    def pid(self, child: str) -> int:
        """The process id of one of the supervisor's children, as it last started it."""
        lines = (self.data_dir / "logs" / "supervisor.log").read_text().splitlines()
        started = [json.loads(line) for line in lines if '"child_started"' in line]
        return next(line["pid"] for line in reversed(started) if line["child"] == child)

    def child(self, name: str) -> psutil.Process:
        """One of the supervisor's children, alive."""

        def running() -> psutil.Process | None:
            process = psutil.Process(self.pid(name)) if psutil.pid_exists(self.pid(name)) else None
            return process if process and process.status() != psutil.STATUS_ZOMBIE else None

        return until(running, f"{name} runs")

    def holder(self, job_id: str, step: str = "process") -> psutil.Process:
        """The pool child that holds a step's lease."""
        owner = until(lambda: self.steps(job_id)[step].lease_owner, f"{step} of {job_id} is held")
        return psutil.Process(int(owner.rpartition("/")[2]))

    def log(self, child: str) -> str:
        """What one of the children has written."""
        path = self.data_dir / "logs" / f"{child}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def download(self, url: str, path: Path) -> Path:
        """What a result's URL holds."""
        self.client.download(url, path)
        return path


def _if(value: Body, test: Any) -> Body | None:
    return value if test(value) else None


def _is_ffmpeg(process: psutil.Process, mention: str) -> bool:
    name, argv = process.info["name"] or "", process.info["cmdline"] or ()
    return name.startswith("ffmpeg") and any(mention in argument for argument in argv)


def new_id(what: str = "job") -> str:
    """An id no other job has."""
    return f"{what}-{uuid.uuid4().hex[:12]}"
