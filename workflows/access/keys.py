"""API keys: `vos_<env>_<id>_<secret>`, shown once, stored as an HMAC under a pepper the database does not hold.

The secret is 256 random bits, so a fast hash is the right one; eight more digits are a checksum over the whole key,
with which secret scanners (and we) tell a key from noise without asking anybody.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final

from sqlalchemy import Connection, text

from workflows.db.tables import api_keys
from workflows.errors import Unauthorised
from workflows.settings import Settings
from workflows.storage.keys import TENANT

SHAPE: Final = re.compile(r"vos_(?P<env>[a-z]+)_(?P<id>[0-9a-f]{16})_(?P<secret>[0-9a-f]{64})(?P<check>[0-9a-f]{8})")
NOBODY: Final = bytes(32)  # compared with when there is no such key, so that both answers take as long

_FIND = text("""
SELECT id, tenant, role, secret_hash,
  revoked_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp()) AS valid
FROM api_keys WHERE id = :id
""")


class Role(IntEnum):
    """What a key may do; each role includes those below it."""

    VIEWER = 1
    SUBMITTER = 2
    OPERATOR = 3
    ADMIN = 4

    @classmethod
    def named(cls, word: str) -> Role:
        """The role of this name. Raises ValueError naming the choices."""
        try:
            return cls[word.upper()]
        except KeyError as err:
            raise ValueError(f"role {word!r} is none of {', '.join(role.name.lower() for role in cls)}") from err


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who a key speaks for."""

    tenant: str
    role: Role
    key_id: str


def create(
    conn: Connection, settings: Settings, tenant: str, role: str, label: str, *, expires: datetime | None = None
) -> str:
    """Make a key and return it; it can never be read again. Raises ValueError for an unknown role or a bad tenant."""
    if not TENANT.fullmatch(tenant):
        raise ValueError(f"tenant {tenant!r} is not letters, digits, - and _ (64 at most)")
    key_id, secret = secrets.token_hex(8), secrets.token_hex(32)
    conn.execute(
        api_keys.insert().values(
            id=key_id,
            tenant=tenant,
            role=Role.named(role).name.lower(),
            label=label,
            secret_hash=_hash(settings, secret),
            expires_at=expires,
        )
    )
    plain = f"vos_{'live' if settings.production else 'dev'}_{key_id}_{secret}"
    return plain + _checksum(plain)


def verify(conn: Connection, settings: Settings, presented: str) -> Caller:
    """The caller of a key. Raises Unauthorised, with the same words whatever is wrong with it."""
    shape = read_shape(presented)
    row = conn.execute(_FIND, {"id": shape["id"]}).one_or_none()
    stored = bytes(row.secret_hash) if row else NOBODY
    matches = hmac.compare_digest(stored, _hash(settings, shape["secret"]))
    if row is None or not matches or not row.valid:
        raise _refused()
    return Caller(tenant=row.tenant, role=Role.named(row.role), key_id=row.id)


def revoke(conn: Connection, key_id: str) -> bool:
    """Make a key invalid; processes that remember it follow within `Remembered`'s seconds. Whether there was one."""
    done = conn.execute(
        text("UPDATE api_keys SET revoked_at = now() WHERE id = :id AND revoked_at IS NULL"), {"id": key_id}
    )
    return done.rowcount == 1


def read_shape(presented: str) -> dict[str, str]:
    """The parts of a well-formed key. Raises Unauthorised for anything else, without asking the database."""
    shape = SHAPE.fullmatch(presented)
    if shape is None or _checksum(presented[:-8]) != shape["check"]:
        raise _refused()
    return shape.groupdict()


class Remembered:
    """The callers this process verified in the last seconds. A revoked key works that much longer, no more."""

    def __init__(self, ttl_s: float = 5.0, limit: int = 1024, clock: Callable[[], float] = time.monotonic) -> None:
        self._ttl_s, self._limit, self._clock = ttl_s, limit, clock
        self._lock = threading.Lock()
        self._known: dict[bytes, tuple[float, Caller]] = {}

    def caller(self, presented: str, look_up: Callable[[str], Caller]) -> Caller:
        """The key's caller: remembered, or looked up and remembered. Refusals are not remembered."""
        name = hashlib.sha256(presented.encode()).digest()
        with self._lock:
            until, caller = self._known.get(name, (0.0, None))
        if caller is not None and self._clock() < until:
            return caller
        caller = look_up(presented)
        with self._lock:
            if len(self._known) >= self._limit:
                self._known.clear()
            self._known[name] = (self._clock() + self._ttl_s, caller)
        return caller


def _hash(settings: Settings, secret: str) -> bytes:
    return hmac.digest(settings.api_key_pepper.encode(), secret.encode(), "sha256")


def _checksum(plain: str) -> str:
    return f"{zlib.crc32(plain.encode()):08x}"


def _refused() -> Unauthorised:
    return Unauthorised("the API key is missing, unknown, expired or revoked")
