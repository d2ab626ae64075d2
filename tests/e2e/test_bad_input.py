"""What comes in wrong ends in a coded error that names the place, within its time, and nothing of it stays."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import pytest

from tests.e2e import footage, jobs
from tests.e2e.web import declared, dripping, redirect

METADATA = "http://169.254.169.254/latest/meta-data/iam/credentials.mp4"
PERMANENT = {
    "missing": "source_not_found",
    "page": "source_not_media",
    "cut_behind": "source_corrupt",
    "cut_index": "source_corrupt",
    "playlist": "source_not_media",
    "private": "source_refused",
    "database": "source_refused",
    "broker": "source_refused",
    "store": "source_refused",
    "metadata": "source_refused",
    "to_metadata": "source_refused",
    "to_broker": "source_refused",
    "to_private": "source_refused",
    "bomb": "source_over_limits",
    "gigabyte": "source_too_large",
}


@pytest.fixture(scope="module")
def canary(library):
    """A file nobody may read, whose last access lies before its last change, so that a read would show."""
    path = library / "canary.mp4"
    path.write_bytes(b"secret" * 100)
    unread(path)
    path.read_bytes()
    if path.stat().st_atime_ns == 1:
        pytest.skip("this file system does not note reads")
    unread(path)
    return path


def unread(path):
    os.utime(path, ns=(1, path.stat().st_mtime_ns))


@pytest.fixture(scope="module")
def bad(stack, media, library, clip, canary):
    """The URL of each bad source, by name."""
    whole = (library / "clip.mp4").read_bytes()
    front = footage.generate(
        library / "front.mp4", "testsrc2=s=320x180:r=30:d=2", *footage.X264, "-movflags", "+faststart"
    ).read_bytes()
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:2", "#EXTINF:2,", f"file://{canary}", "#EXTINF:2,", media.of("canary")]
    contents = {
        "page.mp4": b"<!DOCTYPE html><html><body>Not found</body></html>" * 20,
        "cut_index.mp4": whole[: len(whole) * 2 // 3],
        "cut_behind.mp4": front[: len(front) * 2 // 3],
        "playlist.mp4": "\n".join([*lines, "#EXT-X-ENDLIST", ""]).encode(),
    }
    for name, data in contents.items():
        (library / name).write_bytes(data)
        media.add(name, library / name)
    media.add("bomb.png", footage.huge_png(library / "bomb.png", 20000))
    broker, store = (urlsplit(stack.note[name]) for name in ("redis_url", "s3_endpoint_url"))
    private = "http://10.255.255.1/clip.mp4"
    media.answers |= {
        "gigabyte.mp4": declared(10**9, whole[:4096]),
        "slow.mp4": dripping(media, library / "clip.mp4", 0.2),
        "to_metadata.mp4": redirect(METADATA),
        "to_broker.mp4": redirect(f"http://127.0.0.1:{broker.port}/clip.mp4"),
        "to_private.mp4": redirect(private),
    }
    served = {name: media.of(f"{name}.mp4") for name in PERMANENT} | {"bomb": media.of("bomb.png")}
    return served | {
        "private": private,
        "metadata": METADATA,
        "database": f"http://127.0.0.1:{urlsplit(stack.note['database_url']).port}/clip.mp4",
        "broker": f"http://127.0.0.1:{broker.port}/clip.mp4",
        "store": f"http://localhost:{store.port}/video-results/clip.mp4",
    }


def scene_of(source, **changes):
    """A sound element and the bad source: the error has to name the second."""
    element = {"type": "image" if source.endswith(".png") else "video", "source": source, "track": 2}
    return jobs.quick(
        "unused", elements=[{"type": "text", "text": "Title", "track": 1, "duration": 1}, element], **changes
    )


@pytest.mark.parametrize("name", PERMANENT)
def test_a_bad_source_is_told_in_the_answer_and_leaves_nothing(stack, bad, name):
    body = scene_of(bad[name])
    answer = stack.post(body, timeout_s=30)
    assert 400 <= answer.status < 500, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.body["code"], answer.body["path"]) == (PERMANENT[name], "elements[1].source")
    assert answer.body["retryable"] is False
    assert answer.body["remedy"]
    assert stack.status(body["id"])["status"] == "failed"
    stack.leaves_nothing(body["id"])


@pytest.mark.parametrize("name", ["missing", "cut_index", "bomb"])
def test_a_bad_source_of_a_queued_job_is_told_in_its_status_and_leaves_nothing(stack, bad, name):
    body = scene_of(bad[name], workflow="balanced_async")
    assert stack.post(body).status == 202
    status = stack.ended(body["id"])
    assert status["status"] == "failed"
    assert (status["error"]["code"], status["error"]["path"]) == (PERMANENT[name], "elements[1].source")
    stack.leaves_nothing(body["id"])


def test_a_source_that_drips_is_given_up_after_its_retry(stack, bad, media):
    body = scene_of(media.of("slow.mp4"))
    answer = stack.post(body, timeout_s=60)
    assert (answer.body["code"], answer.body["path"]) == ("source_too_slow", "elements[1].source"), answer.body
    assert stack.steps(body["id"])["download"].attempts == 2
    stack.leaves_nothing(body["id"])


def test_a_playlist_in_disguise_makes_nobody_read_what_it_names(stack, bad, canary, media):
    stack.post(scene_of(bad["playlist"]))
    assert canary.stat().st_atime_ns == 1
    assert media.served["canary"] == 0


def test_a_job_without_elements_is_refused_before_it_is_one(stack):
    body = jobs.quick("unused", elements=[])
    answer = stack.post(body)
    assert (answer.status, answer.body["code"], answer.body["path"]) == (422, "invalid_spec", "elements")
    assert stack.sql("SELECT count(*) FROM jobs WHERE job_id = :id", id=body["id"])[0][0] == 0
