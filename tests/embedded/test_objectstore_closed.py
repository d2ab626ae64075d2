"""Nobody without our keys reads or writes anything, on whichever port the object store listens."""

import http.client
import os
import re
import socket
import ssl
import stat
import struct
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.config import Config

from orchestrator_tasks.embedded import certificates
from tests.embedded.conditions import mentioning

# Liveness, and (the volume server) how full the disk is and which version runs: nothing of what is stored.
HARMLESS = {(part, path) for part in ("s3", "volume") for path in ("/status", "/healthz")}
KNOWN_PATHS = (
    "/", "/buckets/?limit=10", "/etc/iam/identity.json", "/.tus/", "/metrics", "/ui/index.html", "/status", "/healthz",
    "/dir/assign", "/dir/lookup?volumeId=1", "/dir/status", "/vol/grow?count=1", "/vol/status", "/vol/vacuum",
    "/col/delete?collection=x", "/submit", "/cluster/status", "/stats/disk", "/stats/memory", "/admin",
    "/login", "/api/config", "/debug/pprof/heap",
    "/?Action=ListUsers", "/?Action=CreateUser&UserName=anonymous", "/?Action=AssumeRole&RoleArn=x&RoleSessionName=y",
)  # fmt: skip
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
SETTINGS_FRAME = 4


@pytest.fixture(scope="module")
def store(engines) -> psutil.Process:
    return next(p for p in mentioning(str(engines.data_dir)) if p.name() == "weed")


@pytest.fixture(scope="module")
def ports(store) -> dict[str, int]:
    """The listening ports by the names the program was given."""
    named = dict(re.findall(r"-(\w+\.port(?:\.grpc)?)=(\d+)", " ".join(store.cmdline())))
    return {name.replace(".port", ""): int(port) for name, port in named.items() if int(port)}


@pytest.fixture(scope="module")
def secret_object(engines):
    """An object that must still be there, as it was, when every anonymous request has been made."""
    client = boto3.client(
        "s3", endpoint_url=engines.s3_endpoint_url, aws_access_key_id=engines.s3_access_key,
        aws_secret_access_key=engines.s3_secret_key, region_name="us-east-1",
        config=Config(retries={"max_attempts": 1}),
    )  # fmt: skip
    client.put_object(Bucket=engines.s3_bucket, Key="secret.bin", Body=os.urandom(200_000))
    with client.get_object(Bucket=engines.s3_bucket, Key="secret.bin")["Body"] as body:
        before = body.read()
    yield client
    with client.get_object(Bucket=engines.s3_bucket, Key="secret.bin")["Body"] as body:
        assert body.read() == before, "an anonymous request changed the object"
    assert client.list_objects_v2(Bucket=engines.s3_bucket, Prefix="anonymous")["KeyCount"] == 0
    client.close()


def file_ids(files: Path) -> list[str]:
    """The volume server's own names of all it stores: `<volume>,<key><cookie>`, from index and data."""
    found = []
    for index in files.glob("*.idx"):
        content, data = index.read_bytes(), index.with_suffix(".dat").read_bytes()
        for key, low, high, size in struct.iter_unpack(">QIBi", content):
            if size > 0:
                offset = 8 * (high << 32 | low)
                cookie = data[offset : offset + 4].hex()
                found.append(f"{index.stem.rpartition('_')[2]},{key:x}{cookie}")
    return found


def listening(store: psutil.Process) -> list[tuple[str, int]]:
    tree = [store, *store.children(recursive=True)]
    return [c.laddr[:2] for p in tree for c in p.net_connections("inet") if c.status == psutil.CONN_LISTEN]


def test_every_engine_listens_on_the_loopback_interface_only(engines):
    tree = [q for p in mentioning(str(engines.data_dir)) for q in (p, *p.children(recursive=True))]
    open_to_others = {psutil.CONN_LISTEN, psutil.CONN_NONE}  # NONE: a UDP socket
    sockets = {c.laddr[:2] for p in tree for c in p.net_connections("inet") if c.status in open_to_others}
    assert len(sockets) >= 11
    assert {host for host, _ in sockets} == {"127.0.0.1"}


def test_every_listening_port_is_one_we_chose(store, ports):
    assert {port for _, port in listening(store)} <= set(ports.values())


def paths(engines) -> tuple[str, ...]:
    bucket = engines.s3_bucket
    stored = ("", "/", "/secret.bin", "/anonymous.bin", "?list-type=2", "?policy", "?acl")
    blobs = [f"/{name}" for name in file_ids(engines.data_dir / "objectstore" / "files")]
    assert blobs
    return (
        *(f"/{bucket}{rest}" for rest in stored),
        *(f"/buckets/{bucket}{rest}" for rest in stored),
        *blobs,
        *KNOWN_PATHS,
    )


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE"])
def test_anonymous_http_is_refused_on_every_port(engines, store, ports, secret_object, method):
    names = {port: name for name, port in ports.items()}
    allowed = []
    for _, port in sorted(set(listening(store))):
        for path in paths(engines):
            status = http_status(port, method, path)
            if status is not None and status < 400 and (names[port], path) not in HARMLESS:
                allowed.append((names[port], method, path, status))
    assert allowed == []


def http_status(port: int, method: str, path: str) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        body = b"anonymous" if method in {"PUT", "POST"} else None
        connection.request(method, path, body=body)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def tls(certificate: tuple[str, str] | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    if certificate:
        context.load_cert_chain(*certificate)
    return context


def speaks_grpc(port: int, context: ssl.SSLContext | None) -> bool:
    """Whether an HTTP/2 conversation opens: the server answers the preface with its SETTINGS frame."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        try:
            connection = context.wrap_socket(plain) if context else plain
            with connection:
                connection.sendall(PREFACE)
                answer = connection.recv(64)
        except OSError:
            return False
    return len(answer) > 3 and answer[3] == SETTINGS_FRAME


GRPC = ["master.grpc", "volume.grpc", "filer.grpc", "s3.grpc", "admin.grpc"]


@pytest.mark.parametrize("name", GRPC)
def test_grpc_opens_only_to_our_certificate(engines, ports, name):
    port = ports[name]
    home = engines.data_dir / "objectstore"
    assert speaks_grpc(port, tls((str(home / "node.crt"), str(home / "node.key"))))
    assert not speaks_grpc(port, tls())
    assert not speaks_grpc(port, None)


def test_grpc_refuses_a_certificate_of_somebody_else(ports, tmp_path):
    certificates.make(tmp_path)
    stranger = tls((str(tmp_path / "node.crt"), str(tmp_path / "node.key")))
    assert [name for name in GRPC if speaks_grpc(ports[name], stranger)] == []


def test_local_sockets_are_closed_to_other_users(store):
    files = {c.laddr for c in store.net_connections("unix") if c.laddr}
    found = [Path(name) if name.startswith("/") else Path(store.cwd()) / name for name in files]
    assert found
    for path in found:
        info = path.stat()
        assert info.st_uid == os.geteuid()
        assert not stat.S_IMODE(info.st_mode) & 0o022, path


def test_secrets_are_in_private_files_and_not_on_command_lines(engines):
    secrets = (engines.s3_secret_key, engines.pepper, engines.database_url.split(":")[2].split("@")[0])
    for process in mentioning(str(engines.data_dir)):
        assert not [s for s in secrets if s in " ".join(process.cmdline())]
    for path in (engines.data_dir / "objectstore").glob("*.*"):
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0, path
