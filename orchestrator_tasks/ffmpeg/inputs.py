"""The files one FFmpeg command reads, in order, each under a fixed name of our own and under limits.

A file is opened by the demuxer the probe found and no other, from the local disk only: a playlist in disguise can
never make FFmpeg open another file or address (research: the default demuxer choice does).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from orchestrator_tasks.ffmpeg.raster import Coverage, Raster
from workflows.errors import SourceNotMedia
from workflows.spec.media import MediaInfo

# By the probe's format name: FFmpeg's name of the one demuxer that may read it.
DEMUXERS: Mapping[str, str] = {
    "mov,mp4,m4a,3gp,3g2,mj2": "mov", "matroska,webm": "matroska", "mpegts": "mpegts", "avi": "avi",
    "wav": "wav", "mp3": "mp3", "flac": "flac", "ogg": "ogg", "aac": "aac",
}  # fmt: skip
PICTURES = frozenset({"png", "jpeg", "webp", "gif"})  # decoded by Pillow, never by FFmpeg
# FFmpeg's own VP8 and VP9 decoders leave the alpha plane out.
ALPHA_DECODERS: Mapping[str, str] = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
# Without an index a seek may land behind the frame it should find; so start this much earlier and decode.
UNINDEXED_MARGIN_S: Mapping[str, int] = {"mpegts": 15}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one render. None = no bound."""

    max_pixels: int = 8192 * 4352  # of one picture
    max_streams: int = 32  # of one file
    max_alloc_bytes: int = 1 << 30  # of one allocation
    file_bytes: int | None = 64 << 30  # of any file written
    open_files: int | None = 4096
    cpu_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """What input number n of the command is: our name for it, the real file, and the source URL (None = ours)."""

    name: Path
    target: Path
    source: str | None


@dataclass(slots=True, kw_only=True)
class Inputs:
    """Collects the inputs of one command. Every call adds one; equal files are told apart by our names."""

    workspace: Path
    rate: Fraction
    threads: int
    limits: Limits
    media: Mapping[str, MediaInfo]
    files: Mapping[str, Path]
    added: list[InputFile] = field(default_factory=list)
    shared: dict[tuple[str, int], Any] = field(default_factory=dict)

    def read(self, source: str, seek: Fraction, **options: Any) -> Any:
        """A source file from `seek` seconds on; frames and samples before it may come first, with negative times."""
        link = self._link(source)
        demuxer = demuxer_of(self.media[source])
        options |= {"sn": None, "dn": None, "threads": self.threads, "max_pixels": self.limits.max_pixels}
        video = self.media[source].video
        if video and video.alpha and video.codec in ALPHA_DECODERS:
            options["c:v"] = ALPHA_DECODERS[video.codec]
        if seek:
            options |= {"noaccurate_seek": None, "ss": decimal(seek)}
        return ffmpeg.input(
            f"file:{link}",
            f=demuxer,
            format_whitelist=demuxer,
            protocol_whitelist="file",
            max_streams=self.limits.max_streams,
            **options,
        )

    def has_alpha(self, source: str) -> bool:
        """Whether the source's own picture can be see-through."""
        video = self.media[source].video
        return video is not None and video.alpha

    def still(self, raster: Raster) -> Any:
        """One frame of raw pixels."""
        name = self.workspace / f"raster-{len(self.added)}.raw"
        return self._raw(raster.write(name), raster.pixel_format, (raster.rect.width, raster.rect.height))

    def mask(self, coverage: Coverage) -> Any:
        """One grey frame: an alpha plane."""
        name = self.workspace / f"mask-{len(self.added)}.raw"
        name.write_bytes(coverage.tobytes())
        return self._raw(name, "gray", (coverage.shape[1], coverage.shape[0]))

    def _raw(self, name: Path, pixel_format: str, size: tuple[int, int]) -> Any:
        self.added.append(InputFile(name=name, target=name, source=None))
        return ffmpeg.input(
            f"file:{name}",
            f="rawvideo",
            format_whitelist="rawvideo",
            protocol_whitelist="file",
            pixel_format=pixel_format,
            video_size=size,
            framerate=str(self.rate),
        )

    def _link(self, source: str) -> Path:
        name = self.workspace / f"input-{len(self.added)}.media"
        name.unlink(missing_ok=True)
        name.symlink_to(self.files[source].absolute())
        self.added.append(InputFile(name=name, target=self.files[source], source=source))
        return name


def demuxer_of(info: MediaInfo) -> str:
    """The one demuxer for a probed file. Raises SourceNotMedia for a format that is not taken."""
    try:
        return DEMUXERS[info.format]
    except KeyError:
        raise SourceNotMedia(f"The format {info.format!r} is not taken.") from None


def decimal(seconds: Fraction) -> str:
    """Seconds for FFmpeg's command line, to the microsecond it keeps."""
    micro = round(seconds * 1_000_000)
    return f"{micro // 1_000_000}.{micro % 1_000_000:06d}"
