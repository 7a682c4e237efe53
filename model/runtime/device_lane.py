"""Pictures on their way through a device with a memory of its own: copied up, computed, copied down.

Each of the three has a stream, so that while one part is computed the next is copied up and the one before copied down.
A *slot* is a pair of the host's buffers with what the device holds for them. The host waits for one thing only: the end
of the copy down of the part that it wants next; then that slot is free, and the next part goes up before anything else
is done. Nothing here knows CUDA: `model/runtime/cuda_lane.py` does, and the tests have a device in virtual time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from model.errors import ModelError

BUCKETS = (1, 2, 4, 6, 8, 12, 16, 24, 32)  # powers of two would waste a quarter of the rows at middling load

Pictures = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


class Stages(Protocol):
    """A device's three streams. ``upload``, ``compute`` and ``download`` only queue work and return at once; each
    waits on the device, not on the host, for what it needs of the one before.
    """

    num_slots: int  # with three, every stage can be at work at once

    def upload(self, slot: int, pictures: Pictures, bucket: int) -> None:
        """Pictures (n, S, S, 3) into the slot, filled up to ``bucket`` rows with whatever lies there."""
        ...

    def compute(self, slot: int, bucket: int) -> None:
        """The slot's features."""
        ...

    def download(self, slot: int, count: int) -> None:
        """The first ``count`` rows of them."""
        ...

    def wait(self, slot: int) -> Floats:
        """(count, D): a copy, when the slot's download has ended. From then on the slot may be used anew."""
        ...


class LaneClosedError(ModelError):
    """Pictures were handed to a lane that takes no more."""


@dataclass(slots=True, eq=False)
class _Part:
    """Pictures that go together. ``features`` when they came back; ``error`` when the device refused them."""

    pictures: Pictures
    features: Floats | None = None
    error: Exception | None = None

    @property
    def is_over(self) -> bool:
        return self.features is not None or self.error is not None


@dataclass(slots=True)
class Rows:
    """How many rows the device computed, and how many of them were filling."""

    computed: int = 0
    padding: int = 0


@dataclass(slots=True, eq=False)
class DeviceLane:
    """Feeds one device. Owner: the device's thread."""

    stages: Stages
    buckets: Sequence[int] = BUCKETS
    rows: Rows = field(default_factory=Rows)
    _waiting: deque[_Part] = field(default_factory=deque)
    _under_way: deque[tuple[int, _Part]] = field(default_factory=deque)  # in the order in which they end
    _is_closed: bool = False

    def begin(self, pictures: Pictures) -> Callable[[], Floats]:
        """Start on pictures (P, S, S, 3); what is returned waits for their features (P, D). Raises LaneClosedError."""
        if self._is_closed:
            raise LaneClosedError("the device's lane is closed; it takes no more pictures")
        most = self.buckets[-1]
        parts = [_Part(pictures[start : start + most]) for start in range(0, len(pictures), most)]
        self._waiting.extend(parts)
        self._fill()
        return lambda: self._finish(parts)

    def cancel(self) -> None:
        """Take no more, and drop what has not gone up yet. What is under way ends by itself."""
        self._is_closed = True
        for part in self._waiting:
            part.error = LaneClosedError("the device's lane was closed before these pictures went up")
        self._waiting.clear()

    def _finish(self, parts: Sequence[_Part]) -> Floats:
        """Raises what the device raised on any of them, after all of them are over."""
        while not all(part.is_over for part in parts):
            self._take()
            self._fill()
        for part in parts:
            if part.error is not None:
                raise part.error
        return np.concatenate([part.features for part in parts if part.features is not None])

    def _fill(self) -> None:
        """Send up what waits, as long as a slot is free."""
        while self._waiting and len(self._under_way) < self.stages.num_slots:
            taken = {slot for slot, _ in self._under_way}
            slot = next(one for one in range(self.stages.num_slots) if one not in taken)
            self._send(slot, self._waiting.popleft())

    def _send(self, slot: int, part: _Part) -> None:
        count = len(part.pictures)
        bucket = bucket_of(count, self.buckets)
        try:
            self.stages.upload(slot, part.pictures, bucket)
            self.stages.compute(slot, bucket)
            self.stages.download(slot, count)
        except Exception as error:  # whatever the device raises, it is this part's business
            part.error = error
            return
        self._under_way.append((slot, part))
        self.rows.computed += bucket
        self.rows.padding += bucket - count

    def _take(self) -> None:
        """The oldest part under way is over."""
        slot, part = self._under_way[0]
        try:
            part.features = self.stages.wait(slot)
        except Exception as error:  # as above: what went wrong on a stream is said here
            part.error = error
        self._under_way.popleft()


def bucket_of(count: int, buckets: Sequence[int] = BUCKETS) -> int:
    """The smallest bucket that holds so many."""
    return next(bucket for bucket in buckets if bucket >= count)
