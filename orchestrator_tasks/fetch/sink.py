"""The file a transfer is written to: new, hashed while it grows, looked at early, gone when the transfer fails."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from workflows.errors import NoCapacity

HEAD_BYTES = 4096  # what `inspect` is shown

Inspect = Callable[[bytes], object]  # first bytes -> raises when they are not welcome


@dataclass(slots=True, kw_only=True)
class Sink:
    """An open file and what is known of it so far."""

    file: BinaryIO
    inspect: Inspect | None
    size_bytes: int = 0
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    _head: bytes = b""

    def write(self, block: bytes) -> None:
        """Append a block. Raises NoCapacity on a full disk, and what `inspect` raises."""
        self._digest.update(block)
        self.size_bytes += len(block)
        if len(self._head) < HEAD_BYTES:
            self._head += block[: HEAD_BYTES - len(self._head)]
            if len(self._head) == HEAD_BYTES:
                self._show()
        self.file.write(block)

    def finish(self) -> str:
        """The sha256 of it all. Raises what `inspect` raises of a file shorter than the head."""
        if len(self._head) < HEAD_BYTES:
            self._show()
        return self._digest.hexdigest()

    def _show(self) -> None:
        if self.inspect:
            self.inspect(self._head)


@contextmanager
def open_sink(destination: Path, inspect: Inspect | None) -> Iterator[Sink]:
    """A new file at `destination`, which must not exist. Removed again when the block raises."""
    descriptor = os.open(destination, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with full_disk_waits(), os.fdopen(descriptor, "wb") as file:
            yield Sink(file=file, inspect=inspect)
    except BaseException:
        destination.unlink(missing_ok=True)
        raise


@contextmanager
def full_disk_waits() -> Iterator[None]:
    """Turn a full disk into NoCapacity: the step waits for space instead of failing."""
    try:
        yield
    except OSError as err:
        if err.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise NoCapacity("the node's disk is full") from err
        raise
