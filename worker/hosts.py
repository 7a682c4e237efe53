"""What is known of each image host: how many requests it has open, whether it seems dead. Owner: the event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from worker.clock import Clock

_MAX_HOSTS = 4096


@dataclass(slots=True)
class Host:
    """One host. ``dead_until`` is on the clock; requests before that fail at once instead of taking a connection."""

    slots: asyncio.Semaphore
    failures_in_a_row: int = 0
    dead_until: float = 0.0
    users: int = field(default=0)


class Hosts:
    """Per-host limits, so that a slow or dead host takes few connections from the others."""

    def __init__(self, clock: Clock, max_per_host: int, failures_to_rest: int = 5, rest_seconds: float = 5.0) -> None:
        self._clock = clock
        self._max_per_host = max_per_host
        self._failures_to_rest = failures_to_rest
        self._rest_seconds = rest_seconds
        self._hosts: OrderedDict[str, Host] = OrderedDict()

    @asynccontextmanager
    async def slot(self, name: str) -> AsyncIterator[Host]:
        """Hold one of the host's request slots."""
        host = self._hosts.setdefault(name, Host(asyncio.Semaphore(self._max_per_host)))
        self._hosts.move_to_end(name)
        host.users += 1
        try:
            async with host.slots:
                yield host
        finally:
            host.users -= 1
            self._forget_idle()

    def rest_left(self, host: Host) -> float:
        """Seconds for which this host should be left alone."""
        return max(0.0, host.dead_until - self._clock.now())

    def succeeded(self, host: Host) -> None:
        """It answered, be it with an error of its own."""
        host.failures_in_a_row = 0
        host.dead_until = 0.0

    def failed(self, host: Host) -> None:
        """It could not be reached or did not finish."""
        host.failures_in_a_row += 1
        if host.failures_in_a_row >= self._failures_to_rest:
            host.dead_until = self._clock.now() + self._rest_seconds

    def _forget_idle(self) -> None:
        while len(self._hosts) > _MAX_HOSTS:
            idle = next((name for name, host in self._hosts.items() if host.users == 0), None)
            if idle is None:
                return
            del self._hosts[idle]
