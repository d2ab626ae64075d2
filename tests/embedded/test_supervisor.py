"""The supervisor on real small processes."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator_tasks.embedded import supervisor as supervision
from orchestrator_tasks.embedded.child import Child
from orchestrator_tasks.embedded.supervisor import ChildError, StopRequestedError, Supervisor, backoff_s
from tests.embedded.conditions import alive, until

WAIT = "import signal; signal.pause()"
NOTE = "import os, sys; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n')\n"
STUBBORN = NOTE + "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"
PARENT = (
    "import subprocess, sys\n"
    "p = subprocess.Popen([sys.executable, '-c', sys.argv[2], sys.argv[1]], process_group=0)\n"
    "import signal; signal.pause()"
)


def child(name: str, code: str, *arguments: object, ready=lambda: True, **more: object) -> Child:
    argv = (sys.executable, "-c", code, *map(str, arguments))
    return Child(name=name, argv=argv, cwd=Path.cwd(), env=dict(os.environ), ready=ready, **{"grace_s": 5.0, **more})


def pids(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def supervisor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.setattr(supervision, "HOUSEKEEPING_S", 0.05)
    running = Supervisor(log_dir=tmp_path / "logs")
    yield running
    running.stop()


def watch_until(supervisor: Supervisor, condition) -> None:
    """Supervise until `condition` holds."""
    end = time.monotonic() + 20
    supervisor.stopping = lambda: condition() or time.monotonic() > end
    supervisor.watch()
    assert condition()


def test_backoff_doubles_from_half_a_second_to_thirty():
    assert [backoff_s(n) for n in range(1, 10)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert backoff_s(10**6) == 30


def test_start_returns_when_the_child_is_ready(supervisor, tmp_path):
    mark = tmp_path / "mark"
    supervisor.start([child("a", NOTE + WAIT, mark, ready=mark.exists)])
    assert pids(mark) == [supervisor.pids()["a"]]


def test_a_child_that_dies_is_started_again(supervisor, tmp_path):
    mark = tmp_path / "mark"
    supervisor.start([child("a", NOTE + WAIT, mark, ready=lambda: len(pids(mark)) == 1)])
    os.kill(pids(mark)[0], signal.SIGKILL)
    watch_until(supervisor, lambda: len(pids(mark)) == 2)
    assert pids(mark)[1] == supervisor.pids()["a"]
    assert psutil.pid_exists(pids(mark)[1])


def test_deaths_in_a_row_are_counted_and_stable_running_forgives(supervisor, tmp_path, monkeypatch):
    mark = tmp_path / "mark"
    monkeypatch.setattr(supervision, "FIRST_BACKOFF_S", 0.01)
    supervisor.start([child("a", NOTE + WAIT, mark, ready=lambda: len(pids(mark)) == 1)])
    running = supervisor.groups[0][0]
    for deaths in (1, 2):
        os.kill(supervisor.pids()["a"], signal.SIGKILL)
        watch_until(supervisor, lambda n=deaths: len(pids(mark)) == n + 1)
        assert running.failures == deaths
    running.started_s -= supervision.STABLE_S + 1
    os.kill(supervisor.pids()["a"], signal.SIGKILL)
    watch_until(supervisor, lambda: len(pids(mark)) == 4)
    assert running.failures == 1


def test_what_a_dead_child_left_below_it_is_killed_before_the_next_start(supervisor, tmp_path):
    mark = tmp_path / "grandchildren"
    supervisor.start([child("a", PARENT, mark, STUBBORN, ready=lambda: len(pids(mark)) == 1)])
    orphan = psutil.Process(pids(mark)[0])
    os.kill(supervisor.pids()["a"], signal.SIGKILL)
    watch_until(supervisor, lambda: len(pids(mark)) == 2)
    assert not alive([orphan])


def test_stop_ends_grandchildren_that_ignore_the_signal(supervisor, tmp_path):
    mark = tmp_path / "grandchildren"
    supervisor.start([child("a", PARENT, mark, STUBBORN, ready=lambda: len(pids(mark)) == 1)])
    tree = [psutil.Process(supervisor.pids()["a"]), psutil.Process(pids(mark)[0])]
    supervisor.stop()
    assert not alive(tree)


def test_a_child_that_ignores_the_signal_is_killed_after_its_grace(supervisor, tmp_path):
    mark = tmp_path / "mark"
    supervisor.start([child("a", STUBBORN, mark, ready=mark.exists, grace_s=0.2)])
    stubborn = psutil.Process(supervisor.pids()["a"])
    until(lambda: signal.SIGTERM in _ignored(stubborn.pid), "the child ignores SIGTERM")
    supervisor.stop()
    assert not alive([stubborn])


def _ignored(pid: int) -> set[int]:
    status = Path(f"/proc/{pid}/status").read_text()
    mask = int(status.split("SigIgn:")[1].split()[0], 16)
    return {number for number in range(1, 65) if mask >> (number - 1) & 1}


def test_groups_end_in_reverse_order(supervisor, tmp_path):
    order = tmp_path / "order"
    code = (
        "import pathlib, signal, sys\n"
        "def bye(*_):\n open(sys.argv[1], 'a').write(sys.argv[2] + '\\n'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, bye)\n"
        "pathlib.Path(sys.argv[3]).touch()\n"
        "signal.pause()"
    )
    for name in ("engine", "program"):
        mark = tmp_path / name
        supervisor.start([child(name, code, order, name, mark, ready=mark.exists)])
    supervisor.stop()
    assert order.read_text().split() == ["program", "engine"]


def test_a_child_that_ends_while_starting_is_an_error_with_its_last_words(supervisor):
    with pytest.raises(ChildError, match=r"a ended with 3 while starting: .*no such disk"):
        supervisor.start([child("a", "import sys; print('no such disk'); sys.exit(3)", ready=lambda: False)])


def test_a_child_that_dies_while_another_starts_is_an_error(supervisor):
    with pytest.raises(ChildError, match="quick ended with 4"):
        supervisor.start([child("slow", WAIT, ready=lambda: False), child("quick", "import sys; sys.exit(4)")])


def test_a_child_that_is_not_ready_in_time_is_an_error(supervisor):
    with pytest.raises(ChildError, match="not ready within 0 s"):
        supervisor.start([child("a", WAIT, ready=lambda: False, ready_within_s=0.1)])


def test_a_stop_asked_for_while_starting_is_obeyed(supervisor):
    supervisor.stopping = lambda: True
    with pytest.raises(StopRequestedError):
        supervisor.start([child("a", WAIT, ready=lambda: False)])


def test_the_wake_descriptor_interrupts_the_watch(supervisor):
    reader, writer = os.pipe()
    try:
        supervisor.wake_fd = reader
        supervisor.start([child("a", WAIT)])
        os.write(writer, b"x")
        looks = iter([False, True])
        supervisor.stopping = lambda: next(looks)
        supervisor.watch()
        os.set_blocking(reader, False)
        with pytest.raises(BlockingIOError):
            os.read(reader, 1)  # the watch read what woke it
    finally:
        os.close(reader)
        os.close(writer)


def test_a_log_is_bounded_and_the_child_goes_on_writing(supervisor, tmp_path, monkeypatch):
    monkeypatch.setattr(supervision, "LOG_LIMIT_BYTES", 1000)
    go = tmp_path / "go"
    code = (
        "import os, pathlib, sys, time\n"
        "print('x' * 1500, flush=True)\n"
        "while not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.02)\n"
        "print('after', flush=True)\n" + WAIT
    )
    log = tmp_path / "logs" / "a.log"
    supervisor.start([child("a", code, go, ready=lambda: log.stat().st_size > 1000)])
    watch_until(supervisor, lambda: log.stat().st_size == 0)
    assert (tmp_path / "logs" / "a.log.1").stat().st_size == 1000
    go.touch()
    until(lambda: log.read_text() == "after\n", "the child writes on")


def test_children_lead_their_own_session_so_that_ctrl_c_does_not_reach_them(supervisor):
    supervisor.start([child("a", WAIT)])
    pid = supervisor.pids()["a"]
    assert os.getsid(pid) == pid != os.getsid(0)
