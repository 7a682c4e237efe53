"""How much may wait, and for how long a partition that goes may drain."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IntakePolicy:
    """Limits of what waits before a listing starts, and how long a revoked partition may drain."""

    max_backlog_records: int = 200  # per partition
    max_backlog_bytes: int = 64 << 20  # over all partitions
    drain_seconds: float = 20.0

    @property
    def handover_seconds(self) -> float:
        """The part of draining that is kept for the commit that ends an assignment."""
        return min(3.0, self.drain_seconds / 4)
