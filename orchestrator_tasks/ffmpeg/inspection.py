"""Asks the probe server, a process of its own, to look into a file that nobody trusts yet.

Each process has its own server, started at the first question (about 0.2 s, with PyAV imported once) and gone with it.
It needs neither multiprocessing nor a main module, so it works inside a daemonic pool worker too.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import socket
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from workflows.errors import (
    SourceCorrupt,
    SourceError,
    SourceNotFound,
    SourceNotMedia,
    SourceOverLimits,
)

_SERVER = Path(__file__).with_name("probe_server.py")
_ERRORS: dict[str, type[SourceError]] = {
    kind.code: kind for kind in (SourceNotMedia, SourceCorrupt, SourceOverLimits, SourceNotFound)
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InspectLimits:
    """Bounds on a source, and on the process that looks into it."""

    max_pixels: int = 8192 * 4352
    max_duration_s: int = 6 * 3600
    max_streams: int = 32
    memory_bytes: int = 2 << 30
    cpu_s: int = 20
    wall_s: float = 20.0


@dataclass(slots=True, kw_only=True)
class Server:
    """This process's probe server. Owned by one process: a fork starts its own."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    owner: int


_lock = threading.Lock()
_servers: list[Server] = []
os.register_at_fork(after_in_child=lambda: globals().update(_lock=threading.Lock()))


def warm() -> None:
    """Start the server now, so that the first question does not wait for it."""
    with _lock:
        _server()


def ask(work: Literal["look", "count"], path: Path, limits: InspectLimits) -> dict[str, Any]:
    """The server's answer about one file. Raises the source errors; a fork that dies of the file counts as corrupt."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            request = {"work": work, "path": str(path.absolute()), "limits": asdict(limits)}
            _send(json.dumps(request).encode(), theirs.fileno())
        reply = _read(ours, limits.wall_s + 5)
    if not reply:
        raise SourceCorrupt("Reading the file's header took too long, too much memory, or crashed.")
    answer: dict[str, Any] = json.loads(reply)
    if "error" in answer:
        raise _ERRORS[answer["error"]](answer["message"])
    found: dict[str, Any] = answer["ok"]
    return found


def _send(message: bytes, reply: int) -> None:
    """Hand the request to the server; a server that has died is replaced once."""
    with _lock:
        try:
            socket.send_fds(_server().control, [message], [reply])
        except OSError:
            _discard()
            socket.send_fds(_server().control, [message], [reply])


def _server() -> Server:
    mine = [server for server in _servers if server.owner == os.getpid() and server.process.poll() is None]
    if not mine:
        _discard()
        _servers.append(_start())
        mine = _servers
    return mine[0]


def _discard() -> None:
    """Forget servers that are dead or belong to the process we were forked from."""
    for server in _servers:
        server.control.close()
        if server.owner != os.getpid():
            server.process.returncode = 0  # not our child: nothing to wait for
    _servers.clear()


@atexit.register
def _stop() -> None:
    """A server ends when its socket closes; wait for it, so that this process leaves no zombie."""
    for server in _servers:
        server.control.close()
        if server.owner == os.getpid():
            server.process.wait(timeout=5)


def _start() -> Server:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", str(_SERVER), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            process_group=0,
        )
    return Server(process=process, control=ours, owner=os.getpid())


def _read(reply: socket.socket, limit_s: float) -> bytes:
    """Everything until the other end closes, which is when the fork ends; what came by the limit otherwise."""
    parts = []
    while select.select([reply], [], [], limit_s)[0]:
        part = reply.recv(65536)
        if not part:
            break
        parts.append(part)
    return b"".join(parts)
