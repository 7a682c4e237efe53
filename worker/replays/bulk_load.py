"""Copies an input's listings into a topic of their own, each once; a replay of that topic does the rest.

The books are kept as everywhere here: records and "the first n are in" go out in one transaction, under a group that
nobody joins. So a load that is killed goes on where it was. The topic is apart from the live one: its workers never see
these listings, and nothing deletes them before the replay is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from worker.errors import FatalError
from worker.kafka.topic_reader import TopicReader
from worker.replays.bulk import BulkInput, key_of

log = structlog.get_logger(__name__)

_SECONDS = 30.0
_RECORDS_PER_TRANSACTION = 2_000
_PASSING = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
)
_NOT_DONE, _DONE = "loading", "loaded"


@dataclass(slots=True)
class Loaded:
    """How far a load is, in listings. ``too_large``: left out, for the broker would not take them."""

    listings: int = 0
    too_large: int = 0
    is_done: bool = False


@dataclass(frozen=True, slots=True)
class BulkTopic:
    """Where listings go, and the group under which the books are kept."""

    topic: str
    group_id: str


class BulkLoad:
    """One run. Synchronous: a command, not a stage."""

    def __init__(
        self, client: Mapping[str, Any], producer: Mapping[str, Any], to: BulkTopic, show: Callable[[Loaded], None]
    ) -> None:
        self._to = to
        self._show = show
        self._reader = TopicReader(client, to.group_id)
        self._producer_config = {**producer, "transactional.id": to.group_id}
        self.loaded = Loaded()

    def run(self, source: BulkInput) -> Loaded:
        """Load what is not in yet. Raises FatalError; what was committed by then stays so."""
        try:
            producer = Producer(self._producer_config)
            producer.init_transactions(_SECONDS)  # first: it ends the open transaction of a killed predecessor
            self._open_books(source)
            self._show(self.loaded)
            rest = islice(source.listings(), self.loaded.listings, None)
            while not self.loaded.is_done:
                self._transact(producer, list(islice(rest, _RECORDS_PER_TRANSACTION)), source)
                self._show(self.loaded)
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            raise FatalError(f"the load stopped: {cause.str()}; run the same command again to go on") from error
        finally:
            self._reader.close()
        return self.loaded

    def _open_books(self, source: BulkInput) -> None:
        place = self._committed()
        if place.offset < 0:
            return
        state, digest, too_large = (place.metadata or "").split()
        if digest != source.digest:
            raise FatalError(
                f"the input is not what {place.offset:,} listings in {self._to.topic} were loaded from: files were "
                "added, removed or changed; put them back, or choose another --name"
            )
        self.loaded = Loaded(place.offset, int(too_large), state == _DONE)

    def _committed(self) -> TopicPartition:
        """A broker that has just started does not know yet who keeps the group's offsets."""
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                [place] = self._reader.kafka.committed([TopicPartition(self._to.topic, 0)], timeout=_SECONDS)
            except KafkaException as error:
                if error.args[0].code() not in _PASSING or time.monotonic() > deadline:
                    raise
                self._reader.kafka.poll(0.2)
            else:
                return place

    def _transact(self, producer: Producer, values: list[bytes], source: BulkInput) -> None:
        loaded = self.loaded
        producer.begin_transaction()
        for value in values:
            loaded.too_large += not self._produce(producer, value)
        loaded.listings += len(values)
        loaded.is_done = len(values) < _RECORDS_PER_TRANSACTION
        metadata = f"{_DONE if loaded.is_done else _NOT_DONE} {source.digest} {loaded.too_large}"
        place = TopicPartition(self._to.topic, 0, loaded.listings, metadata=metadata)
        producer.send_offsets_to_transaction([place], self._reader.kafka.consumer_group_metadata(), _SECONDS)
        producer.commit_transaction(_SECONDS)

    def _produce(self, producer: Producer, value: bytes) -> bool:
        key, created_ms = key_of(value)
        more: dict[str, Any] = {} if created_ms is None else {"timestamp": created_ms}
        while True:
            try:
                producer.produce(self._to.topic, value, key, **more)
            except BufferError:
                producer.poll(0.1)
                continue
            except KafkaException as error:
                if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                    raise
                log.warning("bulk.too_large", listing=(key or b"").decode(errors="replace"), bytes=len(value))
                return False
            producer.poll(0)
            return True
