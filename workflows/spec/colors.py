"""Colors as clients write them: `#rgb`, `#rrggbb`, `#rrggbbaa` or one of CSS's basic names."""

from __future__ import annotations

import re
from typing import Any

from workflows.spec.faults import rejected, shown
from workflows.spec.words import nearest

# CSS Color Module Level 4, section 6.1, the basic names of CSS 1 and 2 with orange and transparent.
NAMES = {
    "aqua": "#00ffff", "black": "#000000", "blue": "#0000ff", "fuchsia": "#ff00ff", "gray": "#808080",
    "green": "#008000", "grey": "#808080", "lime": "#00ff00", "maroon": "#800000", "navy": "#000080",
    "olive": "#808000", "orange": "#ffa500", "purple": "#800080", "red": "#ff0000", "silver": "#c0c0c0",
    "teal": "#008080", "transparent": "#00000000", "white": "#ffffff", "yellow": "#ffff00",
}  # fmt: skip
_HEX = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6}|[0-9a-f]{8})")


def color(value: Any) -> str:
    """The color as `#rrggbb`, or `#rrggbbaa` where it is not opaque; lower case."""
    if not isinstance(value, str):
        raise rejected("invalid_type", f"{shown(value)} is not a color.", 'Write a color such as "#1a2b3c" or "navy".')
    text = value.strip().lower()
    if text in NAMES:
        return NAMES[text]
    if not _HEX.fullmatch(text):
        near = nearest(text, NAMES)
        remedy = (
            f'Did you mean "{near}"?' if near else 'Write it as "#rgb", "#rrggbb", "#rrggbbaa" or a basic CSS name.'
        )
        raise rejected("invalid_value", f"{shown(value)} is not a color.", remedy)
    if len(text) == 4:
        text = "#" + "".join(digit * 2 for digit in text[1:])
    return text.removesuffix("ff") if len(text) == 9 else text


def opaque_color(value: Any) -> str:
    """A color without transparency, as `#rrggbb`: what lies behind everything."""
    found = color(value)
    if len(found) > 7:
        message = f"{shown(value)} is see-through, where nothing lies behind."
        raise rejected("invalid_value", message, f'Use "{found[:7]}".')
    return found
