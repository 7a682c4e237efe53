"""Traces with OpenTelemetry: the only file that imports it. See `worker.telemetry.tracing` for what is traced.

Only sampled listings are followed: for the others the sampler's answer is all that it costs, and their headers pass
through untouched. Spans say hosts, sizes and reasons, never words of a listing or paths of a URL.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from urllib.parse import urlsplit

from opentelemetry.context import Context, attach
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes

from schemas.cloudevents import trace_headers
from schemas.deadletter import HeaderPairs, Reason
from worker.errors import RejectedError
from worker.telemetry.tracing import NO_TRACE, Trace

_EXPORT_SECONDS = 3.0
_CONTEXT = TraceContextTextMapPropagator()
_NOTHING: AbstractContextManager[None] = nullcontext()


def exporting_to(endpoint: str) -> SpanProcessor:
    """Sends spans in batches from a thread of its own; what a dead collector leaves lying is dropped, oldest first."""
    return BatchSpanProcessor(OTLPSpanExporter(endpoint, timeout=_EXPORT_SECONDS))


class _SampleWithMembers(Sampler):
    """A span that is linked to a sampled one is sampled; all others as ``inner`` says."""

    def __init__(self, inner: Sampler) -> None:
        self._inner = inner

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """See `Sampler`."""
        if any(link.context.trace_flags.sampled for link in links or ()):
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)
        return self._inner.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """See `Sampler`."""
        return f"SampleWithMembers({self._inner.get_description()})"


class OtelTrace:
    """See `worker.telemetry.tracing.Trace`. ``span`` lasts until the listing is committed or given up."""

    def __init__(self, traces: OtelTraces, span: Span) -> None:
        self._traces = traces
        self._publishing: Span | None = None
        self.span = span

    @property
    def headers(self) -> HeaderPairs:
        """See `Trace`."""
        carrier: dict[str, str] = {}
        _CONTEXT.inject(carrier, set_span_in_context(self.span, Context()))
        return tuple((name, text.encode()) for name, text in carrier.items())

    def share(self, members: Sequence[Trace], num_pictures: int) -> AbstractContextManager[object]:
        """See `Trace`."""
        return self._traces.batch(
            [one.span for one in members if isinstance(one, OtelTrace)], len(members), num_pictures
        )

    def publish(self) -> None:
        """See `Trace`."""
        self._publishing = self._traces.start("publish", self.span, SpanKind.PRODUCER)

    def end(self, reason: Reason | None = None, *, is_given_up: bool = False) -> None:
        """See `Trace`."""
        outcome = "given_up" if is_given_up else "dead_letter" if reason else "tagged"
        self.span.set_attribute("hangtag.outcome", outcome)
        if reason is not None:
            _fail(self.span, reason)
        if self._publishing is not None:
            self._publishing.end()
        self.span.end()


class OtelTraces:
    """See `worker.telemetry.tracing.Traces`. Spans go to ``processor``."""

    def __init__(self, processor: SpanProcessor, sample_ratio: float, resource: Mapping[str, str]) -> None:
        sampler = _SampleWithMembers(ParentBased(TraceIdRatioBased(sample_ratio)))
        self._provider = TracerProvider(sampler, Resource.create(dict(resource)), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("hangtag")

    def listing(self, headers: HeaderPairs, topic: str, partition: int, offset: int) -> Trace:
        """See `Traces`."""
        carrier = {name: (value or b"").decode("ascii", "replace") for name, value in trace_headers(headers)}
        told_by_producer = _CONTEXT.extract(carrier, Context())
        span = self._tracer.start_span(
            f"process {topic}", told_by_producer, SpanKind.CONSUMER,
            {
                "messaging.system": "kafka",
                "messaging.operation.name": "process",
                "messaging.operation.type": "process",
                "messaging.destination.name": topic,
                "messaging.destination.partition.id": str(partition),
                "messaging.kafka.offset": offset,
            },
        )  # fmt: skip
        if not span.is_recording():
            return NO_TRACE
        attach(set_span_in_context(span))  # for good: the task that calls is the listing's own
        return OtelTrace(self, span)

    def span(self, name: str, url: str = "") -> AbstractContextManager[object]:
        """See `Traces`."""
        listing = get_current_span()
        return self._stage(name, listing, url) if listing.is_recording() else _NOTHING

    def start(self, name: str, parent: Span, kind: SpanKind = SpanKind.INTERNAL) -> Span:
        """A span below ``parent``, which ends it."""
        return self._tracer.start_span(name, set_span_in_context(parent, Context()), kind)

    async def close(self) -> None:
        """See `Traces`."""
        ending = threading.Thread(target=self._provider.shutdown, daemon=True, name="hangtag-last-spans")
        ending.start()
        await asyncio.to_thread(ending.join, _EXPORT_SECONDS + 1)

    @contextmanager
    def _stage(self, name: str, listing: Span, url: str) -> Iterator[None]:
        span = self.start(name, listing, SpanKind.CLIENT if url else SpanKind.INTERNAL)
        if url:
            span.set_attribute("server.address", _host(url))
        try:
            yield
        except RejectedError as error:
            _fail(span, error.reason)
            raise
        finally:
            span.end()

    @contextmanager
    def batch(self, listings: Sequence[Span], num_listings: int, num_pictures: int) -> Iterator[None]:
        """A span over what these listings, and others that are not traced, do together; linked both ways."""
        links = [Link(one.get_span_context()) for one in listings]
        sizes = {"hangtag.batch.listings": num_listings, "hangtag.batch.pictures": num_pictures}
        span = self._tracer.start_span("batch", Context(), attributes=sizes, links=links)
        for one in listings:
            one.add_link(span.get_span_context())
        try:
            yield
        finally:
            span.end()


def _fail(span: Span, reason: Reason) -> None:
    span.set_attribute("error.type", reason.value)
    span.set_status(Status(StatusCode.ERROR, reason.value))


def _host(url: str) -> str:
    """A stranger's URL need not be one."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
