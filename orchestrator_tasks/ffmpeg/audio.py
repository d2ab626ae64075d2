"""From the sounds of a timeline to one stereo mix at 48 kHz, exact to the sample.

A sound's samples are added as they are: no normalising, no limiter. Where the sum passes full scale the listener's
decoder clips it; quality checks report the peak. A mono source plays at its own level in both channels.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import ffmpeg

from orchestrator_tasks.ffmpeg.inputs import Inputs
from workflows.errors import SourceCorrupt
from workflows.spec.timeline import Sound, Timeline

RATE = 48_000  # Hz
# Decoders of AAC and MP3 need the packets before the first one wanted; so read this much more.
PREROLL_S = Fraction(1, 2)


def mix(timeline: Timeline, inputs: Inputs) -> Any | None:
    """The mixed stream, as long as the picture; None when nothing is to be heard."""
    audible = [sound for sound in timeline.sounds if sound.volume > 0 and _in_time(sound, timeline)]
    if not audible:
        return None
    parts = [_part(sound, inputs) for sound in audible]
    mixed = parts[0] if len(parts) == 1 else ffmpeg.filter(parts, "amix", inputs=len(parts), normalize=0)
    total = samples(timeline.duration)
    return mixed.filter("apad", whole_len=total).filter("atrim", end_sample=total)


def _in_time(sound: Sound, timeline: Timeline) -> bool:
    return sound.start < timeline.duration and sound.start + sound.duration > 0


def samples(seconds: Fraction) -> int:
    """A time on the sample grid."""
    return round(seconds * RATE)


def _part(sound: Sound, inputs: Inputs) -> Any:
    """One sound, cut, faded and moved to its place. Of one that began before, only what is left."""
    delay = samples(sound.start)
    past = max(0, -delay)
    if past and (sound.speed != 1 or sound.loop):  # stretched or repeated, it cannot be entered in the middle
        return _made(sound, inputs, 0).filter("atrim", start_sample=past).filter("asetpts", "N/SR/TB")
    stream = _made(sound, inputs, past)
    if past:
        return stream.filter("asetpts", "N/SR/TB")
    return stream.filter("adelay", f"{delay}S", all=1) if delay else stream


def _made(sound: Sound, inputs: Inputs, past: int) -> Any:
    """The sound from its sample `past` on, with the times it has in the whole."""
    stream, skipped = _opened(sound, inputs, past)
    length = samples(sound.duration)
    stream = stream.filter("aresample", RATE, **{"async": 1, "first_pts": 0})
    stream = _stereo(stream, _channels(sound, inputs))
    once = min(length, samples(sound.loop)) if sound.loop else length
    # Stretching loses some of what comes last; so it gets more, and what is too much is cut.
    taken = once if sound.speed == 1 else samples(once * sound.speed / RATE + PREROLL_S)
    stream = stream.filter("atrim", start_sample=skipped, end_sample=skipped + taken - past)
    stream = stream.filter("asetpts", f"(N+{past})/SR/TB" if past else "N/SR/TB")
    return _shaped(_repeated(_at_speed(stream, sound, once), once, length), sound, length)


def _at_speed(stream: Any, sound: Sound, length: int) -> Any:
    """Faster or slower at the same pitch, `length` samples."""
    if sound.speed == 1:
        return stream
    rest = float(sound.speed)
    # Beyond these atempo leaves samples out, or refuses.
    while not 0.5 <= rest <= 2:
        step = 0.5 if rest < 1 else 2.0
        stream = stream.filter("atempo", step)
        rest /= step
    stream = stream.filter("atempo", f"{rest:.9f}").filter("apad", whole_len=length)
    return stream.filter("atrim", end_sample=length).filter("asetpts", "N/SR/TB")


def _repeated(stream: Any, once: int, length: int) -> Any:
    """Again and again, up to `length` samples; each time exactly as long as the picture's."""
    if once >= length:
        return stream
    stream = stream.filter("apad", whole_len=once).filter("aloop", loop=-1, size=once)
    return stream.filter("atrim", end_sample=length).filter("asetpts", "N/SR/TB")


def _opened(sound: Sound, inputs: Inputs, past: int) -> tuple[Any, int]:
    """The source's sound, and how many samples of it come before the first wanted one, which is sample `past`."""
    shared = inputs.shared.get((sound.source, round(sound.start * inputs.rate)))
    if shared is not None and sound.trim_start == 0:
        return shared["a:0"], 0
    first = sound.trim_start + Fraction(past, RATE)
    seek = max(Fraction(0), first - PREROLL_S)
    return inputs.read(sound.source, seek, vn=None)["a:0"], samples(first - seek)


def _channels(sound: Sound, inputs: Inputs) -> int:
    audio = inputs.media[sound.source].audio
    if audio is None:
        raise SourceCorrupt(f"The source of {sound.element_id!r} has no sound.")
    return audio.channels


def _stereo(stream: Any, channels: int) -> Any:
    # FFmpeg turns mono into stereo 3 dB down; a mono clip would then be quieter than the same clip in stereo.
    if channels == 1:
        stream = stream.filter("pan", args="stereo|c0=c0|c1=c0")
    return stream.filter("aformat", sample_fmts="fltp", channel_layouts="stereo")


def _shaped(stream: Any, sound: Sound, length: int) -> Any:
    if sound.volume != 1:
        stream = stream.filter("volume", f"{sound.volume:.6f}", precision="float")
    rising, falling = samples(sound.fade_in), samples(sound.fade_out)
    if rising:
        stream = stream.filter("afade", t="in", ss=0, ns=rising, curve="tri")
    if falling:
        stream = stream.filter("afade", t="out", ss=max(0, length - falling), ns=falling, curve="tri")
    return stream
