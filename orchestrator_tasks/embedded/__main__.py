"""`python -m orchestrator_tasks.embedded up|doctor`: the embedded stack and the check of what it needs."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import click
import structlog

from orchestrator_tasks.embedded import doctor as checks
from orchestrator_tasks.embedded import stack
from orchestrator_tasks.embedded.keeper import keep


@click.group()
def main() -> None:
    """The embedded stack."""


@main.command()
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Where everything is kept.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the API [PORT, else 9000].")
@click.option(
    "--ready-file", type=click.Path(dir_okay=False, path_type=Path), help="Written as JSON once all is ready."
)
@click.option("--engines-only", is_flag=True, help="Only PostgreSQL, Valkey and S3.")
def up(data_dir: Path | None, port: int, ready_file: Path | None, *, engines_only: bool) -> None:
    """Start everything on this machine and keep it running until Ctrl-C."""
    home = (data_dir or stack.default_data_dir(os.environ)).resolve()
    options = stack.Options(data_dir=home, port=port, ready_file=ready_file.resolve() if ready_file else None)
    try:
        with stack.locked(home):
            code = keep(lambda: _run(options, engines_only=engines_only))
            if options.ready_file:
                options.ready_file.unlink(missing_ok=True)  # the inner process may have been killed before it could
    except BlockingIOError as err:
        raise click.ClickException(f"{err}. Stop it, or give another --data-dir.") from err
    raise SystemExit(code)


@main.command()
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Where the stack will be kept.")
def doctor(data_dir: Path | None) -> None:
    """Say what is missing or wrong on this machine; exit code 1 if the stack would not run."""
    found = checks.examine(data_dir or stack.default_data_dir(os.environ), os.environ)
    for finding in found:
        click.echo(checks.line(finding))
    raise SystemExit(1 if any(finding.verdict == "wrong" for finding in found) else 0)


def _run(options: stack.Options, *, engines_only: bool) -> int:
    log_dir = options.data_dir / "logs"
    log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (log_dir / "supervisor.log").open("a", buffering=1) as file:
        _log_to(file)
        return stack.run(options, os.environ, click.echo, only_engines=engines_only)


def _log_to(file: object) -> None:
    """Events of the supervisor as JSON lines."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=file),  # type: ignore[arg-type]
    )


if __name__ == "__main__":
    main()
