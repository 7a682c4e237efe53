"""Pure: a steady rate. Says when the next one may start; a pause earns a second's worth at most."""

from __future__ import annotations


class Pace:
    """``rate``: starts a second; 0: no limit. Times are seconds on the caller's clock."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._next_at = 0.0

    def wait_seconds(self, now: float) -> float:
        """How long the next start has to wait; 0: it may go now."""
        return max(0.0, self._next_at - now) if self._rate else 0.0

    def started(self, now: float) -> None:
        """One has started."""
        if self._rate:
            self._next_at = max(self._next_at, now - 1.0) + 1 / self._rate
