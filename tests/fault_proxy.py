"""A TCP proxy on this machine that can be killed, brought back, made slow or made to swallow everything."""

from __future__ import annotations

import asyncio
import ssl
from types import TracebackType
from typing import Self


class FaultProxy:
    """Stands between a client and ``upstream_host:upstream_port``. ``port`` stays the same across kills.

    Client-side TLS is ended here if ``tls`` is given.
    """

    def __init__(self, upstream_host: str, upstream_port: int, *, tls: ssl.SSLContext | None = None) -> None:
        self._upstream = (upstream_host, upstream_port)
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._pumps: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.delay_seconds = 0.0
        self.port = 0
        self.num_connections = 0

    async def __aenter__(self) -> Self:
        await self.revive()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()

    async def revive(self) -> None:
        """Listen (again), on the same port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def kill(self) -> None:
        """Refuse connections and reset those that are there."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()
        pumps = list(self._pumps)
        for pump in pumps:
            pump.cancel()
        if pumps:
            await asyncio.wait(pumps)
        await asyncio.sleep(0)

    def swallow(self) -> None:
        """Accept connections and bytes, and pass nothing on: a black hole."""
        self._flowing.clear()

    def flow(self) -> None:
        """End the black hole."""
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.num_connections += 1
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        except OSError:  # the server behind is dead: so is this connection
            writer.transport.abort()
            return
        self._writers |= {writer, up_writer}
        both = [
            asyncio.create_task(self._pump(source, sink)) for source, sink in ((reader, up_writer), (up_reader, writer))
        ]
        self._pumps.update(both)
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for pump in both:
            pump.cancel()
        await asyncio.wait(both)
        self._pumps.difference_update(both)
        self._writers -= {writer, up_writer}
        for end in (writer, up_writer):
            end.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while chunk := await source.read(65_536):
                await self._flowing.wait()
                await asyncio.sleep(self.delay_seconds)
                sink.write(chunk)
                await sink.drain()
        except OSError:
            return  # one side is gone: so is the other
