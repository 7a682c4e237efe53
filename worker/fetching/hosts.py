"""What is known of each image host: how many requests it has open, whether it seems dead. Owner: the event loop.

A host that hangs must not take the connections of the others. So each host starts with 2 slots and earns one more with
each success, up to ``max_per_host``; a failure leaves it one; hosts in trouble share a quarter of all connections;
hosts that have never answered share half, for one domain can have any number of names; and after several failures in a
row a host rests, each time twice as long, and is then tried by one request. Requests that were open together fail once:
it takes one that began after a failure to make another.

A backfill's requests (``is_spare``) count in the same limits, so that a host sees no more of us for two streams than
for one; they are let in after those of live listings, and hold half of a host's slots and of all at most.

Of each kind those whose memory is paid for (`worker.fetching.allowance`) are let in first. Others would take the turns,
find no memory, which these hold, and wait for it in vain, one after the other.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from worker.clock import Clock
from worker.errors import RejectedError
from worker.flow.pace import Pace

_MAX_HOSTS = 4096
_FIRST_SLOTS = 2
_FAILURES_TO_REST = 5  # in a row
_REST_SECONDS, _MAX_REST_SECONDS = 5.0, 60.0
_Turn = tuple[bool, int, "asyncio.Future[None]"]  # has it still to be paid for; its number; who waits for it


class Gate:
    """A semaphore whose size may change while it is held; first come, first served, but live requests before spare
    ones, which hold half of the places at most, and one at least; and of each kind those first that are paid for.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._num_inside = 0
        self._num_spare = 0
        self._waiting: list[_Turn] = []  # heaps
        self._spare: list[_Turn] = []
        self._num_turns = 0

    @property
    def limit(self) -> int:
        """How many may be inside."""
        return self._limit

    @limit.setter
    def limit(self, limit: int) -> None:
        self._limit = limit
        self._wake()

    def has_place(self, *, is_spare: bool) -> bool:
        """Could one enter without waiting?"""
        if self._waiting or self._num_inside >= self._limit:
            return False
        return not is_spare or (not self._spare and self._num_spare < self._most_spare)

    async def enter(self, *, is_spare: bool = False, is_paid: bool = False) -> None:
        """Wait for a place and hold it until ``leave``."""
        if self.has_place(is_spare=is_spare):
            self._num_inside += 1
            self._num_spare += is_spare
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._num_turns += 1
        heapq.heappush(self._spare if is_spare else self._waiting, (not is_paid, self._num_turns, turn))
        self._wake()
        try:
            if not turn.done():
                await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(is_spare=is_spare)  # let in and cancelled in the same turn of the loop
            raise

    def leave(self, *, is_spare: bool = False) -> None:
        """Give the place back."""
        self._num_inside -= 1
        self._num_spare -= is_spare
        self._wake()

    @property
    def _most_spare(self) -> int:
        return max(1, self._limit // 2)

    def _wake(self) -> None:
        while self._waiting and self._num_inside < self._limit:
            self._let_in(heapq.heappop(self._waiting), is_spare=False)
        while self._spare and self._num_inside < self._limit and self._num_spare < self._most_spare:
            self._let_in(heapq.heappop(self._spare), is_spare=True)

    def _let_in(self, waiting: _Turn, *, is_spare: bool) -> None:
        *_, turn = waiting
        if not turn.done():
            self._num_inside += 1
            self._num_spare += is_spare
            turn.set_result(None)


@dataclass(frozen=True, slots=True)
class Pacing:
    """``rate``: requests a second that one host gets of us at most; 0: no limit. ``wait``: how time passes."""

    rate: float = 0.0
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(slots=True, eq=False)
class Host:
    """One host. ``dead_until`` is on the clock; requests before that fail at once instead of taking a connection."""

    gate: Gate
    pace: Pace
    pacing: asyncio.Lock = field(default_factory=asyncio.Lock)  # held by who waits for the host's next moment
    failures_in_a_row: int = 0
    num_failures: int = 0
    last_failure: RejectedError | None = None
    has_answered: bool = False
    answered_at: float = 0.0
    failing_since: float = 0.0  # counts while there are failures in a row
    failed_seconds: float = 0.0  # before that
    dead_until: float = 0.0
    num_users: int = 0
    began: dict[object, float] = field(default_factory=dict)  # open requests: when each took its slot

    def failing_seconds(self, now: float) -> float:
        """For how long it has been failing, in all: from its last sign of life before a failure to its next."""
        return self.failed_seconds + (now - self.failing_since if self.failures_in_a_row else 0.0)


class Slot:
    """One request's place at a host: ``async with`` waits for it, and gives it back.

    A request that need not wait costs no task, no timer and no future: most are of that kind.
    """

    __slots__ = ("_held", "_hosts", "_is_paid", "_is_spare", "host", "num_failures_before")

    def __init__(self, hosts: Hosts, host: Host, is_spare: bool, is_paid: bool) -> None:
        self._hosts = hosts
        self.host = host
        self._is_spare = is_spare
        self._is_paid = is_paid
        self._held: list[Gate] = []
        self.num_failures_before = 0  # of the host, when this got its turn

    @property
    def is_free(self) -> bool:
        """Could it be had without waiting?"""
        host, hosts = self.host, self._hosts
        if host.pace.wait_seconds(hosts.now()) > 0:
            return False
        return all(gate.has_place(is_spare=self._is_spare) for gate in hosts.gates(host))

    async def __aenter__(self) -> Host:
        await self.enter()
        return self.host

    async def __aexit__(self, *_: object) -> None:
        self.leave()

    async def enter(self) -> None:
        """Wait for it and hold it until ``leave``."""
        host = self.host
        host.num_users += 1
        try:
            await self._enter(host.gate)
            await self._hosts.keep_pace(host)
            for gate in self._hosts.gates(host)[1:]:
                await self._enter(gate)
        except BaseException:
            self.leave()
            raise
        host.began[self] = self._hosts.now()
        self.num_failures_before = host.num_failures

    def excuse(self, seconds: float) -> None:
        """For so long we were what this request waited for: should it fail, the host was not failing then."""
        self.host.began[self] += seconds

    def leave(self) -> None:
        """Give it back."""
        while self._held:
            self._held.pop().leave(is_spare=self._is_spare)
        self.host.began.pop(self, None)
        self.host.num_users -= 1
        self._hosts.forget_idle()

    async def _enter(self, gate: Gate) -> None:
        await gate.enter(is_spare=self._is_spare, is_paid=self._is_paid)
        self._held.append(gate)


class Hosts:
    """Per-host limits, so that a slow or dead host takes few connections from the others."""

    def __init__(self, clock: Clock, max_per_host: int, max_connections: int = 128, pacing: Pacing = Pacing()) -> None:
        self._clock = clock
        self._max_per_host = max_per_host
        self._pacing = pacing
        self._hosts: OrderedDict[str, Host] = OrderedDict()
        self._all = Gate(max_connections)
        self._in_trouble = Gate(max(1, max_connections // 4))
        self._unknown = Gate(max(1, max_connections // 2))

    def slot(self, name: str, *, is_spare: bool = False, is_paid: bool = False) -> Slot:
        """One of the host's request slots, and one of all. ``is_spare``: let live requests go first; ``is_paid``: its
        memory is held already, so let it go before others of its kind.
        """
        host = self._hosts.get(name)
        if host is None:
            host = self._hosts[name] = Host(Gate(min(_FIRST_SLOTS, self._max_per_host)), Pace(self._pacing.rate))
        self._hosts.move_to_end(name)
        return Slot(self, host, is_spare, is_paid)

    def gates(self, host: Host) -> tuple[Gate, Gate] | tuple[Gate, Gate, Gate]:
        """What a request to this host has to pass, in this order."""
        if host.failures_in_a_row:
            return host.gate, self._in_trouble, self._all
        return (host.gate, self._all) if host.has_answered else (host.gate, self._unknown, self._all)

    def now(self) -> float:
        """Seconds, by the clock of everything here."""
        return self._clock.now()

    async def keep_pace(self, host: Host) -> None:
        """Wait for the next moment at which this host may be asked, and take it.

        One at a time, so that whoever goes away before its moment has taken none from those behind it.
        """
        async with host.pacing:
            if wait_seconds := host.pace.wait_seconds(self._clock.now()):
                await self._pacing.wait(wait_seconds)
            host.pace.started(self._clock.now())

    def rest_left(self, host: Host) -> float:
        """Seconds for which this host should be left alone."""
        return max(0.0, host.dead_until - self._clock.now())

    def succeeded(self, host: Host) -> None:
        """It answered, be it with an error of its own."""
        now = self._clock.now()
        host.failed_seconds = host.failing_seconds(now)
        host.has_answered, host.answered_at = True, now
        host.failures_in_a_row = 0
        host.dead_until = 0.0
        host.gate.limit = min(self._max_per_host, host.gate.limit + 1)

    def failed(self, slot: Slot, how: RejectedError) -> None:
        """The slot's host could not be reached or did not finish."""
        host, now = slot.host, self._clock.now()
        host.last_failure = how
        if slot.num_failures_before != host.num_failures:
            return  # open when another failed: the same trouble
        if not host.failures_in_a_row:
            host.failing_since = max(host.began.get(slot, now), host.answered_at)
        host.num_failures += 1
        host.failures_in_a_row += 1
        host.gate.limit = 1
        if (extra := host.failures_in_a_row - _FAILURES_TO_REST) >= 0:
            rest = min(_MAX_REST_SECONDS, _REST_SECONDS * 2.0 ** min(extra, 16))
            host.dead_until = now + rest

    def forget_idle(self) -> None:
        """Keep what is known of the hosts asked last, within bounds."""
        while len(self._hosts) > _MAX_HOSTS:
            idle = next((name for name, host in self._hosts.items() if host.num_users == 0), None)
            if idle is None:
                return
            del self._hosts[idle]
