"""The fonts the renderer may use: shipped in pinned packages, known by family, pinned by hash."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

import fontpkg_inter
from fontTools.ttLib import TTFont

from workflows.errors import FontMissing

# Not shown by any font, yet never missing: control, joining and direction characters.
_INVISIBLE = frozenset(
    [*range(0x20), *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF, 0xFE0F]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Font:
    """A family and the file that holds it (one variable file: all weights)."""

    family: str
    file: Path


FONTS = {"Inter": Font(family="Inter", file=fontpkg_inter.ROOT / "files" / "Inter[opsz,wght].ttf")}


def find(family: str) -> Font:
    """The shipped font of that family, in any case. Raises FontMissing."""
    for name, font in FONTS.items():
        if name.casefold() == family.strip().casefold():
            return font
    raise FontMissing(f"The font {family!r} is not shipped; available: {', '.join(sorted(FONTS))}.")


@cache
def hashes() -> dict[str, str]:
    """SHA-256 of every font file, by family."""
    return {name: hashlib.sha256(font.file.read_bytes()).hexdigest() for name, font in FONTS.items()}


def missing(font: Font, text: str) -> tuple[str, ...]:
    """The characters of `text` the font has no glyph for, each once, in order."""
    known = _characters(font.file)
    return tuple(dict.fromkeys(c for c in text if ord(c) not in known and ord(c) not in _INVISIBLE))


@cache
def _characters(file: Path) -> frozenset[int]:
    with TTFont(file, lazy=True) as face:
        return frozenset(face.getBestCmap())


@cache
def line_height(family: str) -> float:
    """The font's own height of a line, in font sizes."""
    with TTFont(find(family).file, lazy=True) as face:
        metrics = face["hhea"]
        return float((metrics.ascent - metrics.descent + metrics.lineGap) / face["head"].unitsPerEm)


@contextmanager
def only_shipped() -> Iterator[None]:
    """Inside, fontconfig starts with the shipped fonts and nothing else; the first text must be laid out here.

    fontconfig reads FONTCONFIG_FILE once, at the first text of the process. Fonts of the system can then never stand
    in, so the same text gives the same picture on every node.
    """
    with tempfile.TemporaryDirectory(prefix="fonts-") as folder:
        config = Path(folder) / "fonts.conf"
        config.write_text(_configuration({font.file.parent for font in FONTS.values()}, folder), encoding="utf-8")
        before = os.environ.get("FONTCONFIG_FILE")
        os.environ["FONTCONFIG_FILE"] = str(config)
        try:
            yield
        finally:
            os.environ.pop("FONTCONFIG_FILE")
            if before is not None:
                os.environ["FONTCONFIG_FILE"] = before


def _configuration(folders: Iterable[Path], cache_dir: str) -> str:
    dirs = "".join(f"<dir>{escape(str(folder))}</dir>" for folder in sorted(folders))
    return (
        '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">'
        f"<fontconfig>{dirs}<cachedir>{escape(cache_dir)}</cachedir><config><rescan><int>0</int></rescan></config></fontconfig>\n"
    )
