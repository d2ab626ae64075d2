"""A TCP or TLS connection to a vetted address, read under a budget. Knows nothing of HTTP and no proxies."""

from __future__ import annotations

import contextlib
import functools
import io
import ipaddress
import queue
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator_tasks.fetch.addresses import AddressPolicy, Resolver
from orchestrator_tasks.fetch.budget import Budget
from orchestrator_tasks.fetch.urls import HttpUrl
from workflows.errors import SourceError, SourceNotFound, SourceRefused, SourceTooSlow, SourceUnreachable

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

SLICE_S = 0.25  # a blocked read looks up this often, to notice a stop


def resolve_host(host: str, port: int) -> list[str]:
    """All addresses of a host, by the system's resolver. Raises SourceNotFound or SourceUnreachable."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as err:
        kind: type[SourceError] = SourceNotFound if err.errno == socket.EAI_NONAME else SourceUnreachable
        raise kind(f"the host name {host!r} cannot be resolved: {err.strerror}") from err
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@functools.cache
def system_tls() -> ssl.SSLContext:
    """Certificate and host name verification against the system's authorities."""
    return ssl.create_default_context()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How hosts are found and trusted: the address rules, the resolver, and TLS authorities (None = the system's)."""

    policy: AddressPolicy
    resolve: Resolver = resolve_host
    tls: ssl.SSLContext | None = None


class Wire(io.RawIOBase):
    """The receiving side of a socket as a raw stream whose every wait obeys the budget."""

    def __init__(self, sock: socket.socket, budget: Budget) -> None:
        self._sock = sock
        self._budget = budget
        sock.settimeout(SLICE_S)

    def readable(self) -> bool:
        """True: this is for reading."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Receive some bytes. Raises SourceTooSlow, SourceUnreachable, or what the budget raises."""
        quiet_since = time.monotonic()
        while True:
            self._budget.check()
            try:
                size = self._sock.recv_into(buffer)
            except TimeoutError:
                if time.monotonic() - quiet_since >= self._budget.limits.idle_s:
                    raise SourceTooSlow(f"no byte came for {self._budget.limits.idle_s:g} s") from None
            except OSError as err:
                raise SourceUnreachable(f"the connection broke: {err}") from err
            else:
                self._budget.moved += size
                return size

    def send(self, data: bytes) -> None:
        """Send all of a request. Raises SourceUnreachable."""
        self._sock.settimeout(self._budget.left_s(self._budget.limits.idle_s))
        try:
            self._sock.sendall(data)
        except OSError as err:
            raise SourceUnreachable(f"the request could not be sent: {err}") from err
        self._sock.settimeout(SLICE_S)

    def buffered(self) -> io.BufferedReader:
        """This connection's bytes, to be read by line and by block. Closing the reader closes the connection."""
        return io.BufferedReader(self)

    def close(self) -> None:
        """Close the connection."""
        self._sock.close()
        super().close()


def connect(url: HttpUrl, route: Route, budget: Budget) -> Wire:
    """A connection to one of the host's addresses, all of which were vetted first. Raises a SourceError."""
    addresses = vetted(url, route, budget)
    problem: OSError | None = None
    for address in addresses:
        budget.check()
        try:
            return Wire(_open(address, url, route, budget), budget)
        except ssl.SSLCertVerificationError as err:
            raise SourceUnreachable(f"the certificate of {url.host} is not valid: {err.verify_message}") from err
        except OSError as err:
            problem = err
    raise SourceUnreachable(f"no connection to {url.authority}: {problem}") from problem


def vetted(url: HttpUrl, route: Route, budget: Budget) -> Sequence[str]:
    """The host's addresses. Raises SourceRefused when even one of them breaks the rules."""
    addresses = [url.host] if _is_address(url.host) else _resolve(url, route, budget)
    if not addresses:
        raise SourceNotFound(f"the host name {url.host!r} has no address")
    for address in addresses:
        why = route.policy.refusal(address, url.port)
        if why:
            raise SourceRefused(f"{url.shown} may not be fetched: {why}")
    return addresses


def _open(address: str, url: HttpUrl, route: Route, budget: Budget) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.settimeout(budget.left_s(budget.limits.connect_s))
        sock.connect((address, url.port))
        if url.scheme == "http":
            return sock
        # The name, not the address, is what the certificate must be for; the address stays the vetted one.
        return (route.tls or system_tls()).wrap_socket(sock, server_hostname=url.host)
    except BaseException:
        sock.close()
        raise


def _resolve(url: HttpUrl, route: Route, budget: Budget) -> Sequence[str]:
    """Look the host up on a thread of its own: the system's resolver knows no time limit."""
    answer: queue.SimpleQueue[Sequence[str] | BaseException] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answer.put(route.resolve(url.host, url.port))
        except (SourceError, OSError, UnicodeError) as err:
            answer.put(err)

    threading.Thread(target=look_up, name="resolve", daemon=True).start()
    found: Sequence[str] | BaseException | None = None
    with contextlib.suppress(queue.Empty):
        found = answer.get(timeout=budget.left_s(budget.limits.connect_s))
    if found is None:
        raise SourceUnreachable(f"the host name {url.host!r} was not resolved in time")
    if isinstance(found, SourceError):
        raise found
    if isinstance(found, BaseException):
        raise SourceUnreachable(f"the host name {url.host!r} cannot be resolved: {found}") from found
    return found


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
