"""A small image host on this machine: the sample pictures, and paths that answer badly on purpose."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import web

HEAVY_BYTES = 64 << 20
_CHUNK = bytes(64 << 10)
_JPEG_START = b"\xff\xd8\xff\xe0"
_PAGE = "<!doctype html><title>Gone</title><p>This shop has moved.</p>"
_METADATA_URL = "http://169.254.169.254/latest/meta-data/"


def giant_png() -> bytes:
    """A PNG that claims 3.6 gigapixels and holds none."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(header) + _chunk(b"IDAT") + _chunk(b"IEND")


def _chunk(content: bytes) -> bytes:
    """A PNG chunk: ``content`` begins with the chunk's type."""
    return struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))


@dataclass(slots=True)
class ImageHost:
    """Serves ``pictures`` under ``/pictures/`` and broken answers under ``/broken/``; ``port`` 0: any free one.

    Lives on the event loop that started it. ``requests`` counts what was asked for.
    """

    pictures: Mapping[str, bytes]  # JPEG bytes by file name
    requests: int = 0
    host: str = "127.0.0.1"
    port: int = 0
    _runner: web.AppRunner | None = None
    _address: tuple[str, int] | None = field(default=None)

    @property
    def endpoint(self) -> str:
        """``IP:port``, as ``fetch.allow_endpoints`` wants it. Raises RuntimeError before ``start``."""
        if self._address is None:
            raise RuntimeError("the image host has no address yet: call start() first")
        return f"{self._address[0]}:{self._address[1]}"

    @property
    def base_url(self) -> str:
        """Where it answers, without a slash at the end. Raises RuntimeError before ``start``."""
        return f"http://{self.endpoint}"

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken, or this machine has no such address."""
        app = web.Application()
        app.router.add_get("/pictures/{name}", self._picture)
        app.router.add_get("/broken/{name}", self._broken)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()
        host, port = self._runner.addresses[0][:2]
        self._address = (host, port)

    async def close(self) -> None:
        """Stop listening and end what is open."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _picture(self, request: web.Request) -> web.Response:
        self.requests += 1
        body = self.pictures.get(request.match_info["name"])
        if body is None:
            raise web.HTTPNotFound(text="no such picture")
        return web.Response(body=body, content_type="image/jpeg")

    async def _broken(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        match request.match_info["name"]:
            case "page.jpg":
                return web.Response(text=_PAGE, content_type="image/jpeg")
            case "truncated.jpg":
                return web.Response(body=self._half_a_picture(), content_type="image/jpeg")
            case "giant.png":
                return web.Response(body=giant_png(), content_type="image/png")
            case "heavy.jpg":
                return await self._heavy(request)
            case "redirect.jpg":
                raise web.HTTPFound(_METADATA_URL)
        raise web.HTTPNotFound(text="no such picture")

    def _half_a_picture(self) -> bytes:
        whole = max(self.pictures.values(), key=len)
        return whole[: len(whole) // 2]

    async def _heavy(self, request: web.Request) -> web.StreamResponse:
        """A body without a stated length, so that only counting its bytes can stop it."""
        response = web.StreamResponse(headers={"content-type": "image/jpeg"})
        await response.prepare(request)
        with suppress(ConnectionError):  # the worker hangs up when it has seen enough
            await response.write(_JPEG_START)
            for _ in range(HEAVY_BYTES // len(_CHUNK)):
                await response.write(_CHUNK)
        return response
