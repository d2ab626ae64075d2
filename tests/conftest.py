"""Fixtures every test may use: the real engines, and a fresh migrated database."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from orchestrator_tasks.embedded import engines as embedded
from orchestrator_tasks.embedded import postgres
from orchestrator_tasks.embedded.supervisor import ChildError, Supervisor
from workflows.settings import Settings, load

TEMPLATE = "migrated"


@dataclass(frozen=True, kw_only=True)
class TestEngines:
    """PostgreSQL, Valkey and S3 of this test session (one set per xdist worker)."""

    __test__ = False

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    s3_endpoint_url: str
    s3_access_key: str
    s3_secret_key: str = field(repr=False)
    s3_bucket: str
    pepper: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    data_dir: Path
    variables: dict[str, str] = field(repr=False)

    def environ(self, **extra: str) -> dict[str, str]:
        """The whole environment of a subprocess that shall use these engines; `extra` wins."""
        return {**os.environ, **self.variables, **extra}

    def settings(self, **overrides: Any) -> Settings:
        """Settings that point at these engines and take nothing from os.environ; `overrides` are fields."""
        return replace(load(self.variables), **overrides)

    def admin_url(self) -> str:
        """The server's own database, for CREATE DATABASE."""
        return self.database_url.rpartition("/")[0] + "/postgres"


@pytest.fixture(scope="session")
def engines() -> Iterator[TestEngines]:
    """The three engines, started side by side (about 1.5 s); nothing of them is left at the end."""
    data_dir = Path(tempfile.mkdtemp(prefix="engines-"))
    supervisor = Supervisor(log_dir=data_dir / "logs")
    try:
        with structlog.testing.capture_logs():
            parts = _start(supervisor, data_dir)
            embedded.furnish(parts)
        yield TestEngines(
            database_url=parts.database_url, redis_url=parts.redis_url, s3_endpoint_url=parts.s3_endpoint_url,
            s3_access_key=parts.s3_access_key, s3_secret_key=parts.s3_secret_key, s3_bucket=parts.s3_bucket,
            pepper=parts.credentials.api_key_pepper, webhook_secret=parts.credentials.webhook_secret,
            data_dir=data_dir, variables={**parts.environ(), "DATA_DIR": str(data_dir / "node"), "NODE_ENV": "test"},
        )  # fmt: skip
    finally:
        with structlog.testing.capture_logs():
            supervisor.stop()
        shutil.rmtree(data_dir, ignore_errors=True)


def _start(supervisor: Supervisor, data_dir: Path) -> embedded.Engines:
    """Start on ports that are free; choose again when somebody else was faster."""
    for last in (False, False, True):
        parts = embedded.prepare(data_dir, {})
        try:
            supervisor.start(parts.children)
        except ChildError:
            supervisor.stop()
            if last:
                raise
        else:
            break
    return parts


@pytest.fixture(scope="session")
def migrated_template(engines: TestEngines) -> str:
    """The name of a database with the current schema, made once and only ever copied."""
    from workflows.db import migrate

    postgres.create_database(engines.admin_url(), TEMPLATE)
    migrate.upgrade(engines.database_url.rpartition("/")[0] + f"/{TEMPLATE}")
    return TEMPLATE


_numbers = itertools.count(1)


@pytest.fixture
def database(engines: TestEngines, migrated_template: str) -> Iterator[str]:
    """The URL of an empty database with the current schema, this test's own."""
    name = f"test_{next(_numbers)}"
    postgres.create_database(engines.admin_url(), name, migrated_template)
    try:
        yield engines.database_url.rpartition("/")[0] + f"/{name}"
    finally:
        postgres.drop_database(engines.admin_url(), name)
