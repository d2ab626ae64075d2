"""Settings at boot: frozen, read once, handed down. The only module that reads the environment.

Order: defaults below < the configuration file (`workflows.policy`) < the environment. Every field names its
variable; the README's table is checked against this list.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, cast

GIB = 1024**3


def _env(name: str, default: Any, help_text: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"env": name, "help": help_text, "secret": secret})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a process needs to know before it starts. Empty strings mean "not set"."""

    port: int = _env("PORT", 9000, "TCP port of the API.")
    bind_host: str = _env("BIND_HOST", "127.0.0.1", "Address the API listens on.")
    environment: str = _env("NODE_ENV", "development", "`production` turns development conveniences off.")
    log_level: str = _env("LOG_LEVEL", "info", "debug, info, warn, error or fatal.")
    database_url: str = _env("DATABASE_URL", "", "PostgreSQL 15+ as postgresql://user:pass@host:port/db.", secret=True)
    redis_url: str = _env("REDIS_URL", "", "Redis 7+ or Valkey as redis://host:port/db.", secret=True)
    s3_endpoint_url: str = _env("S3_ENDPOINT_URL", "", "Object store endpoint; empty means AWS itself.")
    s3_public_endpoint_url: str = _env(
        "S3_PUBLIC_ENDPOINT_URL", "", "Endpoint written into result URLs; empty = the same."
    )
    s3_bucket: str = _env("S3_BUCKET", "video-results", "Bucket for results and intermediates.")
    aws_region: str = _env("AWS_REGION", "us-east-1", "Region of the bucket.")
    aws_access_key_id: str = _env("AWS_ACCESS_KEY_ID", "", "Object store key id.", secret=True)
    aws_secret_access_key: str = _env("AWS_SECRET_ACCESS_KEY", "", "Object store secret.", secret=True)
    api_key_pepper: str = _env("API_KEY_PEPPER", "", "Secret mixed into the hashes of API keys.", secret=True)
    webhook_secret: str = _env("WEBHOOK_SECRET", "", "Standard Webhooks signing secret, whsec_...", secret=True)
    result_expires_s: int = _env("RESULT_EXPIRES_S", 86400, "Life of a signed result URL, seconds.")

    retention_s: int = _env(
        "RETENTION_S", 30 * 86400, "How long results are kept unless the job says `expires_in`, seconds."
    )

    node_id: str = _env("NODE_ID", "", "Name of this machine in the fleet; empty = the host name.")
    data_dir: str = _env(
        "DATA_DIR", "", "Where this node keeps caches and scratch; empty = ~/.local/share/video-orchestrator."
    )
    cache_max_bytes: int = _env("CACHE_MAX_BYTES", 20 * GIB, "Bound of the node's source cache, bytes.")
    ffmpeg: str = _env("FFMPEG", "", "FFmpeg program; empty = the pinned one of the installation.")
    render_slots: int = _env("RENDER_SLOTS", 2, "Renders at once of the embedded general worker.")
    render_threads: int = _env("RENDER_THREADS", 0, "Threads of one render; 0 = all cores.")

    lease_s: float = _env("LEASE_S", 15.0, "Life of a step's lease, seconds of database time.")
    heartbeat_s: float = _env("HEARTBEAT_S", 3.0, "Time between a step's heartbeats, seconds.")
    tick_s: float = _env("RECONCILE_TICK_S", 1.0, "Time between two rounds of the reconciler, seconds.")
    republish_s: float = _env(
        "REPUBLISH_S", 2.0, "A ready step nobody claimed is sent again after this, doubling to 60 s."
    )
    stall_s: float = _env("STALL_S", 30.0, "A render without progress for this long is killed, seconds.")
    loss_limit: int = _env("LOSS_LIMIT", 3, "Lost workers a step survives before it runs once in the safe queue.")

    source_allow_private: str = _env(
        "SOURCE_ALLOW_PRIVATE", "", "CIDRs that sources and webhooks may be reached at though private."
    )
    source_ports: str = _env(
        "SOURCE_PORTS", "80,443", "TCP ports sources may be fetched from (any in the CIDRs above)."
    )
    source_s3_buckets: str = _env("SOURCE_S3_BUCKETS", "", "Buckets that s3:// sources may name, comma separated.")
    source_max_bytes: int = _env("SOURCE_MAX_BYTES", 5 * GIB, "Largest source, bytes.")
    source_timeout_s: float = _env("SOURCE_TIMEOUT_S", 300.0, "Longest download of one source, seconds.")
    source_min_bytes_per_s: int = _env("SOURCE_MIN_BYTES_PER_S", 16384, "Slowest download over 10 s, bytes a second.")
    source_max_pixels: int = _env("SOURCE_MAX_PIXELS", 8192 * 4352, "Largest picture of a source, pixels.")
    source_max_duration_s: int = _env("SOURCE_MAX_DURATION_S", 6 * 3600, "Longest source, seconds.")

    api_workers: int = _env("API_WORKERS", 2, "gunicorn processes.")
    api_threads: int = _env("API_THREADS", 64, "gunicorn threads per process.")
    inline_waiters: int = _env("INLINE_WAITERS", 24, "Requests per process that may wait for a quick job.")
    inline_wait_s: float = _env("INLINE_WAIT_S", 30.0, "Longest wait of an inline answer, seconds.")
    max_body_bytes: int = _env("MAX_BODY_BYTES", 2 * 1024**2, "Largest request body, bytes.")
    failpoint: str = _env("ORCHESTRATOR_FAILPOINT", "", "Fault injection for tests: name:action[@n].")

    @property
    def production(self) -> bool:
        """Whether development conveniences are off."""
        return self.environment == "production"

    @property
    def node(self) -> str:
        """This machine's name in the fleet."""
        return self.node_id or socket.gethostname()

    @property
    def home(self) -> Path:
        """Root of this node's caches and scratch."""
        return Path(self.data_dir or Path.home() / ".local/share/video-orchestrator")

    @property
    def sqlalchemy_url(self) -> str:
        """`database_url` with the driver named."""
        return self.database_url.replace("postgresql://", "postgresql+psycopg://", 1)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment. Raises ValueError naming the variable whose value does not parse."""
    environ = os.environ if environ is None else environ
    values = {}
    for spec in fields(Settings):
        text = environ.get(spec.metadata["env"], "")
        if text:
            values[spec.name] = _parse(spec.metadata["env"], text, type(_default(spec)))
    return Settings(**values)


def _default(spec: Any) -> Any:
    if spec.default is MISSING:
        raise TypeError(f"setting {spec.name} has no default")
    return spec.default


def _parse(name: str, text: str, kind: type) -> Any:
    try:
        return cast(Any, kind)(text)
    except ValueError as err:
        raise ValueError(f"{name}={text!r} is not a valid {kind.__name__}") from err
