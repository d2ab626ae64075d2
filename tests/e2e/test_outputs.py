"""Every output format through the whole stack, and one frame of a job before it is made."""

from __future__ import annotations

import io
import json

import av
import numpy as np
import pytest
import urllib3
from PIL import Image

from tests.e2e import jobs

# Format -> content type, and the codecs PyAV finds in it.
VIDEOS = {
    "webm": ("video/webm", {"vp9", "opus"}),
    "mov": ("video/quicktime", {"prores", "pcm_s16le"}),
    "mp3": ("audio/mpeg", {"mp3float"}),
    "wav": ("audio/wav", {"pcm_s16le"}),
}
PICTURES = {"gif": "image/gif", "png": "image/png", "jpg": "image/jpeg"}


def fetched(stack, url: str) -> urllib3.BaseHTTPResponse:
    answer = stack.http.request("GET", url)
    assert answer.status == 200
    return answer


@pytest.mark.parametrize("name", [*VIDEOS, *PICTURES])
def test_a_result_is_served_as_what_it_is(name: str, stack, clip: str) -> None:
    body = jobs.quick(
        clip, output_format=name, duration=1, mode="sync", **({"snapshot_time": 0.5} if name in ("png", "jpg") else {})
    )
    answer = stack.post(body)
    assert (answer.status, answer.body.get("status")) == (200, "immediate"), answer.body
    result = fetched(stack, answer.body["result_url"])
    wanted, codecs = VIDEOS.get(name, (PICTURES.get(name), None))
    assert result.headers["Content-Type"] == wanted
    assert f".{name}" in result.headers["Content-Disposition"]
    if codecs is None:
        with Image.open(io.BytesIO(result.data)) as picture:
            assert picture.size == (320, 180)
    else:
        with av.open(io.BytesIO(result.data)) as container:
            assert {stream.codec_context.name for stream in container.streams} == codecs


def test_the_queued_class_judges_other_formats_too(stack, clip: str) -> None:
    for name in ("webm", "gif", "wav", "jpg"):
        body = jobs.quick(clip, output_format=name, duration=1, workflow="balanced_async", mode="async")
        stack.post(body)
        stack.completed(body["id"])
        checks = {check["name"]: check["ok"] for check in stack.client.job(body["id"])["result"]["checks"]}
        assert checks["decodes"]


def test_sound_that_is_not_there_fails_the_job_with_a_word_for_it(stack, picture: str, clip: str) -> None:
    answer = stack.post(jobs.quick(clip, output_format="mp3", elements=[{"type": "image", "source": picture}]))
    assert (answer.status, answer.body["errors"][0]["code"]) == (422, "no_sound")


def test_a_preview_is_the_frame_that_the_video_has_there(stack, clip: str) -> None:
    body = jobs.quick(clip, duration=1)
    preview = stack.http.request(
        "POST", f"{stack.note['url']}/api/v1/preview", body=json.dumps({"job": body, "frame": 20}),
        headers={"Authorization": f"Bearer {stack.note['api_key']}", "Content-Type": "application/json"},
    )  # fmt: skip
    assert (preview.status, preview.headers["Content-Type"]) == (200, "image/png"), preview.data[:300]
    with Image.open(io.BytesIO(preview.data)) as picture:
        shown = np.asarray(picture.convert("RGB")).astype(float)
    video = fetched(stack, stack.post(body).body["result_url"])
    with av.open(io.BytesIO(video.data)) as container:
        frames = [frame.to_ndarray(format="rgb24").astype(float) for frame in container.decode(video=0)]
    apart = [np.abs(frame - shown).mean() for frame in frames]
    assert int(np.argmin(apart)) == 20 and apart[20] < 4
