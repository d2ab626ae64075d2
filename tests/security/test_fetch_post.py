"""Webhook posts go by the rules of sources, and follow nothing."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from orchestrator_tasks.fetch.addresses import AddressPolicy
from orchestrator_tasks.fetch.post import post_json
from tests.security.fetch_servers import canary, ok, redirect, route, serving
from workflows.errors import SourceRefused, SourceTooSlow, SourceUnreachable


def post(url, way=None, timeout_s=10, **headers):
    return post_json(url, b'{"a": 1}', headers, route=way or route(), timeout_s=timeout_s)


def test_the_body_and_headers_arrive_as_given():
    with serving(ok(b"thanks")) as server:
        response = post(server.url("/hook?x=1"), **{"webhook-signature": "v1,abc="})
    assert (response.status, response.retry_after) == (200, None)
    lines = server.heads[0].split("\r\n")
    assert lines[0] == "POST /hook?x=1 HTTP/1.1"
    assert {"webhook-signature: v1,abc=", "Content-Type: application/json", "Content-Length: 8"} <= set(lines)
    assert server.bodies == [b'{"a": 1}']


@pytest.mark.parametrize("status", [200, 204, 400, 404, 410, 500])
def test_every_status_is_an_answer(status):
    with serving(f"HTTP/1.1 {status} X\r\n\r\n".encode()) as server:
        assert post(server.url()).status == status


def test_a_redirect_is_an_answer_and_not_followed():
    with canary() as port, serving(redirect(f"http://127.0.0.1:{port}/", 307)) as server:
        assert post(server.url()).status == 307


@pytest.mark.parametrize(("text", "seconds"), [("120", 120), ("0", 0), ("soon", None), ("-5", None), ("²", None)])
def test_retry_after_in_seconds(text, seconds):
    with serving(f"HTTP/1.1 429 X\r\nRetry-After: {text}\r\n\r\n".encode("latin-1")) as server:
        assert post(server.url()).retry_after == seconds


def test_retry_after_as_a_date():
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    with serving(f"HTTP/1.1 503 X\r\nRetry-After: {later}\r\n\r\n".encode()) as server:
        assert post(server.url()).retry_after == pytest.approx(3600, abs=60)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "localhost", "0"])
def test_a_private_receiver_is_refused_and_untouched(host):
    with canary() as port, pytest.raises(SourceRefused) as failure:
        post(f"http://{host}:{port}/", route(AddressPolicy(ports=frozenset({port}))))
    assert failure.value.path == "webhook_url"


def test_our_own_engines_are_refused():
    with canary() as port, pytest.raises(SourceRefused):
        policy = AddressPolicy(private=route().policy.private, own_ports=frozenset({port}))
        post(f"http://127.0.0.1:{port}/", route(policy))


def test_a_mute_receiver_is_given_up():
    with serving(lambda server, *_: server.pause(20)) as server, pytest.raises(SourceTooSlow):
        post(server.url(), timeout_s=0.3)


def test_a_receiver_that_hangs_up_can_be_tried_again():
    with serving(b"") as server, pytest.raises(SourceUnreachable) as failure:
        post(server.url())
    assert failure.value.retryable
