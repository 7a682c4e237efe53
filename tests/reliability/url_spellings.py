"""More than 300 ways to write a URL that must not be fetched, and names that lead where nobody may go."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from urllib.parse import quote

# What each host inside or beside a company's network might be worth to a stranger.
TARGETS = (
    "127.0.0.1", "169.254.169.254", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.100.100.200", "0.0.0.0",
)  # fmt: skip

SPECIAL = (
    "0.1.2.3", "10.255.255.254", "100.64.0.1", "100.127.255.254", "127.0.1.3", "127.255.255.254", "169.254.0.1",
    "169.254.169.123", "169.254.169.253", "169.254.170.2", "169.254.170.23", "169.254.0.23", "169.254.42.42",
    "168.63.129.16", "172.31.255.254", "192.0.0.1", "192.0.0.9", "192.0.0.170", "192.0.0.192", "192.0.2.1",
    "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.255.254", "192.175.48.1", "198.18.0.1", "198.19.255.254",
    "198.51.100.1", "203.0.113.1", "224.0.0.1", "233.252.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::2", "::ffff:0:0", "100::1", "100:0:0:1::1", "2001::1", "2001:2::1", "2001:10::1", "2001:20::1",
    "2001:db8::1", "2620:4f:8000::1", "3fff::1", "4000::1", "5f00::1", "8000::1", "fc00::1", "fd00::1",
    "fd00:ec2::254", "fd00:ec2::23", "fd00:ec2::253", "fd20:ce::254", "fd00:42::42", "fe80::1", "fec0::1",
    "ff02::1", "ff05::2", "ff0e::1",
)  # fmt: skip

NAMES = {
    "metadata.google.internal": "169.254.169.254", "metadata": "169.254.169.254", "instance-data": "169.254.169.254",
    "instance-data.ec2.internal": "169.254.169.254", "metadata.tencentyun.com": "169.254.0.23",
    "localhost": "127.0.0.1",
    "file.inside": "10.1.1.1",
    "rancher-metadata": "169.254.169.250",
    "kubernetes.default.svc": "10.96.0.1", "kubernetes.default.svc.cluster.local": "10.96.0.1",
    "host.docker.internal": "192.168.65.2", "gateway.docker.internal": "192.168.65.1", "consul.service.consul": "10.3.2.1",
    "127.0.0.1.nip.io": "127.0.0.1", "10-0-0-1.sslip.io": "10.0.0.1", "localtest.me": "127.0.0.1", "lvh.me": "::1",
    "spoofed.example": "127.0.0.1", "printer.local": "192.168.0.9", "router.lan": "192.168.0.1", "shop.internal": "fd00::7",
    "six-to-four.example": "2002:a00:1::1", "nat64.example": "64:ff9b::a9fe:a9fe", "mapped.example": "::ffff:10.0.0.1",
    "teredo.example": "2001:0:4136:e378:8000:63bf:f5ff:fffe", "isatap.example": "2a00:1450::5efe:10.0.0.1",
    "site-local.example": "fec0::1", "any.example": "0.0.0.0", "benchmark.example": "198.18.0.1",
    "carrier.example": "100.64.0.1", "azure-wire.example": "168.63.129.16",
}  # fmt: skip
# Digits of other scripts and near-numbers: names that nobody has, to us and to every resolver; 'dns_failed' is right.
NAMELESS = (
    "http://127.0.0.1e0/", "http://1e0/", "http://١٢٧.٠.٠.١/", "http://१२७.०.०.१/",
)  # fmt: skip


def forbidden() -> list[str]:
    """All of them, each once, in a fixed order."""
    found = dict.fromkeys(_all())
    return list(found)


def sinks() -> list[str]:
    """Every address that the spellings mean."""
    return list(dict.fromkeys((*TARGETS, *SPECIAL, *NAMES.values())))


def _all() -> Iterator[str]:
    for target in TARGETS:
        yield from (f"http://{host}/latest/meta-data/" for host in _spelt(target))
    for text in SPECIAL:
        yield from (f"{scheme}://{_bracketed(text)}/a.jpg" for scheme in ("http", "https"))
    yield from (f"http://{name}/a.jpg" for name in NAMES)
    yield from _loopback_names()
    yield from _parser_tricks()
    yield from _ports()
    yield from _schemes()


def _bracketed(text: str) -> str:
    return f"[{text}]" if ":" in text else text


def _spelt(target: str) -> Iterator[str]:
    """One IPv4 address in every form that some parser or resolver somewhere takes for it."""
    address = ipaddress.IPv4Address(target)
    number = int(address)
    a, b, c, d = address.packed
    yield from (
        target,
        f"{target}.",
        str(number),
        hex(number),
        f"0x{number:08X}",
        f"0{number:o}",
        str(number + (1 << 32)),
    )
    yield from (f"{a}.{(b << 16) | (c << 8) | d}", f"{a}.{b}.{(c << 8) | d}", f"0x{a:x}.{(b << 16) | (c << 8) | d:#x}")
    yield from (f"{a:#x}.{b:#x}.{c:#x}.{d:#x}", f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"{a:#x}.{b}.0{c:o}.{d}")
    yield from (f"{a:03d}.{b:03d}.{c:03d}.{d:03d}", f"00000{a:o}.{b}.{c}.{d}", f"{a + 256}.{b}.{c}.{d}")
    yield from (f"{a}。{b}。{c}。{d}", f"{a}．{b}.{c}.{d}", f"{a}｡{b}.{c}.{d}", _wide(target), _circled(target))
    yield from (quote(target, safe="").replace(".", "%2e"), "".join(f"%{ord(one):02x}" for one in target))
    yield from (f"{a}.{b}.{c}%2f.{d}", f"{a}.{b}.{c}.{d}%00.example", f"{a}.{b}.{c}.{d}%20", f"{a}.{b}.{c}.{d}..")
    yield from _inside_ipv6(address)


def _inside_ipv6(address: ipaddress.IPv4Address) -> Iterator[str]:
    number = int(address)
    high, low = f"{number >> 16:x}", f"{number & 0xFFFF:x}"
    inverse = ~number & 0xFFFFFFFF
    yield from (f"[::ffff:{address}]", f"[::FFFF:{high}:{low}]", f"[0:0:0:0:0:ffff:{high}:{low}]")
    yield from (f"[0000:0000:0000:0000:0000:ffff:{address}]", f"[::{address}]", f"[::ffff:0:{address}]")
    yield from (f"[64:ff9b::{address}]", f"[64:ff9b::{high}:{low}]", f"[64:ff9b:1::{high}:{low}]")
    yield from (f"[2002:{high}:{low}::1]", f"[2001:0:4136:e378:8000:63bf:{inverse >> 16:x}:{inverse & 0xFFFF:x}]")
    yield from (f"[2600::5efe:{high}:{low}]", f"[::ffff:{address}%25lo]", f"[::ffff:{address}%lo]", f"[v1.{address}]")


def _wide(text: str) -> str:
    return "".join(chr(ord(one) + 0xFEE0) for one in text)


def _circled(text: str) -> str:
    """Circled digits, which IDNA maps to plain ones."""
    return "".join("⓪" if one == "0" else chr(0x2460 + int(one) - 1) if one.isdigit() else one for one in text)


def _loopback_names() -> Iterator[str]:
    for name in (
        "localhost", "LOCALHOST", "LocalHost.", "localhost.localdomain", "ip6-localhost", "ip6-loopback", "inside",
        "ｌｏｃａｌｈｏｓｔ", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "loc\u00adalhost", "local\u200bhost", "localhos\u2060t", "%6c%6f%63alhost",
        "𝐥𝐨𝐜𝐚𝐥𝐡𝐨𝐬𝐭", "ﬁle.inside", "localhoﬆ",
    ):  # fmt: skip
        yield f"http://{name}/a.jpg"
    yield from ("http://[::1%25lo]/a", "http://[fe80::1%25lo]/a", "http://[fe80::1%251]/a", "http://[fe80::1%lo]/a")
    yield from (
        "http://[2606:2800:220:1::34%25lo]/a",
        "http://[0:0:0:0:0:0:0:1]/a",
        "http://[::0001]/a",
        "http://[0::]/a",
    )
    yield from (
        "http://[::1]./a",
        "http://[::1]:80/a",
        "http://::1/a",
        "http://[[::1]]/a",
        "http://[::1/a",
        "http://::1]/a",
    )


def _parser_tricks() -> Iterator[str]:
    """Places where one parser sees a public host and another an inside one."""
    inside, public = "127.0.0.1", "shop.example"
    yield from (f"http://{public}@{inside}/", f"http://{inside}@{public}/", f"http://{public}:80@{inside}/")
    yield from (f"http://{public}:pw@{inside}/", f"http://@{inside}/", f"http://:@{inside}/", f"http://:pw@{public}/")
    yield from (f"http://{public}%40{inside}/", f"http://{public}\\@{inside}/", f"http://{inside}\\@{public}/")
    yield from (
        f"http:\\\\{inside}\\",
        f"http:/\\{inside}/",
        f"http:{inside}/",
        f"http:/{inside}/",
        f"http:///{inside}/",
    )
    yield from (f"http:////{inside}/", f"//{inside}/", f"{inside}/", f"/{inside}", f"http//{inside}/", f":{inside}/")
    yield from (
        f" http://{inside}/",
        f"http://{inside}/ ",
        f"http:// {inside}/",
        f"http://{inside} /",
        f"\thttp://{inside}/",
    )
    yield from (
        f"ht\ttp://{inside}/",
        f"http:/\t/{inside}/",
        "http://127.0\t.0.1/",
        "http://127.0\n.0.1/",
        f"http://{inside}\r\n/",
    )
    yield from (f"http://{public}\t@{inside}/", f"http://{public}\r\n@{inside}/", f"http://{public}\x00@{inside}/")
    yield from (f"http://{public}\x00.{inside}/", f"http://{inside}\x00.{public}/", f"http://{inside}%00@{public}/")
    yield from (
        f"http://{public} @{inside}/",
        f"http://{inside},{public}/",
        f"http://{inside};{public}/",
        f"http://{inside}|{public}/",
    )
    yield from (
        f"http://<{inside}>/",
        f'http://"{inside}"/',
        f"http://'{inside}'/",
        f"http://{{{inside}}}/",
        f"http://$({inside})/",
    )
    yield from (
        f"http://{public}:80:80@{inside}/",
        f"http://[{public}]/",
        f"http://[{inside}]/",
        f"http://[{inside}]:80/",
    )
    yield from (
        f"http://{inside}:80\\@{public}/",
        f"http://{public}&@{inside}#@{public}/",
        f"http://{inside}／@{public}/",
    )
    yield from (
        f"http://{public}／@{inside}/",
        f"http://{public}＠{inside}/",
        f"http://{public}？@{inside}/",
        f"http://{public}＃@{inside}/",
    )
    yield from (f"http://{inside}：80/", f"http://{public}／.{inside}/", "http://℀.example/", "http://ex℆mple.example/")
    yield from (
        "http://１２７.1/",
        "http://127.１/",
        "http://0x7f.1/",
        "http://0X7F.1/",
        "http://0/",
        "http://00/",
        "http://0x0/",
    )
    yield from ("http://1/", "http://127.0.0.1.0x0/", "http://0x/", "http://127.0.0.0x1/", "http://a..b/")
    yield from (
        "http://127.0.0.①/",
        "http://127。1/",
        "http://" + "a" * 64 + ".example/",
        "http://" + "a." * 130 + "example/",
    )
    yield from (
        "http:///",
        "http://",
        "http://?",
        "http://#",
        "http://:80/",
        "http://./",
        "http://../",
        "http://%/",
        "http://%2e/",
    )
    yield from ("", " ", "http", "http:", "\x00", "http://\ud800/", f"http://{public}/\ud800\\", "http://" + "a" * 3000)
    yield from (
        "http://" + "a." * 127 + "example/\\",
        "http://*/",
        "http://.shop.example/%0d%0aHost:\r\n",
        f"http://{public}:/\x7f",
    )


def _ports() -> Iterator[str]:
    for port in (
        0,
        1,
        21,
        22,
        25,
        81,
        444,
        2375,
        3128,
        5432,
        6379,
        8080,
        8443,
        9092,
        9200,
        10250,
        11211,
        27017,
        65535,
        65536,
    ):
        yield f"http://shop.example:{port}/a.jpg"
    yield from ("http://93.184.216.34:8080/a", "https://93.184.216.34:8443/a", "http://[2606:2800:220:1::34]:6379/a")
    yield from (
        "http://shop.example:-80/",
        "http://shop.example:80a/",
        "http://shop.example:0x50/",
        "http://shop.example:８０80/",
    )
    yield from (
        "http://shop.example:4294967376/",
        "http://shop.example:+22/",
        "http://shop.example: 22/",
        "http://shop.example:２２/",
    )


def _schemes() -> Iterator[str]:
    for scheme in (
        "ftp", "ftps", "sftp", "tftp", "gopher", "dict", "ldap", "ldaps", "imap", "pop3", "smb", "ssh", "telnet", "ws", "wss",
        "file", "jar", "netdoc", "phar", "view-source", "blob", "unix", "http+unix", "socks5", "httpx", "h2c", "redis", "rtsp",
    ):  # fmt: skip
        yield f"{scheme}://127.0.0.1:6379/a.jpg"
    yield from ("file:///etc/passwd", "file://localhost/etc/passwd", "file:/etc/passwd", "FILE:///etc/passwd")
    yield from (
        "data:image/jpeg;base64,/9j/",
        "javascript:fetch('//127.0.0.1')",
        "about:blank",
        "mailto:a@shop.example",
    )
    yield from ("jar:http://127.0.0.1!/a", "url:http://127.0.0.1/", "http+unix://%2fvar%2frun%2fdocker.sock/info")
