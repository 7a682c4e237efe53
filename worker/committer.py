"""From finished listings to committed ones: the loop that fills one transaction after the other.

Everything that finished since the last transaction goes into the next one, in order, together with the positions of
the partitions it touches. Partitions whose `Mark` has to be written (just assigned, about to be handed over, a record
about to run alone) ride along.

The next one begins as soon as the last has ended, unless all that wait for it were under way for long. Then there is a
backlog, and fewer, larger transactions leave it more of the processors, the broker's as well; what a listing waits for
that is a small share of the time that it took anyhow. Owner: the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import structlog

from schemas.topics import EVENT_KINDS
from worker.errors import FatalError
from worker.flow.admission import Limits
from worker.flow.yielding import Recent
from worker.item import Finished
from worker.kafka.transaction import Commit, CommitOutcome, OversizedError
from worker.metrics import Metrics
from worker.partitions.books import Books
from worker.partitions.partition import Partition
from worker.publish import Publisher

log = structlog.get_logger(__name__)

_FIRST_BACKOFF_SECONDS, _MAX_BACKOFF_SECONDS = 0.01, 1.0
_COMPLAIN_SECONDS = 30.0
_SHARE, _MOST_SECONDS = 0.05, 0.2  # from one transaction's begin to the next: of the time that a listing took; at most


class Committer:
    """The outbox and its loop. Results wait here for their transaction; with a dead sink they keep new work out.

    ``rewind`` is called after an unknown outcome, when nothing in flight can be trusted.
    """

    def __init__(
        self, books: Books, rewind: Callable[[], None], publisher: Publisher, limits: Limits, metrics: Metrics,
        kinds: Sequence[str] = EVENT_KINDS,
    ) -> None:  # fmt: skip
        self._kinds = kinds
        self._books = books
        self._rewind = rewind
        self._publisher = publisher
        self._limits = limits
        self._metrics = metrics
        self._outbox: deque[tuple[Finished, int]] = deque()  # with their bytes
        self._taken: list[Finished] = []  # in the transaction under way
        self._bytes = 0
        self._bytes_taken = 0
        self._bytes_expected = 0
        self.last_movement = asyncio.get_running_loop().time()
        self._begun = 0.0  # the last transaction
        self.is_committing = False
        self.recent = Recent()  # seconds from a record's start to its commit
        self._has_results = False
        self._aborting_since: float | None = None  # the transaction under way
        self._complained = 0.0  # of that, last
        self.changed = asyncio.Event()  # there may be room; whoever waits for some clears it

    @property
    def num_waiting(self) -> int:
        """Results not committed yet."""
        return len(self._outbox) + len(self._taken)

    @property
    def oldest_began(self) -> float | None:
        """When the oldest listing among those began, in seconds on the loop's clock."""
        return min((one.began for one in (*self._taken, *(one for one, _ in self._outbox))), default=None)

    @property
    def aborting_seconds(self) -> float:
        """For how long the same transaction has ended in nothing but aborts."""
        return 0.0 if self._aborting_since is None else asyncio.get_running_loop().time() - self._aborting_since

    @property
    def has_room(self) -> bool:
        """May more work start, or do results pile up already?"""
        num_bytes = self._bytes + self._bytes_expected
        return self.num_waiting < self._limits.max_listings and num_bytes < self._limits.max_unpublished_bytes

    @contextlib.contextmanager
    def expecting(self, num_bytes: int) -> Iterator[None]:
        """Count a result that may not be published yet: an earlier record of its key is still under way. What it waits
        for has started, so results that wait can keep new work out, but not themselves.
        """
        self._bytes_expected += num_bytes
        try:
            yield
        finally:
            self._bytes_expected -= num_bytes

    def add(self, finished: Finished) -> None:
        """A listing is done and may be published."""
        num_bytes = finished.num_bytes
        self._outbox.append((finished, num_bytes))
        self._bytes += num_bytes
        self._books.wake.set()

    async def run(self) -> None:
        """Commit again and again, for ever."""
        wake = self._books.wake
        while True:
            wake.clear()
            marks = self._books.to_mark()
            if not self._outbox and not marks:
                await wake.wait()
                continue
            if not marks and (seconds := self._wait_seconds()) > 0:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await wake.wait()
                continue
            taken = self._take()
            self.is_committing = True
            self._begun = asyncio.get_running_loop().time()
            await self._commit(self._current(taken), marks)
            self.is_committing = False
            self._aborting_since = None
            self._taken = []
            self._bytes -= self._bytes_taken
            self.changed.set()

    def _wait_seconds(self) -> float:
        """How long the next transaction may wait for more results; not at all when they keep new work out."""
        num_outputs = sum(len(one.outputs) for one, _ in self._outbox)
        if not self.has_room or num_outputs >= self._limits.max_outputs_per_commit:
            return 0.0
        youngest = max(one.began for one, _ in self._outbox)
        due = (self._begun - _SHARE * youngest) / (1 - _SHARE)  # when that share of its time has passed since
        return min(due, self._begun + _MOST_SECONDS) - asyncio.get_running_loop().time()

    def _take(self) -> list[Finished]:
        taken: list[Finished] = []
        num_outputs = self._bytes_taken = 0
        while self._outbox and num_outputs < self._limits.max_outputs_per_commit:
            finished, num_bytes = self._outbox.popleft()
            taken.append(finished)
            num_outputs += len(finished.outputs)
            self._bytes_taken += num_bytes
        self._taken = taken
        return taken

    def _current(self, finished: Sequence[Finished]) -> list[Finished]:
        """Without what belongs to a revoked assignment: its partition's next owner does that work."""
        self._count_redone(one for one in finished if not self._books.is_current(one.origin))
        return [one for one in finished if self._books.is_current(one.origin)]

    def _count_redone(self, given_up: Iterable[Finished]) -> None:
        for one in given_up:
            self._metrics.redone_device_seconds.inc(one.device_seconds)
            one.trace.end(is_given_up=True)

    async def _commit(self, finished: list[Finished], marks: Sequence[Partition]) -> None:
        self._books.finish(finished)
        backoff_seconds = _FIRST_BACKOFF_SECONDS
        while entries := self._books.entries(finished, marks):
            outputs = [output for one in finished for output in one.outputs]
            with self._metrics.transaction_seconds.time():
                outcome = await self._send(Commit(outputs, [entry.place for entry in entries]), finished)
            self._metrics.transactions.labels(outcome.value).inc()
            if outcome is CommitOutcome.FINE:
                self._books.committed(entries, finished)
                self._settle(finished)
                return
            if outcome is CommitOutcome.UNKNOWN:
                self._metrics.producer_rebuilds.inc()
                log.warning("transaction.rewinding", listings=len(finished), partitions=len(entries))
                self._count_redone(finished)
                self._rewind()
                return
            self._note_abort(finished, [entry.place.partition for entry in entries])
            await asyncio.sleep(backoff_seconds)
            backoff_seconds = min(_MAX_BACKOFF_SECONDS, backoff_seconds * 2)
            finished = self._current(finished)

    async def _send(self, commit: Commit, finished: Sequence[Finished]) -> CommitOutcome:
        try:
            return await self._publisher.send(commit)
        except FatalError as error:
            self._metrics.transactions.labels("fatal").inc()
            if not isinstance(error, OversizedError):
                raise
            origin = next(one.origin for one in finished if error.output in one.outputs)
            text = f"{error}. It came of {origin.topic}, partition {origin.partition}, offset {origin.offset}"
            raise FatalError(text) from error

    def _note_abort(self, finished: Sequence[Finished], partitions: Collection[int]) -> None:
        """A transaction that is aborted again and again holds everything up: say so, and what is in it."""
        now = asyncio.get_running_loop().time()
        if self._aborting_since is None:
            self._aborting_since = self._complained = now
        if now - self._complained < _COMPLAIN_SECONDS:
            return
        self._complained = now
        sized = ((output.num_bytes, output.topic, one.origin) for one in finished for output in one.outputs)
        num_bytes, topic, origin = max(sized, key=lambda one: one[0], default=(0, None, None))
        log.error(
            "transaction.keeps_aborting",
            seconds=round(now - self._aborting_since),
            partitions=sorted(partitions),
            listings=len(finished),
            largest_bytes=num_bytes,
            largest_topic=topic,
            largest_partition=origin and origin.partition,
            largest_offset=origin and origin.offset,
            remedy="transaction.aborting says why; if a message is too large, raise that topic's max.message.bytes",
        )

    def _settle(self, finished: Sequence[Finished]) -> None:
        self.last_movement = asyncio.get_running_loop().time()
        if finished and not self._has_results:
            self._has_results = True
            log.info("worker.first_results", listings=len(finished))
        num_dead = 0
        for one in finished:
            one.trace.end(one.reason)
            seconds = self.last_movement - one.began
            self.recent.add(self.last_movement, seconds)
            self._metrics.listing_seconds.observe(seconds)
            num_dead += one.reason is not None
        self._count("dead_letter", num_dead, ("dead_letter",))
        self._count("tagged", len(finished) - num_dead, self._kinds)

    def _count(self, outcome: str, number: int, kinds: Iterable[str]) -> None:
        self._metrics.finished_listings.labels(outcome).inc(number)
        for kind in kinds:
            self._metrics.output_events.labels(kind).inc(number)
