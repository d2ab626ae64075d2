"""What files are by their first bytes: real files made by FFmpeg and Pillow, and the things people send instead."""

import gzip
import re
import subprocess

import imageio_ffmpeg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from orchestrator_tasks.fetch.sniff import demand_media, identify
from workflows.errors import SourceNotMedia

PICTURE = ("-f", "lavfi", "-i", "testsrc=size=64x64:rate=10:duration=0.5")
SOUND = ("-f", "lavfi", "-i", "sine=duration=0.5")
MADE = {  # file name: (FFmpeg's input and encoder, family, element types that can use it)
    "a.mp4": ((*PICTURE, "-c:v", "libx264"), "mp4", "video audio"),
    "fast.mp4": ((*PICTURE, "-c:v", "libx264", "-movflags", "+faststart"), "mp4", "video audio"),
    "a.mov": ((*PICTURE, "-c:v", "mjpeg"), "mp4", "video audio"),
    "a.m4a": ((*SOUND, "-c:a", "aac"), "mp4", "video audio"),
    "a.mkv": ((*PICTURE, "-c:v", "libx264"), "matroska", "video audio"),
    "a.webm": ((*PICTURE, "-c:v", "libvpx"), "matroska", "video audio"),
    "a.avi": ((*PICTURE, "-c:v", "mpeg4"), "avi", "video audio"),
    "a.ts": ((*PICTURE, "-c:v", "libx264"), "mpegts", "video audio"),
    "a.m2ts": ((*PICTURE, "-c:v", "libx264"), "mpegts", "video audio"),
    "a.ogg": ((*SOUND, "-c:a", "libvorbis"), "ogg", "video audio"),
    "a.wav": (SOUND, "wav", "audio"),
    "a.mp3": ((*SOUND, "-c:a", "libmp3lame"), "mp3", "audio"),
    "bare.mp3": ((*SOUND, "-c:a", "libmp3lame", "-id3v2_version", "0", "-write_xing", "0"), "mp3", "audio"),
    "low.mp3": ((*SOUND, "-ar", "22050", "-c:a", "libmp3lame", "-id3v2_version", "0"), "mp3", "audio"),
    "a.aac": ((*SOUND, "-c:a", "aac"), "aac", "audio"),
    "a.flac": (SOUND, "flac", "audio"),
    "a.png": ((*PICTURE, "-frames:v", "1"), "png", "image"),
    "a.jpg": ((*PICTURE, "-frames:v", "1"), "jpeg", "image"),
    "a.gif": (PICTURE, "gif", "image video"),
}


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    folder = tmp_path_factory.mktemp("media")

    def read(name):
        if not (folder / name).exists():
            command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", *MADE[name][0], str(folder / name)]
            subprocess.run(command, check=True, timeout=60)
        return (folder / name).read_bytes()[:4096]

    return read


@pytest.mark.parametrize("name", MADE)
def test_a_media_file_is_known_and_admits_the_elements_that_can_use_it(head, name):
    _, family, uses = MADE[name]
    data = head(name)
    assert identify(data).name == family
    for kind in ("video", "image", "audio"):
        if kind in uses.split():
            assert demand_media(data, {kind}).name == family
        else:
            with pytest.raises(SourceNotMedia, match=f"element of type {kind}"):
                demand_media(data, {kind})


def test_a_webp_is_a_picture(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.webp")
    assert demand_media((tmp_path / "a.webp").read_bytes(), {"image"}).name == "webp"


NOT_MEDIA = {
    "html": (b"<!DOCTYPE html><html><body>404</body></html>", "HTML"),
    "html after space and mark": (b"\xef\xbb\xbf \n<HTML lang='de'>", "HTML"),
    "html after a comment": (b"<!-- hi --><html>", "HTML"),
    "xhtml": (b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "x"><html>', "HTML"),
    "m3u8": (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "m3u8"),
    "m3u8 in UTF-16": ("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n".encode("utf-16"), "m3u8"),
    "concat script": (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "concat"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', "SVG"),
    "svg in xml": (b'<?xml version="1.0"?>\n<!-- x -->\n<svg width="1">', "SVG"),
    "dash": (b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">', "DASH"),
    "json": (b'{"error": "not found"}', "JSON"),
    "text": ("Datei nicht gefunden: Übersicht".encode(), "text"),
    "sdp": (b"v=0\no=- 0 0 IN IP4 127.0.0.1\n", "text"),
    "subtitles": (b"WEBVTT\n\n00:00.000 --> 00:01.000\nHi", "WebVTT"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
    "zip": (b"PK\x03\x04\x14\x00", "ZIP"),
    "gzip": (gzip.compress(b"x" * 100), "gzip"),
    "program": (b"\x7fELF\x02\x01\x01\x00", "program"),
    "heic": (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "HEIC"),
    "nothing": (b"", "empty"),
    "zeros": (bytes(4096), "no known format"),
    "a text cut in a character": (("ä" * 4096).encode()[:4095], "text"),
}


@pytest.mark.parametrize("name", NOT_MEDIA)
@pytest.mark.parametrize("kind", ["video", "image", "audio"])
def test_what_is_not_media_is_named(name, kind):
    data, word = NOT_MEDIA[name]
    with pytest.raises(SourceNotMedia, match=word):
        demand_media(data, {kind})


def test_a_source_must_suit_every_element_that_uses_it(head):
    with pytest.raises(SourceNotMedia, match="element of type image"):
        demand_media(head("a.mp4"), {"video", "image"})


# Media formats whose first bytes are letters; "G" is the mark of a transport stream's packets.
LETTERS = re.compile(rb"ID3|OggS|fLaC|RIFF|RF64|BW64|GIF8|(.{4})?(G|ftyp|moov|mdat|wide|free|skip|pnot)", re.DOTALL)


@given(st.text(min_size=1, max_size=500))
def test_no_text_is_taken_for_media_but_by_the_formats_own_letters(text):
    data = text.encode()
    found = identify(data)
    if found is not None and found.uses:
        assert LETTERS.match(data)


@given(st.binary(max_size=4096))
def test_any_bytes_have_an_answer(data):
    found = identify(data)
    assert found is None or found.words
