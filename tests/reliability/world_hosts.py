"""Every host of the small world: pictures at a few public addresses, sinks that count at all others."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Self

from tests.reliability.small_world import DEAD, PUBLIC

WEB_PORTS = (80, 443)
OTHER_PORTS = (
    1, 21, 22, 23, 25, 81, 111, 179, 389, 444, 445, 873, 1080, 2049, 2375, 2379, 3000, 3128, 3306, 4443, 5000, 5432,
    5601, 6379, 6443, 7001, 8000, 8008, 8080, 8081, 8443, 8500, 8888, 9000, 9092, 9100, 9200, 10250, 10255, 11211,
    15672, 27017, 61616,
)  # fmt: skip
PICTURE = b"\xff\xd8\xff\xe0" + b"a made-up picture" * 20

_MARKERS = ("127.0.0.99", "fd99::99")  # our own last connections, which tell that all before them are counted

Answer = Callable[[str, str, str], bytes]


def picture(_scheme: str, _host: str, _target: str) -> bytes:
    """The picture, whatever is asked for."""
    return answer(200, PICTURE, {"Content-Type": "image/jpeg"})


def answer(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """An HTTP answer on the wire; header values go out as UTF-8."""
    lines = [f"HTTP/1.1 {status} Made-up", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


class WorldHosts:
    """Listens on all addresses at once. ``sunk`` counts connections to addresses and ports that nobody may dial,
    ``served`` those to public ones.
    """

    def __init__(self, tls: ssl.SSLContext, respond: Answer = picture) -> None:
        self._tls = tls
        self.respond = respond
        self.sunk: Counter[tuple[str, int]] = Counter()
        self.served: Counter[tuple[str, int]] = Counter()
        self._servers: list[asyncio.Server] = []
        self._marked: asyncio.Queue[int] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        for port in (*WEB_PORTS, *OTHER_PORTS):
            for any_address in ("0.0.0.0", "::"):  # noqa: S104  # all addresses: that is the point
                self._servers.append(await asyncio.start_server(self._serve, any_address, port, backlog=1024))
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()

    async def settle(self) -> None:
        """Return when every connection made so far is counted: what was accepted last is our own."""
        for port in (*WEB_PORTS, *OTHER_PORTS):
            for address in _MARKERS:
                _, writer = await asyncio.open_connection(address, port)
                await self._marked.get()
                writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address, port = writer.get_extra_info("sockname")[:2]
        address = str(ipaddress.ip_address(address.partition("%")[0]))
        is_public = address in PUBLIC and port in WEB_PORTS
        if address in _MARKERS:
            self._marked.put_nowait(port)
        elif is_public:
            self.served[address, port] += 1
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                if port == 443:
                    await writer.start_tls(self._tls)
                await self._converse(reader, writer, "https" if port == 443 else "http")
        elif address not in DEAD or port not in WEB_PORTS:
            self.sunk[address, port] += 1
        writer.transport.abort()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, scheme: str) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            target = head[0].split(" ")[1]
            host = next((line.partition(":")[2].strip() for line in head if line.lower().startswith("host:")), "")
            writer.write(self.respond(scheme, host, target))
            await writer.drain()


def can_be_dialled(address: str, port: int = 80) -> bool:
    """Does the kernel let anybody connect there? Multicast and broadcast: no."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(2)
        try:
            one.connect((address, port))
        except OSError:
            return False
    return True
