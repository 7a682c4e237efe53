"""A device in virtual time: three streams that take as long as they are told, and a host that takes none to wait.

See `model.runtime.device_lane.Stages`. Features are each picture's mean, so that whoever gets another's sees it. What
must not happen on a real device raises here: a buffer used anew while its copy is under way.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from model.runtime.device_lane import Floats, Pictures


@dataclass(frozen=True, slots=True)
class Takes:
    """Seconds: a fixed part of each stage and one per row; ``launch`` is the host's, for each call."""

    up: float = 0.0
    compute: float = 1.0
    down: float = 0.0
    per_row: float = 0.0
    launch: float = 0.0


@dataclass(slots=True)
class _Slot:
    pictures: Pictures | None = None
    uploaded: float = 0.0
    computed: float = 0.0
    downloaded: float = 0.0
    count: int = 0
    is_taken: bool = True  # its last result was waited for


@dataclass(slots=True)
class VirtualDevice:
    """``now`` is the host's clock. ``runs``: when each computation began and ended."""

    takes: Takes
    num_slots: int = 3
    fails_above: int | None = None  # rows; out of memory, at compute
    now: float = 0.0
    runs: list[tuple[float, float]] = field(default_factory=list)
    slots: dict[int, _Slot] = field(default_factory=dict)
    free: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("up", "compute", "down"), 0.0))

    def upload(self, slot: int, pictures: Pictures, bucket: int) -> None:
        """See `Stages`."""
        held = self.slots.setdefault(slot, _Slot())
        if not held.is_taken or self.now < held.downloaded:
            raise AssertionError(f"slot {slot} is used anew at {self.now}, its copy down ends at {held.downloaded}")
        assert len(pictures) <= bucket
        held.pictures, held.count = pictures.copy(), len(pictures)
        held.uploaded = self._run("up", self.takes.up, bucket, 0.0)[1]

    def compute(self, slot: int, bucket: int) -> None:
        """See `Stages`."""
        if self.fails_above is not None and bucket > self.fails_above:
            raise MemoryError(f"{bucket} rows")
        run = self._run("compute", self.takes.compute, bucket, self.slots[slot].uploaded)
        self.slots[slot].computed = run[1]
        self.runs.append(run)

    def download(self, slot: int, count: int) -> None:
        """See `Stages`."""
        held = self.slots[slot]
        assert count == held.count
        held.downloaded = self._run("down", self.takes.down, count, held.computed)[1]
        held.is_taken = False

    def wait(self, slot: int) -> Floats:
        """See `Stages`."""
        held = self.slots[slot]
        assert held.pictures is not None
        self.now = max(self.now, held.downloaded)
        held.is_taken = True
        return np.asarray(held.pictures.reshape(held.count, -1).mean(axis=1, dtype=np.float32))[:, None]

    def idle_seconds(self) -> float:
        """Between the first computation's begin and the last one's end."""
        return self.runs[-1][1] - self.runs[0][0] - sum(end - begin for begin, end in self.runs)

    def _run(self, stream: str, fixed: float, rows: int, not_before: float) -> tuple[float, float]:
        self.now += self.takes.launch
        begin = max(self.now, self.free[stream], not_before)
        self.free[stream] = begin + fixed + self.takes.per_row * rows
        return begin, self.free[stream]
