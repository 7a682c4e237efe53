"""What the pipeline tells about a listing's way, for whoever traces it. Off unless ``trace.endpoint`` is set.

    listing ┬ fetch, decode (per picture) ┬ infer ┬ enrich ─ publish → ends with the commit
            │                             └ read ─┘
            └ linked with the batch on the device, a span of its own that many listings share

A trace begins with the record's ``traceparent`` and goes on in the outputs' headers. `worker.telemetry.otel` does it
with OpenTelemetry; where it is off nothing of that is imported, and what stands here does nothing. Owner: the event
loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from schemas.deadletter import HeaderPairs, Reason
from worker.errors import FatalError

_NOTHING: AbstractContextManager[None] = nullcontext()


class Trace(Protocol):
    """One listing's."""

    @property
    def headers(self) -> HeaderPairs:
        """The trace context that its events carry on; empty: the record's own, untouched."""
        ...

    def share(self, members: Sequence[Trace], num_pictures: int) -> AbstractContextManager[object]:
        """These listings, it among them, are on the device together. For `on_device`."""
        ...

    def publish(self) -> None:
        """Its results wait for their transaction from now on."""
        ...

    def end(self, reason: Reason | None = None, *, is_given_up: bool = False) -> None:
        """It is committed, as a dead letter if there is a ``reason``; or given up, for its partition's next owner."""
        ...


class Traces(Protocol):
    """Where traces come from."""

    def listing(self, headers: HeaderPairs, topic: str, partition: int, offset: int) -> Trace:
        """Begin a listing's trace, and make it that of the calling task and those that this one starts."""
        ...

    def span(self, name: str, url: str = "") -> AbstractContextManager[object]:
        """A stage of the calling task's listing; of ``url`` the host is told."""
        ...

    async def close(self) -> None:
        """Send what is left; a collector that does not answer costs seconds at most."""
        ...


class NoTrace:
    """A listing that nobody traces."""

    __slots__ = ()
    headers: HeaderPairs = ()

    def share(self, members: Sequence[Trace], num_pictures: int) -> AbstractContextManager[object]:
        """See `Trace`."""
        return _NOTHING

    def publish(self) -> None:
        """See `Trace`."""

    def end(self, reason: Reason | None = None, *, is_given_up: bool = False) -> None:
        """See `Trace`."""


class NoTraces:
    """No traces at all."""

    __slots__ = ()

    def listing(self, headers: HeaderPairs, topic: str, partition: int, offset: int) -> Trace:
        """See `Traces`."""
        return NO_TRACE

    def span(self, name: str, url: str = "") -> AbstractContextManager[object]:
        """See `Traces`."""
        return _NOTHING

    async def close(self) -> None:
        """See `Traces`."""


NO_TRACE: Trace = NoTrace()
NO_TRACES: Traces = NoTraces()


def on_device(members: Sequence[Trace], num_pictures: int) -> AbstractContextManager[object]:
    """These listings are on the device together: a span if one of them is traced."""
    for one in members:
        if one is not NO_TRACE:
            return one.share(members, num_pictures)
    return _NOTHING


def open_traces(endpoint: str, sample_ratio: float, resource: Mapping[str, str]) -> Traces:
    """Traces to the collector at ``endpoint`` (OTLP over HTTP), none if it is empty.

    ``sample_ratio``: the share of listings traced whose producer said nothing; a producer's own decision is followed.
    ``resource`` says who traces. Raises FatalError when OpenTelemetry is not installed.
    """
    if not endpoint:
        return NO_TRACES
    try:
        from worker.telemetry.otel import OtelTraces, exporting_to
    except ImportError as error:
        raise FatalError(
            f"trace.endpoint is {endpoint!r}, but {error.name} is not installed; "
            "install the extra (pip install 'hangtag[otel]') or leave the setting empty"
        ) from error
    return OtelTraces(exporting_to(endpoint), sample_ratio, resource)
