"""The `orchestrator` command: which commands there are, and how an error reads on a terminal.

Exit codes: 0 done, 1 the job failed, 2 the request is wrong (usage, job JSON, key), 3 a part does not answer.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Final

import click

from workflows.client import ApiError
from workflows.errors import InvalidSpec, OrchestratorError


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where a command lives. The module is imported only when the command is used: most need little of the service."""

    module: str
    attribute: str
    summary: str


def _entry(module: str, attribute: str, summary: str) -> Entry:
    return Entry(module=f"workflows.cli.{module}", attribute=attribute, summary=summary)


COMMANDS: Final = {
    "up": _entry("stack", "up", "Start the whole service on this machine."),
    "doctor": _entry("stack", "doctor", "Say what this machine lacks to run the service."),
    "demo": _entry("stack", "demo", "Render a real video through a service started for it."),
    "submit": _entry("submit", "submit", "Post a job; with --wait, show its progress and its result."),
    "status": _entry("status", "status", "Show how far a job is."),
    "explain": _entry("explain", "explain", "Show how a job would run, without running it."),
    "migrate": _entry("migrate", "migrate", "Bring the database to the newest schema."),
    "reconcile": _entry("reconcile", "reconcile", "Run the process that repairs what was lost."),
    "keys": _entry("keys", "keys", "Make API keys."),
    "version": _entry("version", "version", "Print the version."),
}


class Failure(click.ClickException):
    """An error as the terminal shows it: one sentence, then lines on what is at fault and what to do."""

    def __init__(self, message: str, *lines: str) -> None:
        super().__init__(message)
        self.lines = lines

    def show(self, file: Any = None) -> None:
        """Print it to stderr."""
        click.echo(f"Error: {self.message}", err=True)
        for line in filter(None, self.lines):
            click.echo(f"  {line}", err=True)


class JobFailure(Failure):
    """The job ended without a result."""

    exit_code = 1


class Mistake(Failure):
    """The request is wrong; the same one fails again."""

    exit_code = 2


class Outage(Failure):
    """Something needed does not answer; the same request may work later."""

    exit_code = 3


class Commands(click.Group):
    """The commands of COMMANDS, each imported when used, with known errors put in plain words."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(importlib.import_module(entry.module), entry.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a known error becomes a Failure."""
        try:
            return super().invoke(ctx)
        except ApiError as refusal:
            raise _refused(refusal) from refusal
        except OrchestratorError as error:
            raise in_plain_words(error) from error


def in_plain_words(error: OrchestratorError) -> Failure:
    """The error with its code, its place and its remedy."""
    failure = Outage if error.retryable else Mistake
    if isinstance(error, InvalidSpec):
        return failure(f"The job is not valid ({error.code}).", *map(_fault, error.problems), error.remedy)
    place = f" at {error.path}" if error.path else ""
    return failure(f"{_clause(error)}{place} ({error.code}).", *_cause(error), error.advice)


def _cause(error: OrchestratorError) -> list[str]:
    """What lies below an error, in its own first line: "password authentication failed" says more than we can."""
    cause = getattr(error.__cause__, "orig", None) or error.__cause__
    return [f"Cause: {str(cause).strip().splitlines()[0]}"] if str(cause or "").strip() else []


def _refused(refusal: ApiError) -> Failure:
    remedy = refusal.remedy or ""
    place = f" at {refusal.path}" if refusal.path else ""
    told = f"{_clause(refusal)}{place} ({refusal.code})."
    if refusal.job_id:
        return JobFailure(f"Job {refusal.job_id} failed: {told}", remedy)
    failure = Mistake if refusal.clients_fault else Outage
    if refusal.problems:
        return failure(f"The service refused the job ({refusal.code}).", *map(_fault, refusal.problems))
    return failure(f"The service refused: {told}", remedy)


def _clause(error: Exception) -> str:
    """The error's words without a full stop: more follows."""
    return str(error).removesuffix(".")


def _fault(problem: dict[str, Any]) -> str:
    remedy = problem.get("remedy")
    return f"{problem.get('path') or 'job'}: {problem.get('message')}" + (f" {remedy}" if remedy else "")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Render JSON video timelines on a fleet of FFmpeg workers."""
