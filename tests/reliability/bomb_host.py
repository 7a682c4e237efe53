"""A host that sends what a script says, over HTTP or TLS, and counts what it got rid of."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from contextlib import suppress
from typing import Self
from urllib.parse import unquote

from tests.reliability.bomb_scripts import Bomb, redirects

_SEND_BUFFER_BYTES = 8 << 10  # so that what the kernel took is nearly what the other side has


class BombHost:
    """Serves each bomb at ``/NUMBER`` on the port of its kind. ``sent`` counts the bytes that the kernel took."""

    def __init__(self, bombs: list[Bomb], tls: ssl.SSLContext) -> None:
        self._bombs = bombs
        self._tls = tls
        self._servers: list[asyncio.Server] = []
        self._raw: Bomb | None = None
        self.sent: Counter[str] = Counter()
        self.ports: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        for kind in ("", "yes", "raw"):
            sock = socket.create_server(("127.0.0.1", 0))
            if kind != "yes":  # TLS through so small a buffer waits for acknowledgements more than it sends
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)  # what is accepted inherits it
            serve = self._serve_raw if kind == "raw" else self._serve
            server = await asyncio.start_server(serve, sock=sock, ssl=self._tls if kind == "yes" else None)
            self._servers.append(server)
            self.ports[kind] = sock.getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()

    def url(self, bomb: Bomb) -> str:
        """Where this bomb lies; a raw one is the only one of its port from now on."""
        if bomb.tls == "raw":
            self._raw = bomb
        path = bomb.name if bomb.name.startswith("/") else f"/{self._bombs.index(bomb)}"
        return f"{'https' if bomb.tls else 'http'}://127.0.0.1:{self.ports[bomb.tls]}{path}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = unquote(head.split(b" ")[1].decode("latin-1"))
                if (answer := redirects(path)) is None:
                    if path.strip("/").isdigit():
                        await self._send(self._bombs[int(path.strip("/"))], reader, writer)
                    break
                writer.write(answer)
        writer.transport.abort()

    async def _serve_raw(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            if self._raw is not None:
                await self._send(self._raw, reader, writer)
        writer.transport.abort()

    async def _send(self, bomb: Bomb, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if bomb.tls != "yes":  # TLS frames what it is given: there the count includes what waits in this process
            writer.transport.set_write_buffer_limits(0)
        for piece in bomb.script():
            if isinstance(piece, float):
                await _wait(reader, piece)
            else:
                writer.write(piece)
                await writer.drain()
                self.sent[bomb.name] += len(piece)
            if reader.at_eof():
                return
        writer.write_eof() if writer.can_write_eof() else None
        await _wait(reader, 0.2)


async def _wait(reader: asyncio.StreamReader, seconds: float) -> None:
    """So long, or until the other side has gone."""
    with suppress(TimeoutError):
        async with asyncio.timeout(None if seconds == float("inf") else seconds):
            while await reader.read(1 << 16):
                pass
