"""The program that looks into untrusted files. Started by `probe`, never imported by it.

It imports PyAV once, then forks for every file: the fork limits itself, reads one file, answers with one JSON line on
the socket it was given and exits. Whatever a file does to it (crash, hang, memory), server and client live on.
"""

from __future__ import annotations

import array
import json
import os
import resource
import signal
import socket
import struct
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.video.format import VideoFormat
from PIL import (
    ExifTags,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,avi,wav,mp3,flac,ogg,aac"
MAGIC = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"), (b"RIFF", "webp"))
MOV = "mov,mp4,m4a,3gp,3g2,mj2"
MICRO = 1_000_000
# Imported here, once: Pillow otherwise imports its readers in every fork.
READERS = (GifImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin)
MATRICES = {1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc", 10: "bt2020c"}
TRANSFERS = {1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 8: "linear", 13: "iec61966-2-1", 14: "bt2020-10",
             15: "bt2020-12", 16: "smpte2084", 18: "arib-std-b67"}  # fmt: skip


class Refused(Exception):
    """The file is not taken. `code` is that of the error the client raises."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def look(path: Path, limits: dict[str, Any]) -> dict[str, Any]:
    """What a MediaInfo says of the file, without its hash."""
    picture = _picture(path, limits)
    if picture is not None:
        return picture
    _whole_boxes(path)
    with _opened(path) as container:
        if len(container.streams) > limits["max_streams"]:
            raise Refused("source_over_limits", f"The file has {len(container.streams)} streams.")
        duration = Fraction(container.duration, MICRO) if container.duration else None
        if duration and duration > limits["max_duration_s"]:
            raise Refused("source_over_limits", f"The file lasts {float(duration):.0f} s.")
        return {
            "size_bytes": path.stat().st_size,
            "format": container.format.name,
            "duration": _text(duration),
            "audio": _audio(container),
            "video": _video(container, limits),
        }


def count(path: Path, limits: dict[str, Any]) -> dict[str, Any]:
    """Every stream of a file of our own making: packets, first and last times, rate, size."""
    if _picture(path, limits) is not None:
        return {"size_bytes": path.stat().st_size, **_counted_picture(path)}
    with _opened(path) as container:
        streams = [_counted(stream) for stream in container.streams]
        for packet in container.demux():
            if packet.pts is not None and packet.duration is not None:
                end = (packet.pts + packet.duration) * packet.time_base
                seen = streams[packet.stream.index]
                seen["packets"] += 1
                seen["starts"].append(packet.pts * packet.time_base)
                seen["ends"].append(end)
    for seen in streams:
        starts, ends = seen.pop("starts"), seen.pop("ends")
        seen |= {"start": _text(min(starts, default=None)), "end": _text(max(ends, default=None))}
    return {"format": container.format.name, "size_bytes": path.stat().st_size, "streams": streams}


def _counted_picture(path: Path) -> dict[str, Any]:
    """A still, or a GIF with its frames' times, in the same words."""
    with Image.open(path) as picture:
        times = []
        for index in range(getattr(picture, "n_frames", 1)):
            picture.seek(index)
            times.append(Fraction(int(picture.info.get("duration", 0)), 1000))
        seconds = sum(times, Fraction(0))
        stream = {"type": "video", "codec": (picture.format or "").lower(), "packets": len(times), "start": "0/1",
                  "end": _text(seconds), "rate": _text(len(times) / seconds if seconds else None),
                  "width": picture.width, "height": picture.height, "pix_fmt": picture.mode}  # fmt: skip
    return {"format": stream["codec"], "streams": [stream]}


def _counted(stream: Any) -> dict[str, Any]:
    context = stream.codec_context
    video = stream.type == "video"
    return {
        "type": stream.type,
        "codec": context.name,
        "packets": 0,
        "starts": [],
        "ends": [],
        "duration": _text(stream.duration * stream.time_base if stream.duration else None),
        "rate": _text(stream.average_rate) if video else None,
        "width": context.width if video else None,
        "height": context.height if video else None,
        "pix_fmt": context.pix_fmt if video else None,
        "sample_rate": context.sample_rate if stream.type == "audio" else None,
        "channels": context.channels if stream.type == "audio" else None,
    }


def _picture(path: Path, limits: dict[str, Any]) -> dict[str, Any] | None:
    """A still picture by its header; None when the file does not begin like one."""
    with path.open("rb") as file:
        magic = file.read(12)
    name = next((name for start, name in MAGIC if magic.startswith(start)), None)
    if name is None or (name == "webp" and magic[8:] != b"WEBP"):
        return None
    Image.MAX_IMAGE_PIXELS = None  # our own limit is checked below, with our own words
    try:
        with Image.open(path, formats=(name.upper(),)) as picture:
            width, height = picture.size
            if width * height > limits["max_pixels"]:
                words = f"The picture is {width} x {height}; at most {limits['max_pixels']} pixels are taken."
                raise Refused("source_over_limits", words)
            turned = _turned(picture)
            alpha = picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info
    except (UnidentifiedImageError, SyntaxError, OSError) as err:
        raise Refused("source_corrupt", f"The {name} picture cannot be read.") from err
    if turned:
        width, height = height, width
    video = {"codec": name, "width": width, "height": height, "frame_rate": None, "frames": 1, "rotation": 0,
             "pix_fmt": "rgba" if alpha else "rgb24", "alpha": alpha, "sample_aspect_ratio": "1/1",
             "color_space": None, "color_transfer": None}  # fmt: skip
    return {"size_bytes": path.stat().st_size, "format": name, "duration": None, "video": video, "audio": None}


def _turned(picture: Image.Image) -> bool:
    """Whether EXIF swaps width and height. Pillow would decode a whole PNG to look for EXIF behind the pixels."""
    if picture.format == "PNG" and "exif" not in picture.info:
        return False
    return picture.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)


def _opened(path: Path) -> Any:
    """The container, by one of our demuxers and from this file alone."""
    options = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file", "max_streams": "1000"}
    try:
        return av.open(f"file:{path}", options=options)
    except (av.error.FFmpegError, ValueError) as err:
        if _starts_like_mp4(path):
            raise Refused("source_corrupt", "The file begins like mp4 but its index is missing or damaged.") from err
        raise Refused("source_not_media", "The file is not of a media format that is taken.") from err


def _starts_like_mp4(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(12)[4:8] in (b"ftyp", b"moov", b"mdat")


def _whole_boxes(path: Path) -> None:
    """Refuse an mp4 whose top-level boxes promise more bytes than the file has: it was cut."""
    if not _starts_like_mp4(path):
        return
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            length, kind = struct.unpack(">I4s", file.read(8))
            if length == 1:
                length = struct.unpack(">Q", (file.read(8) + bytes(8))[:8])[0]
            if length == 0:
                return
            if length < 8 or at + length > size:
                name = kind.decode("latin-1")
                raise Refused(
                    "source_corrupt", f"The file is cut short: box {name!r} ends {at + length - size} bytes past it."
                )
            at += length


def _audio(container: Any) -> dict[str, Any] | None:
    stream = next(iter(container.streams.audio), None)
    if stream is None:
        return None
    context = stream.codec_context
    duration = stream.duration * stream.time_base if stream.duration else None
    return {"codec": context.name, "sample_rate": context.sample_rate, "channels": context.channels,
            "duration": _text(duration)}  # fmt: skip


def _video(container: Any, limits: dict[str, Any]) -> dict[str, Any] | None:
    attached = av.stream.Disposition.attached_pic
    stream = next((each for each in container.streams.video if not each.disposition & attached), None)
    if stream is None:
        return None
    context = stream.codec_context
    if context.width * context.height > limits["max_pixels"]:
        raise Refused("source_over_limits", f"The picture is {context.width} x {context.height}.")
    _consistent(container, stream)
    frame = _first_frame(container, stream)
    rotation = round(-frame.rotation / 90) * 90 % 360
    ratio = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
    width, height = max(1, round(context.width * ratio)), context.height
    if rotation in (90, 270):
        width, height = height, width
    pixels = VideoFormat(context.pix_fmt or frame.format.name)
    alpha = any(part.is_alpha for part in pixels.components) or stream.metadata.get("alpha_mode") == "1"
    return {
        "codec": context.name,
        "width": width,
        "height": height,
        "frame_rate": _text(stream.average_rate or stream.guessed_rate),
        "frames": stream.frames or None,
        "rotation": rotation,
        "pix_fmt": pixels.name,
        "alpha": alpha,
        "sample_aspect_ratio": _text(ratio),
        "color_space": MATRICES.get(int(context.colorspace)),
        "color_transfer": TRANSFERS.get(int(context.color_trc)),
    }


def _first_frame(container: Any, stream: Any) -> Any:
    """The first picture decoded: proof that there is one, and the only place the rotation is told."""
    stream.thread_type = "NONE"
    try:
        for frame in container.decode(stream):
            return frame
    except (av.error.FFmpegError, ValueError) as err:
        raise Refused("source_corrupt", "The first picture cannot be decoded.") from err
    raise Refused("source_corrupt", "The file has a picture stream without a picture.")


def _consistent(container: Any, stream: Any) -> None:
    """Refuse an mp4 whose index points past the end of the file, or contradicts its own lengths."""
    if container.format.name != MOV or not len(stream.index_entries):
        return
    last = max(stream.index_entries, key=lambda entry: entry.pos)
    if last.pos + last.size > container.size:
        raise Refused("source_corrupt", "The file is cut short: its index points past its end.")
    if stream.frames and stream.average_rate and stream.duration:
        expected = float(stream.duration * stream.time_base * stream.average_rate)
        if abs(expected - stream.frames) > max(2, stream.frames / 100):
            raise Refused("source_corrupt", f"{stream.frames} frames do not fit a length of {expected:.0f}.")


def _text(value: Fraction | None) -> str | None:
    return None if value is None else f"{value.numerator}/{value.denominator}"


WORK = {"look": look, "count": count}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What one request gives: {"ok": …} or {"error": code, "message": …}."""
    try:
        return {"ok": WORK[request["work"]](Path(request["path"]), request["limits"])}
    except Refused as err:
        return {"error": err.code, "message": str(err)}
    except FileNotFoundError:
        return {"error": "source_not_found", "message": "The file is gone."}
    except (av.error.FFmpegError, ValueError, struct.error) as err:
        return {"error": "source_corrupt", "message": f"The file cannot be read: {err}"}
    except MemoryError:
        return {"error": "source_over_limits", "message": "Reading the file takes too much memory."}


def serve(control: socket.socket) -> None:
    """Fork for every request until the client closes its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    while True:
        message, sockets = _receive(control)
        if not message:
            return
        for reply in sockets:
            if os.fork() == 0:
                control.close()
                _work(json.loads(message), reply)
            os.close(reply)


def _receive(control: socket.socket) -> tuple[bytes, list[int]]:
    message, extras, _, _ = control.recvmsg(65536, socket.CMSG_SPACE(4))
    sockets = array.array("i")
    for _, _, data in extras:
        sockets.frombytes(data[: len(data) - len(data) % sockets.itemsize])
    return message, list(sockets)


def _work(request: dict[str, Any], reply: int) -> None:
    try:
        _confine(request["limits"])
        os.write(reply, json.dumps(answer(request)).encode())
    finally:
        os._exit(0)  # a fork: nothing of the server's may run


def _confine(limits: dict[str, Any]) -> None:
    """Limits of this fork. SIGALRM's default action ends it even inside a library that never returns."""
    for which, value in (
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_CPU, limits["cpu_s"]),
        (resource.RLIMIT_NOFILE, 32),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(which, (value, value))
    signal.setitimer(signal.ITIMER_REAL, limits["wall_s"])


if __name__ == "__main__":
    av.logging.set_level(None)
    serve(socket.socket(fileno=int(sys.argv[1])))
