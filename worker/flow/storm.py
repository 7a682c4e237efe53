"""Pure: when nearly everything fails, stop taking records in, instead of draining the topic into dead letters.

An image host's certificate expires, a deployment breaks the model: each record by itself looks bad, and all of them
together say that the fault is here. The breaker opens when too many of the last outcomes, or too many in a row, were
dead letters. While it is open one record at a time is let through as a probe, ever less often; a probe that is tagged
closes it.

Tombstones do not count. A compacted topic may hold a night's worth of them in a row; they say themselves that nothing
is there to be tagged, and whatever is broken here has no part in it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from schemas.deadletter import Reason


@dataclass(frozen=True, slots=True)
class StormPolicy:
    """Opens at ``ratio`` of the last ``window`` outcomes, or at ``consecutive`` in a row; 0 switches either off."""

    window: int = 200
    ratio: float = 0.9
    consecutive: int = 100
    probe_seconds: float = 5.0
    max_probe_seconds: float = 60.0


class StormBreaker:
    """Counts outcomes and says whether a record may start. Times in seconds on the caller's clock."""

    def __init__(self, policy: StormPolicy) -> None:
        self._policy = policy
        self._last: deque[bool] = deque(maxlen=policy.window)
        self._in_a_row = 0
        self._wait = policy.probe_seconds
        self._probe_at = 0.0
        self._is_probing = False
        self.is_open = False

    def opens_in(self, now: float) -> float | None:
        """Seconds until a record may start: 0 when it may now, None while a probe is under way."""
        if not self.is_open:
            return 0.0
        return None if self._is_probing else max(0.0, self._probe_at - now)

    def started(self) -> bool:
        """A record starts. Is it the probe? While open it is."""
        self._is_probing = self.is_open
        return self._is_probing

    def given_up(self, *, is_probe: bool) -> None:
        """A record ended without an outcome; as a probe it tells nothing."""
        if is_probe:
            self._is_probing = False

    def ended(self, now: float, reason: Reason | None, *, is_probe: bool = False) -> None:
        """A record ended, as a dead letter for ``reason`` or, None, with results. One that was under way when it opened
        neither closes it nor lengthens the wait.
        """
        if reason is Reason.TOMBSTONE:
            self.given_up(is_probe=is_probe)
            return
        is_dead = reason is not None
        self._last.append(is_dead)
        self._in_a_row = self._in_a_row + 1 if is_dead else 0
        if is_probe and self._is_probing:
            self._judge_probe(now, is_dead=is_dead)
        elif not self.is_open and self._is_storm():
            self.is_open = True
            self._probe_at = now + self._wait

    def _judge_probe(self, now: float, *, is_dead: bool) -> None:
        self._is_probing = False
        if is_dead:
            self._wait = min(self._policy.max_probe_seconds, self._wait * 2)
            self._probe_at = now + self._wait
            return
        self.is_open = False
        self._wait = self._policy.probe_seconds
        self._last.clear()
        self._in_a_row = 0

    def _is_storm(self) -> bool:
        policy = self._policy
        if policy.consecutive and self._in_a_row >= policy.consecutive:
            return True
        is_full = len(self._last) == policy.window
        return bool(policy.ratio) and is_full and sum(self._last) >= policy.ratio * policy.window
