"""`python -m orchestrator_tasks.embedded up` as people run it, with the engines alone."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys

import psycopg
import pytest

from orchestrator_tasks.embedded.child import unprivileged
from tests.embedded.conditions import alive, until


def answers(database_url: str) -> bool:
    try:
        psycopg.connect(database_url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def test_a_stack_tells_where_it_is_heals_and_ends_without_a_trace(up):
    stack = up()
    assert {"database_url", "redis_url", "s3_endpoint_url", "s3_access_key", "s3_secret_key", "pid"} <= set(stack.note)
    assert stack.note["pid"] == stack.process.pid
    assert stat.S_IMODE(stack.ready_file.stat().st_mode) == 0o600
    assert answers(stack.note["database_url"])

    postmaster = stack.child("postgres")
    postmaster.send_signal(signal.SIGKILL)
    until(lambda: not alive([postmaster]), "the server is dead")
    until(lambda: answers(stack.note["database_url"]), "the server answers again")

    code, _ = stack.stop()
    assert code == 0
    stack.leaves_nothing()
    assert not stack.ready_file.exists()


def test_two_stacks_run_side_by_side_and_never_on_one_directory(up):
    first, second = up("a"), up("b")
    assert answers(first.note["database_url"])
    assert answers(second.note["database_url"])
    assert not set(first.note.values()) & set(second.note.values()) - {"video-results"}
    argv = [sys.executable, "-m", "orchestrator_tasks.embedded", "up", "--data-dir", str(first.data_dir)]
    refused = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 1
    assert f"process {first.process.pid} runs a stack on" in refused.stderr


def test_a_port_taken_since_the_last_time_is_replaced_and_that_is_said(up, short_dir):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        (short_dir / "a").mkdir()
        (short_dir / "a" / "ports.json").write_text(json.dumps({"valkey": port}))
        stack = up("a")
        assert f":{port}/" not in stack.note["redis_url"]
        _, output = stack.stop()
    assert f"Port {port} of valkey is taken" in output


def test_killing_the_process_people_see_leaves_nothing(up):
    """The other half of the pair is killed in test_whole_stack."""
    stack = up()
    os.kill(stack.process.pid, signal.SIGKILL)
    stack.process.wait(timeout=30)
    stack.leaves_nothing()
    until(lambda: not stack.ready_file.exists(), "the ready file is gone")


def test_a_normal_user_runs_the_stack(up, short_dir):
    """When this is root: as nobody, with the one capability that lets it read an interpreter installed below /root."""
    before: tuple[str, ...] = ()
    if user := unprivileged():
        if not shutil.which("setpriv"):
            pytest.skip("setpriv is needed to become another user")
        os.chown(short_dir, user.uid, user.gid)
        before = (
            "setpriv", "--reuid", str(user.uid), "--regid", str(user.gid), "--clear-groups",
            "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search",
        )  # fmt: skip
    stack = up(before=before, HOME=str(short_dir))
    assert len({p.uids().real for p in stack.tree}) == 1
    assert stack.tree[0].uids().real != 0
    assert answers(stack.note["database_url"])
    assert stack.stop()[0] == 0
    stack.leaves_nothing()
