"""``hangtag tag``: the same stages without Kafka. One line out per line in, in order."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO, TextIO

from model.types import ModelInfo
from worker.build import build_tagger
from worker.enrich import build_error_line, build_tag_line
from worker.errors import RejectedError
from worker.item import Flight, Record
from worker.metrics import Metrics
from worker.models import ShippedModels
from worker.outcome import Outcome
from worker.pipeline import Tagger
from worker.settings import Settings

Answer = tuple[dict[str, Any], bool]  # a line, and whether it holds tags


@dataclass(slots=True)
class Counts:
    """How many lines ended how."""

    tagged: int = 0
    rejected: int = 0


def tag_file(settings: Settings, source: BinaryIO, sink: TextIO) -> Counts:
    """Tag each line of ``source``, a ``ListingCreated`` value, into a line of ``sink``. Raises FatalError,
    ModelError.
    """
    return asyncio.run(_tag_file(settings, source, sink))


async def _tag_file(settings: Settings, source: BinaryIO, sink: TextIO) -> Counts:
    counts = Counts()
    async with AsyncExitStack() as exits:
        built = await build_tagger(settings, ShippedModels(settings), Metrics(), exits)
        loops = [asyncio.create_task(built.batches.run())]
        try:
            answers = tag_in_order(built.tagger, built.info, source, built.limits.max_listings, loops)
            async for line, is_tagged in answers:
                sink.write(json.dumps(line, ensure_ascii=False) + "\n")
                counts.tagged += is_tagged
                counts.rejected += not is_tagged
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.wait(loops)
    return counts


async def tag_in_order(
    tagger: Tagger, info: ModelInfo, lines: Iterable[bytes], max_in_flight: int, loops: Iterable[asyncio.Task[None]]
) -> AsyncIterator[Answer]:
    """Answers in the order of the lines, several lines in flight. A loop that dies raises here what it died of."""
    waiting: deque[asyncio.Task[Answer]] = deque()
    source = iter(lines)
    now = asyncio.get_running_loop().time
    while True:
        while len(waiting) < max_in_flight and (line := await asyncio.to_thread(next, source, None)) is not None:
            record = Record(None, line.rstrip(b"\r\n"), (), None)
            waiting.append(asyncio.create_task(_answer(tagger, info, Flight(record, now()))))
            if waiting[0].done():
                break
        if not waiting:
            return
        first = waiting.popleft()
        await asyncio.wait({first, *loops}, return_when=asyncio.FIRST_COMPLETED)
        for loop in loops:
            if loop.done():
                loop.result()
        yield await first


async def _answer(tagger: Tagger, info: ModelInfo, flight: Flight) -> Answer:
    """All that is kept of a line until those before it are done, which may take minutes: pixels are dear."""
    return to_line(await tagger.tag(flight), info)


def to_line(outcome: Outcome, info: ModelInfo) -> Answer:
    """The line for an outcome, and whether it holds tags."""
    if outcome.error is None:
        assert outcome.item is not None and outcome.tags is not None  # noqa: S101  # no error: both are there
        try:
            now = datetime.now(UTC)
            return build_tag_line(outcome.item, outcome.tags, outcome.texts, outcome.prices, info, now=now), True
        except RejectedError as error:
            return build_error_line(outcome.listing_id, error), False
    return build_error_line(outcome.listing_id or _id_in(outcome.record.value), outcome.error), False


def _id_in(value: bytes | None) -> str | None:
    """The listing's id even if the rest of the line breaks the schema, so that the error can be matched."""
    try:
        found = json.loads(value or b"")
        listing_id = found.get("listing_id") if isinstance(found, dict) else None
        # Encoded, as an id with half a character in it, which JSON can hold, could not be written into the line.
        is_id = isinstance(listing_id, str) and 0 < len(listing_id) <= 128 and bool(listing_id.encode())
    except (ValueError, RecursionError):
        return None
    return listing_id if is_id else None
