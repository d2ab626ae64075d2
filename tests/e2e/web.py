"""Servers on loopback: one that serves media, well and badly, and one that receives webhooks. Both count."""

from __future__ import annotations

import contextlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

BLOCK = 65536


@contextmanager
def listening(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve with `handler` while the block runs. Yields the URL without a slash at its end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Media:
    """What the media server has. Files are served whole or by range; `answers` are written by hand."""

    url: str = ""
    files: dict[str, Path] = field(default_factory=dict)
    answers: dict[str, Callable[[Any], None]] = field(default_factory=dict)
    served: Counter[str] = field(default_factory=Counter)
    closing: threading.Event = field(default_factory=threading.Event)

    def of(self, name: str) -> str:
        """The URL of what is served under this name."""
        return f"{self.url}/{name}"

    def add(self, name: str, path: Path) -> str:
        """Serve a file under a name; its URL."""
        self.files[name] = path
        return self.of(name)


class _MediaHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, media: Media, *connection: Any) -> None:
        self.media = media
        super().__init__(*connection)

    def do_GET(self) -> None:
        name = self.path.lstrip("/")
        self.media.served[name] += 1
        with contextlib.suppress(ConnectionError):
            if name in self.media.answers:
                self.close_connection = True
                self.media.answers[name](self)
            elif name in self.media.files:
                self._file(self.media.files[name])
            else:
                self.send_error(404)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _file(self, path: Path) -> None:
        data = path.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        last = min(int(asked[2] or len(data)), len(data) - 1) if asked else len(data) - 1
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        for at in range(first, last + 1, BLOCK):
            self.wfile.write(data[at : min(at + BLOCK, last + 1)])


@contextmanager
def serving_media() -> Iterator[Media]:
    """A media server with nothing on it yet."""
    media = Media()
    with listening(partial(_MediaHandler, media)) as media.url:
        try:
            yield media
        finally:
            media.closing.set()


def redirect(location: str) -> Callable[[Any], None]:
    """Send the client elsewhere."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", location)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def declared(length: int, head: bytes) -> Callable[[Any], None]:
    """Promise `length` bytes, send only the first."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(head)

    return answer


def dripping(media: Media, path: Path, step_s: float) -> Callable[[Any], None]:
    """Send a file a hundredth of a second's worth at a time: far below the slowest speed that is accepted."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        data = path.read_bytes()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:BLOCK])
        for at in range(BLOCK, len(data), 16):
            if media.closing.wait(step_s):
                return
            handler.wfile.write(data[at : at + 16])

    return answer


@dataclass(frozen=True)
class Hook:
    """One delivery as it arrived."""

    path: str
    headers: dict[str, str]
    body: str


@dataclass
class Receiver:
    """What a webhook receiver was sent, and the statuses it answers with, by path; 204 when none is left."""

    url: str = ""
    hooks: list[Hook] = field(default_factory=list)
    statuses: dict[str, list[int]] = field(default_factory=dict)

    def at(self, path: str) -> list[Hook]:
        """The deliveries to one path."""
        return [hook for hook in self.hooks if hook.path == path]


class _HookHandler(BaseHTTPRequestHandler):
    def __init__(self, receiver: Receiver, *connection: Any) -> None:
        self.receiver = receiver
        super().__init__(*connection)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        statuses = self.receiver.statuses.get(self.path, [])
        status = statuses.pop(0) if statuses else 204
        self.receiver.hooks.append(Hook(self.path, headers, body))
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def receiving_hooks() -> Iterator[Receiver]:
    """A webhook receiver."""
    receiver = Receiver()
    with listening(partial(_HookHandler, receiver)) as receiver.url:
        yield receiver
