"""Named places where a test makes a process die, raise or stop. Nothing happens unless ORCHESTRATOR_FAILPOINT is set.

`name:action` or `name:action@n` (the n-th time the place is passed in this process); action is crash, raise or stop.
"""

from __future__ import annotations

import os
import signal

_armed: dict[str, tuple[str, int]] = {}
_passed: dict[str, int] = {}


class FailpointHit(RuntimeError):
    """The action `raise`."""


def configure(text: str) -> None:
    """Arm the failpoints in `text`, comma separated. Raises ValueError for an unknown action."""
    _armed.clear()
    for item in filter(None, text.split(",")):
        name, _, action = item.partition(":")
        action, _, count = action.partition("@")
        if action not in {"crash", "raise", "stop"}:
            raise ValueError(f"failpoint {name}: unknown action {action!r}")
        _armed[name] = (action, int(count or 1))


def hit(name: str) -> None:
    """Pass the place `name`."""
    if name not in _armed:
        return
    action, when = _armed[name]
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] != when:
        return
    if action == "raise":
        raise FailpointHit(name)
    os.kill(os.getpid(), signal.SIGKILL if action == "crash" else signal.SIGSTOP)
