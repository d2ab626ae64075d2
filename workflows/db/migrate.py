"""Migrations: bring a database to the newest schema, or say whether it is there."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from workflows.db.partitions import ensure_partitions

HERE = Path(__file__).parent / "migrations"


def upgrade(database_url: str) -> str:
    """Migrate to the newest revision and return it. Safe to run from several processes at once."""
    engine = create_engine(database_url.replace("postgresql://", "postgresql+psycopg://", 1))
    try:
        with engine.connect() as conn:
            conn.execute(text("SELECT pg_advisory_lock(hashtext('orchestrator migrations'))"))
            conn.commit()
            command.upgrade(_config(conn), "head")
            conn.commit()  # with nothing to migrate, Alembic leaves its look at the revision open
            with conn.begin():
                ensure_partitions(conn)
            conn.execute(text("SELECT pg_advisory_unlock(hashtext('orchestrator migrations'))"))
            conn.commit()
            return newest()
    finally:
        engine.dispose()


def newest() -> str:
    """The revision this code expects."""
    head = ScriptDirectory.from_config(_config(None)).get_current_head()
    if head is None:
        raise RuntimeError("no migrations are installed")
    return head


def current(conn: Connection) -> str | None:
    """The revision the database is at; None for an empty one."""
    return MigrationContext.configure(conn).get_current_revision()


def _config(conn: Connection | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["connection"] = conn
    return config
