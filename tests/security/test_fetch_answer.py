"""Reading HTTP answers from hostile bytes."""

import io
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator_tasks.fetch.answer import BLOCK_BYTES, read_body, read_head
from workflows.errors import SourceError, SourceRefused, SourceUnreachable


class Pieces(io.RawIOBase):
    """A stream that gives its bytes in pieces of unforeseeable size, as a network does."""

    def __init__(self, data, seed=0):
        self.data, self.random = data, random.Random(seed)

    def readable(self):
        return True

    def readinto(self, buffer):
        size = min(len(buffer), len(self.data), self.random.choice((1, 2, 7, 5000)))
        buffer[:size], self.data = self.data[:size], self.data[size:]
        return size


def read(data, seed=0):
    stream = io.BufferedReader(Pieces(data, seed))
    head = read_head(stream)
    return head, b"".join(read_body(stream, head))


def chunked(pieces, end=b"0\r\n\r\n"):
    body = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + end


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=6), st.integers(0, 99))
def test_a_chunked_body_is_its_chunks(pieces, seed):
    assert read(chunked(pieces), seed)[1] == b"".join(pieces)


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=4), st.data())
def test_a_chunked_body_cut_anywhere_is_noticed(pieces, data):
    whole = chunked(pieces)
    start = whole.index(b"\r\n\r\n") + 4
    cut = data.draw(st.integers(start, len(whole) - 2))
    with pytest.raises(SourceUnreachable):
        read(whole[:cut])


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_a_body_shorter_than_declared_is_noticed(body, missing):
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body) + missing}\r\n\r\n".encode()
    with pytest.raises(SourceUnreachable, match=f"ended {missing} bytes before"):
        read(head + body)


def test_a_body_ends_at_its_declared_length():
    assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef")[1] == b"abc"


def test_a_body_without_length_ends_with_the_connection():
    body = bytes(3 * BLOCK_BYTES)
    assert read(b"HTTP/1.0 200 OK\r\n\r\n" + body)[1] == body


@pytest.mark.parametrize("size", [b"-1", b"-5", b"+5", b"0x5", b"1_0", b"", b" 5", b"5;" + b"x" * 300, b"f" * 16])
def test_a_chunk_size_that_is_no_plain_hex_number_is_refused(size):
    with pytest.raises(SourceUnreachable):
        read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + size + b"\r\nabcde\r\n0\r\n\r\n")


@pytest.mark.parametrize("lengths", [["3", "4"], ["-3"], ["3x"], ["+3"], ["٣"], [""], ["3, 3"]], ids="|".join)
def test_an_unclear_length_is_refused(lengths):
    fields = "".join(f"Content-Length: {length}\r\n" for length in lengths)
    with pytest.raises(SourceUnreachable):
        read(f"HTTP/1.1 200 OK\r\n{fields}\r\nabc".encode())


def test_the_same_length_twice_is_clear():
    assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc")[1] == b"abc"


@pytest.mark.parametrize("coding", ["gzip", "gzip, chunked", "xchunked"])
def test_another_transfer_coding_is_refused(coding):
    with pytest.raises(SourceRefused, match="transfer coding"):
        read(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\nabc".encode())


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 17000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 4000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n"
        + b"X: y\r\n" * 99
        + b"\r\n"
        + b"HTTP/1.1 200 OK\r\nX: "
        + b"y" * 16000
        + b"\r\n\r\n",
        chunked([b"abc"], end=b"0\r\n" + b"T: y\r\n" * 4000 + b"\r\n"),
    ],
    ids=["one long", "many", "over a hundred", "with interim", "trailers"],
)
def test_huge_headers_are_refused(head):
    with pytest.raises(SourceRefused, match="headers"):
        read(head)


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"HTTP/1.1", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX: y",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n", b"HTTP/1.1 999 OK\r\n\r\n", b"<html>\n\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 9,
    ],
)  # fmt: skip
def test_what_is_not_an_http_answer_is_unreachable(answer):
    with pytest.raises(SourceUnreachable):
        read(answer)


def test_interim_answers_are_skipped():
    head, body = read(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
    assert (head.status, body) == (200, b"a")


@given(st.binary(max_size=400), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", chunked([])[:-5]]))
def test_any_bytes_end_in_an_answer_or_a_source_error(data, start):
    try:
        head, _ = read(start + data)
    except SourceError:
        return
    assert 200 <= head.status < 600
