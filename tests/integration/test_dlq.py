"""``hangtag dlq`` against a real broker: each dead letter goes through again once, whatever dies on the way."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from schemas.deadletter import DeadLetterHeaders, Reason, SourcePosition, Stage, ValueOmitted, earlier_trip
from tests.integration.stream import Stream
from tests.program import PROGRAM
from tests.servers.base import Server
from worker.errors import FatalError
from worker.replays.redrive import REDRIVEN, Redrive, RedrivePolicy, RedriveProgress, RedriveTopics

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(480)]

LETTER = DeadLetterHeaders(
    source=SourcePosition("", 0, 0, 1_700_000_000_000), group="g", message="http://shop.example/#abc answered 503",
    reason=Reason.HTTP_ERROR, stage=Stage.FETCH, attempts=1, worker_version="0", model_revision=None,
    failed_at=datetime(2026, 1, 31, tzinfo=UTC),
)  # fmt: skip


class Letters:
    """Topics of their own, with dead letters put there by hand."""

    def __init__(self, servers: str) -> None:
        self.stream = Stream(servers, num_partitions=3)
        self.stream.create()
        self.servers = servers

    def put(
        self, count: int, told: DeadLetterHeaders = LETTER, *, first: int = 0, key: str = "", has_key: bool = True
    ) -> None:
        """Dead letters for original records ``first`` onwards of partition 0."""
        producer = Producer({"bootstrap.servers": self.servers, "partitioner": "murmur2_random"})
        for number in range(first, first + count):
            source = replace(told.source, topic=self.stream.topics.input, offset=number)
            headers: Any = [("ce_id", b"mine"), *replace(told, source=source).to_headers()]
            name = (key or f"key-{number}").encode() if has_key else None
            producer.produce(self.stream.topics.dead_letter, b'{"title": "t"}', name, headers=headers)
            producer.poll(0)
        assert producer.flush(30) == 0

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        """``hangtag dlq`` as an operator starts it."""
        names = self.stream.topics
        settings = {
            "KAFKA__BOOTSTRAP_SERVERS": self.servers, "KAFKA__GROUP_ID": self.stream.name,
            "KAFKA__INPUT_TOPIC": names.input, "KAFKA__DEAD_LETTER_TOPIC": names.dead_letter,
        }  # fmt: skip
        return subprocess.Popen(
            [*PROGRAM, "dlq", *arguments],
            env={**os.environ, **{f"HANGTAG_{name}": text for name, text in settings.items()}},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *arguments: str) -> list[dict[str, Any]]:
        """Its lines. Fails unless it ends well."""
        process = self.command(*arguments)
        out, complaints = process.communicate(timeout=120)
        assert process.returncode == 0, complaints
        return [json.loads(line) for line in out.splitlines()]

    def outcomes(self, *arguments: str) -> dict[str, int]:
        """How many ended how."""
        return {row["outcome"].split(" (")[0]: row["records"] for row in self.run("redrive", *arguments)}

    def redriven(self) -> list[tuple[bytes, dict[str, bytes]]]:
        """Key and headers of everything on the input topic, as a reader of committed records sees it."""
        reader = Consumer({
            "bootstrap.servers": self.servers, "group.id": "look", "isolation.level": "read_committed",
            "enable.partition.eof": True, "auto.offset.reset": "earliest",
        })  # fmt: skip
        reader.assign([TopicPartition(self.stream.topics.input, number, 0) for number in range(3)])
        found: list[tuple[bytes, dict[str, bytes]]] = []
        unfinished = set(range(3))  # not a count: a partition that grows meanwhile ends more than once
        while unfinished:
            for message in reader.consume(500, 1.0):
                if (error := message.error()) is not None:
                    assert error.code() == KafkaError._PARTITION_EOF
                    unfinished.discard(message.partition())
                    continue
                headers: Any = message.headers() or ()
                found.append((message.key() or b"", dict(headers)))
        reader.close()
        return found


def sources(found: Sequence[tuple[bytes, dict[str, bytes]]]) -> Counter[int]:
    """How often each original record came again."""
    trips = [earlier_trip(list(headers.items())) for _, headers in found]
    return Counter(trip.source.offset for trip in trips if trip)


def test_redrive_sends_each_once_and_says_where_it_came_from(kafka: Server) -> None:
    """Key, own headers and the original place are kept; a second run finds nothing to do."""
    letters = Letters(kafka.address)
    letters.put(250)
    assert letters.outcomes("--dry-run") == {"redriven": 250}
    assert letters.redriven() == []
    assert letters.outcomes() == {"redriven": 250}
    found = letters.redriven()
    assert sources(found) == Counter(range(250))
    assert {key.decode() for key, _ in found} == {f"key-{number}" for number in range(250)}
    assert all(headers["ce_id"] == b"mine" and "hangtag.dlq.reason" not in headers for _, headers in found)
    assert letters.outcomes() == {"redriven before": 250}


def test_killed_redrive_goes_on_where_it_was(kafka: Server) -> None:
    """SIGKILL in the middle, twice; at the end each is there once."""
    letters = Letters(kafka.address)
    letters.put(400)
    for _ in range(2):
        process = letters.command("redrive", "--rate", "20")
        before = len(letters.redriven())
        deadline = time.monotonic() + 120
        while len(letters.redriven()) <= before:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
        process.kill()
        process.communicate()
    assert 0 < len(letters.redriven()) < 400
    letters.outcomes()
    assert sources(letters.redriven()) == Counter(range(400))


def test_a_second_redrive_takes_over_and_the_first_says_so(kafka: Server) -> None:
    """Two at once would send letters twice: the later one fences the earlier, which names the other as the reason."""
    letters = Letters(kafka.address)
    letters.put(300)
    names = letters.stream.topics
    topics = RedriveTopics(names.dead_letter, names.input, f"{letters.stream.name}-dlq-redrive")
    client = {"bootstrap.servers": kafka.address}
    second = Redrive(client, client, topics, RedrivePolicy(), lambda _: None)

    def take_over(progress: RedriveProgress) -> None:
        if progress.outcomes[REDRIVEN] and not second.progress.total:
            second.run()

    first = Redrive(client, client, topics, RedrivePolicy(records_per_transaction=100), take_over)
    with pytest.raises(FatalError, match="another redrive of this group runs"):
        first.run()
    assert second.progress.outcomes[REDRIVEN] == 200
    assert sources(letters.redriven()) == Counter(range(300))


def test_what_a_filter_leaves_lie_can_be_redriven_later(kafka: Server) -> None:
    """By reason, then the rest: no letter is lost between the filters, none comes twice."""
    letters = Letters(kafka.address)
    letters.put(30)
    letters.put(20, replace(LETTER, reason=Reason.NOT_JSON, stage=Stage.PARSE, message="no"), first=100)
    counted = {(row["reason"], row["host"]): row["records"] for row in letters.run("ls")}
    assert counted == {("http_error", "shop.example"): 30, ("not_json", ""): 20}
    assert letters.outcomes("--reason", "not_json")["redriven"] == 20
    assert letters.outcomes("--host", "shop.example", "--until", "2026-02-01T00:00:00Z")["redriven"] == 30
    assert set(sources(letters.redriven()).values()) == {1}


def test_guards_leave_alone_what_should_be(kafka: Server) -> None:
    """Failed too often, value not kept, superseded by a later record of the key: counted, and not sent."""
    letters = Letters(kafka.address)
    letters.put(1, replace(LETTER, attempts=3))
    letters.put(1, replace(LETTER, value_omitted=ValueOmitted(9, "0" * 64)), first=1)
    letters.stream.send([("twice", b"{}"), ("twice", b"{}")])
    at = letters.stream.sent[0]
    there = replace(LETTER, source=replace(LETTER.source, partition=at.partition))
    letters.put(1, there, first=at.offset, key="twice")
    assert set(letters.outcomes()) == {
        "failed too often",
        "superseded by a later record of its key",
        "its value or key was too large to keep: send the original again",
    }
    assert letters.outcomes("--include-superseded")["redriven"] == 1
    letters.put(1, there, first=at.offset + 1, key="twice")
    assert letters.outcomes()["redriven"] == 1, "what came again by a redrive supersedes nothing newer"


def test_letters_without_a_key_supersede_each_other_never(kafka: Server) -> None:
    """Nothing says that they are of the same listing: each goes through again, whatever came later."""
    letters = Letters(kafka.address)
    producer = Producer({"bootstrap.servers": letters.servers})
    for key in (None, None, b"", None):
        producer.produce(letters.stream.topics.input, b"{}", key, 0)
    assert producer.flush(30) == 0
    letters.put(3, has_key=False)
    assert letters.outcomes() == {"redriven": 3}


def test_window_of_time_and_one_letter_whole(kafka: Server) -> None:
    """``--since`` leaves the old ones out; ``show`` gives reason, headers and value."""
    letters = Letters(kafka.address)
    letters.put(3)
    letters.put(2, replace(LETTER, failed_at=datetime.now(UTC) - timedelta(minutes=5)), first=50)
    rows = letters.run("ls", "--rows", "--since", "-1h")
    assert len(rows) == 2
    (whole,) = letters.run("show", rows[0]["place"])
    assert whole["value"] == {"title": "t"}
    assert whole["headers"]["hangtag.dlq.reason"] == "http_error"
