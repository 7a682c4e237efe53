"""Pure: a steady rate, and a share of the time. A pause earns a second's worth at most."""

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


class Share:
    """``share`` of the time, above 0 and at most 1; that something may be busy: says from when on it may be again."""

    def __init__(self, share: float) -> None:
        self._share = share
        self.free_from = 0.0

    def used(self, now: float, seconds: float) -> None:
        """It was busy for so long, until now."""
        self.free_from = max(self.free_from, now - seconds - 1.0) + seconds / self._share
