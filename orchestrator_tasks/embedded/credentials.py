"""The secrets of one embedded stack: made once, kept in a file only its owner can read."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path


def _token() -> str:
    return secrets.token_urlsafe(24)


def _webhook_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Passwords and keys of the embedded parts; all are safe inside a URL except `webhook_secret`."""

    database_password: str = field(default_factory=_token, repr=False)
    redis_password: str = field(default_factory=_token, repr=False)
    s3_access_key: str = field(default_factory=lambda: secrets.token_hex(10), repr=False)
    s3_secret_key: str = field(default_factory=_token, repr=False)
    store_signing_key: str = field(default_factory=_token, repr=False)
    api_key_pepper: str = field(default_factory=_token, repr=False)
    webhook_secret: str = field(default_factory=_webhook_secret, repr=False)
    flower_password: str = field(default_factory=_token, repr=False)
    development_api_key: str = field(default="", repr=False)

    def signing_key(self, purpose: str) -> str:
        """A key for one `purpose` inside the object store, derived from `store_signing_key`."""
        return hmac.new(self.store_signing_key.encode(), purpose.encode(), hashlib.sha256).hexdigest()


def load(data_dir: Path) -> Credentials:
    """The credentials kept in `data_dir`; those missing are made and written."""
    path = data_dir / "secrets.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    known = {spec.name for spec in fields(Credentials)}
    credentials = Credentials(**{name: value for name, value in kept.items() if name in known})
    if asdict(credentials) != kept:
        save(data_dir, credentials)
    return credentials


def save(data_dir: Path, credentials: Credentials) -> None:
    """Write `credentials` into `data_dir`, mode 0600."""
    write_private(data_dir / "secrets.json", json.dumps(asdict(credentials), indent=2) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step, readable by its owner only from the first byte on."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
