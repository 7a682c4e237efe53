"""What is in flight: one record, its pictures, and what came of it.

Noun file: holds state, does nothing. Array shapes stand beside each field.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.deadletter import Reason, Stage
from schemas.listing import ListingCreated
from worker.telemetry.tracing import NO_TRACE, Trace

Headers = tuple[tuple[str, bytes | None], ...]
_HEADER_BYTES = 12  # that a header takes beside its name and value, at most


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record stood, and under which assignment of its partition it was read."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """One input record, untouched. ``origin`` is None in ``hangtag tag``.

    ``has_unreadable_headers``: it has some, ``headers`` is empty all the same (`worker.kafka.message_headers`).
    """

    key: bytes | None
    value: bytes | None
    headers: Headers
    origin: Origin | None
    has_unreadable_headers: bool = False

    @property
    def num_bytes(self) -> int:
        """Bytes that holding this record costs, headers included."""
        return _num_bytes(self.key, self.value, self.headers)


@dataclass(frozen=True, slots=True)
class FetchedImage:
    """Bytes as they came off the wire."""

    url: str
    body: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """One picture, ready for both lanes. ``width`` and ``height`` are the original's, upright."""

    url: str
    sha256: str
    width: int
    height: int
    pixels: npt.NDArray[np.uint8]  # (S, S, 3) sRGB, S = the model's side
    reading_pixels: npt.NDArray[np.uint8]  # (H, W, 3) sRGB, max(H, W) <= ocr.max_side


@dataclass(frozen=True, slots=True)
class FailedImage:
    """A picture that cannot be had, and why."""

    url: str
    reason: Reason
    stage: Stage
    detail: str


ImageOutcome = DecodedImage | FailedImage


@dataclass(frozen=True, slots=True)
class UnreadText:
    """Why the text of a picture, which itself is there, could not be read."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class Item:
    """One listing in flight."""

    record: Record
    listing: ListingCreated
    images: tuple[ImageOutcome, ...] = ()


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """One record to produce: an event or a dead letter."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def num_bytes(self) -> int:
        """Upper estimate of what the broker counts against ``max.message.bytes``."""
        return _num_bytes(self.key, self.value, self.headers) + 80


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of one input record: its three events, or one dead letter."""

    origin: Origin
    outputs: tuple[OutputRecord, ...]
    reason: Reason | None  # None: results; otherwise the dead letter's reason
    device_seconds: float = 0.0  # lost if this is not published
    began: float = 0.0  # seconds on the loop's clock
    trace: Trace = NO_TRACE

    @property
    def num_bytes(self) -> int:
        """Bytes that holding the outputs costs, about."""
        return sum(output.num_bytes for output in self.outputs)


@dataclass(slots=True, eq=False)
class Flight:
    """Where a record is right now, for liveness, draining and admission.

    ``is_started``: the device has begun to work on it, in the end for ``device_seconds``. ``num_deaths``: how many
    deaths of the process it is convicted of; such a record is not run again.
    """

    record: Record
    began: float  # seconds on the loop's clock
    stage: Stage = Stage.PARSE
    is_started: bool = False
    device_seconds: float = 0.0
    num_deaths: int = 0
    url: str | None = None  # of the picture it waits for
    is_probe: bool = False  # started while nearly everything failed, to see whether it still does
    on_stage: Callable[[], None] | None = None
    trace: Trace = NO_TRACE

    def enter(self, stage: Stage) -> None:
        """Go on to the next stage."""
        self.stage = stage
        if self.on_stage is not None:
            self.on_stage()


def _num_bytes(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    num_bytes = len(key or b"") + len(value or b"")
    for name, told in headers:
        num_bytes += len(name.encode()) + len(told or b"") + _HEADER_BYTES
    return num_bytes
