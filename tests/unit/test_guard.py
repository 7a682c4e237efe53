"""The fetch guard refuses everything that is not plainly public."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.guard import Guard, RefusedError, is_public, parse_endpoint, shown

INSIDE = [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "255.255.255.255", "198.18.0.1", "192.0.0.8", "192.0.2.1", "168.63.129.16", "192.88.99.1", "::1", "::", "fe80::1",
    "fc00::1", "fec0::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2001:db8::1", "::7f00:1",
]  # fmt: skip


@pytest.mark.parametrize("text", INSIDE)
def test_inside_addresses_are_refused(text: str) -> None:
    """Private, local, translated and reserved addresses are not public, however they are written."""
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_pass(text: str) -> None:
    """Ordinary addresses of the internet are public."""
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("file:///etc/passwd", "scheme"), ("ftp://example.com/a", "scheme"), ("http://user:pw@example.com/a.jpg", "credentials"),
        ("http://example.com:22/a.jpg", "port"), ("http://127.0.0.1/a.jpg", "address"), ("http://[::1]/a.jpg", "address"),
        ("http://2130706433/a.jpg", "odd_address"), ("http://0x7f000001/a.jpg", "odd_address"), ("http://127.1/a", "odd_address"),
        ("http://example.com/" + "a" * 3000, "url_too_long"), ("http://169.254.169.254/latest/", "address"),
    ],
)  # fmt: skip
def test_urls_are_refused_by_rule(url: str, rule: str) -> None:
    """Each kind of bad URL is refused by the rule that names it."""
    with pytest.raises(RefusedError) as caught:
        Guard().check_url(url)
    assert caught.value.rule == rule


def test_allowed_endpoint_is_exact() -> None:
    """An allowance opens one address on one port and nothing beside it."""
    guard = Guard(("127.0.0.1:8080",))
    assert str(guard.check_url("http://127.0.0.1:8080/a.jpg"))
    for url in ("http://127.0.0.1:8081/a", "http://127.0.0.2:8080/a", "http://127.0.0.1/a"):
        with pytest.raises(RefusedError):
            guard.check_url(url)


@given(st.ip_addresses(), st.integers(1, 65535))
def test_endpoints_come_back_as_they_went(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    """Every address and port can be allowed."""
    text = f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
    endpoint = parse_endpoint(text)
    assert (endpoint.address, endpoint.port) == (address, port)


@pytest.mark.parametrize("text", ["localhost:80", "10.0.0.1", "10.0.0.1:0", "10.0.0.0/8:80", ""])
def test_wrong_endpoints_are_named(text: str) -> None:
    """What is no exact IP:port is refused with what is wanted."""
    with pytest.raises(ValueError, match=r"IP:port|ports are"):
        parse_endpoint(text)


@given(st.text(max_size=300))
def test_any_text_is_a_url_or_refused(text: str) -> None:
    """No string makes the guard fail in any other way."""
    try:
        Guard().check_url(text)
    except RefusedError as error:
        assert error.rule


def test_logged_urls_hold_no_secret() -> None:
    """Queries and credentials stay out of logs and dead letters."""
    assert shown("https://user:pw@example.com/a.jpg?token=abc#x") == "https://example.com/a.jpg"
