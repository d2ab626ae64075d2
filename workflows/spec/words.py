"""Words with a fixed meaning: parsing them, and naming the nearest one when a client mistypes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from workflows.spec.faults import rejected, shown

Parse = Callable[[Any], Any]


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word most like `word`, None when nothing is near."""
    folded = {name.lower().replace("-", "_"): name for name in known}
    found = get_close_matches(word[:64].lower().replace("-", "_"), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def word(known: Sequence[str], later: Sequence[str] = ()) -> Parse:
    """A parser for one of `known`. Words in `later` belong to the design but are refused as not available yet."""

    def parse(value: Any) -> str:
        if isinstance(value, str) and value in known:
            return value
        if isinstance(value, str) and value in later:
            raise rejected("not_available", f"{shown(value)} is not available yet.", f"Use {listed(known)}.")
        raise rejected("invalid_value", f"{shown(value)} is not one of {listed(known)}.", advice(value, known))

    return parse


def advice(value: Any, known: Sequence[str]) -> str:
    """What to write instead of `value`."""
    near = nearest(value, known) if isinstance(value, str) else None
    return f'Did you mean "{near}"?' if near else f"Use {listed(known)}."


def listed(known: Sequence[str]) -> str:
    """The words for a sentence: `"a", "b" or "c"`."""
    quoted = [f'"{name}"' for name in known]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"
