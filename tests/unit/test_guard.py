"""The fetch guard refuses everything that is not plainly public."""

from __future__ import annotations

import ipaddress
import json
from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from schemas.listing import MAX_URL_CHARS, parse_listing
from worker.fetching.guard import Guard, RefusedError, parse_endpoint, shown


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("file:///etc/passwd", "scheme"), ("ftp://example.com/a", "scheme"), ("http://user:pw@example.com/a.jpg", "credentials"),
        ("http://example.com:22/a.jpg", "port"), ("http://127.0.0.1/a.jpg", "address"), ("http://[::1]/a.jpg", "address"),
        ("http://2130706433/a.jpg", "odd_address"), ("http://0x7f000001/a.jpg", "odd_address"), ("http://127.1/a", "odd_address"),
        ("http://example.com/" + "a" * 4078, "url_too_long"), ("http://169.254.169.254/latest/", "address"),
        ("http://１２７.０.０.１/a", "address"), ("http://127。0。0。1/a", "address"), ("http://127.0.0.1./a", "odd_address"),
        ("http://0177.0.0.1/a", "odd_address"), ("http://example.com\\@127.0.0.1/a", "url_malformed"), ("http:///a", "no_host"),
        ("http://[::ffff:127.0.0.1]/a", "address"), ("http://example.com/\r\nHost: inside", "url_malformed"),
        ("http://./a", "url_malformed"), ("http://a..b/", "url_malformed"), ("http://.example.com/", "url_malformed"),
        ("http://" + "a" * 64 + ".example/", "url_malformed"), ("http://" + "a." * 130 + "example/", "url_malformed"),
    ],
)  # fmt: skip
def test_urls_are_refused_by_rule(url: str, rule: str) -> None:
    """Each kind of bad URL is refused by the rule that names it."""
    with pytest.raises(RefusedError) as caught:
        Guard().check_url(url)
    assert caught.value.rule == rule


def test_a_url_may_be_as_long_as_a_listing_may_give_it() -> None:
    """One limit: what the schema lets in is not refused for its length when fetched. Signed URLs are long."""
    url = "https://example.com/".ljust(MAX_URL_CHARS, "a")
    assert parse_listing(json.dumps({"listing_id": "a", "image_urls": [url]}).encode()).image_urls == (url,)
    assert str(Guard().check_url(url)) == url


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


_DELIMITERS = st.sampled_from(
    [*"[]@:/?#%.&=;,~|^ ", "://", "//", "][", "]@", "[::1]", "%5b", "xn--", "０", "1.2.3.4", "a"]
)
_ODD_URLS = st.lists(_DELIMITERS, max_size=8).map("".join)


@given(st.one_of(st.text(max_size=300), _ODD_URLS, _ODD_URLS.map("http://".__add__)))
@example("http://][@/a.jpg")  # of which the parser says IndexError
def test_any_text_is_a_url_or_refused(text: str) -> None:
    """No string makes the guard fail in any other way: as a URL, as a redirect's target, or to be shown in a log."""
    base = URL("https://shop.example/a/b.jpg")
    for check in (Guard().check_url, partial(Guard().check_redirect, base)):
        try:
            check(text)
        except RefusedError as error:
            assert error.rule
    assert len(shown(text)) <= 200


@pytest.mark.parametrize(
    "host", ["a" * 63 + ".example", ".".join(["a" * 60] * 4) + ".example.", "my_bucket.s3.example", "1e100.example"]
)
def test_long_and_odd_names_are_names(host: str) -> None:
    """Names at the limits, with underscores, leading digits or a last dot, are asked for."""
    assert Guard().check_url(f"https://{host}/a.jpg").raw_host == host


def test_logged_urls_hold_no_secret() -> None:
    """Queries and credentials stay out of logs and dead letters."""
    assert shown("https://user:pw@example.com/a.jpg?token=abc#x") == "https://example.com/a.jpg"


def test_redirect_to_a_path_stays_on_its_host() -> None:
    """A relative target is taken from the URL that redirected."""
    assert Guard().check_redirect(URL("https://example.com/a/b"), "../c.jpg") == URL("https://example.com/c.jpg")


@pytest.mark.parametrize(
    ("location", "rule"),
    [
        ("http://example.com/a.jpg", "downgrade"), ("//169.254.169.254/", "address"), ("https://u:p@example.com/", "credentials"),
        ("file:///etc/passwd", "scheme"), ("https://example.com:8080/", "port"), ("http://[::1", "url_malformed"),
        ("https:///127.0.0.1/", "no_host"), ("///127.0.0.1/", "no_host"), ("https:/127.0.0.1/", "no_host"), ("http://", "no_host"),
    ],
)  # fmt: skip
def test_redirects_are_checked_like_first_urls(location: str, rule: str) -> None:
    """No hop may lead where the first URL may not, nor from https to http."""
    with pytest.raises(RefusedError) as caught:
        Guard().check_redirect(URL("https://example.com/a.jpg"), location)
    assert caught.value.rule == rule


def test_metadata_services_are_named() -> None:
    """The refusal says that a cloud's metadata service was asked for, in whatever form."""
    for host in ("169.254.169.254", "[fd00:ec2::254]", "168.63.129.16", "[64:ff9b::a9fe:a9fe]"):
        with pytest.raises(RefusedError, match="cloud metadata"):
            Guard().check_url(f"http://{host}/latest/")
