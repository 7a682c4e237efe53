"""Image hosts that behave oddly: other formats, dead silence, a byte now and then."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

from aiohttp import web
from PIL import Image

from tests.reliability.traffic import pictures


class OddHost:
    """Serves ``/pictures/N.jpg`` well, or hangs or drips if ``manner`` says so; ``/odd/NAME`` always answers oddly.

    On a port of 127.0.0.1 of its own. ``manner``: ``well``, ``hang`` (accepts and never answers) or ``drip`` (one byte
    a second).
    """

    def __init__(self, manner: str = "well", served: Mapping[str, bytes] | None = None) -> None:
        self.manner = manner
        self._served = served or pictures()
        self._runner: web.AppRunner | None = None
        self._ending = asyncio.Event()
        self.endpoint = ""

    @property
    def base_url(self) -> str:
        """Where it answers."""
        return f"http://{self.endpoint}"

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/pictures/{name}", self._picture)
        app.router.add_get("/odd/{name}", self._odd)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=512).start()
        self.endpoint = "{}:{}".format(*self._runner.addresses[0][:2])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        if self._runner is not None:
            await self._runner.cleanup()

    async def _picture(self, request: web.Request) -> web.StreamResponse:
        body = self._served.get(request.match_info["name"], b"")
        if self.manner == "hang":
            await self._ending.wait()
        if self.manner == "drip":
            return await self._drip(request, body)
        return web.Response(body=body, content_type="image/jpeg")

    async def _drip(self, request: web.Request, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-length": str(len(body)), "content-type": "image/jpeg"})
        await response.prepare(request)
        with suppress(ConnectionError):  # the worker hangs up: that is the point
            for position in range(len(body)):
                await response.write(body[position : position + 1])
                if await _ends_within(self._ending, 1.0):
                    break
        return response

    async def _odd(self, request: web.Request) -> web.StreamResponse:
        match request.match_info["name"]:
            case "hang.jpg":
                await self._ending.wait()
            case "picture.tiff":
                return web.Response(body=_tiff(), content_type="image/tiff")
            case "busy.jpg":
                return web.Response(status=503)
        raise web.HTTPNotFound


async def _ends_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _tiff() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), "red").save(buffer, "TIFF")
    return buffer.getvalue()
