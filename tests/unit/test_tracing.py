"""One trace per listing, from the producer's header into the outputs'; nothing of it where it is off."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import astuple, dataclass
from typing import cast

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from pydantic import ValidationError

from model.stand_in import StandInPredictor, StandInReader
from model.types import Predictor, TextReader
from schemas.topics import Topics
from tests.polling import until
from tests.reliability.traffic import pictures
from tests.unit.test_intake import Doors, Ledger
from worker.build import build_tagger
from worker.committer import Committer
from worker.consume import Consumer
from worker.demo.imagehost import ImageHost
from worker.errors import FatalError
from worker.flow.admission import Limits
from worker.flow.pace import Pace
from worker.flow.storm import StormBreaker, StormPolicy
from worker.item import Headers, Origin, OutputRecord, Record
from worker.kafka.transaction import CommitOutcome
from worker.metrics import Metrics
from worker.outcome import Identity, Outputs
from worker.partitions.assignment import Assigned
from worker.partitions.intake import Intake
from worker.partitions.intake_policy import IntakePolicy
from worker.pipeline import Pipeline
from worker.settings import Settings
from worker.telemetry.otel import OtelTraces
from worker.telemetry.tracing import NO_TRACE, NO_TRACES, Traces, on_device, open_traces

TRACE_ID, PRODUCER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = (("traceparent", f"00-{TRACE_ID}-{PRODUCER}-01".encode()), ("tracestate", b"shop=7"))
NOT_SAMPLED = (("traceparent", f"00-{TRACE_ID}-{PRODUCER}-00".encode()),)
GARBAGE = (("traceparent", b"\xff\x00 no"), ("tracestate", None))
STAGES = {"fetch", "decode", "infer", "read", "enrich", "publish"}
TOPICS = Topics("in", "a", "s", "t", "dead")


class Models:
    """The stand-in and an OCR engine that finds nothing."""

    def load_predictor(self) -> Predictor:
        """See `worker.build.Models`."""
        return StandInPredictor()

    def open_reader(self) -> TextReader:
        """See `worker.build.Models`."""
        return StandInReader()


@dataclass(slots=True)
class Line:
    """The whole pipeline without a broker: records in, commits in ``ledger``."""

    intake: Intake
    ledger: Ledger
    host: ImageHost
    num_sent: int = 0

    def send(self, *headers: Headers, title: str = "red chair", epoch: int = 1) -> None:
        """A listing with one picture for each."""
        for one in headers:
            key = f"listing-{self.num_sent}"
            urls = [f"{self.host.base_url}/pictures/{self.num_sent % 8}.jpg"] if title else []
            value = json.dumps({"listing_id": key, "title": title, "image_urls": urls}).encode()
            self.intake.on_records([Record(key.encode(), value, one, Origin("in", 0, self.num_sent, 0, epoch))])
            self.num_sent += 1

    async def outputs(self, count: int) -> list[OutputRecord]:
        """Wait for so many records in commits; in the order of their commits."""

        async def are_there() -> bool:
            return len(self._outputs()) >= count

        await until(are_there)
        return self._outputs()

    def _outputs(self) -> list[OutputRecord]:
        return [output for commit in self.ledger.commits for output in commit.outputs]


@asynccontextmanager
async def line(traces: Traces, *, outcomes: Sequence[CommitOutcome] = ()) -> AsyncIterator[Line]:
    """A pipeline at work, partition 0 assigned."""
    async with AsyncExitStack() as exits, ImageHost(pictures()) as host:
        settings = Settings.model_validate({"fetch": {"allow_endpoints": [host.endpoint]}})
        metrics, limits = Metrics(), Limits()
        built = await build_tagger(settings, Models(), metrics, exits)
        tagger = built.tagger
        tagger.traces = traces
        intake = Intake("in", IntakePolicy(drain_seconds=2.0), lambda error: None)
        intake.consumer = cast(Consumer, Doors())
        ledger = Ledger(list(outcomes))
        committer = Committer(intake.books, intake.rewind, ledger, limits, metrics)
        outputs = Outputs(
            Identity("group", "1", TOPICS), built.info, dict.fromkeys(astuple(TOPICS), 1_000_000), metrics
        )
        storm = StormBreaker(StormPolicy(200, 0.0, 0, 5.0))
        pipeline = Pipeline(tagger, intake.starts, committer, outputs, limits, storm, metrics, Pace(0.0))
        loops = [asyncio.create_task(loop) for loop in (pipeline.run(), built.batches.run())]
        intake.on_assigned([Assigned(0, 1, 0, "", 100)])
        try:
            yield Line(intake, ledger, host)
        finally:
            for loop in loops:
                loop.cancel()
                with suppress(asyncio.CancelledError):
                    await loop


@dataclass(slots=True)
class Spans:
    """What was traced."""

    exporter: InMemorySpanExporter

    def named(self, name: str) -> list[ReadableSpan]:
        """Ended spans of this name."""
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def names(self) -> list[str]:
        """Of all ended spans."""
        return [span.name for span in self.exporter.get_finished_spans()]

    async def until(self, name: str, count: int = 1) -> list[ReadableSpan]:
        """Wait for so many of this name."""

        async def are_there() -> bool:
            return len(self.named(name)) >= count

        await until(are_there)
        return self.named(name)


def tracing(ratio: float = 0.0) -> tuple[OtelTraces, Spans]:
    """Traces that end in memory."""
    exporter = InMemorySpanExporter()
    return OtelTraces(SimpleSpanProcessor(exporter), ratio, {"service.name": "hangtag"}), Spans(exporter)


def trace_id(span: ReadableSpan) -> str:
    """As in a ``traceparent``."""
    return format(span.context.trace_id, "032x")


def span_id(span: ReadableSpan) -> str:
    """As in a ``traceparent``."""
    return format(span.context.span_id, "016x")


def header(output: OutputRecord, name: str = "traceparent") -> bytes | None:
    """The one header of this name."""
    (found,) = [value for key, value in output.headers if key == name]
    return found


async def test_one_trace_from_the_producer_to_the_outputs() -> None:
    """Every stage is a span below the listing's, which is below the producer's; the events carry it on."""
    traces, spans = tracing()
    async with line(traces) as work:
        work.send(SAMPLED)
        outputs = await work.outputs(3)
        (listing,) = await spans.until("process in")
    assert trace_id(listing) == TRACE_ID
    assert listing.parent is not None and format(listing.parent.span_id, "016x") == PRODUCER
    stages = [span for span in spans.exporter.get_finished_spans() if span.name in STAGES]
    assert {span.name for span in stages} == STAGES
    assert {trace_id(span) for span in stages} == {TRACE_ID}
    assert {span.parent and span.parent.span_id for span in stages} == {listing.context.span_id}
    assert [output.topic for output in outputs] == ["a", "s", "t"]
    assert {header(output) for output in outputs} == {f"00-{TRACE_ID}-{span_id(listing)}-01".encode()}
    assert {header(output, "tracestate") for output in outputs} == {b"shop=7"}


async def test_a_listing_says_where_it_stood_and_how_it_ended() -> None:
    """Topic, partition and offset by the messaging conventions; the span lasts until the commit."""
    traces, spans = tracing()
    async with line(traces) as work:
        work.send(SAMPLED)
        (listing,) = await spans.until("process in")
    told = dict(listing.attributes or {})
    assert (told["messaging.destination.name"], told["messaging.destination.partition.id"]) == ("in", "0")
    assert (told["messaging.kafka.offset"], told["hangtag.outcome"]) == (0, "tagged")
    (publish,) = spans.named("publish")
    assert listing.end_time is not None and publish.end_time is not None
    assert listing.end_time >= publish.end_time


async def test_listings_are_linked_with_their_batch() -> None:
    """The batch is a span of its own, as it belongs to several traces; links lead both ways."""
    traces, spans = tracing(ratio=1.0)
    async with line(traces) as work:
        work.send(SAMPLED, (), ())
        listings = await spans.until("process in", 3)
        batches = spans.named("batch")
    linked = {link.context.span_id for batch in batches for link in batch.links}
    assert linked == {span.context.span_id for span in listings}
    back = {link.context.span_id for span in listings for link in span.links}
    assert back == {batch.context.span_id for batch in batches}
    assert all(batch.parent is None for batch in batches)
    assert sum(cast(int, (batch.attributes or {})["hangtag.batch.listings"]) for batch in batches) == 3


async def test_a_batch_is_traced_if_one_of_its_listings_is() -> None:
    """Among listings that nobody samples, one sampled listing still shows its batch."""
    traces, spans = tracing(ratio=0.0)
    async with line(traces) as work:
        work.send((), SAMPLED, ())
        await work.outputs(9)
        await spans.until("process in")
    assert spans.names().count("process in") == 1
    assert [len(batch.links) for batch in spans.named("batch")] == [1]


@pytest.mark.parametrize("headers", [NOT_SAMPLED, (), GARBAGE], ids=["said no", "said nothing", "garbage"])
async def test_what_is_not_sampled_passes_through_untouched(headers: Headers) -> None:
    """No spans, and the producer's header as it was."""
    traces, spans = tracing(ratio=0.0)
    async with line(traces) as work:
        work.send(headers)
        outputs = await work.outputs(3)
    wanted = {name: value for name, value in headers if value is not None}
    for output in outputs:
        assert {name: value for name, value in output.headers if name.startswith("trace")} == wanted
    assert spans.names() == []


async def test_a_listing_without_a_trace_begins_one() -> None:
    """By the share that the settings give; its events carry it."""
    traces, spans = tracing(ratio=1.0)
    async with line(traces) as work:
        work.send(())
        outputs = await work.outputs(3)
        (listing,) = await spans.until("process in")
    assert listing.parent is None
    (carried,) = {header(output) for output in outputs}
    assert carried is not None and carried.startswith(f"00-{trace_id(listing)}-{span_id(listing)}-0".encode())
    assert carried[-1:] in b"13"  # sampled, and perhaps that the id is random


async def test_a_dead_letter_keeps_its_headers() -> None:
    """The span says why; the record stays what it was, so that a redrive goes on in the producer's trace."""
    traces, spans = tracing()
    async with line(traces) as work:
        work.send(SAMPLED, title="")
        (letter,) = await work.outputs(1)
        (listing,) = await spans.until("process in")
    assert letter.headers[: len(SAMPLED)] == SAMPLED
    assert listing.status.status_code is StatusCode.ERROR
    told = dict(listing.attributes or {})
    assert (told["hangtag.outcome"], told["error.type"]) == ("dead_letter", "no_usable_input")


async def test_a_picture_that_fails_is_seen() -> None:
    """Its span has the reason and the host, and no path."""
    traces, spans = tracing()
    async with line(traces) as work:
        value = json.dumps({"listing_id": "x", "title": "y", "image_urls": ["http://10.0.0.1/secret?token=1"]}).encode()
        work.intake.on_records([Record(b"x", value, SAMPLED, Origin("in", 0, 0, 0, 1))])
        await spans.until("process in")
    (fetch,) = spans.named("fetch")
    assert dict(fetch.attributes or {}) == {"server.address": "10.0.0.1", "error.type": "url_refused"}
    assert "secret" not in fetch.to_json()


async def test_what_is_given_up_ends_too() -> None:
    """An unknown outcome leaves the listing to whoever comes next: its span says so, and is not left open."""
    traces, spans = tracing()
    async with line(traces, outcomes=[CommitOutcome.FINE, CommitOutcome.UNKNOWN]) as work:
        work.send(SAMPLED)
        (listing,) = await spans.until("process in")
    assert dict(listing.attributes or {})["hangtag.outcome"] == "given_up"
    assert len(spans.named("publish")) == 1


async def test_off_is_the_same_stream() -> None:
    """Without tracing the producer's context passes through, bytes untouched."""
    async with line(NO_TRACES) as work:
        work.send(SAMPLED)
        outputs = await work.outputs(3)
    for output in outputs:
        assert (header(output), header(output, "tracestate")) == (SAMPLED[0][1], SAMPLED[1][1])


def test_off_imports_nothing() -> None:
    """A worker without an endpoint loads neither our part of it nor OpenTelemetry's (redis-py loads its metrics)."""
    program = (
        "import sys, worker.app; from worker.telemetry.tracing import open_traces; open_traces('', 1.0, {});"
        "ours = ('opentelemetry.sdk.trace.', 'opentelemetry.exporter', 'worker.telemetry.otel');"
        "print([name for name in sys.modules if name.startswith(ours)])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


def test_off_is_one_object() -> None:
    """Nothing is made per listing or per stage."""
    assert NO_TRACES.listing(SAMPLED, "in", 0, 0) is NO_TRACE
    assert NO_TRACES.span("fetch", "http://a/") is NO_TRACES.span("read") is on_device([NO_TRACE], 1)
    assert NO_TRACE.headers == ()


@pytest.mark.parametrize("endpoint", ["http://user:secret@collector:4318/v1/traces", "collector:4318", "file:///tmp/x"])
def test_an_endpoint_is_a_url_without_a_password(endpoint: str) -> None:
    """`hangtag config show` would show it; and a typo is found at start."""
    with pytest.raises(ValidationError):
        Settings.model_validate({"trace": {"endpoint": endpoint}})


def test_an_endpoint_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's remedy, not a traceback."""
    monkeypatch.delitem(sys.modules, "worker.telemetry.otel")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(FatalError, match=r"pip install 'hangtag\[otel\]'"):
        open_traces("http://127.0.0.1:9/v1/traces", 1.0, {})


async def test_a_dead_collector_costs_seconds() -> None:
    """The last spans are given up in time, without an error."""
    traces = open_traces("http://127.0.0.1:9/v1/traces", 1.0, {})
    trace = traces.listing((), "in", 0, 0)
    trace.end()
    began = time.monotonic()
    await traces.close()
    assert time.monotonic() - began < 6
