"""Reading a source URL: scheme, host and port rules, before any name is looked up. Pure."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import idna

from workflows.errors import SourceRefused

SCHEMES = ("http", "https", "s3")
DEFAULT_PORTS = {"http": 80, "https": 443}
# Control characters, space around, and the backslash browsers read as a slash: parsers disagree on all of them.
UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
ASCII_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9_])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpUrl:
    """A checked http(s) URL. `host` is normalised: lower case, IDNA, no brackets."""

    scheme: str
    host: str
    port: int
    target: str  # path and query as sent

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """The URL without its query, which may hold a signature: for messages and logs."""
        return f"{self.scheme}://{self.authority}{self.target.partition('?')[0]}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def split(url: str) -> SplitResult:
    """The URL's parts. SourceRefused when its scheme is not ours or it has user info or unsafe characters."""
    if UNSAFE.search(url):
        raise SourceRefused("the URL contains spaces, control characters or backslashes")
    try:
        parts = urlsplit(url)
    except ValueError as err:
        raise SourceRefused(f"the URL does not parse: {err}") from err
    if parts.scheme not in SCHEMES:
        raise SourceRefused(f"the scheme {parts.scheme!r} is not one of {', '.join(SCHEMES)}")
    if "@" in parts.netloc:
        raise SourceRefused("the URL has a user name or password in it")
    return parts


def parse_http(url: str) -> HttpUrl:
    """The URL as an http(s) one. Raises SourceRefused."""
    parts = split(url)
    if parts.scheme not in DEFAULT_PORTS:
        raise SourceRefused(f"the scheme {parts.scheme!r} is not http or https")
    try:
        port = DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    except ValueError as err:
        raise SourceRefused(f"the URL's port is not a number up to 65535: {err}") from err
    if "[" in parts.netloc and ":" not in (parts.hostname or ""):
        raise SourceRefused("only IPv6 addresses stand in brackets")  # RFC 3986 also has [v1.x], no one else does
    target = quote(parts.path or "/", safe="/%:=&~+!$,;'()*@-._") + (f"?{_query(parts.query)}" if parts.query else "")
    return HttpUrl(scheme=parts.scheme, host=_host(parts.hostname or ""), port=port, target=target)


def redirected(url: HttpUrl, location: str) -> HttpUrl:
    """Where a redirect leads. SourceRefused when it leaves https."""
    # Servers send raw spaces and UTF-8 in Location (read as Latin-1); browsers quote them, so do we.
    quoted = quote(location.strip().encode("latin-1", "replace"), safe="/%:=&~+!$,;'()*@-._?#[]")
    target = parse_http(urljoin(str(url), quoted))
    if url.scheme == "https" and target.scheme == "http":
        raise SourceRefused(f"{url.shown} redirects from https to http")
    return target


def _query(text: str) -> str:
    return quote(text, safe="/%:=&~+!$,;'()*@-._?[]|")


def _host(text: str) -> str:
    if ":" in text:
        return _ipv6(text)
    host = text.rstrip(".").lower()
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except idna.IDNAError as err:
            raise SourceRefused(f"the host name {text!r} is not valid: {err}") from err
    if not ASCII_HOST.fullmatch(host):
        raise SourceRefused(f"the host name {text!r} is not valid")
    return host


def _ipv6(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError as err:
        raise SourceRefused(f"{text!r} is not an IPv6 address") from err
    if address.scope_id:
        raise SourceRefused("an address with a zone is never public")
    return str(address)
