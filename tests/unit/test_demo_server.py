"""The demonstration's media server answers as RFC 9110 says, so that a downloader is tried on the real thing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from orchestrator_tasks.demo.server import serving

DATA = bytes(range(256)) * 4


@pytest.fixture
def base(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "a.wav").write_bytes(DATA)
    with serving({"a.wav": tmp_path / "a.wav"}) as url:
        yield url


@pytest.fixture
def http() -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager(retries=False) as pool:
        yield pool


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, (200, DATA, None)),
        ("bytes=0-9", (206, DATA[:10], "bytes 0-9/1024")),
        ("bytes=1000-", (206, DATA[1000:], "bytes 1000-1023/1024")),
        ("bytes=-24", (206, DATA[-24:], "bytes 1000-1023/1024")),
        ("bytes=1020-5000", (206, DATA[1020:], "bytes 1020-1023/1024")),
        ("bytes=1024-", (416, b"", "bytes */1024")),
        ("lines=1-2", (200, DATA, None)),
    ],
)
def test_ranges(
    base: str, http: urllib3.PoolManager, wanted: str | None, expected: tuple[int, bytes, str | None]
) -> None:
    answer = http.request("GET", f"{base}/a.wav", headers={"Range": wanted} if wanted else {})
    assert (answer.status, answer.data, answer.headers.get("Content-Range")) == expected


def test_a_known_file_is_not_sent_again(base: str, http: urllib3.PoolManager) -> None:
    tag = http.request("HEAD", f"{base}/a.wav").headers["ETag"]
    answer = http.request("GET", f"{base}/a.wav", headers={"If-None-Match": tag})
    assert (answer.status, answer.data) == (304, b"")


def test_only_the_named_files_are_served(base: str, http: urllib3.PoolManager) -> None:
    for path in ("/b.wav", "/", "/sub/a.wav", "/etc/passwd"):
        assert http.request("GET", base + path).status == 404
