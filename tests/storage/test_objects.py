"""The object store against a real S3 server."""

import hashlib
import http.client
import itertools
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from workflows.errors import StorageFailed
from workflows.settings import Settings
from workflows.storage.objects import ObjectStore

numbers = itertools.count()


@pytest.fixture(scope="module")
def store(engines):
    store = ObjectStore(engines.settings(s3_bucket="objects-test"))
    store.ensure_bucket()
    return store


@pytest.fixture
def prefix():
    return f"acme/jobs/orch_{next(numbers)}/"


def write(path, data):
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def fetch(url, host=None):
    """Status, content disposition and body of a plain GET; `host` replaces the Host header."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    try:
        connection.putrequest("GET", f"{parts.path}?{parts.query}", skip_host=host is not None)
        if host:
            connection.putheader("Host", host)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Disposition"), answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("size", [0, 1, 300_000, 70 * 1024**2], ids=["empty", "byte", "blocks", "multipart"])
def test_what_is_put_comes_back_byte_for_byte(store, prefix, tmp_path, size):
    data = os.urandom(1024) * (size // 1024) + os.urandom(size % 1024)
    sha256 = write(tmp_path / "in", data)
    stored = store.put_file(f"{prefix}a.mp4", tmp_path / "in", content_type="video/mp4", sha256=sha256)
    assert (stored.size_bytes, stored.sha256) == (size, sha256)
    assert store.head(stored.key) == stored
    assert store.get_file(stored.key, tmp_path / "out") == stored
    assert hashlib.sha256((tmp_path / "out").read_bytes()).hexdigest() == sha256


def test_a_single_part_etag_is_the_md5(store, prefix, tmp_path):
    sha256 = write(tmp_path / "in", b"abc")
    stored = store.put_file(f"{prefix}a", tmp_path / "in", content_type="text/plain", sha256=sha256)
    assert stored.etag == "900150983cd24fb0d6963f7d28e17f72"  # RFC 1321, A.5
    assert store.get_range(stored.key, 1, 2) == b"bc"


def test_a_missing_object_is_none_and_cannot_be_got(store, prefix, tmp_path):
    assert store.head(f"{prefix}none") is None
    with pytest.raises(StorageFailed, match="no object"):
        store.get_file(f"{prefix}none", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_object_whose_content_is_not_its_sha256_is_refused(store, prefix, tmp_path):
    write(tmp_path / "in", b"altered")
    store.put_file(f"{prefix}a", tmp_path / "in", content_type="text/plain", sha256="0" * 64)
    with pytest.raises(StorageFailed, match="not what was written"):
        store.get_file(f"{prefix}a", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_list_and_delete_reach_every_page_and_only_the_prefix(store, prefix, tmp_path):
    sha256 = write(tmp_path / "in", b"x")

    def put(key):
        store.put_file(key, tmp_path / "in", content_type="text/plain", sha256=sha256)

    keys = [f"{prefix}{number:04}" for number in range(1050)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(put, [*keys, f"{prefix[:-1]}-other"]))
    assert [found.key for found in store.list(prefix)] == keys
    store.delete(iter([*keys, f"{prefix}gone"]))
    assert list(store.list(prefix)) == []
    assert store.head(f"{prefix[:-1]}-other")


def test_a_presigned_url_opens_this_object_and_no_other(store, prefix, tmp_path):
    sha256 = write(tmp_path / "in", b"picture")
    for name in ("a", "b"):
        store.put_file(prefix + name, tmp_path / "in", content_type="video/mp4", sha256=sha256)
    url = store.presign(f"{prefix}a", 60, 'Grüße "1".mp4')
    assert fetch(url) == (200, "inline; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%221%22.mp4", b"picture")
    assert fetch(url.replace(f"{prefix}a", f"{prefix}b"))[0] == 403
    assert fetch(url.partition("?")[0])[0] == 403


def test_the_public_host_is_part_of_the_signature(engines, store, prefix, tmp_path):
    sha256 = write(tmp_path / "in", b"picture")
    store.put_file(f"{prefix}a", tmp_path / "in", content_type="video/mp4", sha256=sha256)
    port = urlsplit(engines.s3_endpoint_url).port
    public = ObjectStore(engines.settings(s3_bucket="objects-test", s3_public_endpoint_url=f"http://localhost:{port}"))
    url = public.presign(f"{prefix}a", 60)
    assert urlsplit(url).netloc == f"localhost:{port}"
    inner = engines.s3_endpoint_url + url.removeprefix(f"http://localhost:{port}")
    assert fetch(inner, host=f"localhost:{port}")[0] == 200
    assert fetch(inner)[0] == 403


def test_the_bucket_is_made_once_and_a_second_time_is_no_error(engines):
    store = ObjectStore(engines.settings(s3_bucket="made-by-test"))
    with pytest.raises(StorageFailed):
        store.check()
    store.ensure_bucket()
    store.ensure_bucket()
    store.check()


def test_wrong_credentials_are_a_storage_failure_with_the_stores_code(engines):
    store = ObjectStore(engines.settings(aws_secret_access_key="wrong"))
    with pytest.raises(StorageFailed) as failure:
        store.head("acme/x")
    assert failure.value.details["status"] == 403


def test_a_store_that_is_down_or_mute_is_a_storage_failure():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        settings = Settings(
            s3_endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id="a", aws_secret_access_key="b"
        )
        with pytest.raises(StorageFailed):
            ObjectStore(settings).check(timeout_s=0.2)
    with pytest.raises(StorageFailed):
        ObjectStore(settings).check(timeout_s=0.2)


def test_nothing_connects_before_the_first_use():
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.setblocking(False)
        settings = Settings(
            s3_endpoint_url=f"http://127.0.0.1:{canary.getsockname()[1]}",
            aws_access_key_id="a",
            aws_secret_access_key="b",
        )
        ObjectStore(settings).presign("acme/x", 60)
        with pytest.raises(BlockingIOError):
            canary.accept()
