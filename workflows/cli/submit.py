"""`submit`: post a job and, when asked, stay until it has ended."""

from __future__ import annotations

import click
from rich.console import Console

from workflows.cli.app import JobFailure
from workflows.cli.progress import show_progress
from workflows.cli.service import connect, service_options
from workflows.cli.spec_file import read_job
from workflows.client import COMPLETED, Body


@click.command()
@click.argument("spec", metavar="SPEC.JSON|-")
@click.option("--wait", is_flag=True, help="Stay until the job has ended and show its progress.")
@service_options
def submit(spec: str, wait: bool, url: str | None, api_key: str | None) -> None:
    """Post the job in SPEC.JSON (or on standard input for -) and print its result's URL, or its id to ask again."""
    body = read_job(spec)
    client = connect(url, api_key)
    if wait:
        last, _ = show_progress(client.follow(body), Console(stderr=True))
        click.echo(result_url(last))
        return
    answer = client.orchestrate(body)
    if answer.get("result_url"):
        click.echo(answer["result_url"])
        return
    click.echo(answer["jobId"])
    click.echo(f"{answer.get('message', 'Job queued')}. `orchestrator status {answer['jobId']}` shows it.", err=True)


def result_url(status: Body) -> str:
    """The result's URL of a job that has ended. Raises JobFailure saying why it has none."""
    if status["status"] == COMPLETED:
        return str(status["result_url"])
    error = status.get("error") or {}
    reason = error.get("message") or status.get("message") or "no reason given"
    place = f" at {error['path']}" if error.get("path") else ""
    code = f" ({error['code']})" if error.get("code") else ""
    lines = [str(error["remedy"])] if error.get("remedy") else []
    ended = str(status["status"]).replace("_", " ")
    raise JobFailure(f"Job {status['job_id']} {ended}: {reason}{place}{code}.", *lines)
