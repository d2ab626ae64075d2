"""s3:// sources: only from the buckets the operators name, and from a tenant's own uploads in our bucket."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator_tasks.fetch.budget import Budget, blame
from orchestrator_tasks.fetch.http import OnBytes, Transfer, Validators
from orchestrator_tasks.fetch.sink import Inspect, open_sink
from orchestrator_tasks.fetch.urls import split
from workflows.errors import SourceNotFound, SourceRefused, SourceUnreachable, StorageFailed
from workflows.settings import Settings
from workflows.storage.keys import uploads_prefix
from workflows.storage.objects import ObjectStore, ObjectStream


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Url:
    """A checked s3:// URL."""

    bucket: str
    key: str


def parse_s3(url: str, *, tenant: str, settings: Settings) -> S3Url:
    """The bucket and key of a source this tenant may read. Raises SourceRefused."""
    parts = split(url)
    bucket, key = parts.netloc, parts.path.removeprefix("/")
    if parts.query or parts.fragment or not key or {"", ".", ".."} & set(key.split("/")):
        # Some stores are file systems underneath and would walk through "..".
        raise SourceRefused("the s3 URL is not s3://bucket/key with a plain key")
    allowed = {name.strip() for name in settings.source_s3_buckets.split(",") if name.strip()}
    if bucket == settings.s3_bucket:  # even when listed: other tenants' results are in it
        if not key.startswith(uploads_prefix(tenant)):
            raise SourceRefused("in the service's own bucket only your uploads can be sources")
    elif bucket not in allowed:
        raise SourceRefused(
            f"the bucket {bucket!r} may not be read", remedy="Operators admit buckets with SOURCE_S3_BUCKETS."
        )
    return S3Url(bucket=bucket, key=key)


def copy(
    source: S3Url,
    destination: Path,
    *,
    path: str,
    store: ObjectStore,
    budget: Budget,
    known: Validators | None = None,
    inspect: Inspect | None = None,
    on_bytes: OnBytes | None = None,
) -> Transfer | None:
    """As `http.download`, from the object store."""
    with blame(path):
        try:
            with store.open(source.key, bucket=source.bucket) as stream:
                if stream is None:
                    raise SourceNotFound(f"there is no object s3://{source.bucket}/{source.key}")
                if known and known.etag == stream.object.etag:
                    return None  # closing the stream drops the body unread
                return _copy(stream, destination, budget, inspect, on_bytes)
        except StorageFailed as err:
            kind = SourceNotFound if err.details.get("status") == 403 else SourceUnreachable
            raise kind(err.message, details=err.details) from err


def _copy(
    stream: ObjectStream, destination: Path, budget: Budget, inspect: Inspect | None, on_bytes: OnBytes | None
) -> Transfer:
    size = stream.object.size_bytes
    budget.expect(size)
    budget.start_body()
    with open_sink(destination, inspect) as sink:
        for block in stream.blocks():
            budget.moved += len(block)
            budget.check()
            budget.count(len(block))
            sink.write(block)
            if on_bytes:
                on_bytes(sink.size_bytes, size)
        sha256 = sink.finish()
    return Transfer(sha256=sha256, size_bytes=sink.size_bytes, validators=Validators(etag=stream.object.etag))
