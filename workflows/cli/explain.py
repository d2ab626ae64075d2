"""`explain`: what would happen to a job, without a service and without running anything."""

from __future__ import annotations

import json

import click

from workflows.cli.spec_file import read_job
from workflows.explain import as_text
from workflows.explain import explain as stages


@click.command()
@click.argument("spec", metavar="SPEC.JSON|-")
@click.option("--threads", type=click.IntRange(1, 64), default=2, show_default=True, help="Threads of one render.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(spec: str, threads: int, as_json: bool) -> None:
    """Show every stage of the job in SPEC.JSON (or on standard input for -): timeline, cost, template, steps.

    Sources are not opened: lengths that only they know are assumed and marked so.
    """
    explanation = stages(read_job(spec), threads)
    click.echo(json.dumps(explanation.as_dict(), indent=2) if as_json else as_text(explanation), nl=as_json)
