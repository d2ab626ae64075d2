from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine

from orchestrator_api import listening
from orchestrator_api.app import create_app
from orchestrator_api.parts import Parts, parts_of
from workflows.access import keys
from workflows.settings import Settings


@pytest.fixture(autouse=True)
def _close_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "LOOK_UP_S", 0.05)


@pytest.fixture
def unconnected() -> Iterator[Flask]:
    """An app for what needs no engine."""
    app = create_app(Settings(database_url="postgresql://nobody@127.0.0.1:1/none", redis_url="redis://127.0.0.1:1/0"))
    yield app
    parts_of(app).close()


@pytest.fixture
def settings(engines: Any, database: str) -> Settings:
    found: Settings = engines.settings(database_url=database)
    return found


@pytest.fixture
def make(settings: Settings) -> Iterator[Callable[..., Flask]]:
    """Makes an app; `overrides` are fields of the settings. Its connections end with the test."""
    made: list[Flask] = []

    def app(**overrides: Any) -> Flask:
        made.append(create_app(replace(settings, **overrides)))
        return made[-1]

    yield app
    for one in made:
        parts_of(one).close()


@pytest.fixture
def app(make: Callable[..., Flask]) -> Flask:
    return make()


@pytest.fixture
def parts(app: Flask) -> Parts:
    return parts_of(app)


@pytest.fixture
def engine(parts: Parts) -> Engine:
    return parts.engine


@pytest.fixture
def key(engine: Engine, settings: Settings) -> Callable[..., str]:
    """Makes API keys."""

    def of(role: str = "submitter", tenant: str = "acme", **options: Any) -> str:
        with engine.begin() as conn:
            return keys.create(conn, settings, tenant, role, "test", **options)

    return of


@pytest.fixture
def client(app: Flask, key: Callable[..., str]) -> FlaskClient:
    """A submitter of the tenant acme."""
    return client_of(app, key())


def client_of(app: Flask, key: str) -> FlaskClient:
    """A client that sends `key` with every request."""
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key}"
    return client


@pytest.fixture
def unused_port() -> int:
    """A port of loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def tarpit() -> Iterator[int]:
    """The port of a server that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as server:
        yield server.getsockname()[1]
