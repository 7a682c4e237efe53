"""Pure: may this URL be asked for, may this address be dialled? Everything that is not plainly public is refused.

Usable alone: it knows nothing of aiohttp or of this worker. A caller that opens sockets asks `Guard.check_url` about
the URL, `Guard.check_redirect` about each hop and `Guard.check_address` about every address it is about to dial
(`worker.fetching.dial` does so for aiohttp).

Threat model. A stranger writes the URL, runs the host it names, and answers its DNS queries. He wants a request from
inside the company's network: to a metadata service, a neighbour's admin port, the loopback.
- Odd spellings (octal, hex, one number, full-width digits, IPv4 inside IPv6): one parser, yarl, serves check and dial;
  IDNA is applied once, by it; what is checked is the host as it will be dialled, and numbers that only some resolvers
  take for addresses are refused.
- DNS rebinding: the check stands at the socket, on the address dialled, after the last look-up. A name with one bad
  address among good ones is refused altogether.
- Redirects: every hop is a URL like the first; https never leads to http.
- Credentials: none in URLs, none sent, no cookies, no proxies from the environment.
Not covered: a network's own NAT64 prefix inside 2000::/3, a public address routed to something private, and a port 80
or 443 on the open internet that ought not be asked. Egress rules outside the process are the second line.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

from yarl import URL

from schemas.listing import MAX_URL_CHARS
from worker.fetching.address_rules import Address, why_closed

_PORTS = (80, 443)
_UNSEEN = re.compile(r"[\x00-\x1f\x7f\\]")  # control characters and backslashes: parsers disagree about them
_UNPARSED = (ValueError, LookupError)  # what yarl raises: the second for brackets in odd places
_MAX_NAME_CHARACTERS = 253
_NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}", re.IGNORECASE)


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
        url, port = _parse(text)
        if url.scheme not in ("http", "https"):
            raise RefusedError("scheme", f"the scheme is {url.scheme[:20]!r}; only http and https are fetched")
        if not url.raw_host:
            raise RefusedError("no_host", "the URL names no host")
        if url.user is not None or url.password is not None:
            raise RefusedError("credentials", "the URL carries credentials; they are never sent")
        address = literal_address(url.raw_host)
        if address is not None:
            self.check_address(address, port)
        elif port not in _PORTS and port not in self._allowed_ports:
            raise RefusedError("port", f"port {port} is not 80 or 443; allow it with fetch.allow_endpoints")
        return url

    def check_redirect(self, source: URL, location: str) -> URL:
        """Where a ``Location`` header leads from ``source``. Raises RefusedError."""
        target = self.check_url(str(_joined(source, location)))
        if source.scheme == "https" and target.scheme == "http":
            raise RefusedError("downgrade", "a redirect leads from https to http")
        return target

    def check_address(self, address: Address, port: int) -> None:
        """May this address be dialled on this port? Raises RefusedError."""
        if Endpoint(address, port) in self._allowed:
            return
        if what := why_closed(address):
            remedy = "allow it with fetch.allow_endpoints"
            raise RefusedError("address", f"{address} is not a public address ({what}); {remedy}")
        if port not in _PORTS:
            raise RefusedError("port", f"port {port} is not 80 or 443; allow it with fetch.allow_endpoints")


@lru_cache(maxsize=1024)
def literal_address(host: str) -> Address | None:
    """The address, if the host is one. Spellings that only some resolvers take for one (0x7f.1, 017700000001,
    2130706433) are refused: they never name a shop. Raises RefusedError."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        last = host.rstrip(".").rsplit(".", 1)[-1].lower()
        if last.isdigit() or last.startswith("0x"):
            raise RefusedError("odd_address", "the host is a number that is not a plain IP address") from None
        _check_name(host.removesuffix("."))
        return None


def _check_name(name: str) -> None:
    """What no resolver takes for a name would fail there, each in its own way."""
    if len(name) > _MAX_NAME_CHARACTERS or not _NAME.fullmatch(name):
        raise RefusedError(
            "url_malformed",
            "the host is no host name: labels of 1 to 63 letters, digits, - or _, "
            f"{_MAX_NAME_CHARACTERS} characters in all",
        )


def _parse(text: str) -> tuple[URL, int]:
    """The URL and the port it means, 0 where it means none."""
    _check_text(text)
    try:
        url = URL(text)
        return url, url.port or 0
    except _UNPARSED:
        raise RefusedError("url_malformed", "the URL cannot be parsed") from None


def _joined(source: URL, location: str) -> URL:
    _check_text(location)
    try:
        target = URL(location)
        joined = source.join(target)
    except _UNPARSED:
        raise RefusedError("url_malformed", "the redirect's target cannot be parsed") from None
    if not target.raw_host and (target.scheme in ("http", "https") or location.startswith("//")):
        raise RefusedError("no_host", "the redirect's target names no host; others take its path for one")
    return joined


def _check_text(text: str) -> None:
    if len(text) > MAX_URL_CHARS:  # the schema holds listings to it; a redirect may lead to anything
        raise RefusedError("url_too_long", f"the URL has {len(text):,} characters, the limit is {MAX_URL_CHARS:,}")
    if _UNSEEN.search(text):
        raise RefusedError("url_malformed", "the URL holds control characters or backslashes; encode them")


def shown(url: URL | str) -> str:
    """A URL as it may be logged: no query, no fragment, no credentials, cut to 200 characters."""
    try:
        parsed = URL(url) if isinstance(url, str) else url
        text = str(parsed.with_user(None).with_query(None).with_fragment(None))
    except _UNPARSED:
        return "(malformed URL)"
    return text[:200]
