"""The demonstration's job: two shots, each with the other one in a corner, a logo, a title and a credit, two sounds."""

from __future__ import annotations

from typing import Any, Final

SECONDS: Final = 10
WIDTH, HEIGHT, FRAME_RATE = 1920, 1080, 25
_FADE: Final = [{"type": "fade", "time": "start", "duration": 1}]
_CORNER: Final = {"x": "60%", "y": "10%", "width": "35%", "height": "35%", "volume": 0}


def job(base: str) -> dict[str, Any]:
    """The job's JSON, its sources under the URL `base`."""
    return {
        "output_format": "mp4", "width": WIDTH, "height": HEIGHT, "frame_rate": FRAME_RATE, "duration": SECONDS,
        "metadata": {"made_by": "orchestrator demo"},
        "elements": [*_shots(base), *_graphics(base), *_sounds(base)],
    }  # fmt: skip


def _shots(base: str) -> list[dict[str, Any]]:
    bunny, bikes = f"{base}/bigbuckbunny.mp4", f"{base}/bikes.mp4"
    return [
        {"id": "bunny", "type": "video", "source": bunny, "track": 1, "time": 0, "duration": 5, "audio_fade_out": 1},
        {"id": "street", "type": "video", "source": bikes, "track": 1, "time": 5, "duration": 5, "trim_start": 5},
        {"id": "inset-street", "type": "video", "source": bikes, "track": 2, "time": 0, "duration": 5, **_CORNER},
        {"id": "inset-bunny", "type": "video", "source": bunny, "track": 2, "time": 5, "duration": 5, **_CORNER,
         "animations": _FADE},
    ]  # fmt: skip


def _graphics(base: str) -> list[dict[str, Any]]:
    return [
        {"id": "logo", "type": "image", "source": f"{base}/logo.png", "track": 3, "time": 0, "duration": SECONDS,
         "x": "5%", "y": "75%", "width": "10%", "opacity": 0.7},
        {"id": "title", "type": "text", "text": "Rendered by the orchestrator", "track": 4, "time": 1, "duration": 5,
         "x": "5%", "y": "8%", "width": "53%", "font_size": 70, "font_weight": 700, "fill_color": "#ffffff",
         "animations": _FADE},
        {"id": "credit", "type": "text", "text": "Big Buck Bunny © Blender Foundation, CC BY 3.0", "track": 5,
         "time": 0, "duration": SECONDS, "x": "60%", "y": "94%", "width": "38%", "font_size": 30,
         "fill_color": "#ffffff"},
    ]  # fmt: skip


def _sounds(base: str) -> list[dict[str, Any]]:
    return [
        {"id": "music", "type": "audio", "source": f"{base}/music.wav", "track": 6, "time": 0, "duration": SECONDS,
         "volume": 0.3, "audio_fade_out": 2},
    ]  # fmt: skip
