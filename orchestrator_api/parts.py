"""What a request can reach: made once per process by `app.create_app`, never a global."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from celery import Celery
from flask import Flask, current_app
from sqlalchemy import Engine

from orchestrator_api.waiting import Waiting
from workflows.access.keys import Remembered
from workflows.health import Checkup
from workflows.policy import Policy
from workflows.settings import Settings
from workflows.storage.objects import ObjectStore

EXTENSION: Final = "orchestrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The wiring of one process. None of it connects before it is used."""

    settings: Settings
    policy: Policy
    engine: Engine
    celery: Celery
    store: ObjectStore
    waiting: Waiting
    checkup: Checkup
    callers: Remembered

    def close(self) -> None:
        """Give every connection back."""
        self.waiting.close()
        self.engine.dispose()


def parts_of(app: Flask) -> Parts:
    """The parts of an app made by `create_app`."""
    parts: Parts = app.extensions[EXTENSION]
    return parts


def parts() -> Parts:
    """The parts of the app that handles the current request."""
    return parts_of(current_app)
