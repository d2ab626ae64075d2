"""A ledger to drive by hand: accept, claim, complete, without a broker or a worker."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from tests.engine.hands import hands, library, media, own_runtime, receiver  # noqa: F401 - fixtures
from workflows.analysis.model import Estimate
from workflows.fleet.registry import NodeFacts, beat_worker, register_node
from workflows.jobs import accept, leases, store
from workflows.jobs.leases import Claim, Refusal
from workflows.jobs.reconcile import Sender
from workflows.jobs.rows import Job, Step
from workflows.planning.model import PLAN_VERSION, Choice, Encoder, Need, Plan, Retries
from workflows.templates import TEMPLATES

_numbers = itertools.count(1)

PLAN = Plan(
    version=PLAN_VERSION,
    template="quick_sync",
    choice=Choice(template="quick_sync", reason="short", runner_up=None, flips_when="longer"),
    estimate=Estimate(p50_s=2.0, p90_s=4.0, cpu_s=3.0, memory_bytes=1000, disk_bytes=1000, parts={}),
    encoder=Encoder(codec="h264", preset="veryfast", crf=21, threads=2),
    need=Need(threads=2, memory_bytes=1000, disk_bytes=1000),
    retries=Retries(limit=1, base_s=1.0, factor=1.0, cap_s=1.0),
    total_s=60,
)


@dataclass
class Ledger:
    """The database of one test, with the moves a worker makes."""

    engine: Engine
    published: list[str] = field(default_factory=list)
    compensated: list[str] = field(default_factory=list)

    def accept(self, template: str = "quick_sync", **changes: Any) -> Job:
        """A new job of a template; `changes` are fields of the request or the plan."""
        plan_fields = {name: changes.pop(name) for name in ("need", "retries", "total_s", "version") if name in changes}
        plan = replace(PLAN, template=template, **plan_fields)
        request = accept.Request(
            **{
                "tenant": "acme",
                "job_id": f"job-{next(_numbers)}",
                "body": {"elements": []},
                "body_hash": "hash",
                "idempotency_key": None,
                "plan": plan,
                "graph": TEMPLATES[template].graph(plan),
                "priority": 2,
                "inline": False,
                "webhook_url": None,
                "metadata": {},
                "expires_in_s": None,
                "deadline_at": None,
                **changes,
            }
        )
        with self.engine.begin() as conn:
            return accept.accept(conn, request).job

    def steps(self, job: Job) -> dict[str, Step]:
        """The steps of the job's current workflow, by name."""
        with self.engine.connect() as conn:
            return {step.name: step for step in store.steps_of(conn, self.job(job).workflow_id)}

    def job(self, job: Job) -> Job:
        """The job as it is now."""
        with self.engine.connect() as conn:
            return store.get(conn, job.orchestration_id)

    def claim(self, job: Job, name: str, *, owner: str = "w1", lease_s: float = 60) -> Claim:
        """Claim a step that must be claimable."""
        claim = self.try_claim(job, name, owner=owner, lease_s=lease_s)
        assert isinstance(claim, Claim), claim
        return claim

    def try_claim(self, job: Job, name: str, *, owner: str = "w1", lease_s: float = 60) -> Claim | Refusal:
        """Claim a step, or hear why not."""
        with self.engine.begin() as conn:
            return leases.claim(conn, self.steps(job)[name].id, owner=owner, node="n1", lease_s=lease_s)

    def complete(self, claim: Claim, **output: Any) -> None:
        """Complete a claimed step."""
        with self.engine.begin() as conn:
            leases.complete(conn, claim, output)

    def run(self, job: Job, *names: str) -> None:
        """Claim and complete steps in turn."""
        for name in names:
            self.complete(self.claim(job, name))

    def query(self, sql: str, **parameters: Any) -> list[Any]:
        """Rows of a query in a transaction of its own."""
        with self.engine.begin() as conn:
            result = conn.execute(text(sql), parameters)
            return list(result.all()) if result.returns_rows else []

    def expire(self, claim: Claim) -> None:
        """Let the claim's lease run out now."""
        self.query("UPDATE steps SET lease_until = now() - interval '1 s' WHERE id = :id", id=claim.step_id)

    def sender(self, *, reachable: bool = True) -> Sender:
        """A sender that keeps what it is asked to send."""
        return Sender(
            reachable=lambda: reachable,
            canvas=self.published.append,
            compensation=self.compensated.append,
            deliveries=lambda: self.published.append("deliveries"),
        )

    def node(self, name: str = "n1", *, threads: int = 4, memory_bytes: int = 10_000, slots: int = 2) -> None:
        """A live node with a worker that serves every class."""
        facts = NodeFacts(
            id=name, boot_id="b", capabilities={"render_threads": 2}, performance={"encode": 90.0}, threads=threads,
            memory_bytes=memory_bytes, disk_bytes=1_000_000, version="0",
        )  # fmt: skip
        with self.engine.begin() as conn:
            register_node(conn, facts)
            beat_worker(conn, f"general@{name}", node=name, pid=1, queues=["quick", "balanced"], slots=slots)


@pytest.fixture
def ledger(database: str) -> Iterator[Ledger]:
    """An empty ledger on a fresh database."""
    engine = create_engine(database.replace("postgresql://", "postgresql+psycopg://", 1), pool_size=20, max_overflow=60)
    yield Ledger(engine)
    engine.dispose()
