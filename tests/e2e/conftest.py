"""One whole stack for the session, with small clocks, and what it renders from."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import urllib3
from sqlalchemy import create_engine

from orchestrator_tasks.demo.stack import running
from tests.e2e import footage
from tests.e2e.service import Service
from tests.e2e.web import Media, Receiver, receiving_hooks, serving_media
from workflows.settings import load
from workflows.storage.objects import ObjectStore

CLOCKS = {
    "LEASE_S": "5", "HEARTBEAT_S": "0.5", "RECONCILE_TICK_S": "0.3", "STALL_S": "6", "REPUBLISH_S": "1",
    "INLINE_WAIT_S": "55", "SOURCE_TIMEOUT_S": "3", "SOURCE_MAX_BYTES": "50000000", "SOURCE_MIN_BYTES_PER_S": "16384",
}  # fmt: skip
SMALL = {"RENDER_SLOTS": "2", "RENDER_THREADS": "1", "API_WORKERS": "2"}
OWN = ("DATABASE_URL", "REDIS_URL", "S3_ENDPOINT_URL", "S3_BUCKET", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture(scope="session")
def stack() -> Iterator[Service]:
    """The stack; everything it ran has ended when the session does."""
    data_dir = Path(tempfile.mkdtemp(prefix="e2e-"))
    data_dir.chmod(0o711)  # PostgreSQL's account walks through
    environ = {**dict.fromkeys(OWN, ""), **CLOCKS, **SMALL, "LOG_LEVEL": "info"}
    try:
        with running(data_dir, environ=environ) as started, urllib3.PoolManager(maxsize=32, retries=False) as http:
            yield from _service(data_dir, dict(started.ready), http)
    finally:
        shutil.rmtree(data_dir, ignore_errors=True)


def _service(data_dir: Path, note: dict[str, str], http: urllib3.PoolManager) -> Iterator[Service]:
    url = note["database_url"].replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_engine(url, pool_pre_ping=True)
    service = Service(
        note=note, data_dir=data_dir, engine=engine, http=http, store=ObjectStore(load({})), environ={}
    )  # fmt: skip
    environ = psutil.Process(service.pid("api")).environ()
    try:
        yield dataclasses.replace(service, environ=environ, store=ObjectStore(load(environ)))
    finally:
        engine.dispose()


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where generated media are kept for the session."""
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="session")
def media() -> Iterator[Media]:
    """The media server."""
    with serving_media() as server:
        yield server


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """The webhook receiver."""
    with receiving_hooks() as server:
        yield server


@pytest.fixture(scope="session")
def clip(media: Media, library: Path) -> str:
    """The URL of two seconds of moving picture with sound."""
    path = footage.generate(
        library / "clip.mp4", "testsrc2=s=320x180:r=30:d=2", *footage.X264, sound="sine=f=440:d=2"
    )  # fmt: skip
    return media.add("clip.mp4", path)


@pytest.fixture(scope="session")
def picture(media: Media, library: Path) -> str:
    """The URL of a still: what a long render is made of cheaply."""
    return media.add("picture.png", footage.still(library / "picture.png", (640, 360), (200, 60, 30)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The look back comes after everything that was done to the stack."""
    items.sort(key=lambda item: item.path.name == "test_afterwards.py")
