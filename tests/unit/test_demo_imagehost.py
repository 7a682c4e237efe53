"""The demo's image host gives good pictures, and bad answers where they are asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from worker.demo.imagehost import ImageHost, giant_png
from worker.demo.samples import load_pictures


@pytest.fixture
async def host() -> AsyncIterator[ImageHost]:
    async with ImageHost(load_pictures()) as running:
        yield running


async def fetch(url: str) -> tuple[int, str, bytes]:
    async with aiohttp.ClientSession() as session, session.get(url, allow_redirects=False) as answer:
        return answer.status, answer.content_type, await answer.read()


async def test_a_picture_comes_as_it_is(host: ImageHost) -> None:
    """A sample picture is served byte for byte, as JPEG."""
    name, body = next(iter(load_pictures().items()))
    assert await fetch(f"{host.base_url}/pictures/{name}") == (200, "image/jpeg", body)
    assert host.requests == 1


@pytest.mark.parametrize("path", ["pictures/none.jpg", "pictures/..%2fsamples.jsonl", "broken/missing.jpg"])
async def test_what_is_not_there_is_404(host: ImageHost, path: str) -> None:
    """Unknown names are 404, and nothing outside the pictures can be had."""
    assert (await fetch(f"{host.base_url}/{path}"))[0] == 404


async def test_a_page_claims_to_be_a_jpeg(host: ImageHost) -> None:
    """The HTML page is served under a JPEG's content type."""
    status, content_type, body = await fetch(f"{host.base_url}/broken/page.jpg")
    assert (status, content_type, body[:9]) == (200, "image/jpeg", b"<!doctype")


async def test_a_truncated_picture_starts_well(host: ImageHost) -> None:
    """The cut-off JPEG has a JPEG's head and lacks its end."""
    _, _, body = await fetch(f"{host.base_url}/broken/truncated.jpg")
    assert body[:2] == b"\xff\xd8"
    assert body[-2:] != b"\xff\xd9"


async def test_a_redirect_leads_to_a_private_address(host: ImageHost) -> None:
    """The redirect is there to be refused."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{host.base_url}/broken/redirect.jpg", allow_redirects=False) as answer,
    ):
        assert answer.headers["location"].startswith("http://169.254.169.254/")


async def test_a_heavy_body_states_no_length(host: ImageHost) -> None:
    """The heavy body must be counted to be stopped, and a client that leaves ends it."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{host.base_url}/broken/heavy.jpg") as answer,
    ):
        assert "content-length" not in answer.headers
        assert len(await answer.content.readexactly(1 << 20)) == 1 << 20


def test_the_giant_claims_its_size_in_its_header() -> None:
    """The PNG header states the pixels that the body lacks."""
    assert giant_png()[16:24] == (60_000).to_bytes(4) * 2


def test_an_unstarted_host_has_no_address() -> None:
    """Asking for the address too early is an error that says what to do."""
    with pytest.raises(RuntimeError, match="start"):
        _ = ImageHost({}).base_url
