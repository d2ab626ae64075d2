"""The object store: results, intermediates and uploads, over the S3 API. Every failure is a StorageFailed.

One `ObjectStore` serves all threads of a process. It connects when first used, so make it after a fork or before, as
long as it was not used before.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
import urllib3.exceptions
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from workflows.errors import StorageFailed
from workflows.settings import Settings

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

BLOCK_BYTES = 256 * 1024
DELETE_BATCH = 1000  # the API's limit
PRESIGN_LONGEST_S = 7 * 86400  # of signature version 4
MISSING = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})
# Parts of 64 MB: few requests, and an ETag that is a plain MD5 for most results.
TRANSFER = TransferConfig(multipart_threshold=64 * 1024**2, multipart_chunksize=64 * 1024**2, max_concurrency=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """One object as the store knows it. `sha256` is None when listed or not written by `put_file`."""

    key: str
    size_bytes: int
    etag: str
    sha256: str | None = None
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStream:
    """An object being read."""

    object: StoredObject
    body: StreamingBody

    def blocks(self) -> Iterator[bytes]:
        """The object's bytes, in blocks. Raises StorageFailed when the transfer breaks."""
        with failing_as_storage("read", self.object.key):
            yield from iter(lambda: self.body.read(BLOCK_BYTES), b"")


OnBytes = Callable[[int], None]  # bytes moved since the last call


class ObjectStore:
    """The bucket of the settings; reading methods take another bucket's name too."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._clients: dict[tuple[str, float], S3Client] = {}
        self._lock = threading.Lock()

    def put_file(
        self, key: str, path: Path, *, content_type: str, sha256: str, on_bytes: OnBytes | None = None
    ) -> StoredObject:
        """Upload a file and verify that the store has all of it. The sha256 is kept with the object."""
        extra = {"ContentType": content_type, "Metadata": {"sha256": sha256}}
        with failing_as_storage("write", key):
            self._client().upload_file(
                str(path), self._settings.s3_bucket, key, ExtraArgs=extra, Config=TRANSFER, Callback=on_bytes
            )
        stored = self.head(key)
        size = path.stat().st_size
        if stored is None or (stored.size_bytes, stored.sha256) != (size, sha256):
            raise StorageFailed(f"the store does not hold what was written to {key}", details={"expected_bytes": size})
        return stored

    def head(self, key: str) -> StoredObject | None:
        """What the store knows of an object; None when there is none."""
        with failing_as_storage("look up", key):
            try:
                answer = self._client().head_object(Bucket=self._settings.s3_bucket, Key=key)
            except ClientError as err:
                if _code(err) in MISSING:
                    return None
                raise
        return _stored(key, answer)

    def get_file(self, key: str, path: Path, *, on_bytes: OnBytes | None = None) -> StoredObject:
        """Download an object into the file `path`. Raises StorageFailed when it is missing, short or altered."""
        try:
            return self._download(key, path, on_bytes or _unheard)
        except (StorageFailed, OSError):
            path.unlink(missing_ok=True)
            raise

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Some bytes of an object."""
        span = f"bytes={start}-{start + length - 1}"
        with failing_as_storage("read", key):
            answer = self._client().get_object(Bucket=self._settings.s3_bucket, Key=key, Range=span)
            with closing(answer["Body"]) as body:
                return body.read()

    @contextmanager
    def open(self, key: str, *, bucket: str | None = None) -> Iterator[ObjectStream | None]:
        """An object as a stream of blocks; None when there is none."""
        with failing_as_storage("read", key):
            answer = self._answer_of_get(key, bucket or self._settings.s3_bucket)
        if answer is None:
            yield None
            return
        with closing(answer["Body"]) as body:
            yield ObjectStream(object=_stored(key, answer), body=body)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those already gone are no error."""
        rest = iter(keys)
        while batch := list(islice(rest, DELETE_BATCH)):
            names = [{"Key": key} for key in batch]
            with failing_as_storage("delete", batch[0]):
                answer = self._client().delete_objects(
                    Bucket=self._settings.s3_bucket,
                    Delete={"Objects": names, "Quiet": True},  # type: ignore[typeddict-item]
                )
            if errors := answer.get("Errors"):
                raise StorageFailed(f"the store kept {len(errors)} objects", details={"first": errors[0].get("Key")})

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """The objects under a prefix, in the order of their keys."""
        with failing_as_storage("list", prefix):
            pages = self._client().get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._settings.s3_bucket, Prefix=prefix):
                for entry in page.get("Contents", []):
                    yield StoredObject(
                        key=entry["Key"],
                        size_bytes=entry["Size"],
                        etag=entry["ETag"].strip('"'),
                        modified_at=entry["LastModified"],
                    )

    def presign(self, key: str, expires_s: float, filename: str | None = None) -> str:
        """A URL that lets anyone read the object for a while (7 days at most). No request is made.

        It is signed for the public endpoint, whose host is part of the signature. A browser plays it, and saves it as
        `filename`.
        """
        public = self._settings.s3_public_endpoint_url or self._settings.s3_endpoint_url
        params = {"Bucket": self._settings.s3_bucket, "Key": key}
        if filename:
            params["ResponseContentDisposition"] = f"inline; filename*=UTF-8''{quote(filename, safe='')}"
        seconds = max(1, min(PRESIGN_LONGEST_S, math.ceil(expires_s)))
        with failing_as_storage("sign", key):
            return self._client(public).generate_presigned_url("get_object", Params=params, ExpiresIn=seconds)

    def ensure_bucket(self) -> None:
        """Make the bucket when there is none."""
        client, bucket, region = self._client(), self._settings.s3_bucket, self._settings.aws_region
        with failing_as_storage("create", bucket):
            try:
                client.head_bucket(Bucket=bucket)
            except ClientError as err:
                if _code(err) not in MISSING:
                    raise
                place: dict[str, Any] = {"LocationConstraint": region}
                extra = {} if region == "us-east-1" else {"CreateBucketConfiguration": place}
                with _unless("BucketAlreadyOwnedByYou"):
                    client.create_bucket(Bucket=bucket, **extra)  # type: ignore[arg-type]

    def check(self, timeout_s: float = 2.0) -> None:
        """Raise StorageFailed unless the bucket answers soon. For health: one short try."""
        with failing_as_storage("reach", self._settings.s3_bucket):
            self._client(timeout_s=timeout_s).head_bucket(Bucket=self._settings.s3_bucket)

    def _download(self, key: str, path: Path, on_bytes: OnBytes) -> StoredObject:
        digest = hashlib.sha256()
        with self.open(key) as stream, path.open("wb") as file:
            if stream is None:
                raise StorageFailed(f"there is no object {key}", details={"missing": True})
            for block in stream.blocks():
                digest.update(block)
                file.write(block)
                on_bytes(len(block))
            found, size = stream.object, file.tell()
        if size != found.size_bytes or found.sha256 not in {None, digest.hexdigest()}:
            raise StorageFailed(f"the object {key} is not what was written")
        return found

    def _answer_of_get(self, key: str, bucket: str) -> Mapping[str, Any] | None:
        try:
            return self._client().get_object(Bucket=bucket, Key=key)
        except ClientError as err:
            if _code(err) in MISSING:
                return None
            raise

    def _client(self, endpoint: str | None = None, timeout_s: float = 0) -> S3Client:
        place = self._settings.s3_endpoint_url if endpoint is None else endpoint
        with self._lock:  # boto3 clients are thread-safe, making one is not
            if (place, timeout_s) not in self._clients:
                self._clients[place, timeout_s] = _connect(self._settings, place, timeout_s)
            return self._clients[place, timeout_s]


def _connect(settings: Settings, endpoint: str, timeout_s: float) -> S3Client:
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if endpoint else "auto"},
        retries={"mode": "standard", "total_max_attempts": 1 if timeout_s else 2},
        connect_timeout=timeout_s or 5,
        read_timeout=timeout_s or 30,
        max_pool_connections=32,
        # Other stores do not know the trailing checksums that boto3 sends by default.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint or None,
        region_name=settings.aws_region,
        aws_access_key_id=settings.aws_access_key_id or None,
        aws_secret_access_key=settings.aws_secret_access_key or None,
        config=config,
    )


def _unheard(_: int) -> None:
    """Nobody asked how the transfer goes."""


@contextmanager
def failing_as_storage(action: str, name: str) -> Iterator[None]:
    """Turn what boto3 raises into StorageFailed, with the store's own code and status in `details`."""
    try:
        yield
    except ClientError as err:
        status = err.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        details = {"code": _code(err), "status": status}
        raise StorageFailed(f"the store refused to {action} {name}: {_code(err)}", details=details) from err
    except (BotoCoreError, Boto3Error, urllib3.exceptions.HTTPError) as err:
        raise StorageFailed(f"the store failed to {action} {name}: {type(err).__name__}") from err


@contextmanager
def _unless(code: str) -> Iterator[None]:
    try:
        yield
    except ClientError as err:
        if _code(err) != code:
            raise


def _code(err: ClientError) -> str:
    return str(err.response.get("Error", {}).get("Code", ""))


def _stored(key: str, answer: Mapping[str, Any]) -> StoredObject:
    return StoredObject(
        key=key,
        size_bytes=answer["ContentLength"],
        etag=answer["ETag"].strip('"'),
        sha256=answer.get("Metadata", {}).get("sha256"),
        modified_at=answer.get("LastModified"),
    )
