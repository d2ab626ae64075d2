"""How long a result is kept."""

from __future__ import annotations

from sqlalchemy import Connection, text

from workflows.jobs.rows import Job
from workflows.settings import Settings


def set_retention(conn: Connection, job: Job, settings: Settings) -> None:
    """Keep the result for the job's `expires_in`, else for the installation's time, from now on. Never shortens."""
    conn.execute(
        text("""
        UPDATE jobs SET retain_until = greatest(retain_until, clock_timestamp() + make_interval(secs => :keep))
        WHERE orchestration_id = :job
        """),
        {"job": job.orchestration_id, "keep": job.expires_in_s or settings.retention_s},
    )
