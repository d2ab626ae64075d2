"""What one transfer may take: size, time, speed, and the wish to stop. Asked between any two reads."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from workflows.errors import Cancelled, DeadlineExceeded, OrchestratorError, SourceTooLarge, SourceTooSlow
from workflows.settings import Settings

SAMPLES = 20  # of the throughput window: its resolution


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of one transfer."""

    max_bytes: int
    total_s: float
    min_bytes_per_s: int
    window_s: float = 10.0  # over which the minimum speed counts
    connect_s: float = 10.0  # one address, and its TLS handshake
    idle_s: float = 20.0  # without a byte
    head_s: float = 30.0  # from a request to the end of the answer's headers

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        """The limits an installation sets for sources."""
        return cls(
            max_bytes=settings.source_max_bytes,
            total_s=settings.source_timeout_s,
            min_bytes_per_s=settings.source_min_bytes_per_s,
        )


def never() -> bool:
    """The `should_stop` of a transfer nobody stops."""
    return False


class Budget:
    """One transfer's use of its limits. `deadline` is the step's, on the `time.monotonic` clock."""

    def __init__(self, limits: Limits, *, deadline: float = math.inf, should_stop: Callable[[], bool] = never) -> None:
        self.limits = limits
        self.received = 0  # bytes of the body
        self.moved = 0  # bytes off the wire, for the speed
        self._deadline = deadline
        self._should_stop = should_stop
        self._ends = time.monotonic() + limits.total_s
        self._head_ends = math.inf
        self._samples: deque[tuple[float, int]] = deque()

    def check(self) -> None:
        """Raise Cancelled, DeadlineExceeded or SourceTooSlow when the transfer must end now."""
        now = time.monotonic()
        if self._should_stop():
            raise Cancelled("the download was stopped")
        if now >= self._deadline:
            raise DeadlineExceeded("the job's time ran out during a download")
        if now >= self._ends:
            raise SourceTooSlow(f"the download took longer than {self.limits.total_s:g} s")
        if now >= self._head_ends:
            raise SourceTooSlow(f"the server did not answer within {self.limits.head_s:g} s")
        if self._samples:
            self._check_speed(now)

    def start_head(self) -> None:
        """A request goes out now: its answer is waited for."""
        self._head_ends = time.monotonic() + self.limits.head_s

    def start_body(self) -> None:
        """From here on the minimum speed counts."""
        self._head_ends = math.inf
        self._samples.append((time.monotonic(), self.moved))

    def expect(self, size_bytes: int | None) -> None:
        """Refuse a declared length above the limit at once. Raises SourceTooLarge."""
        if size_bytes is not None and size_bytes > self.limits.max_bytes:
            raise SourceTooLarge(f"the source says it has {size_bytes} bytes; the limit is {self.limits.max_bytes}")

    def count(self, size_bytes: int) -> None:
        """Add received bytes. Raises SourceTooLarge past the limit."""
        self.received += size_bytes
        if self.received > self.limits.max_bytes:
            raise SourceTooLarge(f"the source sends more than the limit of {self.limits.max_bytes} bytes")

    def left_s(self, most_s: float) -> float:
        """Seconds until the transfer must end, at most `most_s`, never below a millisecond."""
        return max(0.001, min(most_s, min(self._ends, self._deadline) - time.monotonic()))

    def _check_speed(self, now: float) -> None:
        window = self.limits.window_s
        if now - self._samples[-1][0] >= window / SAMPLES:
            self._samples.append((now, self.moved))
        while len(self._samples) > 1 and now - self._samples[1][0] >= window:
            self._samples.popleft()
        since, before = self._samples[0]
        slow = self.moved - before < self.limits.min_bytes_per_s * (now - since)
        if now - since >= window and slow:
            raise SourceTooSlow(f"the source sends less than {self.limits.min_bytes_per_s} bytes/s over {window:g} s")


@contextmanager
def blame(path: str) -> Iterator[None]:
    """Give an error raised inside the JSON path at fault, unless it has one."""
    try:
        yield
    except OrchestratorError as err:
        err.path = err.path or path
        raise
