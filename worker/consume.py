"""Sole owner of the Kafka consumer.

One thread polls, whatever else happens, and runs the commands others leave for it. The client forbids anything better:
since confluent-kafka 2.16 a call from a second thread blocks until the running poll returns. Rebalance callbacks run
inside the poll, on this thread; while one waits for listings to drain it keeps running commands, so that the producer's
thread can still learn what it needs.

What the thread knows it tells a `Listener`, whose methods run on this thread and must hand over and return.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import structlog
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from worker.errors import FatalError
from worker.item import Origin, Record
from worker.kafka.message_headers import read_headers
from worker.partitions.assignment import Assigned, ConsumePolicy, Held, Listener
from worker.partitions.connection import Connection
from worker.partitions.places import Place, look_up

T = TypeVar("T")
_CUT = "what is left can be replayed under another --name, with --from earliest"
log = structlog.get_logger(__name__)


class Consumer:
    """The consumer, its thread, and the command queue that is its only door."""

    def __init__(self, config: Mapping[str, Any], policy: ConsumePolicy, listener: Listener) -> None:
        self._config = {**config, "error_cb": self._on_client_error}
        self._policy = policy
        self._listener = listener
        self._commands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._main, name="hangtag-consumer", daemon=True)
        self._held: dict[int, Held] = {}
        self._has_to_seek = False  # some partition is being rewound, or has to be told where to go
        self._ended: list[int] = []  # to be told after this turn's records
        self._caught_up: dict[int, int] = {}  # the same, with the position
        self._epoch = 0
        self.group_metadata: Any = None  # refreshed on every turn; opaque to everyone but the producer
        self._connection = Connection()
        self.last_turn = time.monotonic()  # the thread's heartbeat, for liveness

    def start(self) -> None:
        """Start polling."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to close the consumer and end; it leaves the group. Returns at once."""
        self._stopping.set()

    @property
    def is_connected(self) -> bool:
        """Is there an assignment, and did a broker answer last?"""
        return self._connection.is_up

    @property
    def is_running(self) -> bool:
        """Does the thread run?"""
        return self._thread.is_alive()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the thread's end, if it ever began; False if it did not come in time."""
        if self._thread.ident is None:
            return True
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def pause(self, partitions: Sequence[int]) -> Future[None]:
        """Stop fetching these; polling goes on."""
        return self._call(lambda: self._kafka.pause(self._fetching(partitions)))

    def resume(self, partitions: Sequence[int]) -> Future[None]:
        """Fetch these again, unless they stopped for good."""
        return self._call(lambda: self._kafka.resume(self._fetching(partitions)))

    def rewind(self) -> None:
        """Go back to what is committed, on all partitions, under new epochs, as soon as the broker says what that is.

        Told through `Listener.on_assigned`.
        """
        self._call(self._rewind)

    def commit(self, offsets: Sequence[TopicPartition]) -> Future[None]:
        """At-least-once only: commit these offsets with their metadata, now."""
        return self._call(lambda: self._commit(offsets))

    def lag(self) -> Future[dict[int, int]]:
        """Newest offset known per assigned partition, from what the client has cached: no network."""
        return self._call(self._high_watermarks)

    # ---- on the consumer's thread -------------------------------------------------------------------------------

    def _main(self) -> None:
        try:
            self._kafka = KafkaConsumer(self._config)
            self._kafka.subscribe(
                [self._policy.topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            while not self._stopping.is_set():
                self._turn()
            self._kafka.close()
        except FatalError as error:
            self._listener.on_failed(error)
        except Exception as error:  # top of the thread: whatever it is, the worker must hear of it
            log.exception("consumer.died")
            self._listener.on_failed(FatalError(f"the consumer's thread ended: {error!r}"))

    def _turn(self) -> None:
        self.last_turn = time.monotonic()
        self._run_commands()
        self._go_on_rewinding()
        if self._connection.has_to_ask():
            self._ask_broker()
        epoch = self._epoch
        first = self._kafka.poll(self._policy.poll_seconds)
        self.group_metadata = self._kafka.consumer_group_metadata()
        if first is None:
            self._tell_ends()
            return
        messages = [first, *self._kafka.consume(self._policy.max_records, 0)]
        if epoch != self._epoch:
            messages = self._without_stale(messages, epoch)
        records = [record for message in messages if (record := self._to_record(message)) is not None]
        if records:
            self._connection.works()
            self._listener.on_records(records)
        self._tell_ends()

    def _ask_broker(self) -> None:
        """About any partition that is ours; a topic without a leader, or without leave to read it, does not answer."""
        for partition in self._held:
            try:
                place = TopicPartition(self._policy.topic, partition)
                self._kafka.get_watermark_offsets(place, timeout=self._policy.ask_seconds)
            except KafkaException as error:
                log.debug("consumer.still_away", error=error.args[0].str())
            else:
                self._connection.works()
            return

    def _without_stale(self, messages: list[Message], epoch: int) -> list[Message]:
        """Records read in the same call as a rebalance may belong to the old assignment: read them again."""
        fresh = {p for p, held in self._held.items() if held.epoch > epoch}
        for partition in fresh:
            self._held[partition].seek_to = self._held[partition].start
            self._has_to_seek = True
        return [message for message in messages if message.error() or message.partition() not in fresh]

    def _to_record(self, message: Message) -> Record | None:
        error = message.error()
        if error is not None:
            self._on_message_error(message, error)
            return None
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if topic is None or partition is None or offset is None:
            return None  # only an event of the client's has no place; records all have one
        held = self._held.get(partition)
        if held is None or not held.is_read or self._has_reached_bound(partition, held, offset):
            return None
        kind, timestamp_ms = message.timestamp()
        origin = Origin(topic, partition, offset, timestamp_ms if kind else None, held.epoch)
        headers = read_headers(message)
        return Record(message.key(), message.value(), headers or (), origin, has_unreadable_headers=headers is None)

    def _has_reached_bound(self, partition: int, held: Held, position: int) -> bool:
        """Positions, not records, reach an end: what lay before it may be compacted away or aborted."""
        if held.bound is None or position < held.bound or not held.is_read:
            return False
        held.is_ended = True
        self._ended.append(partition)
        return True

    def _tell_ends(self) -> None:
        """After the records of the same turn, which come before it."""
        for partition in self._ended:
            if (held := self._held.get(partition)) is not None and held.is_ended:
                self._kafka.pause([TopicPartition(self._policy.topic, partition)])
                self._listener.on_end(partition, held.epoch)
        self._ended.clear()
        for partition, position in self._caught_up.items():
            if (held := self._held.get(partition)) is not None and held.is_read:
                self._listener.on_caught_up(partition, held.epoch, position)
        self._caught_up.clear()

    def _on_message_error(self, message: Message, error: KafkaError) -> None:
        partition = message.partition() or 0
        if error.fatal():
            raise FatalError(f"the Kafka client gave up: {error.str()}")
        if error.code() == KafkaError._PARTITION_EOF:
            held, position = self._held.get(partition), message.offset() or 0
            if held is not None and held.is_read and not self._has_reached_bound(partition, held, position):
                self._caught_up[partition] = position
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            self._stop_partition(partition, f"offset {message.offset()} is not in the log: {error.str()}")
        elif error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED):
            self._connection.broke()
            log.error(
                "consumer.topic_unusable",
                topic=self._policy.topic,
                error=error.str(),
                remedy="create the topic ('hangtag topics plan' shows all) or grant Read on it; retrying",
            )
        else:
            log.warning("consumer.error", code=error.name(), error=error.str())

    def _on_client_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._connection.broke()
        if self._connection.is_news(error.code()):
            log.warning("consumer.client_error", code=error.name(), error=error.str())

    def _stop_partition(self, partition: int, why: str) -> None:
        held = self._held.get(partition)
        if held is None or held.stopped or held.is_ended:
            return
        if held.bound is not None:
            raise FatalError(f"partition {partition} cannot be replayed to its end, offset {held.bound}: {why}; {_CUT}")
        held.stopped = why
        self._kafka.pause([TopicPartition(self._policy.topic, partition)])
        log.error(
            "consumer.partition_stopped",
            partition=partition,
            why=why,
            remedy="choose where to go on with 'hangtag offsets reset', then restart the worker",
        )

    def _fetching(self, partitions: Sequence[int]) -> list[TopicPartition]:
        held = self._held
        wanted = (p for p in partitions if p in held and not (held[p].stopped or held[p].is_ended))
        return [TopicPartition(self._policy.topic, p) for p in wanted]

    # ---- commands -----------------------------------------------------------------------------------------------

    def _call(self, action: Callable[[], T]) -> Future[T]:
        answer: Future[T] = Future()

        def run() -> None:
            if not answer.set_running_or_notify_cancel():
                return
            try:
                answer.set_result(action())
            except KafkaException as error:
                answer.set_exception(error)

        self._commands.put(run)
        return answer

    def _run_commands(self, wait_seconds: float = 0.0) -> None:
        with contextlib.suppress(queue.Empty):
            if wait_seconds:
                self._commands.get(timeout=wait_seconds)()
            while True:
                self._commands.get_nowait()()

    def _commit(self, offsets: Sequence[TopicPartition]) -> None:
        # A broker asks who commits, not whose partition it is: one that went meanwhile would be set back for its owner.
        if ours := [place for place in offsets if place.partition in self._held]:
            self._kafka.commit(offsets=ours, asynchronous=False)

    def _high_watermarks(self) -> dict[int, int]:
        marks = {}
        for partition in self._held:
            try:
                known = self._kafka.get_watermark_offsets(TopicPartition(self._policy.topic, partition), cached=True)
            except KafkaException:
                continue  # not known just now: who asks will ask again
            if known is not None and known[1] >= 0:
                marks[partition] = known[1]
        return marks

    def _rewind(self) -> None:
        for held in self._held.values():
            held.is_rewinding = held.stopped is None
        self._has_to_seek = True

    def _go_on_rewinding(self) -> None:
        if not self._has_to_seek:
            return
        if rewinding := [p for p, held in self._held.items() if held.is_rewinding]:
            try:
                starts = self._look_up_starts(rewinding)
            except KafkaException as error:
                log.warning("consumer.rewind_retry", error=error.args[0].str())
                return
            for start in starts:
                self._held[start.partition].seek_to = start.offset
                self._tell_stopped(start.partition)
        for partition, held in self._held.items():
            if held.seek_to is not None and not held.stopped and self._has_sought(partition, held.seek_to):
                held.seek_to = None
        self._has_to_seek = any(held.is_rewinding or held.seek_to is not None for held in self._held.values())

    def _has_sought(self, partition: int, offset: int) -> bool:
        """False: the client is not ready yet, as right after an assignment; ask again."""
        try:
            self._kafka.seek(TopicPartition(self._policy.topic, partition, offset))
        except KafkaException as error:
            log.debug("consumer.seek_retry", partition=partition, error=error.args[0].str())
            return False
        return True

    # ---- rebalances, inside poll --------------------------------------------------------------------------------

    def _on_assign(self, kafka: KafkaConsumer, partitions: list[TopicPartition]) -> None:
        self._connection.works()
        self.group_metadata = kafka.consumer_group_metadata()  # the first commit of an assignment comes at once
        starts = {start.partition: start for start in self._look_up_patiently([p.partition for p in partitions])}
        topic = self._policy.topic
        kafka.incremental_assign([TopicPartition(topic, p, start.offset) for p, start in starts.items()])
        for partition in starts:
            self._tell_stopped(partition)

    def _tell_stopped(self, partition: int) -> None:
        """If it cannot be read from where it starts: pause it and say so, now that the client has it."""
        held = self._held[partition]
        if (why := held.stopped) is not None:
            held.stopped = None
            self._stop_partition(partition, why)

    def _on_revoke(self, kafka: KafkaConsumer, partitions: list[TopicPartition]) -> None:
        self._give_up(kafka, partitions, is_lost=False)

    def _on_lost(self, kafka: KafkaConsumer, partitions: list[TopicPartition]) -> None:
        self._give_up(kafka, partitions, is_lost=True)

    def _give_up(self, kafka: KafkaConsumer, partitions: list[TopicPartition], *, is_lost: bool) -> None:
        self.group_metadata = kafka.consumer_group_metadata()
        drained = self._listener.on_revoked([p.partition for p in partitions], is_lost=is_lost)
        drained.add_done_callback(lambda _: self._commands.put(lambda: None))  # wakes the wait below
        while not drained.done():
            self._run_commands(wait_seconds=1.0)
            self.last_turn = time.monotonic()
        if not drained.cancelled() and (failure := drained.exception()) is not None:
            log.error("consumer.drain_failed", error=repr(failure))
        for partition in partitions:
            self._held.pop(partition.partition, None)
        kafka.incremental_unassign(partitions)

    def _look_up_patiently(self, partitions: Sequence[int]) -> list[Assigned]:
        """Inside a rebalance there is no later: try until the broker answers. Raises FatalError when it never does."""
        for attempt in range(1, self._policy.lookup_attempts + 1):
            try:
                return self._look_up_starts(partitions)
            except KafkaException as error:
                self.last_turn = time.monotonic()
                cause: KafkaError = error.args[0]
                if attempt == self._policy.lookup_attempts or self._stopping.wait(min(2.0, 0.1 * 2**attempt)):
                    text = f"cannot learn the committed offsets of {self._policy.topic}: {cause.str()}"
                    raise FatalError(text) from error
                log.warning("consumer.lookup_retry", error=cause.str(), attempt=attempt)
        return []

    def _look_up_starts(self, partitions: Sequence[int]) -> list[Assigned]:
        """Where each partition starts: what the group committed, or ``start_at`` where nothing is.

        Raises KafkaException when the broker does not say.
        """
        if not partitions:
            return []
        places = look_up(self._kafka, self._policy, partitions)  # all of them, before anything changes here
        self._epoch += 1
        starts = [self._adopt(place) for place in places]
        self._listener.on_assigned(starts)
        for start in starts:
            self._has_reached_bound(start.partition, self._held[start.partition], start.offset)
        return starts

    def _adopt(self, place: Place) -> Assigned:
        """Hold a partition from here on, under the new epoch."""
        number, bound, start = place.partition, place.bound, place.start
        earlier = self._held.get(number)
        if earlier is not None and bound is None and not place.is_committed:
            # Rewound before its first commit. Where a group begins may have moved on, as a log's end does.
            start = max(place.low, earlier.start)
        held = self._held[number] = Held(self._epoch, start, bound=bound)
        if bound is not None and start < min(place.low, bound):
            self._stop_partition(number, f"offsets {start} to {place.low} were deleted meanwhile")
        if bound is None and place.is_committed and not place.low <= start <= place.high:
            log_holds = f"which holds {place.low} to {place.high}"
            held.stopped = f"committed offset {start} is outside the log, {log_holds}"
        end = place.high if bound is None else min(place.high, bound)
        return Assigned(number, self._epoch, start, place.metadata, end, bound)
