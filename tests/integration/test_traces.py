"""Traces over the wire: a real worker, a real broker, and a collector that reads OTLP as collectors do."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.audit import headers_of, read_records
from tests.integration.stream import Stream, WorkerProcess, host_of_samples, listings, until
from tests.reliability.fleet import COMMAND
from tests.servers.base import Server

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
TRACE_ID, PRODUCER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@dataclass(slots=True)
class Collector:
    """Takes OTLP over HTTP and keeps the spans."""

    port: int = 0
    spans: list[Span] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        """POST /v1/traces."""
        body = await request.read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        told = ExportTraceServiceRequest.FromString(body)
        self.spans += [span for one in told.resource_spans for scope in one.scope_spans for span in scope.spans]
        return web.Response()


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    """One that listens."""
    found = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.port = runner.addresses[0][1]
    try:
        yield found
    finally:
        await runner.cleanup()


async def test_a_trace_goes_from_the_producer_to_the_outputs(kafka: Server) -> None:
    """One listing of ten is sampled by its producer: its spans arrive, and its events carry the trace on."""
    stream = Stream(kafka.address, num_partitions=2)
    stream.create()
    async with host_of_samples() as host, collector() as traces:
        sampled = [("traceparent", f"00-{TRACE_ID}-{PRODUCER}-01".encode())]
        made = listings(10, host.base_url, broken_every=100)
        stream.send([(key, value, sampled if number == 3 else []) for number, (key, value) in enumerate(made)])
        endpoint = f"http://127.0.0.1:{traces.port}/v1/traces"
        settings = {"OCR__ENABLED": "false", "TRACE__ENDPOINT": endpoint, "TRACE__SAMPLE_RATIO": "0"}
        worker = await WorkerProcess.start(stream.environment(host, "one", settings), COMMAND)
        await until(lambda: stream.num_committed() == 10, worker)
        assert await worker.stop() == 0
    by_name = {span.name: span for span in traces.spans}
    assert by_name.keys() == {
        f"process {stream.topics.input}",
        "fetch",
        "decode",
        "infer",
        "enrich",
        "publish",
        "batch",
    }
    listing = by_name[f"process {stream.topics.input}"]
    assert (listing.trace_id.hex(), listing.parent_span_id.hex()) == (TRACE_ID, PRODUCER)
    carried = f"00-{TRACE_ID}-{listing.span_id.hex()}-01".encode()
    found = [headers_of(message).get("traceparent") for message in read_records(kafka.address, stream.topics)]
    assert sorted(map(str, found)) == sorted([str(carried)] * 3 + ["None"] * 27)
