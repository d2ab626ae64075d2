"""`status`: how far a job is."""

from __future__ import annotations

import json

import click

from workflows.cli.service import connect, service_options
from workflows.cli.submit import result_url
from workflows.client import ENDED


@click.command()
@click.argument("job")
@click.option("--json", "as_json", is_flag=True, help="Print the service's answer as it is.")
@service_options
def status(job: str, as_json: bool, url: str | None, api_key: str | None) -> None:
    """Show how far JOB is. Exits with 1 if it has failed."""
    answer = connect(url, api_key).status(job)
    if as_json:
        click.echo(json.dumps(answer, indent=2))
        return
    click.echo(f"{answer['status']}  {answer.get('progress') or ''}  {answer.get('message') or ''}".rstrip())
    if answer["status"] in ENDED:
        click.echo(result_url(answer))
