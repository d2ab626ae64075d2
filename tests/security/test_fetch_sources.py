"""All sources of a job: at once, through the cache, from servers and buckets, and the first hopeless one ends it."""

import hashlib
import multiprocessing
import threading
from collections import Counter
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from orchestrator_tasks.fetch.cache import SourceCache
from orchestrator_tasks.fetch.fetch import fetch_all, fetch_sources
from orchestrator_tasks.fetch.source import Fetching, SourceRef, SourceRequest, fetch_source, materialise
from tests.security.fetch_servers import LIMITS, ok, route, serving
from workflows.errors import (
    Cancelled,
    SourceCorrupt,
    SourceNotFound,
    SourceNotMedia,
    SourceRefused,
    SourceTooLarge,
    SourceUnreachable,
)
from workflows.settings import Settings
from workflows.storage.keys import source_key, uploads_prefix
from workflows.storage.objects import ObjectStore

GIF = b"GIF89a" + bytes(9000)
OTHER_GIF = b"GIF89a" + bytes(9001)


def sha(data):
    return hashlib.sha256(data).hexdigest()


def ask(url, number=0, kinds="image", tenant="acme"):
    return SourceRequest(url=url, path=f"elements[{number}].source", kinds=frozenset(kinds.split()), tenant=tenant)


def way_of(tmp_path, **changes):
    (tmp_path / "job").mkdir(exist_ok=True)
    way = Fetching(
        settings=Settings(),
        store=ObjectStore(Settings()),
        cache=SourceCache(tmp_path / "cache", 10**6),
        workspace=tmp_path / "job",
        route=route(),
        limits=LIMITS,
    )
    return replace(way, **changes)


@pytest.fixture
def way(tmp_path):
    return way_of(tmp_path)


class Files:
    """A server of files with ETags, as most are; counts what it was asked and what it sent."""

    def __init__(self, etags=True, **files):
        self.files, self.etags, self.sent = files, etags, Counter()

    def __call__(self, server, connection, head):
        name = head.split()[1].removeprefix("/")
        body = self.files.get(name)
        etag = f'"{sha(body or b"")}"'
        if body is None:
            connection.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")
        elif f"If-None-Match: {etag}" in head:
            connection.sendall(b"HTTP/1.1 304 Not Modified\r\n\r\n")
        else:
            self.sent[name] += 1
            connection.sendall(ok(body, *([f"ETag: {etag}"] if self.etags else [])))


def test_a_source_is_asked_for_again_but_not_sent_again(way):
    files = Files(a=GIF)
    with serving(files) as server:
        first = fetch_source(ask(server.url("/a")), way)
        again = fetch_source(ask(server.url("/a")), way)
    assert (first.from_cache, again.from_cache) == (False, True)
    assert first.path == again.path == way.workspace / sha(GIF)
    assert first.path.read_bytes() == GIF
    assert (len(server.heads), files.sent["a"]) == (2, 1)


def test_a_source_that_changed_is_fetched_anew(way):
    files = Files(a=GIF)
    with serving(files) as server:
        fetch_source(ask(server.url("/a")), way)
        files.files["a"] = OTHER_GIF
        assert fetch_source(ask(server.url("/a")), way).sha256 == sha(OTHER_GIF)


def test_another_tenant_does_not_profit_from_what_one_has_cached(way):
    files = Files(a=GIF)
    with serving(files) as server:
        fetch_source(ask(server.url("/a")), way)
        fetched = fetch_source(ask(server.url("/a"), tenant="other"), way)
    assert not fetched.from_cache
    assert files.sent["a"] == 2


def test_a_cached_source_that_vanished_is_an_error(way):
    files = Files(a=GIF)
    with serving(files) as server:
        fetch_source(ask(server.url("/a")), way)
        del files.files["a"]
        with pytest.raises(SourceNotFound):
            fetch_source(ask(server.url("/a")), way)


def test_a_cached_source_is_judged_by_the_elements_of_this_job(way):
    with serving(Files(a=GIF)) as server:
        fetch_source(ask(server.url("/a")), way)
        with pytest.raises(SourceNotMedia, match="type audio"):
            fetch_source(ask(server.url("/a"), kinds="audio"), way)


def test_a_page_named_mp4_is_named_and_leaves_nothing(way, tmp_path):
    files = Files(**{"clip.mp4": b"<!doctype html><title>Sorry"})
    with serving(files) as server, pytest.raises(SourceNotMedia, match="HTML") as failure:
        fetch_source(ask(server.url("/clip.mp4"), 3, "video"), way)
    assert failure.value.path == "elements[3].source"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_threads_that_want_one_url_at_once_share_one_download(way):
    files, waiters, all_wait = Files(etags=False, a=GIF), Counter(), threading.Event()

    def answer(server, connection, head):
        assert all_wait.wait(20)
        files(server, connection, head)

    def should_stop():
        waiters[threading.get_ident()] += 1
        if len([count for count in waiters.values() if count > 2]) == 4:
            all_wait.set()
        return False

    with serving(answer) as server:
        requests = [ask(server.url("/a"))] * 4
        ready = replace(way, should_stop=should_stop)
        threads = [threading.Thread(target=fetch_source, args=(request, ready)) for request in requests]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert files.sent["a"] == 1
    assert len(waiters) == 4


def fetch_in_process(root, url, start, results):
    start.wait(30)
    (root / multiprocessing.current_process().name).mkdir()
    way = way_of(root, workspace=root / multiprocessing.current_process().name)
    results.put(fetch_source(ask(url), way).sha256)


def test_processes_share_one_download(tmp_path):
    context, files = multiprocessing.get_context("spawn"), Files(a=GIF)
    with serving(files) as server:
        start, results = context.Barrier(3), context.SimpleQueue()
        arguments = (tmp_path, server.url("/a"), start, results)
        processes = [context.Process(target=fetch_in_process, args=arguments) for _ in range(3)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert [results.get() for _ in processes] == [sha(GIF)] * 3
    assert files.sent["a"] == 1


# --- all at once


def test_sources_are_fetched_side_by_side(way):
    together = threading.Barrier(6)
    files = Files(**{str(number): GIF + bytes(number) for number in range(6)})

    def answer(server, connection, head):
        together.wait(20)  # nobody is answered before all have asked
        files(server, connection, head)

    with serving(answer) as server:
        fetched = fetch_all([ask(server.url(f"/{number}"), number) for number in range(6)], way)
    assert {urlsplit(url).path: found.size_bytes for url, found in fetched.items()} == {
        f"/{number}": len(GIF) + number for number in range(6)
    }


def is_hung_up(connection):
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_hopeless_source_ends_all_and_is_the_one_reported(way, tmp_path):
    asked, hung_up = threading.Semaphore(0), []

    def answer(server, connection, head):
        if "GET /gone" in head:
            for _ in range(3):
                assert asked.acquire(timeout=20)
            connection.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + GIF)
            asked.release()
            hung_up.append(is_hung_up(connection))  # never ends by itself

    patient = replace(way, limits=replace(LIMITS, idle_s=3600, total_s=3600))
    with serving(answer) as server:
        requests = [ask(server.url(f"/{name}"), number) for number, name in enumerate(("a", "b", "gone", "c"))]
        with pytest.raises(SourceNotFound) as failure:
            fetch_all(requests, patient)
    assert failure.value.path == "elements[2].source"
    assert hung_up == [True, True, True]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_after_a_passing_error_the_others_are_in_the_cache(way):
    files = Files(a=GIF)
    failed = threading.Event()

    def answer(server, connection, head):
        if "GET /busy" in head:
            connection.sendall(b"HTTP/1.1 503 Busy\r\n\r\n")
            failed.set()
        else:
            assert failed.wait(20)
            files(server, connection, head)

    with serving(answer) as server:
        with pytest.raises(SourceUnreachable) as failure:
            fetch_all([ask(server.url("/busy"), 0), ask(server.url("/a"), 1)], way)
        assert fetch_source(ask(server.url("/a")), way).from_cache
    assert failure.value.path == "elements[0].source"


def test_a_url_used_twice_is_fetched_once_for_both_kinds(way):
    files = Files(a=GIF)
    with serving(files) as server:
        url = server.url("/a")
        assert list(fetch_all([ask(url, 0, "image"), ask(url, 1, "video")], way)) == [url]
        with pytest.raises(SourceNotMedia, match="type audio"):
            fetch_all([ask(url, 0, "image"), ask(url, 1, "audio")], way)
    assert files.sent["a"] == 1


def test_progress_rises_to_the_sum_of_all_sources(way):
    seen = []
    with serving(Files(a=GIF, b=GIF + bytes(400_000))) as server:
        fetch_all([ask(server.url("/a")), ask(server.url("/b"))], way, lambda *sizes: seen.append(sizes))
    total = 2 * len(GIF) + 400_000
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert {size for _, size in seen} <= {None, total}


def test_no_source_is_no_work(way):
    assert fetch_all([], way) == {}


def test_a_stop_from_outside_is_a_cancellation(way):
    with serving(lambda server, *_: server.closing.wait(20)) as server:
        stopping = replace(way, should_stop=lambda: bool(server.heads))
        with pytest.raises(Cancelled):
            fetch_all([ask(server.url("/a"))], stopping)


# --- with the real store and the whole settings


@pytest.fixture(scope="module")
def store(engines):
    store = ObjectStore(engines.settings(s3_bucket="fetch-test"))
    store.ensure_bucket()
    ObjectStore(engines.settings(s3_bucket="fetch-other")).ensure_bucket()
    return store


def put(store, key, data, tmp_path, sha256=None):
    (tmp_path / "put").write_bytes(data)
    store.put_file(key, tmp_path / "put", content_type="image/gif", sha256=sha256 or sha(data))


@pytest.fixture
def fetch(engines, store, tmp_path):
    (tmp_path / "job").mkdir()

    def run(url, **overrides):
        settings = engines.settings(
            s3_bucket="fetch-test",
            data_dir=str(tmp_path / "node"),
            source_allow_private="127.0.0.0/8",
            **overrides,
        )
        cache = SourceCache.from_settings(settings)
        found = fetch_sources([ask(url)], settings=settings, store=store, cache=cache, workspace=tmp_path / "job")
        return found[url]

    return run


def test_a_tenants_upload_is_a_source_and_cached(fetch, store, tmp_path):
    put(store, f"{uploads_prefix('acme')}dir/a.gif", GIF, tmp_path)
    url = "s3://fetch-test/acme/uploads/dir/a.gif"
    first, again = fetch(url), fetch(url)
    assert first.path.read_bytes() == GIF
    assert (first.sha256, first.from_cache, again.from_cache) == (sha(GIF), False, True)
    put(store, f"{uploads_prefix('acme')}dir/a.gif", OTHER_GIF, tmp_path)
    assert fetch(url).sha256 == sha(OTHER_GIF)


@pytest.mark.parametrize(
    "url",
    [
        "s3://fetch-test/other/uploads/a.gif",
        "s3://fetch-test/acme/jobs/orch_1/a.gif",
        "s3://fetch-test/acme/uploads/../jobs/a.gif",
        "s3://fetch-test/acme/uploads/../../other/uploads/a.gif",
        "s3://fetch-test/acme/uploads//a.gif",
        "s3://fetch-test/acme/uploadsX/a.gif",
        "s3://fetch-test/acme/uploads/a.gif?versionId=1",
        "s3://fetch-test",
        "s3://fetch-test/",
        "s3:///acme/uploads/a.gif",
        "s3://fetch-other/a.gif",
        "s3://key:secret@fetch-test/acme/uploads/a.gif",
    ],
)
def test_everything_else_in_the_store_is_refused(fetch, store, tmp_path, url):
    for key in ("other/uploads/a.gif", "acme/jobs/orch_1/a.gif", "acme/jobs/a.gif"):
        put(store, key, GIF, tmp_path)
    with pytest.raises(SourceRefused):
        fetch(url)


def test_our_own_bucket_stays_closed_even_when_it_is_listed(fetch):
    with pytest.raises(SourceRefused):
        fetch("s3://fetch-test/other/uploads/a.gif", source_s3_buckets="fetch-test,fetch-other")


def test_a_listed_bucket_is_open(engines, fetch, tmp_path):
    put(ObjectStore(engines.settings(s3_bucket="fetch-other")), "any/a.gif", GIF, tmp_path)
    assert fetch("s3://fetch-other/any/a.gif", source_s3_buckets="x, fetch-other").sha256 == sha(GIF)


def test_bucket_sources_have_the_same_limits_and_errors(fetch, store, tmp_path):
    put(store, "acme/uploads/big.gif", GIF, tmp_path)
    put(store, "acme/uploads/page.gif", b"<html>", tmp_path)
    with pytest.raises(SourceTooLarge):
        fetch("s3://fetch-test/acme/uploads/big.gif", source_max_bytes=9000)
    with pytest.raises(SourceNotMedia, match="HTML"):
        fetch("s3://fetch-test/acme/uploads/page.gif")
    with pytest.raises(SourceNotFound) as failure:
        fetch("s3://fetch-test/acme/uploads/none.gif")
    assert failure.value.path == "elements[0].source"


def test_our_engines_cannot_be_sources_though_loopback_is_admitted(fetch, engines):
    with serving(Files(a=GIF)) as server:
        assert fetch(server.url("/a")).sha256 == sha(GIF)
    for engine in (engines.database_url, engines.redis_url, engines.s3_endpoint_url):
        port = urlsplit(engine).port
        for host in ("127.0.0.1", "127.0.0.2", "127.1"):
            with pytest.raises(SourceRefused, match="own servers"):
                fetch(f"http://{host}:{port}/")


def reference(url, data, **more):
    return SourceRef(request=ask(url), sha256=sha(data), size_bytes=len(data), **more)


def test_a_later_step_takes_the_cache_then_the_store_then_the_source(engines, store, tmp_path):
    put(store, source_key("acme", sha(GIF)), GIF, tmp_path)
    files = Files(a=GIF)
    way = way_of(tmp_path, store=store, settings=engines.settings(s3_bucket="fetch-test"))
    with serving(files) as server:
        url = server.url("/a")
        stored = reference(url, GIF, store_key=source_key("acme", sha(GIF)))
        assert materialise(stored, way).path.read_bytes() == GIF
        assert server.heads == []  # from the store
        store.delete([stored.store_key])
        assert materialise(stored, way).from_cache  # from the cache
        assert server.heads == []
        elsewhere = way_of(tmp_path / "job", store=store, settings=way.settings)
        assert materialise(stored, elsewhere).path.read_bytes() == GIF
        assert files.sent["a"] == 1  # from the source


def test_a_stored_source_that_is_another_one_is_passed_over(engines, store, tmp_path):
    key = source_key("acme", sha(OTHER_GIF))
    put(store, key, GIF, tmp_path)
    way = way_of(tmp_path, store=store, settings=engines.settings(s3_bucket="fetch-test"))
    with serving(Files(a=OTHER_GIF)) as server:
        found = materialise(reference(server.url("/a"), OTHER_GIF, store_key=key), way)
    assert found.path.read_bytes() == OTHER_GIF


def test_a_source_that_changed_since_the_job_began_is_an_error(way):
    with serving(Files(a=OTHER_GIF)) as server, pytest.raises(SourceCorrupt, match="changed") as failure:
        materialise(reference(server.url("/a"), GIF), way)
    assert failure.value.path == "elements[0].source"
