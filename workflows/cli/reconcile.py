"""`reconcile`: the reconciler as a process of its own."""

from __future__ import annotations

import click

from workflows.cli.boot import boot
from workflows.reconciler import run_forever


@click.command()
def reconcile() -> None:
    """Run the reconciler until it is told to stop. Any number may run side by side."""
    run_forever(boot("database_url", "redis_url"))
