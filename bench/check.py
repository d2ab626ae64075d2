"""Whether two contenders rendered the same thing. A faster render of something else would be no result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from bench.contenders import BenchError
from bench.timeline import FPS, HEIGHT, WIDTH

SAMPLES = 6
# The titles differ in typeface, the logo in its matrix (ours follows the BT.709 tag); all else by encoder noise only.
MOST_DIFFERENCE = 1.5  # of 255, mean over all samples of all sampled pictures
LOUDNESS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a file shows and sounds like."""

    frames: int
    pictures: np.ndarray  # (n, HEIGHT * 3 // 2, WIDTH), YUV 4:2:0: ours is tagged BT.709, the command's is not
    loudness: float  # root mean square of the samples


def compare(video: Path, reference: Path, seconds: float) -> str:
    """A sentence saying how alike they are. Raises BenchError if they are not the same."""
    ours, theirs = content(video, seconds), content(reference, seconds)
    if ours.frames != theirs.frames or ours.frames != round(seconds * FPS):
        raise BenchError(f"{ours.frames} frames, where the hand-written command made {theirs.frames}")
    difference = float(np.abs(ours.pictures.astype(np.int16) - theirs.pictures).mean())
    if difference > MOST_DIFFERENCE:
        raise BenchError(f"the pictures differ by {difference:.1f} of 255 on average")
    louder = ours.loudness / theirs.loudness
    if abs(louder - 1) > LOUDNESS:
        raise BenchError(f"the sound is {louder:.3f} times as loud")
    return f"both have {ours.frames} frames; pictures differ by {difference:.2f} of 255, loudness by {louder - 1:+.2%}"


def content(path: Path, seconds: float) -> Content:
    """Decode a file. Raises BenchError if it is not of the timeline's size."""
    wanted = {round((index + 0.5) / SAMPLES * seconds * FPS) for index in range(SAMPLES)}
    pictures, squares, samples, frames = [], 0.0, 0, 0
    with av.open(path) as file:
        if (file.streams.video[0].width, file.streams.video[0].height) != (WIDTH, HEIGHT):
            raise BenchError(f"{path.name} is not {WIDTH}x{HEIGHT}")
        for frame in file.decode(video=0, audio=0):
            if isinstance(frame, av.AudioFrame):
                sound = frame.to_ndarray()
                squares, samples = squares + float(np.square(sound).sum()), samples + sound.size
            elif isinstance(frame, av.VideoFrame):
                if frames in wanted:
                    pictures.append(frame.to_ndarray(format="yuv420p"))
                frames += 1
    return Content(frames=frames, pictures=np.stack(pictures), loudness=(squares / samples) ** 0.5)
