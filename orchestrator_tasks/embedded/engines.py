"""The three engines of one data directory: prepared side by side, each left out where an external one is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator_tasks.embedded import credentials as secret_store
from orchestrator_tasks.embedded import objectstore, postgres, valkey
from orchestrator_tasks.embedded.child import Child
from orchestrator_tasks.embedded.credentials import Credentials, write_private
from orchestrator_tasks.embedded.ports import Ports

DEFAULT_BUCKET: Final = "video-results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engines:
    """Where the database, the broker and the store are, and the children to start for those that are ours."""

    data_dir: Path
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    s3_endpoint_url: str
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)
    s3_bucket: str
    credentials: Credentials
    children: tuple[Child, ...]
    moved_ports: Mapping[str, tuple[int, int]]

    def environ(self) -> dict[str, str]:
        """The variables that point a process of ours at these engines."""
        return {
            "DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url,
            "S3_ENDPOINT_URL": self.s3_endpoint_url, "S3_BUCKET": self.s3_bucket,
            "AWS_ACCESS_KEY_ID": self.s3_access_key, "AWS_SECRET_ACCESS_KEY": self.s3_secret_key,
            "API_KEY_PEPPER": self.credentials.api_key_pepper, "WEBHOOK_SECRET": self.credentials.webhook_secret,
        }  # fmt: skip


def prepare(data_dir: Path, environ: Mapping[str, str]) -> Engines:
    """Engines of `data_dir`; a part that `environ` names elsewhere gets no child. Blocks for initdb the first time."""
    data_dir = data_dir.resolve()
    data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    data_dir.chmod(0o711)  # the account of PostgreSQL walks through; what is secret below is closed by itself
    credentials = secret_store.load(data_dir)
    ports, wanted = Ports(), _last_ports(data_dir)
    chosen: dict[str, int] = {}

    def choose(name: str) -> int:
        chosen[name] = ports.choose(name, wanted.get(name, 0))
        return chosen[name]

    children: list[Child] = []
    with ThreadPoolExecutor(max_workers=1) as pool:
        database_url = environ.get("DATABASE_URL", "")
        if not database_url:
            password, port = credentials.database_password, choose("postgres")
            database_url = postgres.url(port, password)
            pending = pool.submit(postgres.prepare, data_dir, port=port, password=password)
        redis_url = environ.get("REDIS_URL", "")
        if not redis_url:
            redis_url = valkey.url(choose("valkey"), credentials.redis_password)
            children.append(valkey.prepare(data_dir, port=chosen["valkey"], password=credentials.redis_password))
        endpoint, access_key, secret_key = _external_store(environ)
        if not (endpoint or access_key):
            child, port = objectstore.prepare(data_dir, choose=choose, credentials=credentials)
            endpoint, access_key, secret_key = (
                objectstore.url(port),
                credentials.s3_access_key,
                credentials.s3_secret_key,
            )
            children.append(child)
        if "postgres" in chosen:
            children.insert(0, pending.result())
    write_private(data_dir / "ports.json", json.dumps({**wanted, **chosen}, indent=2) + "\n")
    return Engines(
        data_dir=data_dir, database_url=database_url, redis_url=redis_url, s3_endpoint_url=endpoint,
        s3_access_key=access_key, s3_secret_key=secret_key, s3_bucket=environ.get("S3_BUCKET", "") or DEFAULT_BUCKET,
        credentials=credentials, children=tuple(children), moved_ports=dict(ports.moved),
    )  # fmt: skip


def furnish(engines: Engines) -> None:
    """Create the database and the bucket in those engines that are ours. They must be running."""
    ours = {child.name for child in engines.children}
    if "postgres" in ours:
        server, _, name = engines.database_url.rpartition("/")
        postgres.create_database(f"{server}/postgres", name)
    if "objectstore" in ours:
        objectstore.create_bucket(
            engines.s3_endpoint_url, engines.s3_access_key, engines.s3_secret_key, engines.s3_bucket
        )


def _external_store(environ: Mapping[str, str]) -> tuple[str, str, str]:
    names = ("S3_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    endpoint, access_key, secret_key = (environ.get(name, "") for name in names)
    return endpoint, access_key, secret_key


def _last_ports(data_dir: Path) -> dict[str, int]:
    path = data_dir / "ports.json"
    return json.loads(path.read_text()) if path.exists() else {}
