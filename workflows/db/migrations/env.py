"""Alembic's entry: migrates the database of the engine that `workflows.db.migrate` hands over."""

from __future__ import annotations

from alembic import context

from workflows.db.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
