"""Do the brokers answer? What the consumer's thread knows of it, for readiness.

The client says when its last connection breaks, and never when one is back: a short outage brings no new assignment.
Records say so; where none come, the broker has to be asked. Owner: the consumer's thread; others only read ``is_up``.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_ASK_SECONDS = 2.0  # between two questions, which may wait for as long
_QUIET_SECONDS = 30.0


class Connection:
    """Down until the first assignment. ``now``: monotonic seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._ask_at: float | None = None
        self._said: dict[int, float] = {}
        self.is_up = False

    def works(self) -> None:
        """A broker has answered."""
        self.is_up = True
        self._ask_at = None

    def broke(self) -> None:
        """No broker can be reached, or none lets us read."""
        self.is_up = False
        self._ask_at = self._now() + _ASK_SECONDS

    def has_to_ask(self) -> bool:
        """Is it time to ask a broker whether it answers again? True once for each time to ask."""
        if self._ask_at is None or self._now() < self._ask_at:
            return False
        self._ask_at = self._now() + _ASK_SECONDS
        return True

    def is_news(self, code: int) -> bool:
        """Should this error be logged? A broker that is away is said twenty times a second: once in a while will do."""
        now = self._now()
        if now - self._said.get(code, -_QUIET_SECONDS) < _QUIET_SECONDS:
            return False
        self._said[code] = now
        return True
