"""The command line, `orchestrator`. `app` has the list of commands; each command is one module, loaded when it runs."""

from workflows.cli.app import main

__all__ = ["main"]
