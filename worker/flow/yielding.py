"""Pure: when does a backfill stand back altogether? While live listings are slow, or wait to be started.

Times in seconds on the caller's clock.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

Cause = Literal["", "p99", "lag"]
_CALM = 0.8  # of a limit: below it the backfill goes on, so that it does not flutter around the limit itself
_MAX_KEPT = 4096


class Recent:
    """How long the listings of the last ``window_seconds`` took; of very many only the last."""

    def __init__(self, window_seconds: float = 30.0, least: int = 20) -> None:
        self._window_seconds = window_seconds
        self._least = least
        self._kept: deque[tuple[float, float]] = deque(maxlen=_MAX_KEPT)

    def add(self, now: float, seconds: float) -> None:
        """One has ended."""
        self._kept.append((now, seconds))

    def percentile(self, now: float, share: float) -> float | None:
        """Seconds that ``share`` of them did not exceed; None: too few ended to say."""
        while self._kept and self._kept[0][0] < now - self._window_seconds:
            self._kept.popleft()
        if len(self._kept) < self._least:
            return None
        ordered = sorted(seconds for _, seconds in self._kept)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True, slots=True)
class YieldPolicy:
    """Limits of live traffic; 0: none. ``max_waiting``: records that are there and not started."""

    max_p99_seconds: float = 5.0
    max_waiting: int = 1_000


class Yielding:
    """Whether the backfill rests, and because of what."""

    def __init__(self, policy: YieldPolicy) -> None:
        self._policy = policy
        self.cause: Cause = ""

    def look(self, p99_seconds: float | None, num_waiting: int) -> Cause:
        """Judge live traffic as it is now; None: unknown, for too little of it."""
        policy = self._policy
        easier = _CALM if self.cause else 1.0
        if policy.max_waiting and num_waiting > policy.max_waiting * easier:
            self.cause = "lag"
        elif policy.max_p99_seconds and (p99_seconds or 0.0) > policy.max_p99_seconds * easier:
            self.cause = "p99"
        else:
            self.cause = ""
        return self.cause
