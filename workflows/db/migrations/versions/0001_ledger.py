"""The ledger: jobs, workflows, steps, events and what belongs to them. The DDL is in the file beside this one."""

from __future__ import annotations

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = (
    "outbox", "artifacts", "compensations", "allocations", "idempotency", "events", "steps", "workflows", "jobs",
    "nodes", "workers", "api_keys",
)  # fmt: skip


def upgrade() -> None:
    """Create every table."""
    for statement in Path(__file__).with_suffix(".sql").read_text().split(";\n"):
        if statement.strip():
            op.execute(statement)


def downgrade() -> None:
    """Drop every table."""
    for table in TABLES:
        op.execute(f"DROP TABLE IF EXISTS {table} CASCADE")
