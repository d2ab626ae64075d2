"""Undoing what a failed, cancelled or timed out job did: the actions behind the ledger's compensation rows."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from orchestrator_tasks import workspace
from orchestrator_tasks.runtime import Runtime
from workflows import failpoints
from workflows.fleet import allocation
from workflows.jobs import admission, compensations, ending, store
from workflows.jobs.compensations import Compensation

log = structlog.get_logger(__name__)
Action = Callable[[Runtime, Compensation], None]


def release_allocation(tools: Runtime, compensation: Compensation) -> None:
    """Give the reservation back."""
    with tools.engine.begin() as conn:
        allocation.release(conn, compensation.orchestration_id)


def delete_object(tools: Runtime, compensation: Compensation) -> None:
    """Remove an object that no result points at."""
    tools.store.delete([compensation.args["key"]])


ACTIONS: dict[str, Action] = {"release_allocation": release_allocation, "delete_object": delete_object}


def run(tools: Runtime, orchestration_id: str) -> None:
    """Run a job's compensations newest first, then end the job. Stops at one that has to wait for its next try."""
    while True:
        with tools.engine.begin() as conn:
            compensation = compensations.take_newest(conn, orchestration_id)
        if compensation is None:
            break
        failed = _undo(tools, compensation)
        with tools.engine.begin() as conn:
            _write(conn, compensation, failed)
        if failed:
            break
    workspace.wipe(tools.scratch(orchestration_id))
    with tools.engine.begin() as conn:
        finished = ending.finish_if_compensated(conn, store.get(conn, orchestration_id, lock=True))
    if finished:
        log.info("job_ended", orchestration_id=orchestration_id)
        grant_waiting(tools)


def _undo(tools: Runtime, compensation: Compensation) -> str | None:
    """Run one action; why it failed, or None."""
    failpoints.hit("in_compensation")
    try:
        ACTIONS[compensation.action](tools, compensation)
    except SQLAlchemyError:
        raise  # the ledger is away: nothing can be written about it either
    except Exception as err:  # whatever it is must count as a try, or the job would never end
        log.exception("compensation_failed", action=compensation.action)
        return f"{type(err).__name__}: {err}"
    return None


def _write(conn: Connection, compensation: Compensation, failed: str | None) -> None:
    if failed:
        compensations.mark_failed(conn, compensation, failed)
    else:
        compensations.mark_done(conn, compensation)


def grant_waiting(tools: Runtime) -> None:
    """Capacity came free: let the next in line through and publish what they have left."""
    granted: list[str] = []
    for gate in admission.GATES:
        with tools.engine.begin() as conn:
            granted += admission.open_gate(conn, gate, tools.policy)
    for orchestration_id in granted:
        tools.publish(orchestration_id)
