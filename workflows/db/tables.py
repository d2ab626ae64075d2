"""The ledger's tables, columns only. Queries live beside their nouns; DDL lives in `migrations/`.

Times are the database's. `events` is partitioned by month on `at` (see `workflows.db.partitions`).
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "fk": "%(table_name)s_%(column_0_name)s_fkey",
        "uq": "%(table_name)s_%(column_0_name)s_key",
    }
)

JSON = JSONB(none_as_null=True)
NOW = text("now()")


def _at(name: str, *, nullable: bool = True, default: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable, server_default=NOW if default else None)


def _count(name: str) -> Column[int]:
    return Column(name, Integer, nullable=False, server_default=text("0"))


jobs = Table(
    "jobs",
    metadata,
    Column("orchestration_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("job_id", Text, nullable=False),
    Column("body_hash", Text, nullable=False),
    Column("body", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("outcome", Text),  # what a compensating job will end as
    Column("template", Text, nullable=False),
    Column("workflow_id", Text, nullable=False),
    Column("allocation_id", Text, nullable=False),
    Column("inline", Boolean, nullable=False),  # a client may be waiting for the answer
    Column("priority", Integer, nullable=False),
    Column("cancel_requested", Boolean, nullable=False, server_default=text("false")),
    Column("error", JSON),
    Column("result", JSON),  # key, size_bytes, sha256, facts of the file, warnings
    Column("output_fence", BigInteger),
    Column("webhook_url", Text),
    Column("metadata", JSON, nullable=False),
    Column("expires_in_s", Integer),
    _count("event_count"),
    _at("deadline_at"),  # the client's own
    _at("total_deadline_at"),  # the template's, from the grant
    _at("estimated_at"),  # when it should be done
    _at("retain_until"),  # the result is kept at least this long
    _at("created_at", nullable=False, default=True),
    _at("granted_at"),
    _at("finished_at"),
    UniqueConstraint("tenant", "job_id"),
    Index("jobs_open", "created_at", postgresql_where=text("finished_at IS NULL")),
    Index("jobs_recent", "tenant", "created_at"),
)

workflows = Table(
    "workflows",
    metadata,
    Column("id", Text, primary_key=True),
    Column("orchestration_id", Text, ForeignKey("jobs.orchestration_id", ondelete="CASCADE"), nullable=False),
    Column("template", Text, nullable=False),
    Column("plan", JSON, nullable=False),
    Column("why", Text, nullable=False),  # accepted, or what made it re-plan
    Column("superseded", Boolean, nullable=False, server_default=text("false")),
    _at("created_at", nullable=False, default=True),
    Index("workflows_job", "orchestration_id"),
)

steps = Table(
    "steps",
    metadata,
    Column("id", Text, primary_key=True),
    Column("orchestration_id", Text, ForeignKey("jobs.orchestration_id", ondelete="CASCADE"), nullable=False),
    Column("workflow_id", Text, ForeignKey("workflows.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("queue", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),  # of waiting: retry, admission, allocation, resource
    Column("open_predecessors", Integer, nullable=False),
    Column("successors", ARRAY(Text), nullable=False),
    Column("time_limit_s", Float, nullable=False),
    Column("stall_s", Float, nullable=False),
    Column("fence", BigInteger, nullable=False, server_default=text("0")),
    _count("attempts"),
    _count("failures"),
    _count("losses"),
    _count("publishes"),
    Column("lease_owner", Text),
    Column("node", Text),
    Column("progress", Float, nullable=False, server_default=text("0")),
    Column("output", JSON),
    Column("error", JSON),
    _at("lease_until"),
    _at("heartbeat_at"),
    _at("next_attempt_at"),
    _at("dispatched_at"),
    _at("ready_at"),
    _at("started_at"),
    _at("finished_at"),
    Index("steps_job", "orchestration_id"),
    Index("steps_live", "state", postgresql_where=text("state IN ('ready', 'waiting', 'running')")),
)

events = Table(
    "events",
    metadata,
    Column("orchestration_id", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", DateTime(timezone=True), primary_key=True, server_default=NOW),
    Column("type", Text, nullable=False),
    Column("step", Text),
    Column("data", JSON, nullable=False),
    postgresql_partition_by="RANGE (at)",
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body_hash", Text, nullable=False),
    Column("orchestration_id", Text, ForeignKey("jobs.orchestration_id", ondelete="CASCADE"), nullable=False),
    _at("expires_at", nullable=False),
)

allocations = Table(
    "allocations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("orchestration_id", Text, ForeignKey("jobs.orchestration_id", ondelete="CASCADE"), nullable=False),
    Column("state", Text, nullable=False),  # requested, granted, released
    Column("node", Text),
    Column("threads", Integer, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("disk_bytes", BigInteger, nullable=False),
    Column("quick", Boolean, nullable=False),
    Column("strategy", Text),
    Column("snapshot", JSON),
    _at("created_at", nullable=False, default=True),
    _at("granted_at"),
    _at("released_at"),
    Index("allocations_job", "orchestration_id"),
    Index("allocations_held", "node", postgresql_where=text("state = 'granted'")),
)

compensations = Table(
    "compensations",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("orchestration_id", Text, ForeignKey("jobs.orchestration_id", ondelete="CASCADE"), nullable=False),
    Column("step_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("args", JSON, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'pending'")),  # pending, done, debt, discharged
    _count("attempts"),
    Column("error", Text),
    _at("next_attempt_at", nullable=False, default=True),
    _at("handed_at"),  # when a worker was last asked to go on
    _at("created_at", nullable=False, default=True),
    _at("done_at"),
    Index("compensations_job", "orchestration_id"),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("key", Text, primary_key=True),
    Column("orchestration_id", Text, ForeignKey("jobs.orchestration_id", ondelete="CASCADE"), nullable=False),
    Column("step_id", Text, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("state", Text, nullable=False),  # staged, recorded, published, deleted
    _at("created_at", nullable=False, default=True),
    Index("artifacts_job", "orchestration_id"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Text, primary_key=True),  # the Standard Webhooks message id
    Column("orchestration_id", Text, ForeignKey("jobs.orchestration_id", ondelete="CASCADE"), nullable=False),
    Column("url", Text, nullable=False),
    Column("body", JSON, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'pending'")),  # pending, delivered, dead
    _count("attempts"),
    Column("last_status", Integer),
    Column("last_error", Text),
    _at("next_attempt_at", nullable=False, default=True),
    _at("created_at", nullable=False, default=True),
    _at("delivered_at"),
    Index("outbox_due", "next_attempt_at", postgresql_where=text("state = 'pending'")),
    Index("outbox_job", "orchestration_id"),
)

nodes = Table(
    "nodes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("boot_id", Text, nullable=False),
    Column("state", Text, nullable=False),  # active, draining, down
    Column("capabilities", JSON, nullable=False),
    Column("performance", JSON, nullable=False),  # calibrated Mpx per CPU second
    Column("threads", Integer, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("disk_bytes", BigInteger, nullable=False),
    Column("load", JSON, nullable=False, server_default=text("'{}'")),
    Column("version", Text, nullable=False),
    _at("registered_at", nullable=False, default=True),
    _at("heartbeat_at", nullable=False, default=True),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),  # Celery host name : boot id
    Column("node", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("queues", ARRAY(Text), nullable=False),
    Column("slots", Integer, nullable=False),
    _at("started_at", nullable=False, default=True),
    _at("heartbeat_at", nullable=False, default=True),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    _at("created_at", nullable=False, default=True),
    _at("expires_at"),
    _at("revoked_at"),
)
