"""The node's cache: bounded, shared by processes, and never taking a file from a job."""

import fcntl
import hashlib
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator_tasks.fetch.cache import STALE_PARTIAL_S, Known, SourceCache
from orchestrator_tasks.fetch.locks import locked
from orchestrator_tasks.fetch.sink import full_disk_waits
from workflows.errors import Cancelled, NoCapacity


@pytest.fixture
def cache(tmp_path):
    return SourceCache(tmp_path / "cache", max_bytes=3000)


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "job").mkdir()
    return tmp_path / "job"


def sha(data):
    return hashlib.sha256(data).hexdigest()


def add(cache, data, workspace, *, used=None):
    """Put content in; `used` = its last use, and the job that brought it has ended."""
    with cache.partial() as partial:
        partial.write_bytes(data)
        given = cache.adopt(partial, sha(data), workspace)
    if used is not None:
        os.utime(given, (used, used))
        given.unlink()
    return sha(data)


def here(cache, *contents):
    return [cache.holds(sha(data), len(data)) for data in contents]


A, B, C, D = (letter * 1000 for letter in (b"a", b"b", b"c", b"d"))


def test_a_file_comes_out_as_it_went_in_and_cannot_be_written(cache, workspace, tmp_path):
    add(cache, A, workspace, used=1)
    given = cache.link_into(workspace, sha(A), len(A))
    assert given.read_bytes() == A
    assert given.stat().st_mode & 0o777 == 0o444
    assert cache.link_into(workspace, sha(A), len(A)) == given
    assert cache.link_into(workspace, sha(B), len(B)) is None


def test_the_file_used_longest_ago_goes_first(cache, workspace):
    for age, data in enumerate((A, B, C)):
        add(cache, data, workspace, used=1000 + age)
    cache.link_into(workspace, sha(A), 1000).unlink()  # used again: B is the oldest now
    add(cache, D, workspace)
    assert here(cache, A, B, C, D) == [True, False, True, True]


def test_a_file_that_a_job_holds_is_not_evicted(cache, workspace):
    for age, data in enumerate((A, B, C)):
        add(cache, data, workspace, used=1000 + age)
    held = cache.link_into(workspace, sha(A), 1000)
    os.utime(held, (1, 1))
    add(cache, D, workspace)
    assert here(cache, A, B, C, D) == [True, False, True, True]
    assert held.read_bytes() == A


def test_a_jobs_file_outlives_the_cache(cache, workspace):
    add(cache, A, workspace)
    for path in (workspace.parent / "cache/sources").glob("*/*"):
        path.unlink()
    assert (workspace / sha(A)).read_bytes() == A


def test_a_file_larger_than_the_cache_serves_its_job_and_then_goes(cache, workspace):
    add(cache, b"x" * 5000, workspace, used=1)
    add(cache, A, workspace)
    assert here(cache, b"x" * 5000, A) == [False, True]


def test_a_file_cut_short_by_a_power_cut_is_not_given_out(cache, workspace):
    add(cache, A, workspace, used=1)
    place = next((workspace.parent / "cache/sources").glob("*/*"))
    place.chmod(0o600)
    os.truncate(place, 10)
    assert not cache.holds(sha(A), 1000)
    assert cache.link_into(workspace, sha(A), 1000) is None
    assert list(workspace.iterdir()) == []
    add(cache, A, workspace)
    assert cache.link_into(workspace, sha(A), 1000).read_bytes() == A


def test_what_a_url_held_is_known_per_tenant_while_we_have_it(cache, workspace):
    known = Known(sha256=sha(A), size_bytes=1000, etag='"1"', last_modified=None, fetched_at=5.0)
    cache.remember("acme", "http://host/a", known)
    assert cache.known("acme", "http://host/a") is None
    add(cache, A, workspace)
    assert cache.known("acme", "http://host/a") == known
    assert cache.known("other", "http://host/a") is None
    assert cache.known("acme", "http://host/b") is None


def test_a_damaged_index_entry_counts_as_unknown(cache, workspace):
    add(cache, A, workspace)
    known = Known(sha256=sha(A), size_bytes=1000, etag=None, last_modified=None, fetched_at=5.0)
    cache.remember("acme", "http://host/a", known)
    entry = next((workspace.parent / "cache/urls").iterdir())
    for text in ("", "{", "[]", '{"sha256": 1}'):
        entry.write_text(text)
        assert cache.known("acme", "http://host/a") is None


def test_a_workspace_on_another_file_system_gets_a_copy(cache, workspace):
    other = Path("/dev/shm") / f"fetch-test-{os.getpid()}"
    if not Path("/dev/shm").is_dir() or Path("/dev/shm").stat().st_dev == workspace.stat().st_dev:
        pytest.skip("this machine has no second file system to write to")
    other.mkdir()
    try:
        add(cache, A, workspace)
        given = cache.link_into(other, sha(A), 1000)
        assert given.read_bytes() == A
        assert [path.name for path in other.iterdir()] == [sha(A)]
    finally:
        for path in other.iterdir():
            path.unlink()
        other.rmdir()


def test_leftovers_of_dead_processes_are_removed(cache, workspace):
    partial = workspace.parent / "cache/partial"
    for name, age_s in (("old", STALE_PARTIAL_S + 60), ("young", 60)):
        (partial / name).touch()
        os.utime(partial / name, (time.time() - age_s,) * 2)
    cache.evict()
    assert [path.name for path in partial.iterdir()] == ["young"]


def test_the_cache_keeps_its_bound_while_threads_fill_and_use_it(cache, tmp_path):
    contents = [bytes([number]) * 700 for number in range(24)]

    def job(number):
        space = tmp_path / f"job{number}"
        space.mkdir()
        for data in contents[number % 4 :: 4]:
            add(cache, data, space)
            given = cache.link_into(space, sha(data), 700)
            assert given.read_bytes() == data
            given.unlink()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(job, range(8)))
    cache.evict()
    assert sum(path.stat().st_size for path in (tmp_path / "cache/sources").glob("*/*")) <= 3000
    assert list((tmp_path / "cache/partial").iterdir()) == []
    assert list((tmp_path / "cache/locks").iterdir()) == []


def test_a_lock_admits_one_at_a_time(tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")

    def enter(_):
        with locked(tmp_path / "lock"):
            count = int(counter.read_text())
            os.sched_yield()
            counter.write_text(str(count + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, range(200)))
    assert counter.read_text() == "200"


def test_a_lock_file_that_its_holder_just_removed_is_not_taken_for_the_lock(tmp_path, monkeypatch):
    lock, real, raced = tmp_path / "lock", fcntl.flock, []

    def flock(descriptor, operation):
        if not raced:  # between our open and our flock the holder leaves
            raced.append(True)
            lock.unlink()
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with locked(lock), pytest.raises(Cancelled), locked(lock, give_up):
        pass


def give_up():
    raise Cancelled("waited")


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    script = (
        "import sys, threading, pathlib\n"
        "from orchestrator_tasks.fetch.locks import locked\n"
        "with locked(pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True); threading.Event().wait()\n"
    )
    lock = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", script, str(lock)], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout.readline() == b"held\n"
            with pytest.raises(Cancelled), locked(lock, give_up):
                pass
        finally:
            holder.kill()
    with locked(lock, give_up):
        assert lock.exists()
    assert not lock.exists()


def test_waiting_for_a_lock_ends_when_asked(tmp_path):
    waiting, stop = threading.Event(), threading.Event()

    def check():
        waiting.set()
        if stop.is_set():
            raise Cancelled("stopped")

    def wait():
        with locked(tmp_path / "lock", check):
            return "entered"

    with ThreadPoolExecutor(1) as pool, locked(tmp_path / "lock"):
        waiter = pool.submit(wait)
        assert waiting.wait(10)
        stop.set()
        with pytest.raises(Cancelled):
            waiter.result(10)


def test_a_full_disk_makes_the_step_wait_for_room():
    with pytest.raises(NoCapacity), full_disk_waits(), Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"x")
