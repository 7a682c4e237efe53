"""What traces cost: the same pipeline with them off, on and sampling nothing, and on and sampling, in turns.

The listings have no pictures and the model stands in, so a listing costs next to nothing and whatever tracing adds
weighs most. Spans go to a queue whose exporter throws them away: what a collector costs is its own.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from model.stand_in import StandInPredictor, StandInReader
from model.types import Predictor, TextReader
from tests.reliability.suite import Row, Trial
from tests.reliability.traffic import listing
from worker.build import Built, build_tagger
from worker.item import Flight, Headers, Record
from worker.metrics import Metrics
from worker.settings import Settings
from worker.telemetry.otel import OtelTraces
from worker.telemetry.tracing import NO_TRACES, Traces

TITLE = "Cost of traces"
MAX_OFF_SHARE = 0.01
STAGES_PER_LISTING = 6  # of one with a picture that is read: fetch, decode, infer, read, enrich; and its batch
SAMPLED: Headers = (("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),)


class Models:
    """The stand-in, as fast as it goes."""

    def load_predictor(self) -> Predictor:
        """See `worker.build.Models`."""
        return StandInPredictor()

    def open_reader(self) -> TextReader:
        """See `worker.build.Models`."""
        return StandInReader()


class Nowhere(SpanExporter):
    """Takes spans and drops them."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Done."""
        return SpanExportResult.SUCCESS


def _sampling(ratio: float) -> OtelTraces:
    return OtelTraces(BatchSpanProcessor(Nowhere(), max_queue_size=100_000), ratio, {})


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    sides: dict[str, Traces] = {
        "off": NO_TRACES,
        "none": _sampling(0),
        "hundredth": _sampling(0.01),
        "all": _sampling(1),
    }
    async with AsyncExitStack() as exits:
        settings = Settings.model_validate({"ocr": {"enabled": False}})
        built = await build_tagger(settings, Models(), Metrics(), exits)
        costs = await _in_turns(built, sides, trial.size(short=3, full=15), trial.size(short=500, full=2_000))
    for traces in sides.values():
        await traces.close()
    return _rows(costs)


async def _in_turns(built: Built, sides: dict[str, Traces], num_rounds: int, count: int) -> dict[str, list[float]]:
    """Processor microseconds per listing by side, one figure per round; the first round does not count."""
    costs: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(num_rounds + 1):
        for name in (list(sides), list(reversed(sides)))[number % 2]:
            gc.collect()
            began = time.process_time()
            await _tag(built, sides[name], count)
            costs[name].append((time.process_time() - began) / count * 1e6)
    return {name: figures[1:] for name, figures in costs.items()}


async def _tag(built: Built, traces: Traces, count: int) -> None:
    tagger = built.tagger
    tagger.traces = traces
    loops = [asyncio.create_task(built.batches.run())]

    async def journey(number: int) -> None:
        """As the pipeline's."""
        flight = Flight(Record(None, listing(f"{number}", f"oak chair {number}", []), (), None), 0.0)
        flight.trace = traces.listing((), "in", 0, number)
        outcome = await tagger.tag(flight)
        assert outcome.error is None
        _ = flight.trace.headers
        flight.trace.publish()
        flight.trace.end()

    for start in range(0, count, 256):
        await asyncio.gather(
            *(asyncio.create_task(journey(number)) for number in range(start, min(count, start + 256)))
        )
    for loop in loops:
        loop.cancel()
        with suppress(asyncio.CancelledError):
            await loop


def _off_microseconds(count: int = 200_000) -> float:
    """What the calls of one listing take when they do nothing."""
    began = time.process_time()
    for number in range(count):
        trace = NO_TRACES.listing((), "in", 0, number)
        for _ in range(STAGES_PER_LISTING):
            with NO_TRACES.span("fetch", "http://a/b.jpg"):
                pass
        _ = trace.headers
        trace.publish()
        trace.end()
    return (time.process_time() - began) / count * 1e6


def _rows(costs: Mapping[str, Sequence[float]]) -> list[Row]:
    off = statistics.median(costs["off"])
    calls = _off_microseconds()
    rows = [
        Row(
            "Off: the calls of one listing, as one with a picture makes them, beside a listing without on the stand-in",
            f"≤ {MAX_OFF_SHARE:.1%}",
            f"{calls:.2f} µs of {off:.0f} µs: {calls / off:.2%}",
            calls / off <= MAX_OFF_SHARE,
        )
    ]
    for name, words in (("none", "no listing"), ("hundredth", "one listing in a hundred"), ("all", "every listing")):
        ratios = [one / other for one, other in zip(costs[name], costs["off"], strict=True)]
        extra = statistics.median(one - other for one, other in zip(costs[name], costs["off"], strict=True))
        found = f"{statistics.median(ratios):.3f} times the processor time of off ({extra:+.0f} µs a listing)"
        rows.append(Row(f"On, sampling {words}", "", found, None))
    return rows
