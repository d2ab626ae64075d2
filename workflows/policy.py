"""Policy: what may change while the service runs. A frozen snapshot; defaults < configuration file < environment.

The file has the brief's structure and camelCase names; the environment has the brief's variables.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

FILE = "config/orchestrator.json"
STRATEGIES = ("round_robin", "weighted", "least_connections", "performance_based", "ai_driven")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How jobs are admitted, placed and retried."""

    max_concurrent_jobs: int = 50
    priority_weights: Mapping[str, int] = field(
        default_factory=lambda: {"low": 1, "normal": 2, "high": 3, "critical": 4}
    )
    strategy: str = "ai_driven"
    retry_enabled: bool = True


# Where each field stands in the file, and which variable overrides it.
PLACES: dict[str, tuple[tuple[str, str], str | None]] = {
    "max_concurrent_jobs": (("orchestration", "maxConcurrentJobs"), "MAX_CONCURRENT_JOBS"),
    "priority_weights": (("orchestration", "priorityWeights"), None),
    "strategy": (("loadBalancing", "strategy"), "LOAD_BALANCING_STRATEGY"),
    "retry_enabled": (("resilience", "retryEnabled"), None),
}


def load(environ: Mapping[str, str] | None = None, path: Path | None = None) -> Policy:
    """The policy at boot. A missing file is fine; a wrong value raises ValueError naming the key or variable."""
    environ = os.environ if environ is None else environ
    path = path or Path(environ.get("ORCHESTRATOR_CONFIG", FILE))
    document = json.loads(path.read_text()) if path.exists() else {}
    values: dict[str, Any] = {}
    for name, ((section, key), variable) in PLACES.items():
        if key in document.get(section, {}):
            values[name] = document[section][key]
        if variable and environ.get(variable):
            values[name] = environ[variable]
    return check(replace(Policy(), **values))


def check(policy: Policy) -> Policy:
    """The same policy with its types settled. Raises ValueError for a value out of range."""
    limit = int(policy.max_concurrent_jobs)
    if limit < 1:
        raise ValueError("maxConcurrentJobs must be at least 1")
    if policy.strategy not in STRATEGIES:
        raise ValueError(f"strategy {policy.strategy!r} is none of {', '.join(STRATEGIES)}")
    return replace(policy, max_concurrent_jobs=limit)
