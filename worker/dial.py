"""The only way out: a connector that resolves, checks every address, and dials only what was checked."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from worker.guard import Guard, RefusedError


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
            self._guard.check_address(ipaddress.ip_address(result["host"]), port)
        return results

    async def close(self) -> None:
        """Let go of the inner resolver."""
        await self._inner.close()


class GuardedConnector(aiohttp.TCPConnector):
    """aiohttp asks no resolver about a literal address, so the connector checks what it is about to dial, whatever it
    is.
    """

    def __init__(self, guard: Guard, max_connections: int) -> None:
        resolver = GuardedResolver(guard, aiohttp.ThreadedResolver())
        super().__init__(resolver=resolver, limit=max_connections, use_dns_cache=False, force_close=False)
        self._guard = guard

    async def _resolve_host(self, host: str, port: int, traces: Any = None) -> list[ResolveResult]:
        results = await super()._resolve_host(host, port, traces)
        for result in results:
            try:
                address = ipaddress.ip_address(result["host"])
            except ValueError:
                raise RefusedError("address", "the host resolved to something that is no address") from None
            self._guard.check_address(address, port)
        return results
