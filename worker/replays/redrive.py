"""Dead letters sent through again, each once.

A redrive keeps its books as the worker does: the records it produces and the map of dead letters redriven so far go
out in one transaction, under a consumer group of its own (``<group>-dlq-redrive``) that nobody joins. So a redrive that
is killed and started again neither loses nor repeats one, and letters that one filter left lie stay there for another.
A record that a later one of its key has superseded is left alone, as is one that has failed too often.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaException, Message, Producer, TopicPartition

from schemas.deadletter import RedriveHeaders, earlier_trip, strip_trip_headers
from worker.errors import FatalError
from worker.item import OutputRecord
from worker.kafka.broker_check import record_limits
from worker.kafka.message_headers import read_headers
from worker.kafka.properties import record_limit_of, with_record_limits
from worker.kafka.topic_reader import Range, TopicReader
from worker.kafka.transaction import FENCED, reason_of
from worker.offsets import PartitionLedger, decode_map
from worker.replays.dead_letters import DeadLetter, Filter, to_letter

_SECONDS = 30.0

REDRIVEN, FILTERED = "redriven", "not meant by the filter"
DONE_BEFORE = "redriven before (--again repeats it)"
SUPERSEDED = "superseded by a later record of its key (--include-superseded sends it all the same)"
TOO_OFTEN = "failed too often (--max-attempts)"
INCOMPLETE = "its value or key was too large to keep: send the original again"
FOREIGN = "from another input topic, or not written by hangtag"
TOO_LARGE = "with where it first stood too large for the input topic (its max.message.bytes): send the original again"
NO_ROOM = "too far behind an older dead letter that is still there: redrive or expire that one first"


@dataclass(frozen=True, slots=True)
class RedrivePolicy:
    """What to send again and how fast. ``rate``: records a second, 0 for no limit."""

    wanted: Filter = field(default_factory=Filter)
    rate: float = 0.0
    max_attempts: int = 3
    include_superseded: bool = False
    again: bool = False
    is_dry: bool = False
    records_per_transaction: int = 100


@dataclass(frozen=True, slots=True)
class RedriveTopics:
    """Where letters lie, where they go, and under which group the books are kept."""

    dead_letter: str
    input: str
    group_id: str


@dataclass(slots=True)
class RedriveProgress:
    """How far a redrive is. ``total``: letters to look at; ``outcomes``: how many ended how."""

    total: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """The key and the original place of a letter that is to be sent again, unless something later superseded it."""

    key: bytes | None
    partition: int
    offset: int


class Redrive:
    """One run. Synchronous: a command, not a stage."""

    def __init__(
        self,
        client: Mapping[str, Any],
        producer: Mapping[str, Any],
        topics: RedriveTopics,
        policy: RedrivePolicy,
        show: Callable[[RedriveProgress], None],
    ) -> None:
        self._topics = topics
        self._policy = policy
        self._show = show
        self._reader = TopicReader(client, topics.group_id)
        self._client = client
        self._producer_config = {**producer, "transactional.id": topics.group_id}
        self._max_bytes = 0  # of a record on the input topic
        self._producer: Producer | None = None
        self._ledgers: dict[int, PartitionLedger] = {}
        self._superseded: set[tuple[int, int]] = set()
        self.progress = RedriveProgress()

    def run(self) -> RedriveProgress:
        """Redrive what is meant and return how it went. Raises FatalError; what was committed by then stays so."""
        try:
            ranges = self._reader.ranges(self._topics.dead_letter)
            self._learn_limit()
            self._open_books(ranges)
            if not self._policy.include_superseded:
                self._superseded = self._find_superseded(ranges)
            self._send(ranges)
        except KafkaException as error:
            reason = reason_of(self._producer, error) if self._producer is not None else error.args[0]
            if reason.code() in FENCED:
                raise FatalError(
                    f"another redrive of this group runs ({self._topics.group_id}) and has taken over; what this one "
                    "committed stays, and the other goes on from there"
                ) from error
            text = f"the redrive stopped: {reason.str()}; run the same command again, it goes on where it was"
            raise FatalError(text) from error
        finally:
            self._reader.close()
        return self.progress

    def _learn_limit(self) -> None:
        topic = self._topics.input
        limits = record_limits(self._client, [topic], producer=record_limit_of(self._producer_config))
        self._max_bytes = limits[topic]
        self._producer_config = with_record_limits(self._producer_config, limits)

    # ---- the books ----------------------------------------------------------------------------------------------

    def _open_books(self, ranges: Mapping[int, Range]) -> None:
        if not self._policy.is_dry:
            # First, so that the open transaction of a killed predecessor is ended and its books can be read.
            self._producer = Producer(self._producer_config)
            self._producer.init_transactions(_SECONDS)
        wanted = [TopicPartition(self._topics.dead_letter, number) for number in ranges]
        for place in self._reader.kafka.committed(wanted, timeout=_SECONDS):
            first = ranges[place.partition].first
            known = decode_map(place.metadata, place.offset) if place.offset >= 0 else None
            start = max(first, place.offset)
            finished = frozenset(offset for offset in known.finished if offset >= start) if known else frozenset()
            self._ledgers[place.partition] = PartitionLedger(start, finished)
        self.progress.total = sum(one.end - one.first for one in ranges.values())

    # ---- which ones ---------------------------------------------------------------------------------------------

    def _judge(self, letter: DeadLetter, *, is_new: bool) -> str | None:
        """Why this letter is not sent again; None: it is."""
        told = letter.told
        if not self._policy.wanted.takes(letter):
            return FILTERED
        if told is None or told.source.topic != self._topics.input:
            return FOREIGN
        if not is_new and not self._policy.again:
            return DONE_BEFORE
        if told.attempts >= self._policy.max_attempts:
            return TOO_OFTEN
        if told.value_omitted is not None or any(name.endswith("_omitted") for name, _ in letter.headers):
            return INCOMPLETE
        if OutputRecord(self._topics.input, letter.key, letter.value, _headers(letter)).num_bytes > self._max_bytes:
            return TOO_LARGE
        if (told.source.partition, told.source.offset) in self._superseded:
            return SUPERSEDED
        return None

    def _find_superseded(self, ranges: Mapping[int, Range]) -> set[tuple[int, int]]:
        """Original places of chosen letters whose key has a later record, up to the end of the input topic."""
        chosen = list(self._choose(ranges))
        if not chosen:
            return set()
        there = self._reader.ranges(self._topics.input)
        first = {number: min((c.offset for c in chosen if c.partition == number), default=None) for number in there}
        wanted = {
            number: Range(max(there[number].first, offset), there[number].end)
            for number, offset in first.items()
            if offset is not None
        }
        keys = {(one.partition, one.key) for one in chosen}
        newest: dict[tuple[int, bytes | None], int] = {}
        for message in self._reader.read(self._topics.input, wanted):
            place = (message.partition() or 0, message.key())
            if place in keys:
                newest[place] = max(newest.get(place, -1), _own_offset(message, self._topics.input))
        return {(c.partition, c.offset) for c in chosen if newest.get((c.partition, c.key), -1) > c.offset}

    def _choose(self, ranges: Mapping[int, Range]) -> Iterator[_Chosen]:
        """Those with a key: without one, or with an empty one, no record is of the same listing as another."""
        for message in self._reader.read(self._topics.dead_letter, ranges):
            letter = to_letter(message)
            is_new = not self._ledgers[letter.partition].is_finished(letter.offset)
            if letter.key and self._judge(letter, is_new=is_new) is None and letter.told is not None:
                yield _Chosen(letter.key, letter.told.source.partition, letter.told.source.offset)

    # ---- sending ------------------------------------------------------------------------------------------------

    def _send(self, ranges: Mapping[int, Range]) -> None:
        batch: list[DeadLetter] = []
        for message in self._reader.read(self._topics.dead_letter, ranges):
            letter = to_letter(message)
            ledger = self._ledgers[letter.partition]
            is_new = ledger.deliver(letter.offset)
            why_not = self._judge(letter, is_new=is_new)
            if why_not is None and is_new and not ledger.has_room(letter.offset):
                why_not = NO_ROOM
            if why_not is not None:
                self._count(why_not)
                continue
            if is_new:
                ledger.finish(letter.offset)
            batch.append(letter)
            if len(batch) >= self._batch_size():
                self._commit(batch)
                batch = []
        if batch:
            self._commit(batch)

    def _batch_size(self) -> int:
        most = self._policy.records_per_transaction
        return min(most, max(1, int(self._policy.rate))) if self._policy.rate else most

    def _commit(self, batch: list[DeadLetter]) -> None:
        began = time.monotonic()
        if self._producer is not None:
            self._transact(self._producer, batch)
        self._count(REDRIVEN, len(batch))
        if self._policy.rate and not self._policy.is_dry:
            threading.Event().wait(max(0.0, len(batch) / self._policy.rate - (time.monotonic() - began)))

    def _transact(self, producer: Producer, batch: list[DeadLetter]) -> None:
        producer.begin_transaction()
        for letter in batch:
            producer.produce(self._topics.input, letter.value, letter.key, headers=list(_headers(letter)))
            producer.poll(0)
        places = []
        for number in {letter.partition for letter in batch}:
            position = self._ledgers[number].position()
            at = TopicPartition(self._topics.dead_letter, number, position.offset, metadata=position.metadata)
            places.append(at)
        producer.send_offsets_to_transaction(places, self._reader.kafka.consumer_group_metadata(), _SECONDS)
        producer.commit_transaction(_SECONDS)

    def _count(self, outcome: str, number: int = 1) -> None:
        self.progress.outcomes[outcome] += number
        self._show(self.progress)


def _headers(letter: DeadLetter) -> tuple[tuple[str, bytes | None], ...]:
    """The record's own headers, and where it first stood."""
    assert letter.told is not None  # noqa: S101  # judged before
    trip = RedriveHeaders(letter.told.source, letter.told.attempts)
    return (*strip_trip_headers(letter.headers), *trip.to_headers())


def _own_offset(message: Message, topic: str) -> int:
    """Where the record first stood: a redriven one does not supersede itself."""
    trip = earlier_trip(read_headers(message) or ())
    if trip is not None and (trip.source.topic, trip.source.partition) == (topic, message.partition()):
        return trip.source.offset
    return message.offset() or 0
