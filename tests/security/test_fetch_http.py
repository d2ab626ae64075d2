"""The downloader against real servers, most of them hostile."""

import hashlib
import itertools
import socket
import ssl
import time
from dataclasses import replace
from ipaddress import ip_network

import pytest
import trustme

from orchestrator_tasks.fetch.addresses import AddressPolicy
from orchestrator_tasks.fetch.budget import Budget
from orchestrator_tasks.fetch.http import Validators, download
from tests.security.fetch_servers import LIMITS, LOOPBACK, canary, ok, redirect, route, serving
from workflows.errors import (
    Cancelled,
    DeadlineExceeded,
    SourceNotFound,
    SourceNotMedia,
    SourceRefused,
    SourceTooLarge,
    SourceTooSlow,
    SourceUnreachable,
)

BODY = bytes(range(256)) * 1000
PLACE = "elements[0].source"
DIRECT = route()


@pytest.fixture
def get(tmp_path):
    """Download to tmp_path/source; checks that a failure leaves nothing and names its place."""
    target = tmp_path / "source"

    def fetch(url, *, limits=LIMITS, path=DIRECT, deadline=float("inf"), should_stop=lambda: False, **options):
        budget = Budget(limits, deadline=deadline, should_stop=should_stop)
        return download(url, target, path=PLACE, route=path, budget=budget, **options)

    fetch.file = target
    return fetch


def refused(get, kind, url, **options):
    with pytest.raises(kind) as failure:
        get(url, **options)
    assert failure.value.path == PLACE
    assert list(get.file.parent.iterdir()) == []
    return failure.value


def test_a_download_is_the_servers_bytes_their_hash_and_validators(get):
    with serving(ok(BODY, 'ETag: "v1"', "Last-Modified: Tue, 01 Jul 2025 00:00:00 GMT")) as server:
        seen = []
        transfer = get(server.url("/a b".replace(" ", "%20") + "?x=1"), on_bytes=lambda *sizes: seen.append(sizes))
    assert get.file.read_bytes() == BODY
    assert (transfer.sha256, transfer.size_bytes) == (hashlib.sha256(BODY).hexdigest(), len(BODY))
    assert transfer.validators == Validators(etag='"v1"', last_modified="Tue, 01 Jul 2025 00:00:00 GMT")
    assert seen[-1] == (len(BODY), len(BODY))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    lines = server.heads[0].split("\r\n")
    assert lines[0] == "GET /a%20b?x=1 HTTP/1.1"
    assert f"Host: 127.0.0.1:{server.port}" in lines
    assert "Accept-Encoding: identity" in lines


def test_an_existing_file_is_never_written_over(get):
    get.file.write_text("mine")
    with serving(ok(BODY)) as server, pytest.raises(FileExistsError):
        get(server.url())
    assert get.file.read_text() == "mine"


def test_a_link_in_the_place_of_the_file_is_not_followed(get, tmp_path):
    get.file.symlink_to(tmp_path / "elsewhere")
    with serving(ok(BODY)) as server, pytest.raises(FileExistsError):
        get(server.url())
    assert not (tmp_path / "elsewhere").exists()


def test_a_copy_that_still_holds_is_not_sent_again(get):
    with serving(b'HTTP/1.1 304 Not Modified\r\nETag: "v1"\r\n\r\n') as server:
        known = Validators(etag='"v1"', last_modified="Tue, 01 Jul 2025 00:00:00 GMT")
        assert get(server.url(), known=known) is None
    assert 'If-None-Match: "v1"' in server.heads[0]
    assert "If-Modified-Since: Tue, 01 Jul 2025 00:00:00 GMT" in server.heads[0]
    assert not get.file.exists()


# --- addresses


@pytest.mark.parametrize(
    "host", ["127.1", "0", "0x7f.1", "2130706433", "0177.0.0.1", "localhost", "127.0.0.1", "１２７.1"]
)
def test_no_spelling_of_loopback_slips_by(get, host):
    with canary() as port:
        policy = AddressPolicy(ports=frozenset({port}))
        error = refused(get, SourceRefused, f"http://{host}:{port}/clip.mp4", path=route(policy))
    assert "not a public address" in error.message


def test_ipv6_loopback_is_refused(get):
    with canary("::1") as port:
        policy = AddressPolicy(ports=frozenset({port}))
        refused(get, SourceRefused, f"http://[::1]:{port}/", path=route(policy))


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[fd00:ec2::254]", "0xa9fea9fe"]
)
def test_metadata_addresses_are_refused_before_connecting(get, host, monkeypatch):
    def touched(*_args):
        raise AssertionError("connected")

    monkeypatch.setattr(socket.socket, "connect", touched)
    error = refused(get, SourceRefused, f"http://{host}/latest/meta-data/")
    assert "metadata" in error.message


def test_one_private_address_among_public_ones_refuses_the_host(get):
    with canary() as port:
        policy = AddressPolicy(ports=frozenset({port}))
        names = {"mixed.example": ["8.8.8.8", "127.0.0.1"]}
        refused(get, SourceRefused, f"http://mixed.example:{port}/", path=route(policy, names))


def rebinding(first, then):
    """A resolver whose answer changes after the first question, as a rebinding attacker's does."""
    answers, asked = itertools.chain([[first]], itertools.repeat([then])), []

    def resolve(host, _port):
        asked.append(host)
        return next(answers)

    return resolve, asked


def test_the_vetted_address_is_the_one_connected_to(get):
    resolve, asked = rebinding("127.0.0.1", "127.0.0.2")
    with serving(ok(BODY)) as server:
        get(server.url(host="rebind.example"), path=replace(route(), resolve=resolve))
    assert asked == ["rebind.example"]
    assert f"Host: rebind.example:{server.port}" in server.heads[0]


def test_every_hop_is_resolved_and_checked_anew(get):
    resolve, asked = rebinding("127.0.0.1", "127.0.0.2")
    with serving(redirect("/again")) as server, socket.create_server(("127.0.0.2", server.port)) as other:
        refused(get, SourceRefused, server.url(host="rebind.example"), path=replace(route(), resolve=resolve))
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()
    assert len(asked) == 2


def test_a_redirect_to_a_private_address_is_refused(get):
    policy = AddressPolicy(private=(ip_network("127.0.0.1/32"),))
    with canary("127.0.0.2") as port, serving(redirect(f"http://127.0.0.2:{port}/")) as server:
        refused(get, SourceRefused, server.url(), path=route(policy))


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "s3://bucket/key", "http://169.254.169.254/", "http://u@h/"]
)
def test_a_redirect_out_of_the_rules_is_refused(get, location):
    with serving(redirect(location)) as server:
        refused(get, SourceRefused, server.url())


def test_three_redirects_are_followed_and_a_fourth_is_not(get):
    def hops(server, connection, head):
        left = int(head.split()[1].removeprefix("/"))
        connection.sendall(redirect(f"/{left - 1}", 307) if left else ok(BODY))

    with serving(hops) as server:
        assert get(server.url("/3")).size_bytes == len(BODY)
        get.file.unlink()
        refused(get, SourceRefused, server.url("/4"))
        loop = len(server.heads)
        refused(get, SourceRefused, server.url("/99"))
        assert len(server.heads) - loop == 4


def test_our_engines_are_refused_inside_the_admitted_network(get):
    with canary() as port:
        policy = AddressPolicy(private=LOOPBACK.private, own_ports=frozenset({port}))
        error = refused(get, SourceRefused, f"http://127.0.0.1:{port}/", path=route(policy))
    assert "own servers" in error.message


def test_a_proxy_in_the_environment_is_not_used(get, monkeypatch):
    with canary() as port, serving(ok(BODY)) as server:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
        assert get(server.url()).size_bytes == len(BODY)


def test_the_next_address_is_tried_when_one_does_not_answer(get):
    policy = AddressPolicy(private=(ip_network("127.0.0.0/8"),))
    with serving(ok(BODY)) as server:
        names = {"two.example": ["127.0.0.9", "127.0.0.1"]}  # nothing listens on the first
        assert get(server.url(host="two.example"), path=route(policy, names)).size_bytes == len(BODY)


# --- size and time


def test_a_declared_length_above_the_cap_is_refused_at_once(get):
    def promise(server, connection, _head):
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {10**9}\r\n\r\n".encode())
        server.pause(20)  # sends nothing more: only the declaration can be what ends the download

    with serving(promise) as server:
        error = refused(get, SourceTooLarge, server.url())
    assert str(10**9) in error.message


@pytest.mark.parametrize("framing", ["Connection: close", "Transfer-Encoding: chunked"])
def test_an_endless_body_ends_at_the_cap(get, framing):
    def pour(server, connection, _head):
        connection.sendall(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        block = bytes(65536)
        while not server.pause(0):
            connection.sendall(b"10000\r\n" + block + b"\r\n" if "chunked" in framing else block)

    with serving(pour) as server:
        refused(get, SourceTooLarge, server.url())


def test_a_source_of_exactly_the_cap_is_fetched_and_one_byte_more_is_not(get):
    for size in (1000, 1001):
        with serving(ok(bytes(size))) as server:
            if size == 1000:
                assert get(server.url(), limits=replace(LIMITS, max_bytes=1000)).size_bytes == 1000
                get.file.unlink()
            else:
                refused(get, SourceTooLarge, server.url(), limits=replace(LIMITS, max_bytes=1000))


def drip(*, head_too=False):
    """A server that sends a byte every 10 ms, for ever."""

    def answer(server, connection, _head):
        if not head_too:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not server.pause(0.01):
            connection.sendall(b"H")

    return answer


def mute(after=b""):
    def answer(server, connection, _head):
        connection.sendall(after)
        server.pause(20)

    return answer


SLOW = {
    "a dripping body": (drip(), {"min_bytes_per_s": 10_000, "window_s": 0.3}, "less than 10000 bytes/s"),
    "a dripping head": (drip(head_too=True), {"head_s": 0.3}, "did not answer"),
    "a body past the time limit": (drip(), {"total_s": 0.4}, "longer than 0.4 s"),
    "a mute server": (mute(), {"idle_s": 0.3}, "no byte"),
    "a body that stops": (mute(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), {"idle_s": 0.3}, "no byte"),
}


@pytest.mark.parametrize("name", SLOW)
def test_too_slow(get, name):
    answer, limits, message = SLOW[name]
    with serving(answer) as server:
        error = refused(get, SourceTooSlow, server.url(), limits=replace(LIMITS, **limits))
    assert message in error.message
    assert error.retryable


def test_a_server_that_was_fast_and_turns_slow_is_too_slow(get):
    def turn(server, connection, _head):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + bytes(800_000))
        while not server.pause(0.01):
            connection.sendall(b"x")

    limits = replace(LIMITS, min_bytes_per_s=30_000, window_s=0.3, total_s=5)  # 5 s at the mean speed would pass
    with serving(turn) as server:
        error = refused(get, SourceTooSlow, server.url(), limits=limits)
    assert "over 0.3 s" in error.message


def test_a_download_at_the_minimum_speed_is_let_through(get):
    def steady(server, connection, _head):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 30000\r\n\r\n")
        for _ in range(30):
            connection.sendall(bytes(1000))
            server.pause(0.02)

    with serving(steady) as server:
        limits = replace(LIMITS, min_bytes_per_s=1000, window_s=0.2)
        assert get(server.url(), limits=limits).size_bytes == 30_000


def test_the_jobs_deadline_and_a_stop_end_a_download(get):
    with serving(mute()) as server:
        refused(get, DeadlineExceeded, server.url(), deadline=time.monotonic() + 0.3)
        refused(get, Cancelled, server.url(), should_stop=lambda: bool(server.heads))


def test_a_tls_handshake_that_never_comes_is_given_up(get):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        refused(get, SourceUnreachable, url, limits=replace(LIMITS, connect_s=0.3))


def test_a_name_that_is_never_resolved_is_given_up(get):
    with serving(ok(BODY)) as server:
        waiting = replace(route(), resolve=lambda *_: server.pause(20))
        refused(get, SourceUnreachable, "http://slow.example/", limits=replace(LIMITS, connect_s=0.2), path=waiting)


# --- answers


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, SourceNotFound), (403, SourceNotFound), (404, SourceNotFound), (410, SourceNotFound),
        (451, SourceNotFound), (408, SourceUnreachable), (429, SourceUnreachable), (500, SourceUnreachable),
        (502, SourceUnreachable), (503, SourceUnreachable), (204, SourceRefused), (206, SourceRefused),
        (300, SourceRefused), (302, SourceRefused), (304, SourceRefused),
    ],
)  # fmt: skip
def test_a_status_that_is_not_the_file(get, status, kind):
    answer = f"HTTP/1.1 {status} X\r\nContent-Length: 3\r\nRetry-After: 7\r\n\r\nabc".encode()
    with serving(answer) as server:
        error = refused(get, kind, server.url())
    assert error.details["status"] == status
    assert error.retryable == (kind is SourceUnreachable)


def test_a_body_shorter_than_declared_can_be_tried_again(get):
    with serving(ok(BODY)[:-10]) as server:
        error = refused(get, SourceUnreachable, server.url())
    assert error.retryable
    assert "10 bytes before" in error.message


def test_a_compressed_answer_is_refused(get):
    with serving(ok(b"\x1f\x8b", "Content-Encoding: gzip")) as server:
        refused(get, SourceRefused, server.url())


def test_huge_headers_are_refused(get):
    with serving(ok(BODY, "X: " + "y" * 20_000)) as server:
        refused(get, SourceRefused, server.url())


def test_a_closed_port_is_unreachable(get):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    refused(get, SourceUnreachable, f"http://127.0.0.1:{port}/")


def test_a_name_that_does_not_exist(get):
    def unknown(*_args):
        raise SourceNotFound("the host name is not known")

    refused(get, SourceNotFound, "http://nowhere.example/", path=replace(route(), resolve=unknown))


def test_what_the_first_bytes_show_ends_the_download_before_the_rest_comes(get):
    def page(server, connection, _head):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + b"<!doctype html>".ljust(5000))
        server.pause(20)

    def inspect(head):
        assert len(head) == 4096
        raise SourceNotMedia(head[:15].decode())

    with serving(page) as server:
        assert refused(get, SourceNotMedia, server.url(), inspect=inspect).message == "<!doctype html>"


# --- TLS


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def server_tls(authority, name, asked=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    if asked is not None:
        context.sni_callback = lambda _sock, server_name, _context: asked.append(server_name)
    return context


def tls_route(context):
    return route(names={"media.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]}, tls=context)


def test_https_sends_the_name_and_verifies_the_certificate_for_it(get, authority, trusting):
    asked = []
    with serving(ok(BODY), server_tls(authority, "media.example", asked)) as server:
        transfer = get(server.url(host="media.example", scheme="https"), path=tls_route(trusting))
    assert transfer.size_bytes == len(BODY)
    assert asked == ["media.example"]


def test_a_certificate_for_another_name_is_refused(get, authority, trusting):
    with serving(ok(BODY), server_tls(authority, "media.example")) as server:
        url = server.url(host="other.example", scheme="https")
        assert "certificate" in refused(get, SourceUnreachable, url, path=tls_route(trusting)).message
    assert server.heads == []


def test_an_unknown_authority_is_refused(get, authority):
    with serving(ok(BODY), server_tls(authority, "media.example")) as server:
        url = server.url(host="media.example", scheme="https")
        refused(get, SourceUnreachable, url, path=tls_route(None))
    assert server.heads == []


def test_a_redirect_from_https_to_http_is_refused(get, authority, trusting):
    with (
        canary() as port,
        serving(redirect(f"http://127.0.0.1:{port}/"), server_tls(authority, "media.example")) as server,
    ):
        url = server.url(host="media.example", scheme="https")
        assert "https to http" in refused(get, SourceRefused, url, path=tls_route(trusting)).message


def test_a_tls_transfer_cut_short_is_noticed_and_one_that_pauses_is_not(get, authority, trusting):
    def answer(server, connection, head):
        connection.sendall(ok(BODY)[:100_000])
        server.pause(0.4)  # longer than the downloader looks up
        if "whole" in head:
            connection.sendall(ok(BODY)[100_000:])

    with serving(answer, server_tls(authority, "media.example")) as server:
        url = server.url(host="media.example", scheme="https", path="/whole")
        assert get(url, path=tls_route(trusting)).sha256 == hashlib.sha256(BODY).hexdigest()
        get.file.unlink()
        refused(get, SourceUnreachable, url.replace("whole", "part"), path=tls_route(trusting))
