"""What a source file is: its streams, sizes, lengths. Remembered by the hash of its bytes.

A probe reads headers and the first picture; it does not prove that the whole file decodes.
"""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

from orchestrator_tasks.ffmpeg import inspection
from orchestrator_tasks.ffmpeg.inspection import InspectLimits
from workflows.errors import SourceError
from workflows.settings import Settings
from workflows.spec.media import MediaInfo

PROBE = "1"  # changes when the same file may give another MediaInfo: part of the cache's names


def probe(file: Path, sha256: str, path: str | None = None, settings: Settings | None = None) -> MediaInfo:
    """The MediaInfo of `file`, whose bytes hash to `sha256`, under the settings' limits on sources.

    Raises SourceNotMedia, SourceCorrupt, SourceOverLimits, SourceNotFound; they name `path`, the place in the job's
    JSON. Only successes are remembered, under the node's home.
    """
    settings = settings or Settings()
    limits = InspectLimits(max_pixels=settings.source_max_pixels, max_duration_s=settings.source_max_duration_s)
    remembered = settings.home / "probes" / f"{sha256}-{PROBE}-{limits.max_pixels}-{limits.max_duration_s}.json"
    if remembered.is_file():
        return MediaInfo.from_dict(json.loads(remembered.read_text(encoding="utf-8")))
    try:
        info = MediaInfo.from_dict({"sha256": sha256, **inspection.ask("look", file, limits)})
    except SourceError as err:
        err.path = path
        raise
    _remember(remembered, info)
    return info


def _remember(file: Path, info: MediaInfo) -> None:
    """Write beside, then rename: another process may read the same name at any time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{uuid4().hex}")
    part.write_text(json.dumps(info.as_dict()), encoding="utf-8")
    part.replace(file)
