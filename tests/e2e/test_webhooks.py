"""How a job's ending is told: signed, once it is so, again until it is taken, under one id."""

from __future__ import annotations

import json

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.e2e import jobs
from tests.e2e.conditions import until


def delivered(stack, receiver, path, count=1):
    """The deliveries to a path once there are as many, verified by the receiver's own library."""
    hooks = until(lambda: len(receiver.at(path)) >= count and receiver.at(path), f"{count} deliveries to {path}")
    verifier = Webhook(stack.settings.webhook_secret)
    for hook in hooks:
        assert verifier.verify(hook.body, hook.headers) == json.loads(hook.body)
    return hooks


def outbox(stack, body):
    (row,) = stack.sql(
        "SELECT o.* FROM outbox o JOIN jobs j USING (orchestration_id) WHERE j.job_id = :id", id=body["id"]
    )
    return row


def settled(stack, body, state):
    return until(lambda: outbox(stack, body).state == state and outbox(stack, body), f"the delivery is {state}")


@pytest.mark.parametrize("workflow", ["quick_sync", "balanced_async"])
def test_success_is_told_once_and_signed(stack, receiver, clip, workflow):
    path = f"/{workflow}"
    body = jobs.quick(clip, workflow=workflow, webhook_url=receiver.url + path, metadata={"order": 7})
    stack.post(body)
    stack.completed(body["id"])
    (hook,) = delivered(stack, receiver, path)
    message = json.loads(hook.body)
    assert message["type"] == "job.succeeded"
    assert message["data"]["jobId"] == body["id"]
    assert message["data"]["metadata"] == {"order": 7}
    assert message["data"]["result"]["size_bytes"] == stack.job(body["id"]).result["size_bytes"]
    assert "http" not in json.dumps(message["data"]["result"])
    row = settled(stack, body, "delivered")
    assert (row.id, row.attempts, row.last_status) == (hook.headers["webhook-id"], 1, 204)
    with pytest.raises(WebhookVerificationError):
        Webhook(stack.settings.webhook_secret).verify(hook.body.replace("succeeded", "failed"), hook.headers)


def test_failure_is_told_with_its_error(stack, receiver, media):
    body = jobs.quick(media.of("nothing.mp4"), webhook_url=f"{receiver.url}/failed")
    stack.post(body)
    (hook,) = delivered(stack, receiver, "/failed")
    message = json.loads(hook.body)
    assert message["type"] == "job.failed"
    assert message["data"]["error"]["code"] == "source_not_found"
    settled(stack, body, "delivered")


def test_a_receiver_that_fails_is_tried_again_under_the_same_id(stack, receiver, clip):
    receiver.statuses["/again"] = [500, 500]
    body = jobs.quick(clip, workflow="balanced_async", webhook_url=f"{receiver.url}/again")
    stack.post(body)
    stack.completed(body["id"])
    for tries in (1, 2):
        delivered(stack, receiver, "/again", tries)
        row = until(lambda: outbox(stack, body).last_status == 500 and outbox(stack, body), "the refusal is noted")
        assert row.state == "pending"
        until(lambda t=tries: waits(stack, body, t), "the next try is put off by its backoff")
        stack.sql("UPDATE outbox SET next_attempt_at = now() WHERE id = :id", id=row.id)
    hooks = delivered(stack, receiver, "/again", 3)
    assert len({hook.headers["webhook-id"] for hook in hooks}) == 1
    assert len({hook.body for hook in hooks}) == 1
    assert settled(stack, body, "delivered").attempts == 3
    assert stack.status(body["id"])["status"] == "completed"


def waits(stack, body, tries):
    """Whether the next try lies at least the documented 5 s (30 s after the second) behind the last."""
    (row,) = stack.sql(
        """SELECT attempts, extract(epoch FROM next_attempt_at - clock_timestamp()) AS left_s
           FROM outbox JOIN jobs USING (orchestration_id) WHERE job_id = :id""",
        id=body["id"],
    )
    return row.attempts == tries and row.left_s > (3, 20)[tries - 1]


def test_a_webhook_into_our_own_engines_is_never_sent(stack, clip):
    broker = stack.note["redis_url"].rpartition(":")[2].partition("/")[0]
    body = jobs.quick(clip, webhook_url=f"http://127.0.0.1:{broker}/hook")
    stack.post(body)
    stack.completed(body["id"])
    row = until(lambda: outbox(stack, body).attempts and outbox(stack, body), "a try was counted")
    assert until(lambda: outbox(stack, body).last_error, "the refusal is noted")
    assert row.last_status is None
