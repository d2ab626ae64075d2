"""Which addresses a source or webhook may be reached at. Pure, but `from_settings` may look our own engines up.

Not for parsing URLs (`urls`) and not for connecting (`wire`): the check is on the resolved address that is then
connected to, so no spelling of a host name can slip by.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

import psutil

from workflows.errors import OrchestratorError
from workflows.settings import Settings

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], Sequence[str]]  # host, port -> addresses

# Clouds hand out credentials here. Refused even inside SOURCE_ALLOW_PRIVATE; 168.63.129.16 even looks public.
METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd20:ce::254",
    )
)

# `is_global` differs between Python releases and counts multicast as global. From the IANA special-purpose registries.
SPECIAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
GLOBAL_UNICAST = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")
ENGINE_PORTS = {"postgresql": 5432, "redis": 6379, "rediss": 6379, "http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """The rules. `engines` are addresses and ports of our own servers; None as address = every private one."""

    private: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset({80, 443})
    engines: frozenset[tuple[Address | None, int]] = frozenset()
    own_ports: frozenset[int] = frozenset()  # of engines on this machine
    own_addresses: frozenset[Address] = frozenset()

    @classmethod
    def from_settings(cls, settings: Settings, *, resolve: Resolver) -> AddressPolicy:
        """The rules of an installation. Looks our engines up only when private addresses are admitted at all."""
        private = _networks(settings.source_allow_private)
        if not private:
            return cls(ports=_ports(settings.source_ports))
        engines = [pair for host, port in _endpoints(settings) for pair in _located(host, port, resolve)]
        return cls(
            private=private,
            ports=_ports(settings.source_ports),
            engines=frozenset(pair for pair in engines if not _is_here(pair[0])),
            own_ports=frozenset(port for address, port in engines if _is_here(address)),
            own_addresses=_own_addresses(),
        )

    def refusal(self, address: str, port: int) -> str | None:
        """Why `address`:`port` may not be connected to; None when it may."""
        try:
            reached = unwrap(ipaddress.ip_address(address))
        except ValueError:
            return f"{address!r} is not an address"
        return next((why for one in reached if (why := self._refusal(one, port))), None)

    def _refusal(self, address: Address, port: int) -> str | None:
        if address in METADATA:
            return f"{address} is a cloud metadata address"
        if is_public(address):
            return None if port in self.ports else f"port {port} is not among the allowed ports {sorted(self.ports)}"
        if not any(address in network for network in self.private if network.version == address.version):
            return f"{address} is not a public address"
        return f"port {port} belongs to this service's own servers" if self._is_engine(address, port) else None

    def _is_engine(self, address: Address, port: int) -> bool:
        here = _is_here(address) or address in self.own_addresses
        return (here and port in self.own_ports) or not self.engines.isdisjoint({(address, port), (None, port)})


def is_public(address: Address) -> bool:
    """Whether an (unwrapped) address is ordinary public unicast."""
    if isinstance(address, IPv6Address) and address not in GLOBAL_UNICAST:
        return False
    special = any(address in network for network in SPECIAL if network.version == address.version)
    return address.is_global and not address.is_multicast and not special


def unwrap(address: Address) -> tuple[Address, ...]:
    """The addresses a packet to `address` can end up at: the IPv4 ones inside an IPv6 transition address, or itself."""
    if isinstance(address, IPv4Address):
        return (address,)
    if address.teredo:
        return address.teredo  # server and client
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in NAT64:
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return (address if inner is None else inner,)


def _is_here(address: Address | None) -> bool:
    return address is not None and (address.is_loopback or address.is_unspecified)


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as err:
        raise ValueError(f"SOURCE_ALLOW_PRIVATE={text!r}: {err}") from err


def _ports(text: str) -> frozenset[int]:
    try:
        return frozenset(int(part) for part in text.split(",") if part.strip())
    except ValueError as err:
        raise ValueError(f"SOURCE_PORTS={text!r}: {err}") from err


def _endpoints(settings: Settings) -> list[tuple[str, int]]:
    urls = (settings.database_url, settings.redis_url, settings.s3_endpoint_url, settings.s3_public_endpoint_url)
    found = [pair for url in urls if url for pair in _hosts(url)]
    # The API is denied at its bind address and on this machine: other workers' hosts reach it by that address.
    return [*found, (settings.bind_host, settings.port), ("127.0.0.1", settings.port)]


def _hosts(url: str) -> list[tuple[str, int]]:
    parts = urlsplit(url)
    # PostgreSQL's URLs may name several servers: user@one:5432,two:5432.
    servers = [urlsplit(f"//{server}") for server in parts.netloc.rpartition("@")[2].split(",")]
    return [(server.hostname or "localhost", server.port or ENGINE_PORTS.get(parts.scheme, 0)) for server in servers]


def _located(host: str, port: int, resolve: Resolver) -> list[tuple[Address | None, int]]:
    """Where an engine is. One that cannot be found is assumed anywhere private."""
    try:
        found = [ipaddress.ip_address(text.partition("%")[0]) for text in resolve(host, port)]
    except (OrchestratorError, OSError, ValueError):
        return [(None, port)]
    return [(inner, port) for address in found for inner in unwrap(address)]


def _own_addresses() -> frozenset[Address]:
    texts = [nic.address.partition("%")[0] for nics in psutil.net_if_addrs().values() for nic in nics]
    return frozenset(address for text in texts if (address := _address(text)) is not None)


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None  # a MAC address
