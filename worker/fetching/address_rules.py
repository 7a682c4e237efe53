"""Pure: which IP addresses belong to the open internet, and what the others are.

Built from the IANA special-purpose registries (RFC 6890 and its successors), not from ``ipaddress.is_global``, whose
answer depends on the patch release of Python. IPv4 is open except for what is listed; IPv6 is closed except for
2000::/3, less what is listed. An IPv4 address inside an IPv6 one is taken out: the mapped form is judged by it, as the
kernel dials it; every other form is refused, since a translator we cannot see decides where it leads.
"""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = {
    ipaddress.ip_address(text): whose
    for text, whose in {
        "169.254.169.254": "AWS, Azure, Google and others",
        "169.254.170.2": "AWS ECS",
        "169.254.170.23": "AWS EKS",
        "169.254.169.253": "AWS DNS",
        "169.254.169.123": "AWS time",
        "fd00:ec2::254": "AWS",
        "fd00:ec2::23": "AWS EKS",
        "fd00:ec2::253": "AWS DNS",
        "fd20:ce::254": "Google",
        "168.63.129.16": "Azure",
        "100.100.100.200": "Alibaba",
        "192.0.0.192": "Oracle",
        "169.254.0.23": "Tencent",
        "169.254.42.42": "Scaleway",
        "fd00:42::42": "Scaleway",
    }.items()
}

_CLOSED_IPV4 = tuple(
    (ipaddress.IPv4Network(network), what)
    for network, what in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private use"),
        ("100.64.0.0/10", "shared by carriers"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private use"),
        ("192.0.0.0/24", "protocol assignments"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "AS112"),
        ("192.52.193.0/24", "multicast tunnelling"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private use"),
        ("192.175.48.0/24", "AS112"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)

_OPEN_IPV6 = ipaddress.IPv6Network("2000::/3")
_CLOSED_IPV6 = tuple(
    (ipaddress.IPv6Network(network), what)
    for network, what in (
        ("::1/128", "loopback"),
        ("::/128", "unspecified"),
        ("100::/64", "discard"),
        ("100:0:0:1::/64", "dummy prefix"),
        ("2001::/23", "protocol assignments"),
        ("2001:db8::/32", "documentation"),
        ("2620:4f:8000::/48", "AS112"),
        ("3fff::/20", "documentation"),
        ("5f00::/16", "segment routing"),
        ("fc00::/7", "private use"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)

# How each form carries its IPv4 address: the prefix, and how far the address is shifted from the right.
_CARRIERS = (
    ("IPv4-mapped", ipaddress.IPv6Network("::ffff:0:0/96"), 0),
    ("SIIT", ipaddress.IPv6Network("::ffff:0:0:0/96"), 0),
    ("NAT64", ipaddress.IPv6Network("64:ff9b::/96"), 0),
    ("local NAT64", ipaddress.IPv6Network("64:ff9b:1::/48"), 0),
    ("6to4", ipaddress.IPv6Network("2002::/16"), 80),
    ("IPv4-compatible", ipaddress.IPv6Network("::/96"), 0),
)
_TEREDO = ipaddress.IPv6Network("2001::/32")
_ISATAP = (0x00005EFE, 0x02005EFE)
_32_BITS = 0xFFFFFFFF


def why_closed(address: Address) -> str | None:
    """What kind of inside this address is, in a few words; None for an ordinary address of the open internet."""
    if whose := _METADATA.get(address):
        return f"cloud metadata ({whose})"
    if isinstance(address, ipaddress.IPv4Address):
        return next((what for network, what in _CLOSED_IPV4 if address in network), None)
    if address.scope_id:
        return "bound to one interface"
    if carried := carried_ipv4(address):
        form, inner = carried
        what = why_closed(inner)
        return what if what is None and form == "IPv4-mapped" else f"{inner} in {form} form, {what or 'translated'}"
    default = None if address in _OPEN_IPV6 else "outside 2000::/3"
    return next((what for network, what in _CLOSED_IPV6 if address in network), default)


def carried_ipv4(address: ipaddress.IPv6Address) -> tuple[str, ipaddress.IPv4Address] | None:
    """The IPv4 address that an IPv6 address carries, after the name of the form; None if it carries none."""
    bits = int(address)
    if bits < 2:  # :: and ::1 are themselves
        return None
    if address in _TEREDO:
        return "Teredo", ipaddress.IPv4Address(~bits & _32_BITS)
    for form, prefix, shift in _CARRIERS:
        if address in prefix:
            return form, ipaddress.IPv4Address(bits >> shift & _32_BITS)
    if bits >> 32 & _32_BITS in _ISATAP:
        return "ISATAP", ipaddress.IPv4Address(bits & _32_BITS)
    return None
