"""The node's cache of sources: files by content hash, and per tenant which URL had which content.

Any number of threads and processes share one. A file is given out as a hard link in the job's workspace, so eviction
can never take it away from a job. Knows nothing of how files are fetched.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from orchestrator_tasks.fetch.http import Validators
from orchestrator_tasks.fetch.locks import locked
from orchestrator_tasks.fetch.sink import full_disk_waits
from workflows.settings import Settings

STALE_PARTIAL_S = 6 * 3600  # no download lasts this long: its process is gone
MOST_URLS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a URL held when it was last fetched. `fetched_at` is this machine's clock, seconds since 1970."""

    sha256: str
    size_bytes: int
    etag: str | None
    last_modified: str | None
    fetched_at: float

    @property
    def validators(self) -> Validators:
        """To ask the server whether that still holds."""
        return Validators(etag=self.etag, last_modified=self.last_modified)


class SourceCache:
    """A directory of sources, at most `max_bytes` of them when no job uses any."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes
        for name in ("sources", "urls", "locks", "partial"):
            (root / name).mkdir(parents=True, exist_ok=True, mode=0o700)

    @classmethod
    def from_settings(cls, settings: Settings) -> SourceCache:
        """The cache of this node."""
        return cls(settings.home / "cache", settings.cache_max_bytes)

    def single_flight(
        self, tenant: str, url: str, check: Callable[[], None] = lambda: None
    ) -> AbstractContextManager[None]:
        """Be the only one on this machine who fetches `url`. `check` may raise to give up waiting."""
        return locked(self._root / "locks" / _name(tenant, url), check)

    def known(self, tenant: str, url: str) -> Known | None:
        """What the URL held last, when we still have it."""
        try:
            entry = Known(**json.loads(self._url_file(tenant, url).read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return entry if self.holds(entry.sha256, entry.size_bytes) else None

    def holds(self, sha256: str, size_bytes: int) -> bool:
        """Whether the content is here, whole. A power cut can leave a short file behind a finished rename."""
        with suppress(FileNotFoundError):
            return self._file(sha256).stat().st_size == size_bytes
        return False

    @contextmanager
    def partial(self) -> Iterator[Path]:
        """A name for a file that is being fetched; what is left there at the end is removed."""
        path = self._root / "partial" / uuid.uuid4().hex
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def remember(self, tenant: str, url: str, known: Known) -> None:
        """Note what the URL holds."""
        with self.partial() as draft, full_disk_waits():
            draft.write_text(json.dumps(asdict(known)))
            draft.replace(self._url_file(tenant, url))

    def adopt(self, partial: Path, sha256: str, workspace: Path) -> Path:
        """Take a fetched file in and give it to a job: the file in its workspace. Makes room for it."""
        given = self.link_into(workspace, sha256, partial.stat().st_size)
        if given is None:
            partial.chmod(0o444)
            given = _give(partial, workspace / sha256)
            place = self._file(sha256)
            place.parent.mkdir(exist_ok=True, mode=0o700)
            partial.replace(place)
        self.evict()
        return given

    def link_into(self, workspace: Path, sha256: str, size_bytes: int) -> Path | None:
        """Give a cached file to a job: the read-only file in its workspace, or None when it is not here."""
        place, given = self._file(sha256), workspace / sha256
        if not given.exists():  # else the job has it already, which outlives the cache
            try:
                _give(place, given)
            except FileNotFoundError:
                return None
        with suppress(FileNotFoundError):
            os.utime(place)  # its time is its last use
        if given.stat().st_size == size_bytes:
            return given
        given.unlink()
        return None

    def evict(self) -> None:
        """Remove the files used longest ago until the cache fits, but none that a job has linked."""
        with locked(self._root / "locks" / "evict"):
            files = sorted(_listed((self._root / "sources").glob("??/*")), key=lambda entry: entry[1].st_mtime)
            surplus = sum(info.st_size for _, info in files) - self._max_bytes
            for path, info in files:
                if surplus <= 0:
                    break
                if info.st_nlink == 1:  # else removing it frees nothing: a job holds it
                    path.unlink(missing_ok=True)
                    surplus -= info.st_size
            self._tidy()

    def _tidy(self) -> None:
        before = time.time() - STALE_PARTIAL_S
        for path, info in _listed((self._root / "partial").iterdir()):
            if info.st_mtime < before:
                path.unlink(missing_ok=True)
        urls = sorted(_listed((self._root / "urls").iterdir()), key=lambda entry: entry[1].st_mtime)
        for path, _ in urls[:-MOST_URLS]:
            path.unlink(missing_ok=True)

    def _file(self, sha256: str) -> Path:
        return self._root / "sources" / sha256[:2] / sha256

    def _url_file(self, tenant: str, url: str) -> Path:
        return self._root / "urls" / f"{_name(tenant, url)}.json"


def _name(tenant: str, url: str) -> str:
    return hashlib.sha256(f"{tenant}\n{url}".encode()).hexdigest()


def _give(file: Path, destination: Path) -> Path:
    """A hard link, or a copy where the workspace is on another file system. Giving twice is no error."""
    try:
        destination.hardlink_to(file)
    except FileExistsError:
        pass
    except OSError as err:
        if err.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK}:
            raise
        _copy(file, destination)
    return destination


def _copy(file: Path, destination: Path) -> None:
    draft = destination.with_name(f"{destination.name}.{uuid.uuid4().hex}")
    try:
        with full_disk_waits():
            shutil.copyfile(file, draft)
        draft.chmod(0o444)
        draft.replace(destination)
    finally:
        draft.unlink(missing_ok=True)


def _listed(paths: Iterator[Path]) -> Iterator[tuple[Path, os.stat_result]]:
    for path in paths:
        with suppress(FileNotFoundError):
            yield path, path.stat()
