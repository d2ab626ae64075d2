"""Jobs to post."""

from __future__ import annotations

from typing import Any

BRIEFS_REQUEST: dict[str, Any] = {
    "id": "job_12345",
    "output_format": "mp4",
    "width": 1920,
    "height": 1080,
    "elements": [
        {
            "id": "element_1", "type": "video", "source": "https://example.com/video.mp4", "track": 1,
            "x": "0%", "y": "0%", "width": "100%", "height": "100%",
        }
    ],
    "priority": "normal",
}  # fmt: skip


def quick(job_id: str = "job_quick", **more: Any) -> dict[str, Any]:
    """A second of a title: done well inside an inline answer."""
    elements = [{"type": "text", "text": "Hello", "track": 1, "duration": 1}]
    return {"id": job_id, "width": 320, "height": 180, "duration": 1, "elements": elements, **more}
