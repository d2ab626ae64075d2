"""The options that say which service a command talks to, and the client made from them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from workflows.cli.app import Mistake
from workflows.cli.boot import boot
from workflows.client import Client


def service_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --url and --api-key, from ORCHESTRATOR_URL and ORCHESTRATOR_API_KEY when not given."""
    key = click.option("--api-key", envvar="ORCHESTRATOR_API_KEY", help="API key [env: ORCHESTRATOR_API_KEY].")
    url = click.option("--url", envvar="ORCHESTRATOR_URL", help="The service [env: ORCHESTRATOR_URL].")
    return url(key(command))


def connect(url: str | None, api_key: str | None) -> Client:
    """A client for the service named, or for the stack that runs on this machine."""
    if url:
        return Client(url=url, api_key=api_key or "")
    ready = running_stack()
    if ready is None:
        raise Mistake(
            "No service named, and none started by `orchestrator up` found here.",
            "Give --url and --api-key, or set ORCHESTRATOR_URL and ORCHESTRATOR_API_KEY.",
        )
    return Client(url=ready["url"], api_key=api_key or ready.get("api_key") or "")


def ready_file() -> Path:
    """Where `orchestrator up` notes its URL and key, so that the other commands find it."""
    return boot().home / "ready.json"


def running_stack() -> dict[str, Any] | None:
    """What the stack on this machine noted; None if there is none."""
    try:
        note = json.loads(ready_file().read_text())
    except (FileNotFoundError, ValueError):
        return None
    return note if isinstance(note, dict) and "url" in note else None
