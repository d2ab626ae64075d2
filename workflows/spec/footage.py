"""What a scene needs to know of each source: size, length, sound. Probed where known, assumed where not.

Assumptions, until a probe says otherwise: a video is 1920x1080 at 30 frames a second, plays 10 s past its trim_start
and has sound; an audio file plays 10 s past its trim_start; an image is square (1000x1000).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from workflows.errors import SourceCorrupt
from workflows.spec.media import MediaInfo, VideoStream
from workflows.spec.model import Element, JobSpec

ASSUMED_SECONDS = Fraction(10)
ASSUMED_VIDEO = (1920, 1080)
ASSUMED_IMAGE = (1000, 1000)
STILL_FORMATS = ("gif", "apng", "webp")  # demuxers of pictures that may also move; an image element shows the first


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """One element's source. `size` is None without a picture; lengths count from the file's start, in seconds."""

    size: tuple[int, int] | None
    length: Fraction | None  # None for a still
    audible: bool
    sound_length: Fraction | None = None  # None = as long as needed, or not known
    assumed: bool = False


def played(element: Element, footage: Footage) -> Fraction | None:
    """Seconds of the output until the part of the source that is used has been played once; None for a still."""
    return _once(element, footage.length)


def heard(element: Element, footage: Footage) -> Fraction | None:
    """The same of the source's sound."""
    return _once(element, footage.sound_length)


def _once(element: Element, length: Fraction | None) -> Fraction | None:
    if length is None:
        return element.trim_duration / element.speed if element.trim_duration else None
    left = length - element.trim_start
    return min(left, element.trim_duration or left) / element.speed


def all_footage(spec: JobSpec, media: Mapping[str, MediaInfo]) -> dict[str, Footage]:
    """The footage of every element that has a source, by element id.

    Raises SourceCorrupt, with the element's path, when a probed file cannot serve its element.
    """
    return {
        element.id: _probed(element, index, media[element.source]) if element.source in media else _assumed(element)
        for index, element in enumerate(spec.elements)
        if element.source is not None
    }


def _assumed(element: Element) -> Footage:
    if element.type == "image":
        return Footage(size=ASSUMED_IMAGE, length=None, audible=False, assumed=True)
    size = ASSUMED_VIDEO if element.type == "video" else None
    return Footage(size=size, length=element.trim_start + ASSUMED_SECONDS, audible=True, assumed=True)


def _probed(element: Element, index: int, info: MediaInfo) -> Footage:
    found = _READERS[element.type](info, _Complaint(f"elements[{index}].source", element.id))
    if found.length is not None and element.trim_start >= found.length:
        message = (
            f"trim_start {float(element.trim_start):g} s is past the end of the source ({float(found.length):g} s)"
        )
        raise _Complaint(f"elements[{index}].source", element.id).error(message, "Use a smaller trim_start.")
    return found


@dataclass(frozen=True, slots=True)
class _Complaint:
    path: str
    element_id: str

    def error(self, message: str, remedy: str) -> SourceCorrupt:
        return SourceCorrupt(f'Element "{self.element_id}": {message}.', path=self.path, remedy=remedy)


def _video(info: MediaInfo, complaint: _Complaint) -> Footage:
    if info.video is None:
        raise complaint.error("the source has no picture", 'Use type "audio", or another file.')
    if info.duration is None:
        raise complaint.error("the source is a still picture", 'Use type "image".')
    return Footage(
        size=(info.video.width, info.video.height),
        length=_picture_length(info.video, info.duration),
        audible=info.audio is not None,
        sound_length=_sound_length(info),
    )


def _image(info: MediaInfo, complaint: _Complaint) -> Footage:
    if info.video is None:
        raise complaint.error("the source has no picture", 'Use type "audio", or another file.')
    if info.duration is not None and not any(name in info.format for name in STILL_FORMATS):
        raise complaint.error("the source is a video", 'Use type "video".')
    return Footage(size=(info.video.width, info.video.height), length=None, audible=False)


def _audio(info: MediaInfo, complaint: _Complaint) -> Footage:
    if info.audio is None:
        raise complaint.error("the source has no sound", "Use a file with an audio stream.")
    length = _sound_length(info)
    known = Footage(size=None, length=length, audible=True, sound_length=length)
    return known if length is not None else Footage(size=None, length=ASSUMED_SECONDS, audible=True, assumed=True)


def _picture_length(video: VideoStream, duration: Fraction) -> Fraction:
    """The picture's own length: AAC padding makes containers up to some frames longer than what is seen."""
    if not video.frames or not video.frame_rate:
        return duration
    counted = video.frames / video.frame_rate
    # Further apart, the frame rate is only nominal (variable frame rate) or the sound really is longer.
    return counted if abs(counted - duration) <= Fraction(1, 2) else duration


def _sound_length(info: MediaInfo) -> Fraction | None:
    return (info.audio.duration or info.duration) if info.audio else None


_READERS: dict[str, Callable[[MediaInfo, _Complaint], Footage]] = {"video": _video, "image": _image, "audio": _audio}
