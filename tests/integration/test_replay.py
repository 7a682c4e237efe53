"""``hangtag replay`` against a real broker: bounds, holes, resumption, and a live group that notices nothing.

The model is the stand-in of `model.stand_in`; everything else is the product's own, in processes of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.deadletter import millis_of, rfc3339
from schemas.topics import Topics
from tests.audit import Sent, judge, place_of, read_events, read_outputs
from tests.integration.stream import Stream, WorkerProcess
from tests.polling import until
from tests.program import PROGRAM
from tests.reliability.fleet import SETTINGS, image_host
from tests.reliability.worker import VARIABLE, Faults
from tests.servers.base import Server
from worker.kafka.topic_reader import TopicReader

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

EARLY = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)  # within any retention
EARLY_MS = millis_of(EARLY)


@dataclass(slots=True)
class Past:
    """A stream that already lies there: records with times of their own, and what was put where."""

    stream: Stream
    settings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def on(cls, servers: str, num_partitions: int = 2) -> Past:
        """Topics of its own; the plans lie in one of its own, too."""
        stream = Stream(servers, num_partitions)
        stream.create()
        return cls(stream, {"KAFKA__REPLAY_TOPIC": f"t-{stream.name}-replays"})

    def put(self, partition: int, times: Sequence[int], *, key: str = "", aborted: bool = False) -> None:
        """One record per time (ms); those of an aborted transaction take offsets that no reader ever sees."""
        config: dict[str, Any] = {"bootstrap.servers": self.stream.servers}
        producer = Producer({**config, "transactional.id": f"past-{self.stream.name}"} if aborted else config)
        if aborted:
            producer.init_transactions(20)
            producer.begin_transaction()

        def landed(error: Any, message: Any) -> None:
            assert error is None, error
            self.stream.sent.append(Sent(message.key(), message.partition(), message.offset()))

        for number, at in enumerate(times):
            name = key or f"listing-{partition}-{len(self.stream.sent)}-{number}"
            value = json.dumps({"listing_id": name, "title": "oak table"}).encode()
            told = None if aborted else landed
            producer.produce(self.stream.topics.input, value, name.encode(), partition, timestamp=at, on_delivery=told)
        assert producer.flush(20) == 0
        if aborted:
            producer.abort_transaction(20)

    def put_raw(self, partition: int, value: bytes) -> None:
        """One record, whatever it is."""
        producer = Producer({"bootstrap.servers": self.stream.servers})
        producer.produce(self.stream.topics.input, value, b"raw", partition)
        assert producer.flush(20) == 0

    def command(self, *arguments: str, of: str = "replay") -> list[dict[str, Any]]:
        """``hangtag replay`` (or another) as an operator starts it, on the shipped model: its lines."""
        names = self.stream.topics
        settings = {
            **self.settings, "KAFKA__BOOTSTRAP_SERVERS": self.stream.servers, "KAFKA__GROUP_ID": self.stream.name,
            "KAFKA__INPUT_TOPIC": names.input, "KAFKA__ATTRIBUTES_TOPIC": names.attributes,
            "KAFKA__SCENES_TOPIC": names.scenes, "KAFKA__TEXTS_TOPIC": names.texts,
            "KAFKA__DEAD_LETTER_TOPIC": names.dead_letter, "OCR__ENABLED": "false",
        }  # fmt: skip
        done = subprocess.run(
            [*PROGRAM, of, *arguments],
            env={**os.environ, **{f"HANGTAG_{key}": text for key, text in settings.items()}},
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return [json.loads(line) for line in done.stdout.splitlines()]

    async def replay(self, name: str, **asked: Any) -> tuple[int, str]:
        """Run one process to its end: exit code and log."""
        async with image_host() as host:
            environment = self.stream.environment(host, f"one-{name}", {**SETTINGS, **self.settings})
            command = ("-m", "tests.reliability.replayer", name, json.dumps(asked))
            worker = await WorkerProcess.start(environment, command)
            try:
                code = await worker.ended(within_seconds=120)
            finally:
                await worker.kill()
        return code, "".join(worker.log)

    def done(self) -> list[tuple[int, int]]:
        """Partition and offset of every record that came out, each named as often as it should not."""
        names = self.stream.topics
        outputs = list(read_outputs(self.stream.servers, names))
        sources = {output.source for output in outputs}
        sent = [one for one in self.stream.sent if (one.partition, one.offset) in sources]
        report = judge(sent, outputs, names)
        assert report.is_clean, report
        return sorted(sources)

    def live_offsets(self) -> list[tuple[int, str | None]]:
        """The live group's commits, to the byte."""
        reader = Consumer({"bootstrap.servers": self.stream.servers, "group.id": self.stream.name})
        try:
            wanted = [TopicPartition(self.stream.topics.input, one) for one in range(self.stream.num_partitions)]
            return [(place.offset, place.metadata) for place in reader.committed(wanted, timeout=20)]
        finally:
            reader.close()

    def commit_live(self, offset: int, metadata: str) -> None:
        """As if a live worker stood there."""
        config = {"bootstrap.servers": self.stream.servers, "group.id": self.stream.name, "enable.auto.commit": False}
        reader = Consumer(config)
        place = TopicPartition(self.stream.topics.input, 0, offset, metadata=metadata)
        reader.commit(offsets=[place], asynchronous=False)
        reader.close()


async def test_a_stretch_is_tagged_once_and_the_live_group_stays_where_it_was(kafka: Server) -> None:
    """Half-open offsets per partition; the same command again finds nothing to do; other bounds are refused."""
    past = Past.on(kafka.address)
    past.put(0, [EARLY_MS + step for step in range(50)])
    past.put(1, [EARLY_MS + step for step in range(30)])
    past.commit_live(7, "mine")
    before = past.live_offsets()
    assert (await past.replay("spring", start="0:10,1:5", end="0:40,1:30"))[0] == 0
    expected = [(0, at) for at in range(10, 40)] + [(1, at) for at in range(5, 30)]
    assert past.done() == expected
    assert (await past.replay("spring", start="0:10,1:5"))[0] == 0
    assert past.done() == expected
    code, log = await past.replay("spring", start="0:11,1:5")
    assert code == 1 and "planned with --from '0:10,1:5'" in log
    assert past.live_offsets() == before == [(7, "mine"), (-1001, None)]


async def test_times_become_offsets_also_when_they_go_back_and_forth(kafka: Server) -> None:
    """From the first record at or after --from up to the first at or after --to; empty partitions are done at once."""
    past = Past.on(kafka.address, num_partitions=3)
    minutes = (0, 5, 3, 10, 4, 12, 11, 30, 12, 40)
    past.put(0, [EARLY_MS + 60_000 * at for at in minutes])
    past.put(1, [EARLY_MS])
    times = {"start": rfc3339(EARLY + timedelta(minutes=10)), "end": rfc3339(EARLY + timedelta(minutes=20))}
    code, log = await past.replay("times", **times)
    assert code == 0, log[-2000:]
    assert past.done() == [(0, 3), (0, 4), (0, 5), (0, 6)]


async def test_aborted_transactions_at_every_place_do_not_keep_it_from_its_end(kafka: Server) -> None:
    """Before the first record, in the middle and after the last: offsets that never arrive."""
    past = Past.on(kafka.address)
    for partition in (0, 1):
        past.put(partition, [EARLY_MS] * 5, aborted=True)
    past.put(0, [EARLY_MS] * 5)
    past.put(0, [EARLY_MS] * 5, aborted=True)
    past.put(0, [EARLY_MS] * 5)
    past.put(0, [EARLY_MS] * 5, aborted=True)
    code, log = await past.replay("holes", start="earliest")
    assert code == 0, log[-2000:]
    assert past.done() == [(0, at) for at in (*range(6, 11), *range(17, 22))]
    past.put(0, [EARLY_MS] * 3)
    code, log = await past.replay("inside-a-hole", start="1:0,0:14", end="1:3,0:25")
    assert code == 0, log[-2000:]


async def test_records_superseded_within_the_log_are_passed_over(kafka: Server) -> None:
    """The newest of each key up to the log's end, even beyond --to; --include-superseded takes all."""
    past = Past.on(kafka.address)
    for key in ("a", "b", "a", "c", "b", "d", "a"):
        past.put(0, [EARLY_MS], key=key)
    code, log = await past.replay("newest", start="earliest", end="6", partitions="0")
    assert code == 0, log[-2000:]
    assert past.done() == [(0, 3), (0, 4), (0, 5)]  # the last a lies beyond --to


async def test_superseded_records_are_taken_when_asked_for(kafka: Server) -> None:
    """In the order in which they came."""
    past = Past.on(kafka.address)
    for key in ("a", "b", "a", "a"):
        past.put(0, [EARLY_MS], key=key)
    code, log = await past.replay("all", start="0:0", end="0:3", include_superseded=True)
    assert code == 0, log[-2000:]
    assert past.done() == [(0, 0), (0, 1), (0, 2)]


async def test_a_compacted_topic_has_holes_everywhere(kafka: Server) -> None:
    """What the broker's cleaner left is tagged, and the end is reached though most offsets are gone."""
    past = Past.on(kafka.address, num_partitions=1)
    config = {"cleanup.policy": "compact", "segment.bytes": "1048576", "segment.ms": "100",
              "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "100"}  # fmt: skip
    topic = f"t-{past.stream.name}-compacted"
    admin = AdminClient({"bootstrap.servers": kafka.address})
    admin.create_topics([NewTopic(topic, 1, 1, config=config)])[topic].result(20)
    past.settings = {**past.settings, "KAFKA__INPUT_TOPIC": topic}
    producer = Producer({"bootstrap.servers": kafka.address, "linger.ms": 0})
    for number in range(300):
        key = f"listing-{number % 10}"
        producer.produce(topic, json.dumps({"listing_id": key, "title": "oak table"}).encode(), key.encode())
        assert number % 50 or producer.flush(20) == 0  # a segment closes when a batch comes after segment.ms

    async def is_compacted() -> bool:
        producer.produce(topic, b'{"listing_id": "last", "title": "oak table"}', b"last")
        await asyncio.to_thread(producer.flush, 5)
        return len(await asyncio.to_thread(_offsets, kafka.address, topic)) < 100

    await until(is_compacted, within_seconds=120)
    left = await asyncio.to_thread(_offsets, kafka.address, topic)
    code, log = await past.replay("compacted", start="earliest")
    assert code == 0, log[-2000:]
    sources = {output.source for output in read_outputs(kafka.address, past.stream.topics)}
    assert sources <= left and len(sources) == 11, sorted(sources)


def test_the_command_plans_runs_and_tells(kafka: Server) -> None:
    """A dry run keeps nothing; a shadow run of one kind fills one topic; report and status say what became of it."""
    past = Past.on(kafka.address)
    past.put(0, [EARLY_MS] * 6)
    past.put_raw(1, b"{not json")
    *rows, total = past.command("--name", "shadow", "--from", "-2d", "--dry-run", "--rate", "2")
    assert [(row["first"], row["end"]) for row in rows] == [(0, 6), (0, 1)]
    assert (total["events_at_most"], total["estimated_seconds"], total["first_time"]) == (7, 4, rfc3339(EARLY))
    assert past.command("--status") == []
    words = ("--name", "shadow", "--from", "-2d", "--output-prefix", "try.", "--only", "attributes", "--rate", "100")
    *_, report = past.command(*words)
    assert report["is_done"] and report["dead_letters"] == {"not_json": 1}
    assert report["here"] == {"tagged": 6, "dead_letters": 1, "left_out": 0}
    assert f"kafka.dead_letter_topic=try.{past.stream.topics.dead_letter}" in report["remedy"]
    names = [past.stream.topics.attributes, past.stream.topics.scenes, past.stream.topics.dead_letter]
    assert [len(_offsets(kafka.address, f"try.{name}")) for name in names] == [6, 0, 1]
    assert [len(_offsets(kafka.address, name)) for name in names] == [0, 0, 0]
    (status,) = past.command("--status")
    assert (status["replay"], status["state"], status["done"], status["dead_letters"]) == ("shadow", "done", 7, 1)
    assert past.command("--prefix", "try.", of="compare") == [{"compared": 0, "without_live": 6}]
    past.command("--name", "in-place", "--from", "0", "--only", "attributes")
    *tags, total = past.command("--prefix", "try.", of="compare")
    assert total == {"compared": 6, "without_live": 0}
    assert {row["tag"] for row in tags} >= {"category", "product_type", "color", "material", "size"}
    assert all(row["same"] + row["neither"] == 6 for row in tags), tags


async def test_only_records_that_are_meant_are_tagged_again(kafka: Server) -> None:
    """By the title, by the type that results say, by who has tagged them: what came in meanwhile is tagged, no more."""
    past = Past.on(kafka.address)
    past.put(0, [EARLY_MS] * 3)
    past.put(1, [EARLY_MS] * 2)
    assert (await past.replay("first", start="earliest", end="0:2,1:2"))[0] == 0
    events = list(read_events(kafka.address, past.stream.topics))
    bodies = [body for topic, _, _, body in events if body and topic == past.stream.topics.attributes]
    (revision,) = {body["model"]["revision"] for body in bodies}
    (kind,) = {body["attributes"]["product_type"]["values"][0]["value"] for body in bodies}
    for name, where, expected in (
        ("new", f"untagged={revision}", [(0, 2)]),
        ("typed", f"type={kind}", [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]),
        ("titled", "title~nobody sells this", []),
        ("both", f"title~OAK\ntype={kind}", [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]),
    ):
        code, log = await past.replay(name, start="earliest", where=where, output_prefix=f"{name}.")
        assert code == 0, log[-2000:]
        if name == "new":  # so that every record has a type in the live results
            assert (await past.replay("rest", start="0:2", end="0:3"))[0] == 0
        names = past.stream.topics
        shadow = Topics(names.input, *(f"{name}.{one}" for one in astuple(names)[1:]))
        assert sorted({output.source for output in read_outputs(kafka.address, shadow)}) == expected, name


async def test_texts_alone_need_no_device(kafka: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that fails on every listing is not asked; the events are those that a whole run publishes."""
    past = Past.on(kafka.address)
    past.put(0, [EARLY_MS] * 4)
    assert (await past.replay("whole", start="earliest", output_prefix="whole."))[0] == 0
    monkeypatch.setenv(VARIABLE, Faults(failing_title="oak").to_environment()[VARIABLE])
    assert (await past.replay("texts", start="earliest", only="texts", output_prefix="texts."))[0] == 0
    names = past.stream.topics
    told = {}
    for name in ("whole", "texts"):
        shadow = Topics(names.input, *(f"{name}.{one}" for one in astuple(names)[1:]))
        events = list(read_events(kafka.address, shadow))
        told[name] = {key: body for topic, key, _, body in events if topic == shadow.texts}
        assert len(events) == {"whole": 12, "texts": 4}[name]
    assert told["whole"] == told["texts"] and len(told["texts"]) == 4


def _offsets(servers: str, topic: str) -> set[tuple[int, int]]:
    """Partition and offset of every record that is there."""
    reader = TopicReader({"bootstrap.servers": servers}, "look")
    try:
        return {place_of(message)[1:] for message in reader.read(topic, reader.ranges(topic))}
    finally:
        reader.close()
