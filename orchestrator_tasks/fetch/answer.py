"""Reading one HTTP/1 answer from a stream of bytes: its head under a size cap, its body piece by piece.

Not `http.client`: that accepts 6 MB of headers and a chunk size of -1, which reads all there is into memory.
"""

from __future__ import annotations

import http.client
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

from workflows.errors import SourceRefused, SourceUnreachable

HEAD_BYTES = 16 * 1024
TRAILER_BYTES = 4 * 1024
BLOCK_BYTES = 256 * 1024
INTERIM_ANSWERS = 5  # 1xx, skipped

STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] ([1-5][0-9]{2})(?: [^\r\n]*)?\r?\n")
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Status and headers of an answer."""

    status: int
    headers: Message

    def get(self, name: str) -> str | None:
        """One header's value."""
        value = self.headers.get(name)
        return None if value is None else str(value)

    @property
    def chunked(self) -> bool:
        """Whether the body comes in chunks. Any other transfer coding raises SourceRefused."""
        coding = (self.get("transfer-encoding") or "").strip().lower()
        if coding not in {"", "chunked"}:
            raise SourceRefused(f"the server uses the transfer coding {coding!r}")
        return coding == "chunked"

    @property
    def length(self) -> int | None:
        """The declared length of the body, bytes; None when chunked or until the connection ends."""
        if self.chunked:
            return None
        declared = {str(value).strip() for value in self.headers.get_all("content-length", [])}
        if not declared:
            return None
        text = declared.pop()
        if declared or not (text.isascii() and text.isdigit()):
            raise SourceUnreachable("the server declares an unclear length")
        return int(text[:20])


def read_head(stream: io.BufferedReader) -> Head:
    """The head of the final answer; interim ones are skipped. Raises SourceRefused past 16 KB, SourceUnreachable."""
    left = HEAD_BYTES
    for _ in range(INTERIM_ANSWERS):
        lines = _lines(stream, left)
        left -= sum(map(len, lines))
        status = STATUS_LINE.fullmatch(lines[0])
        if not status:
            raise SourceUnreachable("the server does not answer in HTTP/1")
        try:
            headers = http.client.parse_headers(io.BytesIO(b"".join(lines[1:])))
        except http.client.HTTPException as err:
            raise SourceRefused(f"the server's headers cannot be read: {err}") from err
        if int(status[1]) >= 200:
            return Head(status=int(status[1]), headers=headers)
    raise SourceUnreachable("the server sends no final answer")


def read_body(stream: io.BufferedReader, head: Head) -> Iterator[bytes]:
    """The body in blocks of at most 256 KB. Raises SourceUnreachable when it ends early."""
    if head.chunked:
        yield from _chunks(stream)
    elif head.length is None:
        yield from iter(lambda: stream.read1(BLOCK_BYTES), b"")
    else:
        yield from _exactly(stream, head.length)


def _lines(stream: io.BufferedReader, left: int) -> list[bytes]:
    lines: list[bytes] = []
    while not lines or lines[-1] not in {b"\r\n", b"\n"}:
        line = stream.readline(left + 1)
        left -= len(line)
        if left < 0:
            raise SourceRefused(f"the server sends more than {HEAD_BYTES} bytes of headers")
        if not line.endswith(b"\n"):
            raise SourceUnreachable("the server closed the connection before it answered")
        lines.append(line)
    return lines


def _exactly(stream: io.BufferedReader, size: int) -> Iterator[bytes]:
    left = size
    while left:
        block = stream.read1(min(BLOCK_BYTES, left))
        if not block:
            raise SourceUnreachable(f"the transfer ended {left} bytes before its declared length of {size}")
        left -= len(block)
        yield block


def _chunks(stream: io.BufferedReader) -> Iterator[bytes]:
    while size := _chunk_size(stream):
        yield from _exactly(stream, size)
        if stream.readline(3) not in {b"\r\n", b"\n"}:
            raise SourceUnreachable("the transfer is broken between two chunks")
    _lines(stream, TRAILER_BYTES)


def _chunk_size(stream: io.BufferedReader) -> int:
    line = CHUNK_LINE.fullmatch(stream.readline(256))
    if not line:
        raise SourceUnreachable("the transfer ended early or is broken between two chunks")
    return int(line[1], 16)
