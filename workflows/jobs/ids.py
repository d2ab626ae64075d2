"""Ids: a prefix that says what it is, the time, and randomness. They sort by time."""

from __future__ import annotations

import secrets
import time


def new_id(prefix: str) -> str:
    """Such as `orch_019a8f3c2b7d4e1f90ab12cd`: 12 hex digits of milliseconds, 12 random."""
    return f"{prefix}_{int(time.time() * 1000):012x}{secrets.token_hex(6)}"


def step_id(workflow_id: str, name: str) -> str:
    """A step's id says where it belongs, so that Flower and the logs read well."""
    return f"{workflow_id}.{name}"
