"""One transactional producer, and the thread that alone may call it.

    FINE      committed: readers of ``read_committed`` see it, offsets moved
    ABORTED   certainly not committed (a rebalance, a refused record): the same work may be sent again
    UNKNOWN   nobody can say (a timeout): the producer was thrown away and rebuilt, which ends whatever was open;
              what is committed now is in the group's offsets and nowhere else

Why UNKNOWN may not simply be retried: librdkafka does not speak KIP-890, so a delayed end-of-transaction may still land
on a later transaction of the same producer epoch (Jepsen described the losses). Re-initialising bumps the epoch and
fences the straggler.

A transaction begins only when its results exist, so it stays open for milliseconds.
"""

from __future__ import annotations

import asyncio
import enum
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka import Producer as KafkaProducer

from worker.errors import FatalError
from worker.item import OutputRecord
from worker.machine.owner_thread import OwnerThread

log = structlog.get_logger(__name__)

_INIT_PAUSE_SECONDS = 0.2
_CLOSE_SECONDS = 5.0
_REASON_SECONDS = 1.0
FENCED = (KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED)
# The broker forgot a name that nothing used for days (transactional.id.expiration.ms); aborting does not bring it back.
_FORGOTTEN = (KafkaError.INVALID_PRODUCER_ID_MAPPING, KafkaError.UNKNOWN_PRODUCER_ID)


class CommitOutcome(enum.Enum):
    """How a transaction ended; see the module's docstring."""

    FINE = "committed"
    ABORTED = "aborted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Commit:
    """One transaction's content: what to produce, and what to commit per partition of the input topic."""

    outputs: Sequence[OutputRecord]
    offsets: Sequence[TopicPartition]


class Step(enum.Enum):
    """How far a transaction got; told to whoever watches, on the producer's thread."""

    BEGUN = "begun"
    PRODUCED = "produced"
    OFFSETS_SENT = "offsets_sent"
    COMMITTED = "committed"


@dataclass(frozen=True, slots=True)
class PublishPolicy:
    """``transaction_seconds`` is the broker's limit from begin to commit; calls give up a little earlier."""

    transactional_id: str
    transaction_seconds: float = 10.0
    init_seconds: float = 5.0  # of one attempt; there is always another
    overdue_seconds: float = 2.0  # a call that is so late beyond its own time limit will not come back soon
    rebuild_after_unknown: bool = True  # False only to show, in the reliability suite, what the rule is for


def watch_nothing(_: Step) -> None:
    """What watches unless somebody does."""


class OversizedError(FatalError):
    """The client takes no record so large, however often it is asked. ``output``: which."""

    def __init__(self, output: OutputRecord) -> None:
        super().__init__(
            f"a record of {output.num_bytes:,} bytes for {output.topic} is larger than the producer takes: raise "
            "message.max.bytes in kafka.producer, or take it out"
        )
        self.output = output


class AbandonedError(Exception):
    """This session was given up while it hung in a call; whatever comes back now is nobody's."""


class ProducerSession:
    """A producer on a thread of its own, rebuilt there when it is spoilt.

    ``is_overdue`` and ``abandon`` are for the event loop, since a call into the client can outlast its time limit by
    minutes (librdkafka 2.16, send_offsets_to_transaction while the group's coordinator is away).
    """

    def __init__(
        self, config: Mapping[str, Any], policy: PublishPolicy, group_metadata: Callable[[], Any],
        watch: Callable[[Step], None],
    ) -> None:  # fmt: skip
        self._config = dict(config)
        self._policy = policy
        self._group_metadata = group_metadata
        self._watch = watch
        self._closing = threading.Event()
        self._thread = OwnerThread("hangtag-producer")
        self._kafka: KafkaProducer | None = None
        self._lock = threading.Lock()  # guards the three below
        self._due: float | None = None  # when the call under way must be back, monotonic seconds
        self._is_ending = False  # the end of the transaction may be on its way to the broker
        self._is_abandoned = False

    async def start(self) -> None:
        """Ready for transactions. Raises FatalError when the broker refuses."""
        try:
            await self._thread.start(self._build)
        except BaseException:  # given up, it would ask for ever, and take the name from whoever starts next
            self._closing.set()
            raise

    def transact(self, commit: Commit) -> Coroutine[Any, Any, CommitOutcome]:
        """Produce and commit. Raises FatalError when this worker was fenced, or a record is too large."""
        # Asked for now, while all of this is ours: after a rebalance a broker would take from us what is another's.
        member = self._group_metadata()
        return self._thread.run(lambda: self._transact(commit, member))

    async def close(self) -> None:
        """End the thread; an open transaction is aborted. A thread that hangs is left behind."""
        if self._closing.is_set():
            return  # it never started, or was given up: its thread ends by itself
        self._closing.set()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._thread.run(self._let_go)
        except TimeoutError:
            log.warning("producer.left_behind", effect="the broker aborts its transaction when its time is over")
            return
        await self._thread.close()

    def is_overdue(self) -> bool:
        """Does the thread hang in a call that should have come back?"""
        with self._lock:
            return self._due is not None and time.monotonic() > self._due + self._policy.overdue_seconds

    def abandon(self) -> CommitOutcome:
        """Leave the thread to its call; it does nothing more once that returns. What became of the transaction:
        ABORTED if its end was never sent and so never will be, provided a new producer takes the name over.
        """
        with self._lock:
            self._is_abandoned = True
            outcome = CommitOutcome.UNKNOWN if self._is_ending else CommitOutcome.ABORTED
        self._closing.set()
        self._thread.end()
        return outcome

    # ---- on the producer's thread -------------------------------------------------------------------------------

    def _let_go(self) -> None:
        """The client ends with its last reference: here, not at some later moment."""
        self._kafka = None

    def _build(self) -> None:
        """Initialise, again and again until the broker answers; ends the predecessor's open transaction."""
        while not self._closing.is_set():
            kafka = KafkaProducer(self._config)
            try:
                kafka.init_transactions(self._policy.init_seconds)
            except KafkaException as error:
                cause: KafkaError = error.args[0]
                if not (cause.retriable() or cause.code() == KafkaError._TIMED_OUT):
                    raise FatalError(
                        f"the producer cannot start transactions as {self._policy.transactional_id!r}: {cause.str()}"
                    ) from error
                log.warning("producer.init_retry", error=cause.str(), transactional_id=self._policy.transactional_id)
            else:
                self._kafka = kafka
                return
            self._closing.wait(_INIT_PAUSE_SECONDS)  # a refusal can come at once: do not hammer

    def _rebuild(self) -> CommitOutcome:
        self._may_take(None)
        self._kafka = None
        self._build()
        log.info("producer.rebuilt")
        return CommitOutcome.UNKNOWN

    def _may_take(self, until: float | None) -> None:
        """Calls from here on must be back by then; None: they may take as long as they take."""
        with self._lock:
            self._due = until
            self._is_ending = False
            self._check_not_abandoned()

    def _begin_ending(self) -> None:
        with self._lock:
            self._check_not_abandoned()
            self._is_ending = True

    def _check_not_abandoned(self) -> None:
        if self._is_abandoned:
            self._kafka = None
            raise AbandonedError

    def _transact(self, commit: Commit, member: Any) -> CommitOutcome:
        if self._kafka is None:
            return self._rebuild()
        deadline = time.monotonic() + self._policy.transaction_seconds
        self._may_take(deadline)
        try:
            self._fill(self._kafka, commit, member, deadline)
        except KafkaException as error:
            return self._after_failure(reason_of(self._kafka, error), deadline)
        self._begin_ending()
        try:
            self._end(self._kafka, deadline)
        except KafkaException as error:
            cause = error.args[0]
            if cause.txn_requires_abort() or cause.fatal():
                return self._after_failure(cause, deadline)
            log.warning("transaction.unknown", error=cause.str())
            return self._rebuild()
        self._watch(Step.COMMITTED)
        self._may_take(None)
        return CommitOutcome.FINE

    def _fill(self, kafka: KafkaProducer, commit: Commit, member: Any, deadline: float) -> None:
        kafka.begin_transaction()
        self._watch(Step.BEGUN)
        for output in commit.outputs:
            produce(kafka, output, deadline)
        kafka.poll(0)  # once for all: each call lets go of the interpreter, and has to wait for it again
        self._watch(Step.PRODUCED)
        kafka.send_offsets_to_transaction(list(commit.offsets), member, _left(deadline))
        self._watch(Step.OFFSETS_SENT)

    def _end(self, kafka: KafkaProducer, deadline: float) -> None:
        while True:
            try:
                return kafka.commit_transaction(_left(deadline))
            except KafkaException as error:
                # What the client's documentation offers, asking again on the same producer, is what the rule forbids.
                if self._policy.rebuild_after_unknown or not error.args[0].retriable():
                    raise

    def _after_failure(self, cause: KafkaError, deadline: float) -> CommitOutcome:
        if cause.code() in FENCED and time.monotonic() < deadline:
            raise FatalError(
                f"another live worker uses the transactional id {self._policy.transactional_id!r} and fenced this one; "
                "give each worker of a group its own kafka.instance"
            )
        if cause.fatal() or cause.code() in (*FENCED, *_FORGOTTEN):  # fenced: the transaction took the broker too long
            log.warning("transaction.producer_lost", error=cause.str())
            return self._rebuild()
        log.warning("transaction.aborting", code=cause.name(), error=cause.str())
        self._may_take(time.monotonic() + self._policy.transaction_seconds)
        try:
            if self._kafka is not None:
                self._kafka.abort_transaction(self._policy.transaction_seconds)
        except KafkaException as error:
            log.warning("transaction.abort_failed", error=error.args[0].str())
            return self._rebuild()
        self._may_take(None)
        return CommitOutcome.ABORTED


def reason_of(kafka: KafkaProducer, error: KafkaException) -> KafkaError:
    """Why a call failed. A client that has failed for good, as one that was fenced has, says in ``produce`` only that
    it has; what it says to the next call for its transaction is why.
    """
    told: KafkaError = error.args[0]
    if told.code() == KafkaError._FATAL:
        try:
            kafka.abort_transaction(_REASON_SECONDS)
        except KafkaException as refusal:
            told = refusal.args[0]
    return told


def produce(
    kafka: KafkaProducer,
    output: OutputRecord,
    deadline: float,
    on_delivery: Callable[[KafkaError | None, object], None] | None = None,
) -> None:
    """Hand one record to the client; waits while its queue is full. Raises KafkaException after ``deadline``, and
    OversizedError.
    """
    while True:
        try:
            kafka.produce(output.topic, output.value, output.key, headers=list(output.headers), on_delivery=on_delivery)
        except BufferError as error:  # the client's queue is full: let it drain
            kafka.poll(0.05)
            if time.monotonic() > deadline:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the producer's queue stayed full")) from error
        except KafkaException as error:
            if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:  # sent again it would be refused again
                raise OversizedError(output) from error
            raise
        else:
            return


def _left(deadline: float) -> float:
    return max(0.1, deadline - time.monotonic())
