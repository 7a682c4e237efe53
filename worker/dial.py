"""The only way out: sockets that exist only for addresses the guard lets pass, read in small steps.

aiohttp asks its resolver about names and `socket_factory` about every address it is about to dial, literal ones too;
both ask the guard. A connection that is kept alive was checked when it was made.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from worker.guard import Guard, RefusedError

_STEP_BYTES = 32 << 10
_DNS_THREADS = 64
_DNS_TTL_SECONDS = 10


class PooledResolver(AbstractResolver):
    """The system's resolver on threads of its own: names that hang hold up neither each other nor the loop's executor.

    aiohttp shares one look-up among all who wait for a name, so a dead name server costs one thread per name.
    """

    def __init__(self, max_threads: int = _DNS_THREADS) -> None:
        self._threads = ThreadPoolExecutor(max_threads, thread_name_prefix="dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """See aiohttp. Raises OSError when the name does not resolve."""
        found = await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port, family)
        return [_result(host, port, entry) for entry in found]

    async def close(self) -> None:
        """Start no more look-ups; those that hang end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedResolver(AbstractResolver):
    """Resolves names and refuses every address the guard refuses; one bad answer among good ones refuses them all."""

    def __init__(self, guard: Guard, inner: AbstractResolver) -> None:
        self._guard = guard
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """See aiohttp. Raises RefusedError, and OSError when the name does not resolve."""
        results = await self._inner.resolve(host, port, family)
        for result in results:
            _check(self._guard, result["host"], port)
        return results

    async def close(self) -> None:
        """Let go of the inner resolver."""
        await self._inner.close()


class SteppedSocket(socket.socket):
    """A socket that gives at most 32 KiB at a time, and says how much it gave.

    asyncio asks for 256 KiB, more than a body may exceed its limit by.
    """

    on_read: Callable[[int], object]

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """See socket."""
        data = super().recv(min(size, _STEP_BYTES), flags)
        self.on_read(len(data))
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """See socket; asyncio reads TLS this way."""
        size = super().recv_into(buffer, min(nbytes or len(buffer), _STEP_BYTES), flags)
        self.on_read(size)
        return size


def guarded_connector(
    guard: Guard, max_connections: int, on_read: Callable[[int], object], resolver: AbstractResolver | None = None
) -> aiohttp.TCPConnector:
    """A connector that cannot reach what ``guard`` refuses; ``on_read`` hears of every byte that came off the wire."""

    def open_socket(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        _check(guard, address[0], address[1])
        opened = SteppedSocket(family, kind, protocol)
        opened.on_read = on_read
        return opened

    return aiohttp.TCPConnector(
        resolver=GuardedResolver(guard, resolver or PooledResolver()),
        socket_factory=open_socket,
        limit=max_connections,
        ttl_dns_cache=_DNS_TTL_SECONDS,
    )


def _check(guard: Guard, host: str, port: int) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise RefusedError("address", "the host resolved to something that is no address") from None
    guard.check_address(address, port)


def _look_up(host: str, port: int, family: int) -> list[tuple[Any, ...]]:
    return list(socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG))


def _result(host: str, port: int, entry: tuple[Any, ...]) -> ResolveResult:
    """An answer of getaddrinfo as aiohttp wants it; an address bound to an interface keeps its scope and is refused."""
    family, _, protocol, _, address = entry
    dialled = f"{address[0]}%{address[3]}" if len(address) > 3 and address[3] and "%" not in address[0] else address[0]
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return ResolveResult(hostname=host, host=dialled, port=port, family=family, proto=protocol, flags=flags)
