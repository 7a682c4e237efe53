"""More than 200 URLs that must be fetched: every legal oddity of real shops, at public addresses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.reliability.dns_script import Reply
from tests.reliability.small_world import PUBLIC

_FOUR, _SECOND, _THIRD, _SIX, _SIXTH = PUBLIC

_NAMES = (
    "shop.example", "images.shop.example", "cdn-1.shop.example", "my_bucket.s3.example", "4chan.example", "123.example",
    "1e100.example", "0x.example", "0xdead.example", "a.b.c.d.e.f.g.example", "x.example", "shop.co.uk",
    "xn--bcher-kva.example", "d111111abcdef8.cloudfront.example", "localhost.shop.example", "127.0.0.1.shop.example",
    "metadata.shop.example", "10.shop.example", "a" * 63 + ".example", ".".join(["a" * 60] * 4) + ".ex", "test.xn--p1ai",
    "internal-shop.example", "169-254-169-254.shop.example", "i.img.museum", "shop.gallery", "r2.dev.example", "_dmarc.example",
)  # fmt: skip
_INTERNATIONAL = {
    "bücher.example": "xn--bcher-kva.example", "BÜCHER.example": "xn--bcher-kva.example", "日本語.example": "xn--wgv71a119e.example",
    "пример.example": "xn--e1afmkfd.example", "faß.example": "xn--fa-hia.example", "中文。example": "xn--fiq228c.example",
    "한국.example": "xn--3e0b707e.example", "مثال.example": "xn--mgbh0fb.example", "ελλάδα.example": "xn--hxakic4aa.example",
    "café.example": "xn--caf-dma.example", "ＳＨＯＰ.example": "shop.example", "straße.example": "xn--strae-oqa.example",
}  # fmt: skip
_PATHS = (
    "", "/", "/a.jpg", "/a%20b.jpg", "/a b.jpg", "/ä.jpg", "/%C3%A4.jpg", "/%2F.jpg", "//double//slash.jpg", "/./a.jpg",
    "/../a.jpg", "/a/../../b.jpg", "/a;v=1.jpg", "/~user/a.jpg", "/a@2x.jpg", "/@user/a.jpg", "/a:b.jpg", "/!$&'()*+,;=.jpg",
    "/a.jpg?w=100&h=100", "?x=1", "?", "/a.jpg?", "/a.jpg?u=http://127.0.0.1/", "/a.jpg?u=a@127.0.0.1", "/a.jpg#x",
    "/a.jpg#@127.0.0.1/", "/a.jpg?a[]=1&b[x]=2", "/a.jpg?X-Signature=a%2Bb%3D%3D", "/a.jpg?q=%E4", "/a.jpg?q=ä+b",
    "/http://127.0.0.1/a.jpg", "/a.jpg?q=a%00b", "/%00.jpg", "/a%0d%0ab.jpg", "/%5c%5c127.0.0.1/a.jpg", "/😀.jpg",
    "/a|b.jpg", "/a^b`.jpg", '/a"b.jpg', "/a<b>.jpg", "/{id}.jpg", "/a%zz.jpg", "/a%.jpg", "/" + "a" * 1900, "/[a].jpg",
    "?@127.0.0.1/", "/?", "/.jpg", "/%2e%2e/a.jpg", "/a//../b.jpg", "/100%25.jpg",
)  # fmt: skip
_LITERALS = (
    f"http://{_FOUR}/a.jpg", f"http://{_FOUR}:80/a.jpg", f"https://{_FOUR}/a.jpg", f"https://{_FOUR}:443/a.jpg",
    f"http://{_SECOND}", f"http://{_THIRD}/a.jpg?x=1", f"http://[{_SIX}]/a.jpg", f"https://[{_SIX}]/a.jpg",
    f"http://[{_SIX.upper()}]/a.jpg", "http://[2606:2800:0220:0001:0000:0000:0000:0034]/a.jpg", f"http://[{_SIXTH}]:80/a.jpg",
    "http://[2606:2800:220:1:0:0:0.0.0.52]/a.jpg", f"http://[::ffff:{_FOUR}]/a.jpg", "http://[::ffff:5db8:d822]/a.jpg",
)  # fmt: skip
_LOOKUPS = {
    "six-only.example": Reply((_SIX,)), "both.example": Reply((_FOUR, _SIX)), "many.example": Reply(PUBLIC),
    "alias.example": Reply((_FOUR,), ("cdn.example",)), "slow-name.example": Reply((_FOUR,), wait_seconds=0.4),
    "aliases.example": Reply((_SIX, _SECOND), tuple(f"alias{number}.example" for number in range(8))),
    "mapped-public.example": Reply((_SECOND,), ttl=3600), "dead-first.example": Reply(("2001:4860:4860::8844", _FOUR)),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hop:
    """A redirect of a good host: from scheme and path to a Location."""

    scheme: str
    path: str
    location: str


_HOPS = (
    Hop("http", "/r1", "/a.jpg"), Hop("http", "/r2", "https://shop.example/a.jpg"), Hop("http", "/r3", "//images.shop.example/a.jpg"),
    Hop("http", "/r4", "a.jpg"), Hop("http", "/r5", "?size=big"), Hop("http", "/r6", "/@127.0.0.1/a.jpg"),
    Hop("http", "/r7", "@127.0.0.1/a.jpg"), Hop("http", "/r8", "../../a.jpg"), Hop("http", "/r9", "/ä b.jpg"),
    Hop("http", "/r10", "http://bücher.example/ü.jpg"), Hop("http", "/r11", f"http://[{_SIX}]/a.jpg"), Hop("http", "/r12", "/r1"),
    Hop("http", "/r13", "/r12"), Hop("https", "/r14", "/a.jpg"), Hop("https", "/r15", "https://images.shop.example/a.jpg"),
    Hop("https", "/r16", "//shop.example/a.jpg"), Hop("http", "/r17", "http://shop.example:80/a.jpg#x"), Hop("http", "/r18", "./a.jpg?u=//127.0.0.1"),
    Hop("http", "/r19", f"http://{_SECOND}/a.jpg"), Hop("http", "/r20", "HTTPS://SHOP.EXAMPLE/a.jpg"),
)  # fmt: skip


def good_urls() -> list[str]:
    """All of them, each once."""
    return list(dict.fromkeys(_all()))


def locations() -> dict[tuple[str, str], str]:
    """Where the good hosts send whom, by scheme and path."""
    return {(hop.scheme, hop.path): hop.location for hop in _HOPS}


def lookups() -> dict[str, Reply]:
    """What the good names resolve to."""
    plain = Reply((_FOUR,))
    names = dict.fromkeys((*_NAMES, *_INTERNATIONAL.values()), plain)
    return {**names, **_LOOKUPS}


def tls_names() -> list[str]:
    """Names for the certificate."""
    return sorted(lookups())


def _all() -> Iterator[str]:
    yield from (f"http://{name}/a.jpg" for name in _NAMES)
    yield from (f"https://{name}/a.jpg" for name in _NAMES if "_" not in name and len(name) < 200)
    yield from (f"{scheme}://{name}/a.jpg" for scheme in ("http", "https") for name in _INTERNATIONAL)
    yield from (f"http://shop.example{path}" for path in _PATHS)
    yield from (f"https://images.shop.example{path}" for path in _PATHS[::2])
    yield from _LITERALS
    yield from (f"http://{name}/a.jpg" for name in _LOOKUPS)
    yield from (f"{hop.scheme}://shop.example{hop.path}" for hop in _HOPS)
    yield from (
        "HTTP://SHOP.EXAMPLE/a.jpg",
        "hTTps://Shop.Example/a.jpg",
        "http://shop.example./a.jpg",
        "http://shop.example:/a.jpg",
    )
    yield from ("http://shop.example:80/a.jpg", "https://shop.example:443/a.jpg", "http://shop.example:0080/a.jpg")
    yield from ("http://shop.example.:80/a.jpg", "http://images.shop.example:00080/a.jpg", "https://SHOP.example:443")
