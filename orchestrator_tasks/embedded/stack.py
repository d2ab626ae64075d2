"""`orchestrator up`: engines, schema, the orchestrator's own processes, and the note that says where everything is."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import psycopg
import structlog
from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy.exc import SQLAlchemyError

from orchestrator_tasks.embedded import credentials as secret_store
from orchestrator_tasks.embedded import engines as engine_parts
from orchestrator_tasks.embedded import program
from orchestrator_tasks.embedded.child import command
from orchestrator_tasks.embedded.credentials import write_private
from orchestrator_tasks.embedded.engines import Engines
from orchestrator_tasks.embedded.ports import LOOPBACK, Ports
from orchestrator_tasks.embedded.supervisor import ChildError, StopRequestedError, Supervisor
from workflows.db import migrate
from workflows.settings import Settings, load

log = structlog.get_logger(__name__)
Say = Callable[[str], None]
_ENGINE_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says. `port` 0 means PORT, or 9000."""

    data_dir: Path
    port: int = 0
    ready_file: Path | None = None


@dataclass(slots=True)
class Stop:
    """A request to stop, set by a signal; `fd` becomes readable when one arrives."""

    asked: bool = False
    fd: int = -1
    _ends: list[socket.socket] = field(default_factory=list)

    def listen(self) -> None:
        """Catch SIGINT, SIGTERM and SIGHUP from now on."""
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        self._ends += [reader, writer]
        self.fd = reader.fileno()
        signal.set_wakeup_fd(writer.fileno())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask)

    def _ask(self, _: int, __: FrameType | None) -> None:
        self.asked = True


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """Where a stack lives when nobody says otherwise."""
    return Path(environ.get("HOME") or Path.home()) / ".local/share/video-orchestrator/stack"


@contextlib.contextmanager
def locked(data_dir: Path) -> Iterator[TextIO]:
    """Hold `data_dir` for one stack. Raises BlockingIOError with the other's process id in its message."""
    data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
    with (data_dir / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            file.seek(0)
            raise BlockingIOError(f"process {file.read().strip() or '?'} runs a stack on {data_dir} already") from err
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file


def run(options: Options, environ: Mapping[str, str], say: Say, *, only_engines: bool = False) -> int:
    """Start everything, keep it running until a signal, end everything. Returns the exit code."""
    stop = Stop()
    stop.listen()
    supervisor = Supervisor(log_dir=options.data_dir / "logs", wake_fd=stop.fd, stopping=lambda: stop.asked)
    try:
        note = start(options, environ, supervisor, say, only_engines=only_engines)
        announce(note, options.ready_file, say)
        supervisor.watch()
    except StopRequestedError:
        say("Stopped while starting.")
    except (ChildError, OSError, RuntimeError, psycopg.Error, SQLAlchemyError, BotoCoreError, ClientError) as err:
        log.error("stack_failed", error=str(err))  # noqa: TRY400 - the message is for people
        say(f"The stack did not start: {err}")
        return 1
    finally:
        if options.ready_file:
            options.ready_file.unlink(missing_ok=True)
        supervisor.stop()
    return 0


def start(
    options: Options, environ: Mapping[str, str], supervisor: Supervisor, say: Say, *, only_engines: bool = False
) -> dict[str, Any]:
    """Start the engines, bring the schema up to date, start the rest; returns the note that `announce` shows."""
    engines = start_engines(options.data_dir, environ, supervisor)
    for name, (wanted, chosen) in engines.moved_ports.items():
        say(f"Port {wanted} of {name} is taken; using {chosen}.")
    note = _note(engines)
    if only_engines:
        return note
    migrate.upgrade(engines.database_url)
    variables = _variables(engines, environ)
    settings, flower_port = _door(options, load(variables), say)
    variables["PORT"] = str(settings.port)
    password = engines.credentials.flower_password
    supervisor.start(
        program.children(settings, variables, home=engines.data_dir, flower_port=flower_port, flower_password=password)
    )
    url = f"http://{LOOPBACK}:{settings.port}"
    flower = {
        "flower_url": f"http://{LOOPBACK}:{flower_port}",
        "flower_user": program.FLOWER_USER,
        "flower_password": password,
    }
    return {"url": url, "api_key": development_key(engines, settings, variables), **flower, **note}


def start_engines(data_dir: Path, environ: Mapping[str, str], supervisor: Supervisor) -> Engines:
    """Start those engines that are ours; when one fails to start (a port lost to somebody faster) choose ports anew."""
    for left in reversed(range(_ENGINE_TRIES)):
        engines = engine_parts.prepare(data_dir, environ)
        try:
            supervisor.start(engines.children)
        except ChildError as err:
            if not left:
                raise
            log.warning("engines_start_again", error=str(err))
            supervisor.stop()
        else:
            engine_parts.furnish(engines)
            return engines
    raise AssertionError("unreachable: the last try returns or raises")


def announce(note: Mapping[str, Any], ready_file: Path | None, say: Say) -> None:
    """Write the ready file in one step, then tell people where things are."""
    if ready_file:
        ready_file.parent.mkdir(parents=True, exist_ok=True)
        write_private(ready_file, json.dumps(note, indent=2) + "\n")
    if "url" not in note:
        say(f"Engines are up; {note['data_dir']}")
        return
    say(f"API       {note['url']}   (try {note['url']}/health)")
    say(f"Flower    {note['flower_url']}   user {note['flower_user']}, password {note['flower_password']}")
    say(f"API key   {note['api_key'] or 'none in production: orchestrator keys create'}")
    say(f"Data      {note['data_dir']}   Logs in {note['data_dir']}/logs")


def development_key(engines: Engines, settings: Settings, variables: Mapping[str, str]) -> str:
    """An admin key for this machine, kept over restarts; empty in production."""
    if settings.production:
        return ""
    kept = engines.credentials.development_api_key
    if kept and not _refused(settings.port, kept):
        return kept
    key = str(_cli(("keys", "create", "--role", "admin", "--label", "development", "--json"), variables)["key"])
    secret_store.save(engines.data_dir, replace(engines.credentials, development_api_key=key))
    return key


def _refused(port: int, key: str) -> bool:
    """Whether the API does not know `key` (any longer): another database, another pepper."""
    return program.answers(port, "/api/v1/jobs?limit=1", {401}, {"Authorization": f"Bearer {key}"})


def _cli(arguments: tuple[str, ...], variables: Mapping[str, str]) -> dict[str, Any]:
    argv = command((sys.executable, "-m", "workflows.cli", *arguments), None)
    done = subprocess.run(argv, env=dict(variables), capture_output=True, text=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments[:2])} failed: {done.stderr.strip()[-500:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _variables(engines: Engines, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of our own processes: the user's, completed by what the engines and this node need."""
    ours = {name: value for name, value in engines.environ().items() if value and not environ.get(name)}
    node = {"DATA_DIR": environ.get("DATA_DIR") or str(engines.data_dir / "node"), "PYTHONUNBUFFERED": "1"}
    return {**environ, **ours, **node}


def _door(options: Options, settings: Settings, say: Say) -> tuple[Settings, int]:
    """Settings with the API's port chosen, and Flower's port."""
    ports = Ports()
    port, flower = ports.choose("API", options.port or settings.port), ports.choose("Flower", 5555)
    for name, (wanted, chosen) in ports.moved.items():
        say(f"Port {wanted} of {name} is taken; using {chosen}.")
    return replace(settings, port=port), flower


def _note(engines: Engines) -> dict[str, Any]:
    return {
        "database_url": engines.database_url, "redis_url": engines.redis_url,
        "s3_endpoint_url": engines.s3_endpoint_url, "s3_access_key": engines.s3_access_key,
        "s3_secret_key": engines.s3_secret_key, "s3_bucket": engines.s3_bucket,
        "pid": os.getppid(), "data_dir": str(engines.data_dir),
    }  # fmt: skip
