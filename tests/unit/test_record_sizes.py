"""Sizes: what Kafka counts, what each topic takes, and what happens to a transaction that is refused."""

from __future__ import annotations

import asyncio
from dataclasses import astuple
from datetime import UTC, datetime

import pytest
from confluent_kafka import Producer
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from schemas.deadletter import DeadLetterHeaders, Reason, Stage
from schemas.topics import Topics
from tests.unit.enrich_samples import INFO, ORIGIN, record
from tests.unit.test_intake import Bench, Ledger, settle
from tests.virtual_time import in_virtual_time
from worker.deadletter import HEADERS_OMITTED, MIN_BYTES, build_dead_letter
from worker.errors import FatalError, RejectedError
from worker.item import Finished, OutputRecord, Record
from worker.kafka.config import own_record_limit, producer_config
from worker.kafka.transaction import Commit, CommitOutcome, OversizedError
from worker.metrics import Metrics
from worker.outcome import Identity, Outcome, Outputs
from worker.settings import KafkaSettings

MIB = 1 << 20
NAMES = Topics()


def letter_of(of: Record, max_bytes: int, detail: str = "no") -> OutputRecord:
    """Its dead letter, held to so many bytes."""
    return build_dead_letter(
        of, RejectedError(Reason.NOT_JSON, Stage.PARSE, detail), topic="dead", group_id="g" * 200, worker_version="0",
        model_revision="r" * 16, failed_at=datetime.now(UTC), max_bytes=max_bytes,
    )  # fmt: skip


def on_the_wire(output: OutputRecord) -> int:
    """At least what librdkafka and the broker count: the bytes of everything, names as UTF-8."""
    headers = sum(len(name.encode()) + len(value or b"") for name, value in output.headers)
    return headers + len(output.key or b"") + len(output.value or b"")


@pytest.mark.parametrize("name", ["n" * 345_000, "€" * 345_000, "😀" * 250_000])
def test_names_count_in_bytes(name: str) -> None:
    """A letter may have four: counted in characters, such a record is refused by the broker whenever it is sent."""
    letter = letter_of(record(headers=((name, b"v"), ("kept", b"x"))), 300_000)
    assert on_the_wire(letter) <= letter.num_bytes <= 300_000
    assert HEADERS_OMITTED in dict(letter.headers) and "kept" in dict(letter.headers)


@given(
    st.lists(st.tuples(st.text(max_size=300), st.one_of(st.none(), st.binary(max_size=300))), max_size=20),
    st.one_of(st.none(), st.binary(max_size=3_000)), st.binary(max_size=3_000), st.text(max_size=3_000),
    st.integers(MIN_BYTES, 8_000),
)  # fmt: skip
def test_a_dead_letter_fits_whatever_the_limit(
    headers: list[tuple[str, bytes | None]], key: bytes | None, value: bytes, detail: str, max_bytes: int
) -> None:
    """Value, headers, key and message give way in turn, and what happened can still be read."""
    letter = letter_of(Record(key, value, tuple(headers), ORIGIN), max_bytes, detail)
    assert on_the_wire(letter) <= letter.num_bytes <= max_bytes
    assert DeadLetterHeaders.from_headers(letter.headers).reason is Reason.NOT_JSON


def test_a_small_topic_binds_no_other() -> None:
    """Dead letters are held to their own topic's limit alone."""
    limits = dict.fromkeys(astuple(NAMES), 2_000) | {NAMES.dead_letter: MIB + (64 << 10)}
    outputs = Outputs(Identity("g", "0", NAMES), INFO, limits, Metrics())
    large = record(value=b"x" * MIB)
    (letter,) = outputs.of(Outcome(large, None, error=RejectedError(Reason.NOT_JSON, Stage.PARSE, "no"))).outputs
    assert letter.value == large.value


def test_the_producer_takes_what_the_largest_topic_does() -> None:
    """Its own limit is a million otherwise; batches are held to the smallest topic, which counts them whole."""
    kafka = KafkaSettings(bootstrap_servers="b")
    found = producer_config(kafka, {"large": MIB + (64 << 10), "small": 2_000})
    assert (found["message.max.bytes"], found["batch.size"]) == (MIB + (64 << 10), 2_000)
    found = producer_config(kafka, {"large": MIB + (64 << 10), "other": 3 * MIB})
    assert (found["message.max.bytes"], found["batch.size"]) == (3 * MIB, 1_000_000)


def test_a_topic_may_take_more_than_the_client_does() -> None:
    """Topics without a limit worth the name are common; a producer that cannot be made would stop the worker."""
    config = producer_config(KafkaSettings(bootstrap_servers="127.0.0.1:1"), {"without limit": (1 << 31) - 1})
    Producer({**config, "log_level": 0})


def test_an_operators_own_limit_stands() -> None:
    """Whether it is given for all clients or for the producer."""
    for given_for in ("client", "producer"):
        kafka = KafkaSettings.model_validate({"bootstrap_servers": "b", given_for: {"message.max.bytes": "500000"}})
        assert own_record_limit(kafka) == 500_000
        assert producer_config(kafka, {"a": 500_000})["message.max.bytes"] == "500000"
    assert own_record_limit(KafkaSettings(bootstrap_servers="b")) is None


class Refusing(Ledger):
    """Takes the marks; a commit with outputs ends as told, again and again."""

    def __init__(self, ending: CommitOutcome | None) -> None:
        super().__init__()
        self.ending = ending

    async def send(self, commit: Commit) -> CommitOutcome:
        """See `Ledger`."""
        if not commit.outputs or self.ending is CommitOutcome.FINE:
            return await super().send(commit)
        if self.ending is None:
            raise OversizedError(commit.outputs[-1])
        return self.ending


async def finished_two(ledger: Refusing) -> Bench:
    """Two results wait: for offset 0 and, larger, for offset 1."""
    bench = Bench(ledger=ledger)
    await bench.assign()
    await bench.deliver(0, 1)
    for size in (1, 50):
        journey = await bench.next()
        began = asyncio.get_running_loop().time()
        output = OutputRecord("out", b"k", b"v" * size, ())
        bench.committer.add(Finished(journey.origin, (output,), None, began=began))
        bench.intake.starts.end(journey, has_result=True)
    await settle()
    return bench


async def test_a_record_that_the_client_refuses_is_named() -> None:
    """The worker ends with the place that an operator has to look at."""
    bench = await finished_two(Refusing(None))
    with pytest.raises(FatalError, match=r"partition 0, offset [01]$"):
        await bench.loop


async def _abort_for_minutes() -> None:
    ledger = Refusing(CommitOutcome.ABORTED)
    bench = await finished_two(ledger)
    assert bench.committer.oldest_began is not None
    with capture_logs() as lines:
        await asyncio.sleep(100)
    assert 95 < bench.committer.aborting_seconds <= 101
    told = [line for line in lines if line["event"] == "transaction.keeps_aborting"]
    assert [line["log_level"] for line in told] == ["error"] * 3
    assert {(line["largest_topic"], line["listings"]) for line in told} <= {("out", 1), ("out", 2)}
    ledger.ending = CommitOutcome.FINE
    await asyncio.sleep(2)
    assert not bench.committer.aborting_seconds and not bench.committer.num_waiting
    bench.loop.cancel()


def test_a_transaction_that_keeps_aborting_is_told() -> None:
    """For how long it has, and which record is the largest in it; the results in it count as unfinished."""
    in_virtual_time(_abort_for_minutes())


async def _rewind_and_look() -> None:
    bench = Bench(ledger=Refusing(CommitOutcome.UNKNOWN))
    await bench.assign()
    await bench.deliver(0)
    (partition,) = bench.intake.partitions
    stood_since = partition.committed_at
    await asyncio.sleep(100)
    await bench.finish(await bench.next())
    assert bench.doors.num_rewinds == 1
    await bench.assign(epoch=2)
    (partition,) = bench.intake.partitions
    assert (partition.epoch, partition.committed_at) == (2, stood_since)
    bench.intake.rewind()
    await bench.assign(offset=1, epoch=3)
    (partition,) = bench.intake.partitions
    assert partition.committed_at == asyncio.get_running_loop().time()
    bench.loop.cancel()


def test_a_rewind_makes_no_offset_younger() -> None:
    """Its age goes on from when it last moved; one that has moved meanwhile starts anew."""
    in_virtual_time(_rewind_and_look())
