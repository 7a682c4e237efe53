"""Which addresses are the open internet, at the edges of every registry entry."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.fetching.address_rules import carried_ipv4, why_closed

CLOSED = [
    "0.0.0.0", "0.1.2.3", "10.0.0.0", "10.1.2.3", "10.255.255.255", "100.64.0.1", "100.127.255.255",
    "100.100.100.200", "127.0.0.1", "127.1.2.3", "127.255.255.255", "169.254.0.1", "169.254.169.254",
    "169.254.170.2", "169.254.255.255", "172.16.0.0", "172.20.1.1", "172.31.255.255", "192.0.0.0", "192.0.0.8",
    "192.0.0.9", "192.0.0.170", "192.0.0.192", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1",
    "192.168.0.0", "192.168.255.255", "192.175.48.6", "198.18.0.1", "198.19.255.255", "198.51.100.7",
    "203.0.113.255", "224.0.0.1", "233.252.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "168.63.129.16", "::", "::1", "::2", "::7f00:1", "::a00:1", "::808:808", "::ffff:0.0.0.0", "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:168.63.129.16", "::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8",
    "64:ff9b::a00:1", "64:ff9b::808:808", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "64:ff9b:1:abcd::808:808",
    "100::1", "100:0:0:1::1", "1000::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:1::1",
    "2001:2::1", "2001:3::1", "2001:4:112::1", "2001:10::1", "2001:20::1", "2001:30::1", "2001:1ff::1",
    "2001:db8::1", "2001:db8:ffff::1", "2002:7f00:1::", "2002:a00:1::", "2002:a9fe:a9fe::", "2002:808:808::1",
    "2620:4f:8000::1", "3fff::1", "3fff:fff::1", "2a00:1450::5efe:10.0.0.1", "2a00:1450::200:5efe:192.168.0.1",
    "2600::5efe:8.8.8.8", "4000::1", "5f00::1", "8000::1", "e000::1", "fc00::1", "fd00::1", "fd00:ec2::254",
    "fd00:ec2::23", "fd20:ce::254", "fd00:42::42", "fdff:ffff::1", "fe00::1", "fe80::1", "fe80::a9fe:a9fe",
    "febf::1", "fec0::1", "feff::1", "ff00::1", "ff02::1", "ff05::2", "ff0e::1", "fe80::1%eth0",
    "2606:4700::1111%eth0",
]  # fmt: skip
OPEN = [
    "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "93.184.216.34", "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.0", "168.63.129.15", "169.253.255.255", "169.255.0.0", "172.15.255.255",
    "172.32.0.0", "191.255.255.255", "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
    "198.20.0.0", "223.255.255.255", "::ffff:8.8.8.8", "2001:200::1", "2001:4860:4860::8888", "2606:4700::1111",
    "2a00:1450:4001:80b::200e", "2003::1", "2620:fe::fe", "3ffe::1", "3fff:1000::1",
]  # fmt: skip


@pytest.mark.parametrize("text", CLOSED)
def test_special_addresses_are_closed(text: str) -> None:
    """Private, local, translated, reserved and metadata addresses are closed, however they are written."""
    assert why_closed(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", OPEN)
def test_ordinary_addresses_are_open(text: str) -> None:
    """What lies right beside a special block is ordinary."""
    assert why_closed(ipaddress.ip_address(text)) is None


@pytest.mark.parametrize(
    ("text", "form", "inner"),
    [
        ("::ffff:10.0.0.1", "IPv4-mapped", "10.0.0.1"), ("::10.0.0.1", "IPv4-compatible", "10.0.0.1"),
        ("2002:a00:1::9", "6to4", "10.0.0.1"), ("64:ff9b::a00:1", "NAT64", "10.0.0.1"),
        ("64:ff9b:1::a00:1", "local NAT64", "10.0.0.1"), ("::ffff:0:10.0.0.1", "SIIT", "10.0.0.1"),
        ("2001:0:4136:e378:8000:63bf:f5ff:fffe", "Teredo", "10.0.0.1"), ("2a00::5efe:a00:1", "ISATAP", "10.0.0.1"),
    ],
)  # fmt: skip
def test_carried_addresses_are_taken_out(text: str, form: str, inner: str) -> None:
    """Each form of IPv4 inside IPv6 gives up the address it carries."""
    assert carried_ipv4(ipaddress.IPv6Address(text)) == (form, ipaddress.IPv4Address(inner))


@given(st.ip_addresses(v=4))
def test_mapped_form_is_judged_by_what_it_carries(address: ipaddress.IPv4Address) -> None:
    """Writing an address the mapped way neither opens nor closes it."""
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    assert (why_closed(mapped) is None) == (why_closed(address) is None)


@given(st.ip_addresses())
def test_everything_outside_the_registries_alone_is_open(address: ipaddress.IPv4Address) -> None:
    """What we call open, this Python never calls private."""
    if why_closed(address) is None:
        assert not address.is_private
