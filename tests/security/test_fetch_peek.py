"""Looking at sources before anything is spent: the same rules as fetching, at the price of their first bytes."""

import pytest

from orchestrator_tasks.fetch.peek import peek, peek_all
from orchestrator_tasks.fetch.source import fetch_source
from tests.security.fetch_servers import ok, redirect, serving
from tests.security.test_fetch_sources import GIF, Files, ask, way_of
from workflows.errors import SourceNotFound, SourceNotMedia, SourceRefused, SourceTooLarge


def saying(answer):
    return lambda server, connection, head: connection.sendall(answer)


@pytest.fixture
def way(tmp_path):
    return way_of(tmp_path)


def test_a_peek_reads_the_first_bytes_and_leaves_nothing(way, tmp_path):
    with serving(saying(ok(GIF))) as server:
        peek(ask(server.url()), way)
    assert not list((tmp_path / "job").iterdir())
    assert not list((tmp_path / "cache" / "partial").iterdir())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (ok(b"<!DOCTYPE html><title>hello</title>"), SourceNotMedia),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", SourceNotFound),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nGIF89a", SourceTooLarge),
        (redirect("http://169.254.169.254/latest"), SourceRefused),
    ],
)
def test_what_fetching_would_refuse_is_refused_at_a_glance(way, answer, error):
    with serving(saying(answer)) as server, pytest.raises(error) as caught:
        peek(ask(server.url(), 3), way)
    assert caught.value.path == "elements[3].source"


def test_the_permanent_error_wins_over_the_passing_one(way):
    down = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    gone = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    with serving(saying(down)) as busy, serving(saying(gone)) as missing, pytest.raises(SourceNotFound):
        peek_all([ask(busy.url(), 0), ask(missing.url(), 1)], way)


def test_a_file_the_cache_has_costs_one_conditional_request(way):
    files = Files(a=GIF)
    with serving(files) as server:
        fetch_source(ask(server.url("/a")), way)
        peek(ask(server.url("/a")), way)
    assert (len(server.heads), files.sent["a"]) == (2, 1)
