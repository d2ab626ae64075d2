"""Job bodies the tests post."""

from __future__ import annotations

from typing import Any

from tests.e2e.service import new_id

Body = dict[str, Any]
SMALL: Body = {"width": 320, "height": 180}


def quick(source: str, **changes: Any) -> Body:
    """A clip that fills a small frame: rendered in well under a second."""
    return {"id": new_id("quick"), **SMALL, "elements": [{"type": "video", "source": source}], **changes}


def long(picture: str, seconds: float = 60, **changes: Any) -> Body:
    """A still that lasts: a render of some seconds, in the queued class."""
    return {
        "id": new_id("long"), "width": 1280, "height": 720, "workflow": "balanced_async", "mode": "async",
        "elements": [{"type": "image", "source": picture, "duration": seconds}], **changes,
    }  # fmt: skip
