"""`up`, `doctor` and `demo`: programs of the worker package, which this one must not import. It becomes them."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import click

from workflows.cli.app import Outage
from workflows.cli.service import ready_file

_PASS_ON = {"ignore_unknown_options": True, "allow_extra_args": True}


@click.command(context_settings=_PASS_ON, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def up(arguments: tuple[str, ...]) -> None:
    """Start the whole service on this machine: [--data-dir DIR] [--port PORT] [--ready-file FILE]."""
    noted = any(argument.split("=")[0] in {"--ready-file", "--help"} for argument in arguments)
    note = () if noted else ("--ready-file", str(ready_file()))
    _become("orchestrator_tasks.embedded", "up", *arguments, *note)


@click.command(context_settings=_PASS_ON, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def doctor(arguments: tuple[str, ...]) -> None:
    """Say what this machine lacks to run the service."""
    _become("orchestrator_tasks.embedded", "doctor", *arguments)


@click.command(context_settings=_PASS_ON, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def demo(arguments: tuple[str, ...]) -> None:
    """Render a real video through a service started for it: [--keep DIR]."""
    _become("orchestrator_tasks.demo", *arguments)


def _become(module: str, *arguments: str) -> None:
    """Replace this process by `python -m module arguments`, so that signals and the exit code are the program's own."""
    if find_spec(module.partition(".")[0]) is None:
        raise Outage(
            "The worker package is not installed here.",
            "Install video-orchestrator[embedded] with its orchestrator_tasks package.",
        )
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])  # noqa: S606 - becoming it is the point
