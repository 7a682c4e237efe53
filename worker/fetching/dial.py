"""The only way out: sockets that exist only for addresses the guard lets pass, read in small steps and on account.

aiohttp asks its resolver about names and `socket_factory` about every address it is about to dial, literal ones too;
both ask the guard. A connection that is kept alive was checked when it was made.

What a host sends is counted in the socket, below TLS, chunks and headers: there is much that a parser skips and never
shows (empty lines before an answer, interim answers, extensions of chunks), and answers that nobody asked for, on a
connection that is kept. The download under way has a `WireBudget`; a socket whose budget is spent fails.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from worker.fetching.guard import Guard, RefusedError
from worker.machine.loose_threads import LooseThreads

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

STEP_BYTES = 32 << 10
_DNS_THREADS = 64
_DNS_TTL_SECONDS = 10
_TOO_MUCH = "the host sent more than this download may take"


class PooledResolver(AbstractResolver):
    """The system's resolver on threads of its own: names that hang hold up neither the loop's executor nor the end of
    the process, and other names only when there are as many as threads.

    aiohttp shares one look-up among all who wait for a name, so a dead name server costs one thread per name.
    """

    def __init__(self) -> None:
        self._threads = LooseThreads("dns", _DNS_THREADS)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """See aiohttp. Raises OSError when the name does not resolve."""
        found = await self._threads.run(lambda: _look_up(host, port, family))
        return [_result(host, port, entry) for entry in found]

    async def close(self) -> None:
        """Nothing to close: aiohttp gives up who waits, and look-ups that hang end by themselves."""


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


class WireLimitError(OSError):
    """A host sent more than its download may take off the wire."""


@dataclass(slots=True)
class WireBudget:
    """Bytes that a download may still take off the wire: ``total`` in all, ``left`` until the next `allow`.

    Nothing may be read before the first `allow`. ``is_overdrawn`` once a host sent more. ``step``: the most that is
    read at once; larger where admission has paid for more, since each step costs a turn of the loop.
    """

    total: int
    left: int = 0
    is_overdrawn: bool = False
    step: int = STEP_BYTES

    def allow(self, num_bytes: int) -> None:
        """From now on so many, if ``total`` has them."""
        self.left = min(num_bytes, self.total)

    def spent_here(self) -> _Account:
        """Connections that this task makes or takes from the pool are on this account, until another takes them.

        Afterwards they may be kept, but whatever still comes over them ends them.
        """
        return _Account(self)


class _Account:
    """``with``: see `WireBudget.spent_here`."""

    __slots__ = ("_budget", "_token")

    def __init__(self, budget: WireBudget) -> None:
        self._budget = budget

    def __enter__(self) -> None:
        self._token = _spending.set(self._budget)

    def __exit__(self, *_: object) -> None:
        _spending.reset(self._token)
        self._budget.step = STEP_BYTES
        self._budget.allow(0)


# Per task, as aiohttp hands nothing of a request on to where sockets are made.
_spending: ContextVar[WireBudget] = ContextVar("_spending")


class CountedSocket(socket.socket):
    """A socket that gives a step of its budget at most, says how much it gave, and fails when its budget is spent.

    asyncio asks for 256 KiB, more than a body may exceed its limit by.
    """

    on_read: Callable[[int], object]
    budget: WireBudget

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """See socket."""
        data = super().recv(self._step(size), flags)
        self._count(len(data))
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """See socket; asyncio reads TLS this way."""
        size = super().recv_into(buffer, self._step(nbytes or len(buffer)), flags)
        self._count(size)
        return size

    def _step(self, size: int) -> int:
        if self.budget.left < 0:
            raise WireLimitError(_TOO_MUCH)  # aiohttp tries a request again, on another connection
        return min(size, self.budget.step, max(1, self.budget.left))  # one more byte tells the end from too much

    def _count(self, size: int) -> None:
        self.on_read(size)
        self.budget.is_overdrawn |= size > self.budget.left
        self.budget.left -= size
        self.budget.total -= size
        if self.budget.left < 0:
            raise WireLimitError(_TOO_MUCH)


class GuardedConnector(aiohttp.TCPConnector):
    """A connector that cannot reach what ``guard`` refuses; ``on_read`` hears of every byte that came off the wire.

    Requests are made inside of `WireBudget.spent_here`.
    """

    def __init__(
        self,
        guard: Guard,
        max_connections: int,
        on_read: Callable[[int], object],
        resolver: AbstractResolver | None = None,
    ) -> None:
        super().__init__(
            resolver=GuardedResolver(guard, resolver or PooledResolver()),
            socket_factory=self._open_socket,
            limit=max_connections,
            ttl_dns_cache=_DNS_TTL_SECONDS,
        )
        self._guard = guard
        self._on_read = on_read
        self._opened: WeakValueDictionary[int, CountedSocket] = WeakValueDictionary()  # by file descriptor

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:  # noqa: ASYNC109  # aiohttp's name
        """See aiohttp. A connection from the pool goes over to the account of who takes it."""
        connection = await super().connect(req, traces, timeout)
        if connection.transport is not None:
            opened = self._opened.get(connection.transport.get_extra_info("socket").fileno())
            if opened is not None:
                opened.budget = _spending.get()
        return connection

    def _open_socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        _check(self._guard, address[0], address[1])
        opened = CountedSocket(family, kind, protocol)
        opened.on_read = self._on_read
        opened.budget = _spending.get()
        self._opened[opened.fileno()] = opened
        return opened


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
