"""Reading URLs: what is refused before any name is looked up, and that nothing breaks out of its request line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator_tasks.fetch.http import request
from orchestrator_tasks.fetch.urls import parse_http, redirected
from workflows.errors import SourceRefused


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://host/x", "gopher://host/x", "concat:a|b", "data:video/mp4;base64,AA",
        "/etc/passwd",
        "", "clip.mp4", "http://", "http:///x", "https://user@host/x", "https://user:pw@host/x", "http://a@b@c/",
        "http://host:99999/", "http://host:x/", "http://host:-1/", "http://ho st/", "http://host/a b", " http://host/",
        "http://host/\r\nX: y", "http://host\\@other/", "http://host/\x00", "http://[::1", "http://[fe80::1%25eth0]/",
        "http://[v1.x]/", "http://%6c%6fcalhost/", "http://a..\u3002/", "http://\u00ad/", "http://-/", "http://ho|st/",
    ],
)  # fmt: skip
def test_a_url_that_breaks_the_rules_is_refused(url):
    with pytest.raises(SourceRefused):
        parse_http(url)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("HTTP://Example.COM", "http://example.com/"),
        ("https://example.com:443/a?b=c#d", "https://example.com/a?b=c"),
        ("https://example.com:8443/a", "https://example.com:8443/a"),
        ("http://example.com./x", "http://example.com/x"),
        ("https://bücher.example/ü?q=ß", "https://xn--bcher-kva.example/%C3%BC?q=%C3%9F"),
        ("http://１２７.0.0.1/", "http://127.0.0.1/"),
        ("http://[2001:DB8::0:1]:81/", "http://[2001:db8::1]:81/"),
        ("http://minio_1.local/x", "http://minio_1.local/x"),
        ("https://host/a%20b?X-Amz-Signature=ab%2Fcd&x=1+2", "https://host/a%20b?X-Amz-Signature=ab%2Fcd&x=1+2"),
    ],
)
def test_a_good_url_is_normalised(url, normal):
    assert str(parse_http(url)) == normal


def test_messages_show_no_query_since_it_may_hold_a_signature():
    assert parse_http("https://host/a?sig=secret").shown == "https://host/a"


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/other", "https://a.example/other"),
        ("next?x=1", "https://a.example/dir/next?x=1"),
        ("//b.example/x", "https://b.example/x"),
        ("https://b.example/a b", "https://b.example/a%20b"),
        ("/\xc3\xbc", "https://a.example/%C3%BC"),  # UTF-8, read as Latin-1 as headers are
    ],
)
def test_a_redirect_is_resolved_against_its_page(location, target):
    assert str(redirected(parse_http("https://a.example/dir/x"), location)) == target


@pytest.mark.parametrize("location", ["http://a.example/", "file:///etc/passwd", "s3://bucket/key", "https://u@b/"])
def test_a_redirect_may_not_leave_https_or_the_rules(location):
    with pytest.raises(SourceRefused):
        redirected(parse_http("https://a.example/"), location)


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_url_breaks_out_of_the_request(host, path):
    try:
        url = parse_http(f"http://{host}/{path}")
    except SourceRefused:
        return
    lines = request(url, "GET", {}).split(b"\r\n")
    assert len(lines) == 8  # the request line, five headers, the end
    assert lines[0].count(b" ") == 2
    assert not any(byte < 33 or byte > 126 for byte in lines[0].split(b" ")[1])


def test_a_header_cannot_carry_a_second_one():
    with pytest.raises(ValueError, match="line break"):
        request(parse_http("http://host/"), "GET", {"X": "1\r\nY: 2"})
