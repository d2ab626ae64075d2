"""Scratch directories: one an attempt, wiped at start and gone at the end; what a dead attempt left is swept."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, text

from workflows.jobs.leases import Claim


@contextmanager
def workspace(root: Path, claim: Claim) -> Iterator[Path]:
    """An empty directory for this attempt under the job's scratch `root`; removed with the root when both are empty."""
    path = root / f"{claim.name}-{claim.fence}"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700, parents=True)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        drop_if_empty(root)


def drop_if_empty(root: Path) -> None:
    """Remove a job's scratch directory unless another attempt is in it."""
    try:
        root.rmdir()
    except OSError:
        return


def wipe(root: Path) -> None:
    """Remove a job's whole scratch."""
    shutil.rmtree(root, ignore_errors=True)


def sweep(scratch: Path, engine: Engine) -> int:
    """Remove what no running step owns any more; how many directories went."""
    found = list(scratch.glob("*/*-*"))
    if not found:
        return 0
    with engine.connect() as conn:
        left = [path for path in found if not _owned(conn, path)]
    for path in left:  # outside the transaction: removing a large directory takes its time
        shutil.rmtree(path, ignore_errors=True)
        drop_if_empty(path.parent)
    return len(left)


def _owned(conn: Connection, path: Path) -> bool:
    orchestration_id, (name, _, fence) = path.parent.name, path.name.rpartition("-")
    if not fence.isdigit():
        return False
    return bool(
        conn.execute(
            text("""
            SELECT 1 FROM steps WHERE orchestration_id = :job AND name = :name AND fence = :fence AND state = 'running'
            """),
            {"job": orchestration_id, "name": name, "fence": int(fence)},
        ).one_or_none()
    )
