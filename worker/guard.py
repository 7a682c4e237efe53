"""Pure: may this URL be asked for, may this address be dialled? Everything that is not plainly public is refused.

A URL is checked when it is read and at every redirect; the address is checked again where it counts, on what is
dialled, so that a name which answers differently the second time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from yarl import URL

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = (80, 443)
_MAX_URL_CHARACTERS = 2048

# What ``is_global`` lets through although it leads, or can lead, to somebody's inside.
_ALSO_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments; some Pythons call parts of it global
        "192.88.99.0/24",  # 6to4 relays
        "64:ff9b::/96",  # NAT64: an IPv4 address in disguise
        "64:ff9b:1::/48",
        "2002::/16",  # 6to4: another disguise
        "2001::/32",  # Teredo: another
        "fec0::/10",  # site-local, the old private range
        "::/96",  # IPv4-compatible, deprecated
        "168.63.129.16/32",  # a cloud's wire server on a public address
    )
)


class RefusedError(Exception):
    """A URL or an address that must not be asked. ``rule`` is short and fixed, for metrics."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(detail)
        self.rule = rule
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One ``IP:port`` that may be fetched although it is private or on another port."""

    address: Address
    port: int


def parse_endpoint(text: str) -> Endpoint:
    """``10.0.0.7:8080`` or ``[fd00::7]:8080``. Raises ValueError saying what is wanted."""
    host, _, port = text.rpartition(":")
    try:
        endpoint = Endpoint(ipaddress.ip_address(host.strip("[]")), int(port))
    except ValueError:
        raise ValueError(f"{text!r} is not an exact IP:port, such as 10.0.0.7:8080 or [fd00::7]:8080") from None
    if not 0 < endpoint.port < 65536:
        raise ValueError(f"{text!r} has port {endpoint.port}; ports are 1 to 65535")
    return endpoint


class Guard:
    """The rules, with the exceptions an operator allowed."""

    def __init__(self, allow_endpoints: tuple[str, ...] = ()) -> None:
        self._allowed = frozenset(parse_endpoint(text) for text in allow_endpoints)
        self._allowed_ports = frozenset(endpoint.port for endpoint in self._allowed)

    def check_url(self, text: str) -> URL:
        """The URL, parsed once for check and dial alike. Raises RefusedError."""
        if len(text) > _MAX_URL_CHARACTERS:
            raise RefusedError(
                "url_too_long", f"the URL has {len(text):,} characters, the limit is {_MAX_URL_CHARACTERS:,}"
            )
        try:
            url = URL(text)
            port = url.port
        except ValueError:
            raise RefusedError("url_malformed", "the URL cannot be parsed") from None
        if url.scheme not in ("http", "https"):
            raise RefusedError("scheme", f"the scheme is {url.scheme[:20]!r}; only http and https are fetched")
        if not url.host:
            raise RefusedError("no_host", "the URL names no host")
        if url.user is not None or url.password is not None:
            raise RefusedError("credentials", "the URL carries credentials; they are never sent")
        address = literal_address(url.host)
        if address is not None:
            self.check_address(address, port or 0)
        elif port not in _PORTS and port not in self._allowed_ports:
            raise RefusedError("port", f"port {port} is not 80 or 443; allow it with fetch.allow_endpoints")
        return url

    def check_address(self, address: Address, port: int) -> None:
        """May this address be dialled on this port? Raises RefusedError."""
        if Endpoint(address, port) in self._allowed:
            return
        if not is_public(address):
            raise RefusedError("address", f"{address} is not a public address; allow it with fetch.allow_endpoints")
        if port not in _PORTS:
            raise RefusedError("port", f"port {port} is not 80 or 443; allow it with fetch.allow_endpoints")


def is_public(address: Address) -> bool:
    """Is this an ordinary address of the open internet?"""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.scope_id:
            return False
    refused = (network for network in _ALSO_REFUSED if network.version == address.version)
    return address.is_global and not address.is_multicast and not any(address in network for network in refused)


def literal_address(host: str) -> Address | None:
    """The address, if the host is one. Spellings that only some resolvers take for one (0x7f.1, 017700000001,
    2130706433) are refused: they never name a shop. Raises RefusedError."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        last = host.rstrip(".").rsplit(".", 1)[-1].lower()
        if last.isdigit() or last.startswith("0x"):
            raise RefusedError("odd_address", "the host is a number that is not a plain IP address") from None
        return None


def shown(url: URL | str) -> str:
    """A URL as it may be logged: no query, no fragment, no credentials, cut to 200 characters."""
    try:
        parsed = URL(url) if isinstance(url, str) else url
        text = str(parsed.with_user(None).with_query(None).with_fragment(None))
    except ValueError:
        return "(malformed URL)"
    return text[:200]
