"""The three engines: safe settings, closed doors, data that outlives a restart."""

import os
import signal
import socket

import boto3
import psycopg
import pytest
import redis
from botocore.config import Config

from orchestrator_tasks.embedded import engines as embedded
from orchestrator_tasks.embedded import objectstore
from orchestrator_tasks.embedded.credentials import Credentials
from orchestrator_tasks.embedded.ports import Ports
from orchestrator_tasks.embedded.supervisor import Supervisor
from tests.embedded.conditions import mentioning

SETTINGS = {
    "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "", "password_encryption": "scram-sha-256", "data_checksums": "on",
    "server_encoding": "UTF8", "TimeZone": "UTC",
}  # fmt: skip


def s3(url: str, access_key: str, secret_key: str):
    return boto3.client(
        "s3", endpoint_url=url, aws_access_key_id=access_key, aws_secret_access_key=secret_key, region_name="us-east-1",
        config=Config(retries={"max_attempts": 1}),
    )  # fmt: skip


def broker(url: str) -> redis.Redis:
    return redis.Redis.from_url(url, decode_responses=True, socket_timeout=5)


def test_postgres_keeps_what_it_commits(engines):
    with psycopg.connect(engines.database_url) as connection:
        shown = {name: connection.execute(f"SHOW {name}").fetchone()[0] for name in SETTINGS}
    assert shown == SETTINGS


def test_postgres_refuses_a_wrong_and_an_absent_password(engines):
    for password in ("wrong", ""):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(engines.database_url, password=password, connect_timeout=5)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")
def test_only_postgres_gives_up_root(engines):
    names = {p.name(): p.uids().real for p in mentioning(str(engines.data_dir)) if p.pid != os.getpid()}
    assert names.pop("postgres") != 0
    assert set(names.values()) == {0}
    assert {"valkey-server", "weed"} >= set(names)


def test_valkey_loses_nothing_and_evicts_nothing(engines):
    client = broker(engines.redis_url)
    try:
        wanted = {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
            "protected-mode": "yes",
        }
        assert client.config_get(*wanted) == wanted
    finally:
        client.close()


def test_valkey_refuses_commands_without_the_password(engines):
    host = engines.redis_url.rpartition("@")[2]
    client = broker(f"redis://{host}")
    try:
        with pytest.raises(redis.AuthenticationError):
            client.ping()
    finally:
        client.close()


def test_a_multipart_upload_comes_back_byte_for_byte(engines):
    client = s3(engines.s3_endpoint_url, engines.s3_access_key, engines.s3_secret_key)
    part = os.urandom(5 * 1024 * 1024)
    where = {"Bucket": engines.s3_bucket, "Key": "t/ü multi.bin"}
    upload = client.create_multipart_upload(**where)["UploadId"]
    tags = [
        {"PartNumber": n, "ETag": client.upload_part(**where, UploadId=upload, PartNumber=n, Body=part)["ETag"]}
        for n in (1, 2)
    ]
    client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": tags})
    with client.get_object(**where)["Body"] as body:
        assert body.read() == part * 2
    client.close()


def test_each_database_fixture_is_fresh_and_migrated(database):
    with psycopg.connect(database) as connection:
        tables = {row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
        assert {"jobs", "steps", "alembic_version"} <= tables
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (0,)


def test_settings_of_the_fixture_point_at_the_engines(engines):
    settings = engines.settings(render_slots=5)
    assert (settings.database_url, settings.redis_url, settings.s3_endpoint_url) == (
        engines.database_url, engines.redis_url, engines.s3_endpoint_url,
    )  # fmt: skip
    assert settings.render_slots == 5
    assert engines.environ(LEASE_S="1")["LEASE_S"] == "1"


def test_an_external_part_gets_no_child(tmp_path):
    named = {
        "DATABASE_URL": "postgresql://u:p@db/x", "REDIS_URL": "redis://r:1/0",
        "AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK", "S3_BUCKET": "b",
    }  # fmt: skip
    parts = embedded.prepare(tmp_path, named)
    assert parts.children == ()
    assert {name: parts.environ()[name] for name in named} == named
    assert parts.s3_endpoint_url == ""


def test_what_was_accepted_survives_a_kill_and_a_start_on_other_ports(short_dir):
    supervisor = Supervisor(log_dir=short_dir / "logs")
    try:
        parts = embedded.prepare(short_dir, {})
        supervisor.start(parts.children)
        embedded.furnish(parts)
        write(parts)
        for pid in supervisor.pids().values():
            os.kill(pid, signal.SIGKILL)
        supervisor.stop()
        assert not mentioning(str(short_dir))
        (short_dir / "ports.json").unlink()
        again = embedded.prepare(short_dir, {})
        assert again.s3_endpoint_url != parts.s3_endpoint_url
        supervisor.start(again.children)
        embedded.furnish(again)
        assert read(again) == ("row", "value", b"object" * 1000)
    finally:
        supervisor.stop()
    assert not mentioning(str(short_dir))


def write(parts: embedded.Engines) -> None:
    with psycopg.connect(parts.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'row' AS value")
    client = broker(parts.redis_url)
    client.set("kept", "value")
    client.close()
    store = s3(parts.s3_endpoint_url, parts.s3_access_key, parts.s3_secret_key)
    store.put_object(Bucket=parts.s3_bucket, Key="kept", Body=b"object" * 1000)
    store.close()


def read(parts: embedded.Engines) -> tuple[str, str, bytes]:
    with psycopg.connect(parts.database_url) as connection:
        row = connection.execute("SELECT value FROM kept").fetchone()[0]
    client = broker(parts.redis_url)
    value = client.get("kept")
    client.close()
    store = s3(parts.s3_endpoint_url, parts.s3_access_key, parts.s3_secret_key)
    with store.get_object(Bucket=parts.s3_bucket, Key="kept")["Body"] as body:
        content = body.read()
    store.close()
    return row, value, content


def test_socket_files_of_killed_stores_are_swept_and_those_in_use_are_not(tmp_path):
    ports = (65534, 65533)
    stale, used = (objectstore.leftover("filer", port) for port in ports)
    with socket.socket(socket.AF_UNIX) as dead, socket.socket(socket.AF_UNIX) as server:
        dead.bind(str(stale))
        server.bind(str(used))
        server.listen()
        try:
            for path in (stale, used):
                os.utime(path, (0, 0))
            objectstore.prepare(tmp_path, choose=Ports().choose, credentials=Credentials())
            assert not stale.exists()
            assert used.exists()
        finally:
            stale.unlink(missing_ok=True)
            used.unlink(missing_ok=True)
