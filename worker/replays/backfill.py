"""What makes a worker replay a stretch instead of following the stream: bounds, and what to leave out. Noun file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.topics import EVENT_KINDS
from worker.kafka.topic_reader import Range
from worker.partitions.intake import FindSuperseded


@dataclass(frozen=True, slots=True)
class Backfill:
    """``ranges``: offsets by partition, of others nothing. ``kinds``: the events to publish.

    ``rate``: listings a second that may start in this process; 0: no limit. ``find_superseded`` None: none left out.
    """

    ranges: Mapping[int, Range]
    kinds: Sequence[str] = EVENT_KINDS
    rate: float = 0.0
    find_superseded: FindSuperseded | None = None

    @property
    def needs_device(self) -> bool:
        """Does anything that is published depend on the model? Texts alone do not."""
        return tuple(self.kinds) != ("texts",)

    @property
    def needs_reading(self) -> bool:
        """Does anything that is published depend on OCR? Scenes alone do not."""
        return tuple(self.kinds) != ("scenes",)
