"""How complex a job is, 0 to 1, as a sum of named parts. For people and for sorting; templates look at the seconds."""

from __future__ import annotations

from workflows.analysis.model import Features

# Part -> (its share of the whole, the amount at which half of the share is reached).
SCALE = {
    "pixels": (0.4, 20_000.0),  # Mpx encoded: about 5 min of 1080p30
    "layers": (0.2, 4.0),  # visible at once, beyond the first
    "decoding": (0.2, 30_000.0),  # Mpx decoded
    "encoder": (0.1, 2.0),  # cost of the codec and preset against x264's veryfast
    "sound": (0.1, 1_800.0),  # seconds of sound, summed
}


def complexity_parts(features: Features, encoder: float) -> dict[str, float]:
    """The parts by name; their sum is the complexity. `encoder` is `encode_cost`.

    Each grows like x / (x + half), so it never jumps.
    """
    amounts = {
        "pixels": features.encode_mpx,
        "layers": float(max(0, features.max_overlap - 1)),
        "decoding": features.decode_mpx,
        "encoder": encoder,
        "sound": features.audio_s,
    }
    return {name: share * amounts[name] / (amounts[name] + half) for name, (share, half) in SCALE.items()}
