"""What hostile image hosts send: each bomb is a script of bytes and pauses, and the reason it must be refused with."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, repeat

Piece = bytes | float  # bytes to send, or seconds to wait
Script = Callable[[], Iterator[Piece]]

MAGIC = b"\xff\xd8\xff\xe0"
_OK = b"HTTP/1.1 200 OK\r\n"
_BLOCK = bytes(16 << 10)
_GARBAGE = bytes(range(256)) * 64


@dataclass(frozen=True, slots=True)
class Bomb:
    """``reasons``: the contract's that fit, or ``fetched`` where what was announced is a body like any other.

    ``tls``: ``yes``, or ``raw`` for a script that is sent where a handshake is expected. ``linger_seconds``: how long
    the fetcher stays after the fetch, with the connection in its pool.
    """

    name: str
    script: Script
    reasons: tuple[str, ...]
    tls: str = ""
    linger_seconds: float = 0.0


def _sent(*pieces: Piece) -> Script:
    return lambda: iter(pieces)


def _endless(start: bytes, again: bytes) -> Script:
    many = again * max(1, (16 << 10) // len(again))

    def script() -> Iterator[Piece]:
        yield start
        yield from repeat(many)

    return script


def _dripping(start: bytes, drop: bytes) -> Script:
    def script() -> Iterator[Piece]:
        yield start
        for position in count():
            yield drop[position % len(drop) : position % len(drop) + 1]
            yield 1.0

    return script


def _headers(*lines: str) -> bytes:
    return _OK + "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n"


def _thousands_of_headers() -> Iterator[Piece]:
    yield _OK
    yield b"".join(b"X-%d: a\r\n" % number for number in range(20_000))
    yield b"\r\n" + MAGIC


def _coded(coding: str, body: bytes) -> Script:
    return _sent(_headers(f"Content-Encoding: {coding}", f"Content-Length: {len(body)}"), body)


def _thousand_hops(path: str) -> bytes:
    return _redirect(f"/1000-hops/{int(path.partition('hops/')[2] or 0) + 1}")


def _redirect(location: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def redirects(path: str) -> bytes | None:
    """What hosts answer that send the fetcher on: their answer depends on the path."""
    if path.startswith("/1000-hops"):
        return _thousand_hops(path)
    answers = {"/onward": b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n", "/loop": _redirect("/loop")}
    return {**answers, "/ping": _redirect("/pong"), "/pong": _redirect("/ping")}.get(path)


def bombs() -> list[Bomb]:
    """All of them."""
    return [*_coded_bodies(), *_bodies(), *_lengths(), *_heads(), *_ways_on(), *_slow(), *_behind_tls()]


def _coded_bodies() -> Iterator[Bomb]:
    zeros = MAGIC + bytes(64 << 20)
    refused = ("http_error",)
    packed = gzip.compress(zeros, 9)
    # 64 MiB of zeros behind the same four bytes, as brotli 1.2 packs them.
    brotli = bytes.fromhex(
        "cfffff7ff8a701b0c1ffc56b8140edfdff1efcffff877f02200e0b0074effff9ffff0fff04401c1601e8defff3ffff1ffe0980382c00d0bd"
        "ffc700400000000003"
    )
    yield Bomb("gzip body, 1,000 to 1", _coded("gzip", packed), refused)
    yield Bomb("gzip in gzip", _coded("gzip, gzip", gzip.compress(packed, 9)), refused)
    yield Bomb("gzip, 10,000 members", _coded("GZip", gzip.compress(MAGIC) * 10_000), refused)
    yield Bomb("deflate body", _coded("deflate", zlib.compress(zeros, 9)), refused)
    yield Bomb("brotli body", _coded("br", brotli), refused)
    yield Bomb("zstd body", _coded("zstd", b"\x28\xb5\x2f\xfd" + bytes(1000)), refused)
    yield Bomb("body coded as nobody knows", _coded("x-bomb", packed), refused)
    yield Bomb(
        "two codings in two headers",
        _coded("identity\r\nContent-Encoding: gzip", packed),
        ("http_error", "not_an_image"),
    )
    chunked = _headers("Transfer-Encoding: gzip, chunked") + b"%x\r\n" % len(packed) + packed + b"\r\n0\r\n\r\n"
    yield Bomb("gzip as transfer coding", _sent(chunked), ("http_error", "not_an_image"))
    yield Bomb("endless gzip body", _endless(_headers("Content-Encoding: gzip"), packed), refused)


def _bodies() -> Iterator[Bomb]:
    large = ("body_too_large",)
    chunked = _headers("Transfer-Encoding: chunked")
    first = b"4\r\n" + MAGIC + b"\r\n"
    yield Bomb("endless body without length", _endless(_headers() + MAGIC, _BLOCK), large)
    yield Bomb("endless chunks of 16 KiB", _endless(chunked + first, b"4000\r\n" + _BLOCK + b"\r\n"), large)
    yield Bomb("endless chunks of one byte", _endless(chunked + first, b"1\r\nx\r\n"), large)
    yield Bomb("one endless chunk", _endless(chunked + b"7fffffffffffff\r\n" + MAGIC, _BLOCK), large)
    yield Bomb(
        "endless chunk extension",
        _endless(chunked + first + b"4;a=", b"a" * 1024),
        (*large, "connect_failed", "http_error"),
    )
    yield Bomb(
        "chunks with 1 KiB of extension for a byte",
        _endless(chunked + first, b"1;" + b"a" * 1024 + b"\r\nx\r\n"),
        large,
    )
    yield Bomb("endless chunk size", _endless(chunked + first, b"0" * 1024), (*large, "connect_failed", "http_error"))
    yield Bomb(
        "chunk size that overflows",
        _sent(chunked + first + b"f" * 17 + b"\r\n", math.inf),
        ("connect_failed", "http_error"),
    )
    yield Bomb("negative chunk size", _sent(chunked + first + b"-5\r\nabc", math.inf), ("connect_failed", "http_error"))
    yield Bomb(
        "endless trailers",
        _endless(chunked + first + b"0\r\n", b"X-Trailer: a\r\n"),
        (*large, "connect_failed", "http_error"),
    )
    yield Bomb("a page, endless", _endless(_headers() + b"<!doctype html>", b"<p>again</p>"), ("not_an_image",))
    yield Bomb("no body at all", _sent(_headers("Content-Length: 0")), ("not_an_image",))


def _lengths() -> Iterator[Bomb]:
    bad = ("http_error",)
    cut = ("connect_failed", "http_error")
    yield Bomb(
        "length of a terabyte", _endless(_headers("Content-Length: 1099511627776") + MAGIC, _BLOCK), ("body_too_large",)
    )
    yield Bomb("length too long, then gone", _sent(_headers("Content-Length: 5000") + MAGIC), cut)
    yield Bomb(
        "length too long, then silence", _sent(_headers("Content-Length: 5000") + MAGIC, math.inf), ("fetch_timeout",)
    )
    yield Bomb(
        "length too short, endless rest",
        _endless(_headers("Content-Length: 4") + MAGIC, _BLOCK),
        ("fetched", "http_error"),
        "",
        2.0,
    )
    yield Bomb(
        "length too short, the rest are answers",
        _endless(_headers("Content-Length: 4") + MAGIC, _OK + b"Content-Length: 0\r\n\r\n"),
        ("fetched",),
        "",
        2.0,
    )
    for told in ("-1", "+4", "0x4", "4,4", "4 4", "1e9", "", "18446744073709551616", "99999999999999999999999999"):
        yield Bomb(
            f"length {told!r}", _sent(_headers(f"Content-Length: {told}") + MAGIC, math.inf), (*bad, "body_too_large")
        )
    yield Bomb("two lengths", _sent(_headers("Content-Length: 4", "Content-Length: 9999") + MAGIC, math.inf), bad)
    yield Bomb(
        "length and chunks",
        _sent(_headers("Content-Length: 4", "Transfer-Encoding: chunked") + MAGIC, math.inf),
        (*cut, "fetch_timeout"),
    )


def _heads() -> Iterator[Bomb]:
    bad, large = ("http_error",), ("http_error", "body_too_large")
    yield Bomb("endless header lines", _endless(_OK, b"X-Header: value\r\n"), bad)
    yield Bomb("endless empty header lines of one name", _endless(_OK, b"a:\r\n"), bad)
    yield Bomb("20,000 headers", _thousands_of_headers, bad)
    yield Bomb("one endless header value", _endless(_OK + b"X-Header: ", b"a" * 1024), bad)
    yield Bomb("one endless header name", _endless(_OK, b"a" * 1024), bad)
    yield Bomb("endless folded header", _endless(_OK + b"X-Header: a\r\n", b" more\r\n"), bad)
    yield Bomb("100 headers of 8,000 bytes", _endless(_OK, b"X-Header: " + b"a" * 8000 + b"\r\n"), large)
    yield Bomb("endless reason", _endless(b"HTTP/1.1 200 ", b"a" * 1024), bad)
    yield Bomb("endless version", _endless(b"HTTP/1.", b"1" * 1024), bad)
    yield Bomb("endless empty lines before the answer", _endless(b"\r\n", b"\r\n" * 512), large)
    yield Bomb("endless garbage", _endless(b"\x00", _GARBAGE), bad)
    yield Bomb("another protocol's banner", _sent(b"SSH-2.0-OpenSSH_9.9\r\n", math.inf), bad)
    yield Bomb("HTTP/0.9", _sent(MAGIC + _BLOCK), bad)
    yield Bomb("gone at once", _sent(), ("connect_failed",))
    yield Bomb("gone in the middle of the head", _sent(_OK + b"Content-"), ("connect_failed", "http_error"))
    for status in (100, 102, 103, 199):
        head = b"HTTP/1.1 %d Wait\r\n" % status
        yield Bomb(f"endless {status}", _endless(b"", head + b"\r\n"), large)
    yield Bomb(
        "endless 103 with headers", _endless(b"", b"HTTP/1.1 103 Hints\r\nLink: </a>; rel=preload\r\n\r\n"), large
    )
    yield Bomb(
        "101, then endless",
        _endless(b"HTTP/1.1 101 Switching\r\nUpgrade: bomb\r\nConnection: upgrade\r\n\r\n", _BLOCK),
        bad,
    )
    answers = _sent(_headers("Content-Length: 4") + MAGIC, 0.3, *[(_OK + b"Content-Length: 0\r\n\r\n") * 800] * 4000)
    yield Bomb("endless answers on the connection that is kept", answers, ("fetched",), "", 3.0)
    garbage = _sent(_headers("Content-Length: 4") + MAGIC, 0.3, *[_BLOCK] * 4000)
    yield Bomb("endless bytes on the connection that is kept", garbage, ("fetched",), "", 3.0)


def _ways_on() -> Iterator[Bomb]:
    bad = ("http_error",)
    yield Bomb("/1000-hops", _sent(), bad)
    yield Bomb("/loop", _sent(), bad)
    yield Bomb("/ping", _sent(), bad)
    onward = b"HTTP/1.1 302 Found\r\nLocation: /onward\r\n"
    yield Bomb("redirect with an endless body", _endless(onward + b"\r\n", _BLOCK), (*bad, "body_too_large"))
    yield Bomb("redirect with endless headers", _endless(onward, b"X-Header: value\r\n"), bad)
    yield Bomb("redirect to 8,000 characters", _sent(_redirect("/" + "a" * 8000)), ("url_refused",))
    later = b"HTTP/1.1 429 Later\r\nRetry-After: 99999\r\nContent-Length: 0\r\n\r\n"
    yield Bomb("come back in a day", _sent(later), bad)
    yield Bomb("an error page, endless", _endless(b"HTTP/1.1 404 Gone\r\n\r\n", _BLOCK), bad)


def _slow() -> Iterator[Bomb]:
    late = ("fetch_timeout",)
    yield Bomb("never an answer", _sent(math.inf), late)
    yield Bomb("head, one byte a second", _dripping(b"", _OK + b"X-Header: value\r\n" * 9), late)
    yield Bomb("headers, one byte a second", _dripping(_OK, b"X-Header: value\r\n"), late)
    yield Bomb("body, one byte a second", _dripping(_headers("Content-Length: 5000") + MAGIC, b"x"), late)
    yield Bomb(
        "chunks, one byte a second",
        _dripping(_headers("Transfer-Encoding: chunked") + b"4\r\n" + MAGIC + b"\r\n", b"1\r\nx\r\n"),
        late,
    )
    yield Bomb("body without length, one byte a second", _dripping(_headers() + MAGIC, b"x"), late)
    yield Bomb("a 103 a second", lambda: iter([b"HTTP/1.1 103 Hints\r\n\r\n", 1.0] * 99), late)


def _behind_tls() -> Iterator[Bomb]:
    yield Bomb("handshake that never begins", _sent(math.inf), ("fetch_timeout",), "raw")
    yield Bomb(
        "handshake, one byte a second", _dripping(b"", b"\x16\x03\x03\x40\x00" + bytes(999)), ("fetch_timeout",), "raw"
    )
    yield Bomb(
        "endless handshake",
        _endless(b"\x16\x03\x03\x40\x00\x02\xff\xff\xff", b"\x16\x03\x03\x40\x00" + _BLOCK),
        ("connect_failed", "body_too_large"),
        "raw",
    )
    yield Bomb("garbage for a handshake", _endless(b"", _GARBAGE), ("connect_failed",), "raw")
    yield Bomb("HTTP where TLS is spoken", _endless(_headers() + MAGIC, _BLOCK), ("connect_failed",), "raw")
    yield Bomb("TLS, never an answer", _sent(math.inf), ("fetch_timeout",), "yes")
    yield Bomb("TLS, endless body", _endless(_headers() + MAGIC, _BLOCK), ("body_too_large",), "yes")
    yield Bomb(
        "TLS, body one byte a second",
        _dripping(_headers("Content-Length: 5000") + MAGIC, b"x"),
        ("fetch_timeout",),
        "yes",
    )
    yield Bomb(
        "TLS, endless chunks of one byte",
        _endless(_headers("Transfer-Encoding: chunked") + b"4\r\n" + MAGIC + b"\r\n", b"1\r\nx\r\n"),
        ("body_too_large",),
        "yes",
    )
    yield Bomb(
        "TLS, endless 103", _endless(b"", b"HTTP/1.1 103 Hints\r\n\r\n"), ("http_error", "body_too_large"), "yes"
    )
    kept = _sent(_headers("Content-Length: 4") + MAGIC, 0.3, *[(_OK + b"Content-Length: 0\r\n\r\n") * 800] * 4000)
    yield Bomb("TLS, endless answers on the connection that is kept", kept, ("fetched",), "yes", 3.0)
