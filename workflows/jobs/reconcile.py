"""The reconciler: level-triggered repair. Whatever should run and does not is published, taken over or ended.

Any number may run: each rule takes an advisory lock for its batch and skips locked rows. It needs no broker to decide;
what it could not publish it publishes in a later round. Each job is its own transaction, so one bad row stops nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from workflows import failpoints
from workflows.db.partitions import ensure_partitions
from workflows.errors import Cancelled, DeadlineExceeded, WorkerLost
from workflows.fleet import allocation, registry
from workflows.jobs import admission, compensations, ending, events, failure, leases, store
from workflows.jobs.states import JobState
from workflows.policy import Policy
from workflows.settings import Settings

log = structlog.get_logger(__name__)
BATCH = 100
MAX_REPUBLISH_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """How a round publishes: the canvas of what is left of a job, a job's compensation, the due webhooks.

    `reachable` is asked once a round: with the broker away nothing is sent or counted as sent, only decided.
    """

    reachable: Callable[[], bool]
    canvas: Callable[[str], None]
    compensation: Callable[[str], None]
    deliveries: Callable[[], None]


def round_of(
    engine: Engine, settings: Settings, policy: Policy, sender: Sender, *, expire: bool = True
) -> dict[str, int]:
    """One round; how many rows each rule touched.

    `expire` False spares leases that have run out: just after an outage of the database their keepers have not had
    the chance to beat yet.
    """
    if not sender.reachable():
        sender = Sender(reachable=lambda: False, canvas=_unsent, compensation=_unsent, deliveries=lambda: None)
    return {
        "expired": _expire(engine, settings, policy, sender) if expire else 0,
        "deadline": _each(engine, "deadline", _overdue, _time_out, sender.compensation),
        "cancelled": _each(engine, "cancelled", _cancelling, _cancel, sender.compensation),
        "woken": _each(engine, "woken", _due, _wake, sender.canvas),
        "granted": _grant(engine, policy, sender),
        "republished": _republish(engine, settings, sender),
        "compensating": _each(engine, "compensating", _compensating, _finish, sender.compensation),
        "deliveries": _deliveries(engine, sender),
        "housekeeping": _housekeeping(engine),
    }


Select = Callable[[Connection], list[str]]
Apply = Callable[[Connection, str], "str | None"]


def _each(engine: Engine, rule: str, select: Select, apply: Apply, publish: Callable[[str], None]) -> int:
    """Select a batch under the rule's lock, apply to each in its own transaction, publish after each commit."""
    with engine.begin() as conn:
        held = conn.execute(
            text("SELECT pg_try_advisory_xact_lock(hashtext(:rule))"), {"rule": f"reconcile {rule}"}
        ).scalar_one()
        found = select(conn) if held else []
    touched = 0
    for key in found:
        orchestration_id = _one(engine, rule, key, apply)
        failpoints.hit("in_reconciler_mid_batch")
        if orchestration_id is not None:
            log.info("reconciled", rule=rule, key=key, orchestration_id=orchestration_id)
            publish(orchestration_id)
            touched += 1
    return touched


def _one(engine: Engine, rule: str, key: str, apply: Apply) -> str | None:
    """One row in its own transaction. A row that breaks the rule is logged and left; the others go on."""
    try:
        with engine.begin() as conn:
            return apply(conn, key)
    except OperationalError:
        raise  # the database is away: the round ends
    except Exception:
        log.exception("rule_broke", rule=rule, key=key)
        return None


def _keys(conn: Connection, query: str, **parameters: object) -> list[str]:
    return list(conn.execute(text(query + f" LIMIT {BATCH}"), parameters).scalars())


def _expired(conn: Connection) -> list[str]:
    return _keys(
        conn, "SELECT id FROM steps WHERE state = 'running' AND lease_until < clock_timestamp() ORDER BY lease_until"
    )


def _expire(engine: Engine, settings: Settings, policy: Policy, sender: Sender) -> int:
    def take_over(conn: Connection, step_id: str) -> str | None:
        return _take_over(conn, step_id, settings, policy)

    return _each(engine, "expired", _expired, take_over, sender.canvas)


def _take_over(conn: Connection, step_id: str, settings: Settings, policy: Policy) -> str | None:
    """An expired lease nobody renewed: the attempt is lost. The check is repeated under the job's lock."""
    step = store.step(conn, step_id)
    job = store.get(conn, step.orchestration_id, lock=True)
    still = conn.execute(
        text(
            """SELECT 1 FROM steps WHERE id = :id AND fence = :fence AND state = 'running'
                 AND lease_until < clock_timestamp() FOR UPDATE"""
        ),
        {"id": step_id, "fence": step.fence},
    ).one_or_none()
    if still is None:
        return None
    plan = leases.plan_of(conn, step.workflow_id)
    error = WorkerLost(f"{step.name} lost its worker {step.lease_owner}")
    retries = failure.allowed(plan.retries, policy)
    decision = failure.decide(error, step, retries, loss_limit=settings.loss_limit, jitter=_jitter)
    failure.apply(conn, job, step, error, decision)
    return job.orchestration_id


def _overdue(conn: Connection) -> list[str]:
    return _keys(
        conn,
        """SELECT orchestration_id FROM jobs WHERE finished_at IS NULL AND state <> 'compensating'
           AND least(deadline_at, total_deadline_at) < clock_timestamp() ORDER BY created_at""",
    )


def _time_out(conn: Connection, orchestration_id: str) -> str | None:
    job = store.get(conn, orchestration_id, lock=True)
    if job.terminal or job.state is JobState.COMPENSATING or not _over(conn, orchestration_id):
        return None
    ending.end(conn, job, JobState.TIMED_OUT, DeadlineExceeded(f"the job did not end in time ({job.template})"))
    return orchestration_id


def _over(conn: Connection, orchestration_id: str) -> bool:
    """Whether the time is over now, under the lock: a re-planned job has got new time since it was selected."""
    return bool(
        conn.execute(
            text("""
            SELECT least(deadline_at, total_deadline_at) < clock_timestamp() FROM jobs WHERE orchestration_id = :job
            """),
            {"job": orchestration_id},
        ).scalar_one()
    )


def _cancelling(conn: Connection) -> list[str]:
    return _keys(
        conn,
        """SELECT orchestration_id FROM jobs WHERE cancel_requested AND finished_at IS NULL AND state <> 'compensating'
           ORDER BY created_at""",
    )


def _cancel(conn: Connection, orchestration_id: str) -> str | None:
    job = store.get(conn, orchestration_id, lock=True)
    if job.terminal or job.state is JobState.COMPENSATING:
        return None
    ending.end(conn, job, JobState.CANCELLED, Cancelled("the job was cancelled"))
    return orchestration_id


def _due(conn: Connection) -> list[str]:
    return _keys(
        conn,
        """SELECT id FROM steps WHERE state = 'waiting' AND next_attempt_at <= clock_timestamp()
           ORDER BY next_attempt_at""",
    )


def _wake(conn: Connection, step_id: str) -> str | None:
    step = store.step(conn, step_id)
    store.get(conn, step.orchestration_id, lock=True)
    woken = conn.execute(
        text("""
        UPDATE steps SET state = 'ready', reason = NULL, next_attempt_at = NULL, ready_at = clock_timestamp(),
          dispatched_at = clock_timestamp()
        WHERE id = :id AND state = 'waiting' AND next_attempt_at <= clock_timestamp()
        """),
        {"id": step_id},
    )
    if woken.rowcount == 0:
        return None
    events.append(conn, step.orchestration_id, "step_woken", step=step.name)
    return step.orchestration_id


def _republish(engine: Engine, settings: Settings, sender: Sender) -> int:
    """A ready step that nobody claimed lost its message, or never had one."""
    if not sender.reachable():
        return 0
    return _each(engine, "republish", _unclaimed(settings), _mark_published, sender.canvas)


def _unsent(_: str) -> None:
    """The broker is away: a later round sends it."""


def _unclaimed(settings: Settings) -> Select:
    def select(conn: Connection) -> list[str]:
        return _keys(
            conn,
            """SELECT s.id FROM steps s JOIN jobs j USING (orchestration_id) WHERE s.state = 'ready'
               AND j.workflow_id = s.workflow_id
               AND s.dispatched_at < clock_timestamp()
                 - make_interval(secs => least(:most, :first * power(2, least(s.publishes, 10))))
               ORDER BY s.dispatched_at""",
            first=settings.republish_s,
            most=MAX_REPUBLISH_S,
        )

    return select


def _mark_published(conn: Connection, step_id: str) -> str | None:
    row = conn.execute(
        text("""
        UPDATE steps SET publishes = publishes + 1, dispatched_at = clock_timestamp()
        WHERE id = :id AND state = 'ready' AND dispatched_at < clock_timestamp() - interval '0.5 seconds'
        RETURNING orchestration_id
        """),
        {"id": step_id},
    ).one_or_none()
    return None if row is None else str(row.orchestration_id)


def _grant(engine: Engine, policy: Policy, sender: Sender) -> int:
    granted: list[str] = []
    for gate in admission.GATES:
        with engine.begin() as conn:
            granted += admission.open_gate(conn, gate, policy)
    for orchestration_id in granted:
        sender.canvas(orchestration_id)
    return len(granted)


def _compensating(conn: Connection) -> list[str]:
    """Jobs in compensation whose next action is due and nobody runs (a running one keeps its row locked)."""
    return _keys(
        conn,
        """SELECT orchestration_id FROM jobs j WHERE state = 'compensating' AND NOT EXISTS (
             SELECT 1 FROM compensations c WHERE c.orchestration_id = j.orchestration_id AND c.state = 'pending'
               AND c.next_attempt_at > clock_timestamp())
           ORDER BY created_at""",
    )


def _finish(conn: Connection, orchestration_id: str) -> str | None:
    """Undo here what is only rows; with nothing left the job ends. Otherwise a worker is asked to go on."""
    job = store.get(conn, orchestration_id, lock=True)
    allocation.release(conn, orchestration_id)
    if ending.finish_if_compensated(conn, job) or not compensations.hand_out(conn, orchestration_id):
        return None
    return orchestration_id


def _deliveries(engine: Engine, sender: Sender) -> int:
    with engine.connect() as conn:
        due = conn.execute(
            text("SELECT count(*) FROM outbox WHERE state = 'pending' AND next_attempt_at <= clock_timestamp()")
        ).scalar_one()
    if due:
        sender.deliveries()
    return int(due)


def _housekeeping(engine: Engine) -> int:
    with engine.begin() as conn:
        ensure_partitions(conn)
        return (
            registry.mark_silent_nodes(conn, allocation.NODE_TTL_S)
            + registry.forget_silent_workers(conn, 4 * admission.WORKER_TTL_S)
            + allocation.release_orphans(conn)
        )


def _jitter(bound: float) -> float:
    return random.uniform(0, bound)  # noqa: S311 - spreads retries, hides nothing
