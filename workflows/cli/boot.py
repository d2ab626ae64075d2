"""Settings for a command that works on the service's parts itself, with what it needs checked first."""

from __future__ import annotations

from dataclasses import fields

from workflows.cli.app import Mistake
from workflows.settings import Settings, load


def boot(*needed: str) -> Settings:
    """The settings from the environment. Raises Mistake naming the variables of `needed` fields that are not set."""
    try:
        settings = load()
    except ValueError as err:
        raise Mistake(f"A setting is wrong: {err}.", "The README lists all settings.") from err
    wanted = [spec for spec in fields(Settings) if spec.name in needed]
    missing = [spec.metadata["env"] for spec in wanted if not getattr(settings, spec.name)]
    if missing:
        raise Mistake(
            f"Not set: {', '.join(missing)}.",
            "Set it in the environment; a stack started by `orchestrator up` notes it in its ready file.",
        )
    return settings
