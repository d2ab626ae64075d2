"""`python -m bench.waiters`: how fast others are answered while every inline waiter is taken. STRICT=1 as in `bench`.

Quick jobs that insist on an inline answer fill every place; their renders queue behind each other. Meanwhile GET
/health and one job's status are asked in turn, each on a fresh connection, as a probe or a script would.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import urllib3
from rich.console import Console

from bench.goals import Goal, judge
from orchestrator_tasks.demo.stack import StackError, running, stop_on_sigterm
from workflows.client import ApiError, Client
from workflows.errors import OrchestratorError
from workflows.settings import load

GOALS: Final = (
    Goal(name="/health, p99", measure="health_ms", bound=200.0, better="lower", unit="ms"),
    Goal(name="job status, p99", measure="status_ms", bound=200.0, better="lower", unit="ms"),
)
SAMPLES: Final = 200  # a round
ROUNDS: Final = 3


def filler(number: int) -> dict[str, Any]:
    """A quick job without sources whose client waits for its answer."""
    text = {"type": "text", "text": f"waiter {number}", "font_size": 40}
    return {"mode": "sync", "width": 640, "height": 360, "duration": 4, "elements": [text]}


@click.command()
def main() -> None:
    """Fill the waiters, measure, print."""
    stop_on_sigterm()
    console = Console(soft_wrap=True)
    try:
        with tempfile.TemporaryDirectory(prefix="waiters-") as folder, running(Path(folder)) as stack:
            client = Client(url=stack.ready["url"], api_key=stack.ready["api_key"])
            found = measure(client)
    except (StackError, ApiError, OrchestratorError) as err:
        console.print(f"The benchmark failed: {err}", style="red")
        sys.exit(2)
    missed = False
    for goal in GOALS:
        verdict = judge(goal, found[goal.measure])
        missed |= verdict.missed
        numbers = f"median of {ROUNDS} rounds {verdict.median:.1f} ms, {verdict.low:.1f} .. {verdict.high:.1f}"
        console.print(f"{goal.name}: {numbers}; goal <= {goal.bound:g} ms: {'MISSED' if verdict.missed else 'met'}")
    console.print(f"{found['waiting']} requests waited inline meanwhile.")
    sys.exit(int(missed and os.environ.get("STRICT") == "1"))


def measure(client: Client) -> dict[str, Any]:
    """p99 in ms of each round, and how many requests waited at the end of the measurement."""
    places = load().inline_waiters * load().api_workers
    watched = client.orchestrate({**filler(0), "mode": "async"})["jobId"]
    posts = [threading.Thread(target=_post, args=(client, n), daemon=True) for n in range(1, places + 9)]
    for post in posts:
        post.start()
    rounds: dict[str, Any] = {"health_ms": [], "status_ms": []}
    for _ in range(ROUNDS):
        rounds["health_ms"].append(p99(lambda: _get(client, "/health")))
        rounds["status_ms"].append(p99(lambda: _get(client, f"/api/v1/jobs/{watched}/status")))
    rounds["waiting"] = sum(post.is_alive() for post in posts)
    if rounds["waiting"] < places // 2:
        raise StackError("the waiters were answered before the measurement ended", "")
    return rounds


def p99(request: Callable[[], None]) -> float:
    """The 99th percentile of one round, ms."""
    times = []
    for _ in range(SAMPLES):
        begin = time.perf_counter()
        request()
        times.append((time.perf_counter() - begin) * 1000)
    return float(np.percentile(times, 99))


def _get(client: Client, path: str) -> None:
    headers = {"Authorization": f"Bearer {client.api_key}"}
    with urllib3.PoolManager(retries=False) as pool:
        answer = pool.request("GET", client.url + path, headers=headers, timeout=10)
    if answer.status != 200:
        raise ApiError(answer.status, {"detail": f"{path} answered {answer.status}"})


def _post(client: Client, number: int) -> None:
    try:
        Client(url=client.url, api_key=client.api_key).orchestrate(filler(number))
    except (ApiError, OrchestratorError):
        return  # the stack is stopped under those that still wait


if __name__ == "__main__":
    main()
