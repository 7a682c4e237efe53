"""Redirects that lead inside: the target at each hop, from https to http, through odd Location headers, for ever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.reliability.world_hosts import PICTURE, answer

_INSIDE = (
    "http://127.0.0.1/", "http://169.254.169.254/latest/", "http://10.0.0.1/", "http://[::1]/", "http://[fd00:ec2::254]/",
    "http://localhost/", "http://metadata.google.internal/", "http://2130706433/", "http://[::ffff:10.0.0.1]/",
    "http://spoofed.example/", "http://100.100.100.200/",
)  # fmt: skip
_TRICKS = (
    "//127.0.0.1/", "///127.0.0.1/", "\\\\127.0.0.1\\", "/\\127.0.0.1/", "http:\\\\127.0.0.1/", "http:///127.0.0.1/",
    "//shop.example@127.0.0.1/", "//shop.example\\@127.0.0.1/", "ht\ttp://127.0.0.1/", "http://127.0.0.1%00.shop.example/",
    "http://127。0。0。1/", "http://１２７.0.0.1/", "http://%31%32%37.0.0.1/", "HTTP://127.0.0.1/", "//[::1]/", "//0/",
    "http://shop.example:22/", "//shop.example:6379/", "ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1:6379/_",
    "data:image/jpeg;base64,/9j/", "javascript:1", "ws://127.0.0.1/", "http://user:pw@shop.example/", "http://[::1", "http://",
    "http://\udcff/", "//" + "a" * 3000, "http://127.0.0.1:80\\@shop.example/", "//127.1/", "//localhost/", "//inside/",
)  # fmt: skip
_STATUSES = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Chain:
    """Where a fetch starts, how it must end, and what its hosts say: Location by URL."""

    start: str
    reason: str
    status: int
    locations: dict[tuple[str, str, str], str]


def chains() -> list[Chain]:
    """All of them. Hosts are public; every step but the last is legal."""
    found: list[Chain] = []
    for number, (scheme, reason, steps) in enumerate(_plans()):
        status = _STATUSES[number % len(_STATUSES)]
        found.append(_chain(f"chain{number}.example", scheme, reason, status, steps))
    return found


def respond(chain_by_host: dict[str, Chain], scheme: str, host: str, target: str) -> bytes:
    """What a host of a chain says: a redirect, or a picture at the end."""
    chain = chain_by_host.get(host)
    location = chain.locations.get((scheme, host, target)) if chain else None
    if chain is None or location is None:
        return answer(200, PICTURE, {"Content-Type": "image/jpeg"})
    return answer(chain.status, b"moved", {"Location": location})


def _plans() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(first scheme, reason, the Locations one after the other); ``{host}`` is the chain's own host."""
    for number, inside in enumerate(_INSIDE):
        yield "http", "url_refused", (inside,)
        yield "https", "url_refused", ("/one", inside) if number % 2 else ("https://{host}/one", inside)
        yield "http", "url_refused", ("/one", "https://{host}/two", inside)
    yield from (("http", "url_refused", (trick,)) for trick in _TRICKS)
    for before in ((), ("/one",), ("/one", "?two")):
        yield "https", "url_refused", (*before, "http://{host}/plain")
    yield "http", "url_refused", ("https://{host}/one", "http://{host}/two")
    yield "https", "url_refused", ("http://93.184.216.34/",)
    yield "http", "http_error", ("/1", "/2", "/3", "/4")
    yield "http", "http_error", ("/start",)
    yield "https", "http_error", ("?", "/start")
    yield "http", "http_error", ("https://{host}/1", "/2", "/3", "/4", "http://127.0.0.1/")


def _chain(host: str, scheme: str, reason: str, status: int, steps: tuple[str, ...]) -> Chain:
    from yarl import URL

    at = URL(f"{scheme}://{host}/start")
    start, locations = str(at), {}
    for step in steps:
        location = step.replace("{host}", host)
        locations[at.scheme, host, at.raw_path_qs] = location
        if reason == "http_error" or step is not steps[-1]:
            at = at.join(URL(location))
    return Chain(start, reason, status, locations)
