"""The application: wiring only. Nothing connects before the first request needs it."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

from celery import Celery
from flask import Flask
from flask_smorest import Api
from sqlalchemy import Engine

from orchestrator_api import envelope, errors, schemas
from orchestrator_api.auth import needs
from orchestrator_api.parts import EXTENSION, Parts
from orchestrator_api.resources import analyze, documentation, fleet, health, jobs, orchestrate, preview
from orchestrator_api.waiting import Waiting
from workflows import policy
from workflows.access.keys import Remembered
from workflows.broker import make_app
from workflows.db.engine import make_engine
from workflows.health import Checkup
from workflows.settings import Settings
from workflows.storage.objects import ObjectStore

RESOURCES: Final = (orchestrate, analyze, preview, jobs, fleet, health)
POOL_SIZE: Final = 8  # connections of a process; requests hold one for milliseconds, waiters none
POOL_OVERFLOW: Final = 8
# Seconds; a broker that hangs costs four of these. Workers wait longer, as they must.
PATIENCE: Final = {"socket_timeout": 1, "socket_connect_timeout": 1}

OPENAPI: Final = {
    "info": {"description": "Takes a JSON video timeline and renders it, durably."},
    "components": {
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
    },
}


def create_app(settings: Settings) -> Flask:
    """The API with everything it reaches. Raises ValueError for settings it must not run with."""
    if settings.production and not settings.api_key_pepper:
        raise ValueError("API_KEY_PEPPER must be set where NODE_ENV=production")
    app = Flask("orchestrator_api", static_folder=None)
    app.config.update(
        API_TITLE="Video Orchestrator", API_VERSION=version("video-orchestrator"), OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS=OPENAPI, MAX_CONTENT_LENGTH=settings.max_body_bytes,
    )  # fmt: skip
    app.json.sort_keys = False  # type: ignore[attr-defined]  # answers read in the order of the brief
    app.extensions[EXTENSION] = make_parts(settings)
    envelope.wrap(app)
    needs.enforce(app)
    api = Api()
    api.ERROR_SCHEMA = schemas.Problem
    api.init_app(app)
    for resource in RESOURCES:
        api.register_blueprint(resource.blueprint)
    app.register_blueprint(documentation.blueprint)
    errors.register(app)
    return app


def publisher(settings: Settings, engine: Engine) -> Celery:
    """The Celery app of a process that only publishes: a broker that hangs costs a client seconds, not its answer."""
    celery = make_app(settings, lambda: engine)
    celery.conf.broker_transport_options |= PATIENCE
    return celery


def make_parts(settings: Settings) -> Parts:
    """The parts of one process."""
    engine = make_engine(settings, pool_size=POOL_SIZE, max_overflow=POOL_OVERFLOW)
    return Parts(
        settings=settings,
        policy=policy.load(),
        engine=engine,
        celery=publisher(settings, engine),
        store=ObjectStore(settings),
        waiting=Waiting(settings, engine),
        checkup=Checkup(settings),
        callers=Remembered(),
    )
