"""From counts to seconds: the cost model of one render on one node. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from workflows.analysis.model import Features
from workflows.spec.model import Quality

# CPU seconds of x264's presets against veryfast, one 1080p clip on one machine: 2.27, 4.48, 6.66, 11.2 and 16.5 CPU s
# (ultrafast, superfast, veryfast, faster, medium). fast and slow lie on the same curve, not measured.
PRESET_COST = {
    "ultrafast": 0.34, "superfast": 0.67, "veryfast": 1.0, "faster": 1.68, "fast": 2.05, "medium": 2.48, "slow": 4.0,
}  # fmt: skip
# CPU seconds of the other codecs against x264's, both at the settings of "medium": 50 frames of a 1280x720 film clip,
# measured once on two cores with FFmpeg 9: 0.71 s for h264; for gif and png the conversion to RGB is in it. Other
# presets are taken to differ as x264's do, which was not measured.
CODEC_COST = {"h265": 2.8, "av1": 0.9, "vp9": 5.5, "prores": 8.5, "gif": 13.0, "png": 15.0, "jpeg": 0.3}

TRUST = 5  # a node's calibration may move a coefficient by this factor


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """What each unit of work costs, in CPU seconds. The defaults hold until a node has calibrated itself.

    They are CPU seconds measured with FFmpeg 5.1 and x264 0.164 on two EPYC cores for a 10 s job at 1920x1080, 30
    frames a second: 2.94 s to decode 899 Mpx (1080p and 720p), 0.5-0.8 s to scale and blend 97 Mpx, 6.66 s to encode
    622 Mpx with veryfast, 0.31 s to mix and encode two sounds of 10 s. One core took 9.28 s for what two did in 5.09 s:
    by Amdahl's law a tenth of the work is serial. That clip is easy to encode; the same job with noise took 3 times
    the CPU, so `spread` puts p90 at 1.8 times p50, towards the middle of the two (in logarithm: 3 ** 0.5 = 1.73).
    """

    decode_s_per_mpx: float = 0.0033
    composite_s_per_mpx: float = 0.007
    encode_s_per_mpx: float = 0.0107  # veryfast; other presets by PRESET_COST
    audio_s_per_s: float = 0.0155
    fixed_s: float = 0.5  # process start, opening inputs, filling and draining the encoder
    serial_share: float = 0.1
    spread: float = 1.8

    def calibrated(self, performance: Mapping[str, float]) -> Coefficients:
        """These coefficients with a node's own speeds: `decode_mpx_s`, `composite_mpx_s`, `encode_mpx_s`.

        They are Mpx a CPU second, the last for veryfast. A speed that is missing or not above zero keeps the default;
        one beyond 5 times or under a fifth of it counts as that much, since a calibration lasts two seconds and its
        differences can come out near nothing.
        """
        changed = {}
        for name in ("decode", "composite", "encode"):
            default, speed = getattr(self, f"{name}_s_per_mpx"), performance.get(f"{name}_mpx_s", 0)
            if speed > 0:
                changed[f"{name}_s_per_mpx"] = min(max(1 / speed, default / TRUST), default * TRUST)
        return replace(self, **changed)

    def speed_up(self, threads: int) -> float:
        """How many times faster `threads` threads are than one (Amdahl's law)."""
        return 1 / (self.serial_share + (1 - self.serial_share) / max(1, threads))


def encode_cost(quality: Quality) -> float:
    """CPU of encoding a picture, against x264 at veryfast. Sound alone has no pixels that it could count for."""
    return CODEC_COST.get(quality.codec, 1.0) * PRESET_COST[quality.preset]


def cpu_parts(features: Features, encoder: float, coefficients: Coefficients) -> dict[str, float]:
    """CPU seconds by part: decode, composite, encode, audio, fixed. `encoder` is `encode_cost`."""
    return {
        "decode": features.decode_mpx * coefficients.decode_s_per_mpx,
        "composite": features.composite_mpx * coefficients.composite_s_per_mpx,
        "encode": features.encode_mpx * coefficients.encode_s_per_mpx * encoder,
        "audio": features.audio_s * coefficients.audio_s_per_s,
        "fixed": coefficients.fixed_s,
    }
