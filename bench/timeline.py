"""What is rendered: 10 s of 1920x1080 at 30 fps, as numbers that the job and the hand-written command share.

A background video with sound fills the frame; a second one at 60 %, 10 %, 35 % x 35 %; a logo at 50 % opacity; a
title from 1 s to 6 s that fades in for 1 s; music at 30 % under the background's sound, both fading out over the last
2 s. H.264 veryfast CRF 21, AAC 128 kb/s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

WIDTH, HEIGHT, FPS = 1920, 1080, 30
INSET: Final = (1152, 108, 672, 378)
LOGO: Final = (96, 810, 192)
TITLE_AT: Final = (96, 108)
TITLE_SIZE: Final = 72
TITLE_SECONDS: Final = (1, 6)
MUSIC_VOLUME: Final = 0.3
FADE_OUT_S: Final = 2
PRESET, CRF = "veryfast", 21
MEDIA_SECONDS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One rendering. `number` is part of the title, so that no render can be answered from an earlier one."""

    number: int
    seconds: float

    @property
    def title(self) -> str:
        """What the title says."""
        return f"Reference title {self.number:04d}"


def job(run: Run, base: str) -> dict[str, Any]:
    """The timeline as a job, its sources under the URL `base`."""
    whole = {"time": 0, "duration": run.seconds}
    return {
        "output_format": "mp4", "width": WIDTH, "height": HEIGHT, "frame_rate": FPS, "duration": run.seconds,
        "quality": {"codec": "h264", "preset": PRESET, "crf": CRF},
        "elements": [
            {"id": "background", "type": "video", "source": f"{base}/background.mp4", "track": 1, **whole,
             "x": "0%", "y": "0%", "width": "100%", "height": "100%", "audio_fade_out": FADE_OUT_S},
            {"id": "inset", "type": "video", "source": f"{base}/inset.mp4", "track": 2, **whole, "volume": 0,
             "x": "60%", "y": "10%", "width": "35%", "height": "35%"},
            {"id": "logo", "type": "image", "source": f"{base}/logo.png", "track": 3, **whole,
             "x": "5%", "y": "75%", "width": "10%", "opacity": 0.5},
            {"id": "title", "type": "text", "text": run.title, "track": 4, "time": TITLE_SECONDS[0],
             "duration": min(TITLE_SECONDS[1], run.seconds) - TITLE_SECONDS[0], "x": "5%", "y": "10%",
             "font_size": TITLE_SIZE, "fill_color": "#ffffff",
             "animations": [{"type": "fade", "time": "start", "duration": 1}]},
            {"id": "music", "type": "audio", "source": f"{base}/music.wav", "track": 5, **whole,
             "volume": MUSIC_VOLUME, "audio_fade_out": FADE_OUT_S},
        ],
    }  # fmt: skip
