"""What a node says of itself is found by trying."""

from __future__ import annotations

import hashlib

import pytest

from orchestrator_tasks.ffmpeg import binary, capabilities, fonts
from workflows.errors import Unavailable


def test_encoders_are_proven_by_a_trial() -> None:
    found = capabilities.discover()
    assert {"h264", "h265", "av1", "vp9", "prores", "aac", "opus", "mp3"} <= set(found.encoders)
    assert not capabilities.can_encode(binary.locate(), "no_such_encoder")
    assert found.fonts == {"Inter": hashlib.sha256(fonts.find("inter").file.read_bytes()).hexdigest()}
    assert found.ffmpeg and len(found.fingerprint) == 16


def test_calibration_measures_every_part() -> None:
    speed = capabilities.calibrate()
    assert 1 < speed.encode_mpx_s < speed.decode_mpx_s  # encoding always costs more than decoding the same picture
    assert speed.composite_mpx_s > 1 and speed.cores >= 1


def test_a_program_that_does_not_run_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        capabilities.discover("/nonexistent/ffmpeg")
