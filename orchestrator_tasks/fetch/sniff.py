"""What a file is by its first bytes, and whether the elements that use it can use that. Pure.

The first gate only: the demuxer and decoder have the last word (`orchestrator_tasks.ffmpeg.probe`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from workflows.errors import SourceNotMedia


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A kind of file. `uses` are the element types that can use it; none = never a source."""

    name: str
    words: str  # for messages: "an MP4 or QuickTime file"
    uses: frozenset[str] = frozenset()


def _family(name: str, words: str, *uses: str) -> Family:
    return Family(name=name, words=words, uses=frozenset(uses))


MP4 = _family("mp4", "an MP4 or QuickTime file", "video", "audio")
MATROSKA = _family("matroska", "a Matroska or WebM file", "video", "audio")
AVI = _family("avi", "an AVI file", "video", "audio")
MPEGTS = _family("mpegts", "an MPEG transport stream", "video", "audio")
OGG = _family("ogg", "an Ogg file", "video", "audio")
WAV = _family("wav", "a WAV file", "audio")
MP3 = _family("mp3", "an MP3 file", "audio")
AAC = _family("aac", "an AAC file", "audio")
FLAC = _family("flac", "a FLAC file", "audio")
PNG = _family("png", "a PNG picture", "image")
JPEG = _family("jpeg", "a JPEG picture", "image")
WEBP = _family("webp", "a WebP picture", "image")
GIF = _family("gif", "a GIF picture", "image", "video")

QUICKTIME_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
STILL_BRANDS = frozenset({b"heic", b"heix", b"heim", b"hevc", b"mif1", b"msf1", b"avif", b"avis"})

MAGIC: tuple[tuple[bytes, Family], ...] = (
    (b"\x1a\x45\xdf\xa3", MATROSKA),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"OggS", OGG),
    (b"fLaC", FLAC),
    (b"ID3", MP3),
    (b"%PDF-", _family("pdf", "a PDF document")),
    (b"PK\x03\x04", _family("zip", "a ZIP archive or office document")),
    (b"\x1f\x8b", _family("gzip", "a gzip archive")),
    (b"7z\xbc\xaf\x27\x1c", _family("7z", "a 7-Zip archive")),
    (b"Rar!", _family("rar", "a RAR archive")),
    (b"\x7fELF", _family("program", "a program")),
    (b"\x00\x00\x01\xba", _family("mpegps", "an MPEG program stream")),
    (b"FLV\x01", _family("flv", "a Flash video")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _family("asf", "a Windows Media file")),
    (b"II*\x00", _family("tiff", "a TIFF picture")),
    (b"MM\x00*", _family("tiff", "a TIFF picture")),
    (b"BM", _family("bmp", "a BMP picture")),
)
RIFF = {b"WAVE": WAV, b"AVI ": AVI, b"WEBP": WEBP}

# In this order: an SVG may begin as XML does, a playlist is also plain text.
TEXTS: tuple[tuple[str, str], ...] = (
    (r"#extm3u", "an m3u8 playlist"),
    (r"ffconcat\s+version", "an FFmpeg concat script"),
    (r"(?s)(<\?xml.{0,2000}?)?(<!--.*?-->\s*)*(<!doctype svg|<svg[\s>])", "an SVG drawing"),
    (r"(?s)(<\?xml.{0,2000}?)?(<!--.*?-->\s*)*(<!doctype html|<html|<head|<body|<script)", "an HTML page"),
    (r"(?s)<\?xml.{0,2000}?<mpd[\s>]|<mpd[\s>]", "a DASH manifest"),
    (r"<", "an XML document"),
    (r"webvtt", "WebVTT subtitles"),
    (r"[\[{]", "a JSON document"),
)


def identify(head: bytes) -> Family | None:
    """The family of a file that begins with `head` (4 KB serve best); None when it is not known."""
    for test in (_by_magic, _by_riff, _by_box, _by_packets, _by_audio_frames, _by_text):
        found = test(head)
        if found:
            return found
    return None


def demand_media(head: bytes, kinds: Iterable[str]) -> Family:
    """The family of the file, when elements of all these types can use it. Raises SourceNotMedia."""
    if not head:
        raise SourceNotMedia("the source is empty")
    family = identify(head)
    if family is None:
        raise SourceNotMedia("the source is not a media file: its first bytes are of no known format")
    if not family.uses:
        raise SourceNotMedia(f"the source is not a media file that can be used: it looks like {family.words}")
    unfit = sorted(set(kinds) - family.uses)
    if unfit:
        raise SourceNotMedia(f"the source looks like {family.words}, which an element of type {unfit[0]} cannot use")
    return family


def _by_magic(head: bytes) -> Family | None:
    return next((family for magic, family in MAGIC if head.startswith(magic)), None)


def _by_riff(head: bytes) -> Family | None:
    return RIFF.get(head[8:12]) if head[:4] in {b"RIFF", b"RF64", b"BW64"} else None


def _by_box(head: bytes) -> Family | None:
    if head[4:8] not in QUICKTIME_BOXES:
        return None
    if head[4:8] == b"ftyp" and head[8:12] in STILL_BRANDS:
        return _family("heif", "a HEIC or AVIF picture")
    return MP4


def _by_packets(head: bytes) -> Family | None:
    """A transport stream has 0x47 every 188 bytes, or every 192 behind a 4-byte timestamp."""
    for first, step in ((0, 188), (4, 192)):
        marks = head[first::step]
        if len(marks) >= 3 and set(marks) == {0x47}:
            return MPEGTS
    return None


def _by_audio_frames(head: bytes) -> Family | None:
    """Two frames in a row: one sync word alone is also how UTF-16 text begins."""
    for size_of, family in ((_adts_size, AAC), (_mp3_size, MP3)):
        size = size_of(head)
        if size and size_of(head[size:]):
            return family
    return None


def _adts_size(head: bytes) -> int:
    """Length of an ADTS frame (ISO 14496-3, 1.A.2), 0 when it is none."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return 0
    return ((head[3] & 3) << 11) | (head[4] << 3) | (head[5] >> 5)


MP3_KBITS = {  # by MPEG version 1 and 2; layer III (ISO 11172-3, 2.4.2.3; ISO 13818-3)
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
MP3_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by version bits


def _mp3_size(head: bytes) -> int:
    """Length of an MPEG layer III frame, 0 when it is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return 0
    version, rate, bits = (head[1] >> 3) & 3, (head[2] >> 2) & 3, head[2] >> 4
    if version == 1 or rate == 3 or bits in {0, 15}:
        return 0
    first = version == 3
    return (144 if first else 72) * MP3_KBITS[1 if first else 2][bits] * 1000 // MP3_RATES[version][rate] + (
        (head[2] >> 1) & 1
    )


def _by_text(head: bytes) -> Family | None:
    text = _text(head)
    if text is None:
        return None
    start = text.lstrip("\ufeff \t\r\n").lower()
    words = next((words for shape, words in TEXTS if re.match(shape, start)), "plain text")
    return _family("text", words)


def _text(head: bytes) -> str | None:
    """The bytes as text, when they are text: no control characters, at most one character cut at the end."""
    wide = head[:2] in {b"\xff\xfe", b"\xfe\xff"}
    text = head.decode("utf-16" if wide else "utf-8", "ignore")
    lost = 0 if wide else len(head) - len(text.encode())
    controls = any(ord(sign) < 32 and sign not in "\t\r\n\f\x1b" for sign in text)
    return None if controls or lost > 3 or not text else text
