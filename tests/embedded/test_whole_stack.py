"""`up` with everything: starts, supervises, keeps its key, ends without a trace."""

import json
import signal
import urllib.error
import urllib.request

import psutil
import psycopg

from tests.embedded.conditions import alive, until


def status(url: str, key: str = "") -> int:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as err:
        with err:
            return err.code


def workers(database_url: str) -> set[tuple[str, int]]:
    """(queue class, pid) of the workers that have reported."""
    with psycopg.connect(database_url) as connection:
        return {(name.partition("@")[0], pid) for name, pid in connection.execute("SELECT id, pid FROM workers")}


def nodes(database_url: str) -> list[str]:
    with psycopg.connect(database_url) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM nodes WHERE state = 'active'")]


def test_the_whole_stack(up):
    stack = up(options=("--port", "0"), NODE_ID="n1")
    note = stack.note
    assert status(f"{note['url']}/ready") == 200
    assert status(f"{note['url']}/api/v1/jobs?limit=1", note["api_key"]) == 200
    assert status(f"{note['url']}/api/v1/jobs?limit=1") == 401
    assert status(note["flower_url"]) == 401
    assert {name for name, _ in workers(note["database_url"])} >= {"quick", "general"}
    assert nodes(note["database_url"]) == ["n1"]

    sockets = {c.laddr.ip for p in stack.tree for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN}
    assert sockets == {"127.0.0.1"}
    secrets = [note["api_key"], note["s3_secret_key"], note["database_url"], note["redis_url"], note["flower_password"]]
    assert not [p for p in stack.tree for secret in secrets if secret in " ".join(p.cmdline())]

    (pid,) = [pid for name, pid in workers(note["database_url"]) if name == "general"]
    worker = psutil.Process(pid)
    below = worker.children(recursive=True)
    worker.send_signal(signal.SIGKILL)
    until(lambda: not alive([worker, *below]), "the worker and its pool are gone")
    until(lambda: {p for n, p in workers(note["database_url"]) if n == "general"} - {pid}, "another worker beats", 40)

    main = psutil.Process(stack.process.pid)
    tree = main.children(recursive=True)
    stack.supervisor().send_signal(signal.SIGKILL)
    assert stack.process.wait(timeout=30) == 128 + signal.SIGKILL
    assert not alive(tree)
    stack.leaves_nothing()

    assert not stack.ready_file.exists()
    again = up(options=("--port", "0"), NODE_ENV="development")
    assert again.note["api_key"] == note["api_key"]
    assert again.stop()[0] == 0
    assert not alive(again.tree)
    events = [json.loads(line) for line in (again.data_dir / "logs" / "supervisor.log").read_text().splitlines()]
    assert {"child_started", "child_ready", "child_died", "child_stopped"} <= {event["event"] for event in events}
