"""The downloader for http(s) sources. FFmpeg never opens a URL; this does, under address rules and a budget."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator_tasks.fetch.answer import Head, read_body, read_head
from orchestrator_tasks.fetch.budget import Budget, blame
from orchestrator_tasks.fetch.sink import Inspect, open_sink
from orchestrator_tasks.fetch.urls import HttpUrl, parse_http, redirected
from orchestrator_tasks.fetch.wire import Route, connect
from workflows.errors import SourceNotFound, SourceRefused, SourceUnreachable

MAX_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})
PASSING = frozenset({408, 425, 429})  # 4xx that another try may change
USER_AGENT = "video-orchestrator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """What a server said of the copy we have, to ask whether it still holds."""

    etag: str | None = None
    last_modified: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The conditional request's headers."""
        pairs = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in pairs.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A finished download."""

    sha256: str
    size_bytes: int
    validators: Validators


OnBytes = Callable[[int, int | None], None]  # bytes so far, declared length


def download(
    url: str,
    destination: Path,
    *,
    path: str,
    route: Route,
    budget: Budget,
    known: Validators | None = None,
    inspect: Inspect | None = None,
    on_bytes: OnBytes | None = None,
) -> Transfer | None:
    """Fetch `url` into the new file `destination`; None when the server says that `known` still holds.

    `path` is the JSON path errors carry. Raises a SourceError, Cancelled, DeadlineExceeded or NoCapacity.
    """
    with blame(path), _answered(parse_http(url), route, budget, known or Validators()) as (head, stream):
        if head.status == 304 and known and known.headers:
            return None
        _demand_success(head)
        budget.expect(head.length)
        budget.start_body()
        with open_sink(destination, inspect) as sink:
            for block in read_body(stream, head):
                budget.count(len(block))
                sink.write(block)
                if on_bytes:
                    on_bytes(sink.size_bytes, head.length)
            sha256 = sink.finish()
        return Transfer(sha256=sha256, size_bytes=sink.size_bytes, validators=_validators(head))


@contextmanager
def _answered(
    url: HttpUrl, route: Route, budget: Budget, known: Validators
) -> Iterator[tuple[Head, io.BufferedReader]]:
    """The first answer that is no redirect, and its stream. Every hop is checked as if it were the first."""
    for _ in range(MAX_REDIRECTS + 1):
        with exchange(url, route, budget, request(url, "GET", known.headers)) as (head, stream):
            location = head.get("location")
            if head.status not in REDIRECTS or not location:
                yield head, stream
                return
        url = redirected(url, location)
    raise SourceRefused(f"the source redirects more than {MAX_REDIRECTS} times")


@contextmanager
def exchange(url: HttpUrl, route: Route, budget: Budget, message: bytes) -> Iterator[tuple[Head, io.BufferedReader]]:
    """Send one request and read the head of its answer; the connection closes with the block."""
    with closing(connect(url, route, budget)) as wire, closing(wire.buffered()) as stream:
        budget.start_head()
        wire.send(message)
        yield read_head(stream), stream


def request(url: HttpUrl, method: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """One request's bytes. ValueError when a header would break out of its line."""
    fixed = {"Host": url.authority, "User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "identity"}
    fields = {**fixed, **headers, "Connection": "close"}
    if any(sign in text for pair in fields.items() for text in pair for sign in "\r\n\0"):
        raise ValueError("a header contains a line break")
    lines = [f"{method} {url.target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body


def _demand_success(head: Head) -> None:
    status = head.status
    if status >= 500 or status in PASSING:
        wait = {"retry_after": head.get("retry-after")} if head.get("retry-after") else {}
        raise SourceUnreachable(f"the server answers {status}", details={"status": status, **wait})
    if 400 <= status < 500:
        raise SourceNotFound(f"the server answers {status}", details={"status": status})
    if status != 200:
        raise SourceRefused(f"the server answers {status}, not the file", details={"status": status})
    coding = (head.get("content-encoding") or "identity").strip().lower()
    if coding != "identity":
        raise SourceRefused(
            f"the server compresses the file ({coding}) though asked not to", remedy="Serve the file as it is."
        )


def _validators(head: Head) -> Validators:
    return Validators(etag=head.get("etag"), last_modified=head.get("last-modified"))
