"""`migrate`: the database's schema."""

from __future__ import annotations

import click

from workflows.cli.boot import boot
from workflows.db.engine import reachable
from workflows.db.migrate import upgrade


@click.command()
def migrate() -> None:
    """Bring the database (DATABASE_URL) to the newest schema. Safe to run twice and side by side."""
    url = boot("database_url").database_url
    with reachable("The database (DATABASE_URL)"):
        click.echo(f"The database is at revision {upgrade(url)}.")
