"""What came of a record, and the records to produce for it: three events or one dead letter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import structlog

from model.types import ListingTags, ModelInfo, Price, ReadText
from schemas.cloudevents import TRACE_HEADERS
from schemas.deadletter import Reason, Stage
from schemas.topics import EVENT_KINDS, Topics
from worker.deadletter import build_dead_letter
from worker.enrich import build_events, build_text_event, check_sizes
from worker.errors import RejectedError, rejection_of
from worker.item import Finished, Headers, Item, OutputRecord, Record, UnreadText
from worker.metrics import Metrics

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this worker says it is, in events and dead letters, and what it publishes."""

    group_id: str
    version: str
    topics: Topics
    kinds: Sequence[str] = EVENT_KINDS  # the events that it publishes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one record: everything its events are built from, or why there are none.

    ``tags`` None without an error: only the text in its pictures was asked for.
    """

    record: Record
    listing_id: str | None
    item: Item | None = None
    tags: ListingTags | None = None
    texts: tuple[ReadText | UnreadText | None, ...] = ()
    prices: tuple[Price, ...] = ()
    error: RejectedError | None = None


class Outputs:
    """Turns outcomes into the records to produce. ``limits``: the largest record of each output topic, in bytes."""

    def __init__(self, identity: Identity, info: ModelInfo, limits: Mapping[str, int], metrics: Metrics) -> None:
        self._identity = identity
        self._info = info
        self._limits = limits
        self._metrics = metrics

    def of(self, outcome: Outcome, trace: Headers = ()) -> Finished:
        """The three events, or the dead letter: also for a listing whose events the broker would refuse.

        ``trace``: the trace context that events carry on, if not the record's own. A dead letter keeps the record's.
        """
        origin = outcome.record.origin
        assert origin is not None  # noqa: S101  # records of a stream have one
        error = outcome.error
        if error is None:
            try:
                return Finished(origin, self._events(outcome, trace), None)
            except Exception as failure:
                error = rejection_of(failure, Reason.MODEL_FAILED, Stage.ENRICH)
        return Finished(origin, (self._dead_letter(outcome.record, error),), error.reason)

    def _events(self, outcome: Outcome, trace: Headers) -> tuple[OutputRecord, ...]:
        item, tags, topics, now = outcome.item, outcome.tags, self._identity.topics, datetime.now(UTC)
        assert item is not None  # noqa: S101  # there is no error
        if self._identity.kinds == ("texts",):
            _check_any_read(outcome.texts)
        wanted: tuple[OutputRecord, ...]
        if tags is None:
            wanted = (build_text_event(item, outcome.texts, outcome.prices, self._info, topics, now=now),)
        else:
            events = build_events(item, tags, outcome.texts, outcome.prices, self._info, topics, now=now)
            kinds = self._identity.kinds
            wanted = tuple(event for kind, event in zip(EVENT_KINDS, events, strict=True) if kind in kinds)
        if trace:
            wanted = tuple(_carrying(event, trace) for event in wanted)
        check_sizes(wanted, self._limits)
        return wanted

    def _dead_letter(self, record: Record, error: RejectedError) -> OutputRecord:
        self._metrics.dead_letters.labels(error.reason.value, error.stage.value).inc()
        log.info(
            "listing.rejected",
            reason=error.reason.value,
            stage=error.stage.value,
            detail=error.detail,
            partition=record.origin and record.origin.partition,
            offset=record.origin and record.origin.offset,
        )
        topic = self._identity.topics.dead_letter
        build = partial(
            build_dead_letter, error=error, topic=topic, group_id=self._identity.group_id,
            worker_version=self._identity.version, model_revision=self._info.revision,
            failed_at=datetime.now(UTC), max_bytes=self._limits[topic],
        )  # fmt: skip
        try:
            return build(record)
        except Exception:  # the last resort: built from what no stranger has written
            log.exception("deadletter.headers_left_out", partition=record.origin and record.origin.partition)
            return build(replace(record, headers=(), has_unreadable_headers=True))


def _check_any_read(texts: Sequence[ReadText | UnreadText | None]) -> None:
    """Raise RejectedError where texts are all that is asked for and every picture failed: nothing usable is left."""
    failed = [text for text in texts if isinstance(text, UnreadText)]
    if failed and not any(isinstance(text, ReadText) for text in texts):
        raise RejectedError(failed[0].reason, Stage.READ, failed[0].detail)


def _carrying(output: OutputRecord, trace: Headers) -> OutputRecord:
    own = tuple(header for header in output.headers if header[0] not in TRACE_HEADERS)
    return replace(output, headers=(*own, *trace))
