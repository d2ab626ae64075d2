"""A small HTTP server on loopback that serves named files, with ranges and validators, as an object store would."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

TYPES: Final = {".mp4": "video/mp4", ".wav": "audio/wav", ".png": "image/png"}


@contextmanager
def serving(files: Mapping[str, Path]) -> Iterator[str]:
    """Serve each file under /name while the block runs. Yields the base URL, without a slash at its end."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, dict(files)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="media", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte of a single `bytes=` range (RFC 9110, 14.1.2); None to send everything. Raises ValueError."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if match is None or match.group(0) == "bytes=-":
        return None
    first, last = match.groups()
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last), size - 1) if first and last else size - 1
    if start > end:
        raise ValueError(f"no byte of {size} is in {header}")
    return start, end


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, table: Mapping[str, Path], *connection: Any) -> None:
        self.table = table
        super().__init__(*connection)  # answers at once: the base class works in its constructor

    def do_GET(self) -> None:
        """Send a file, or the part of it asked for."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Send a file's headers."""
        self._answer(with_body=False)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the terminal for the demonstration."""

    def _answer(self, *, with_body: bool) -> None:
        path = self.table.get(self.path.lstrip("/"))
        if path is None:
            self._head(HTTPStatus.NOT_FOUND, 0, {})
            return
        size, etag = path.stat().st_size, f'"{path.stat().st_mtime_ns:x}-{path.stat().st_size:x}"'
        headers = {"ETag": etag, "Accept-Ranges": "bytes", "Content-Type": TYPES[path.suffix]}
        if self.headers.get("If-None-Match") == etag:
            self._head(HTTPStatus.NOT_MODIFIED, 0, headers)
            return
        try:
            part = byte_range(self.headers.get("Range"), size)
        except ValueError:
            self._head(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0, {"Content-Range": f"bytes */{size}"})
            return
        start, end = part or (0, size - 1)
        if part:
            headers["Content-Range"] = f"bytes {start}-{end}/{size}"
        self._head(HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK, end - start + 1, headers)
        if with_body:
            self._send(path, start, end - start + 1)

    def _head(self, status: HTTPStatus, length: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send(self, path: Path, start: int, length: int) -> None:
        # A client that only wanted to see the beginning hangs up; that is its right.
        with path.open("rb") as file, contextlib.suppress(ConnectionError):
            file.seek(start)
            while length and (chunk := file.read(min(length, 1 << 16))):
                self.wfile.write(chunk)
                length -= len(chunk)
