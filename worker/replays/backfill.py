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
