"""``hangtag replay --input``: files into a topic of their own, each listing once, and from there through the worker."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.audit import read_events
from tests.integration.test_replay import Past
from tests.servers.base import Server
from worker.kafka.topic_reader import TopicReader

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

_LOAD = """
import sys
from pathlib import Path
from tests.integration.test_bulk import load
load(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
"""


def load(servers: str, name: str, folder: Path) -> int:
    """Load the folder, telling on standard output after each transaction; how many listings are in."""
    from worker.replays.bulk import open_input
    from worker.replays.bulk_load import BulkLoad, BulkTopic, Loaded

    def tell(one: Loaded) -> None:
        sys.stdout.write(f"{one.listings}\n")
        sys.stdout.flush()

    client = {"bootstrap.servers": servers}
    to = BulkTopic(f"t-{name}-created", f"{name}.load")
    loaded = BulkLoad(client, client, to, tell).run(open_input(str(folder)))
    return loaded.listings


def values_in(servers: str, topic: str) -> list[bytes]:
    """Everything a ``read_committed`` reader sees there."""
    reader = TopicReader({"bootstrap.servers": servers}, "look")
    try:
        return [message.value() or b"" for message in reader.read(topic, reader.ranges(topic))]
    finally:
        reader.close()


def write(folder: Path, count: int) -> list[bytes]:
    """JSON lines over three files."""
    lines = [json.dumps({"listing_id": f"old-{number}", "title": "oak table"}).encode() for number in range(count)]
    for number in range(3):
        part = lines[number * count // 3 : (number + 1) * count // 3]
        (folder / f"part-{number}.jsonl").write_bytes(b"\n".join(part))
    return lines


def test_a_load_that_is_killed_goes_on_where_it_was(kafka: Server, tmp_path: Path) -> None:
    """SIGKILL after some transactions, the same again: each listing is there once. A changed input is refused."""
    past = Past.on(kafka.address, num_partitions=3)
    lines = write(tmp_path, 15_000)
    topic, name = past.stream.topics.input, past.stream.name
    with subprocess.Popen(
        [sys.executable, "-c", _LOAD, kafka.address, name, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert [int(first.stdout.readline()) for _ in range(3)] == [0, 2_000, 4_000]
        first.kill()
    seen = len(values_in(kafka.address, topic))
    assert 4_000 <= seen < 15_000
    assert load(kafka.address, name, tmp_path) == 15_000
    assert load(kafka.address, name, tmp_path) == 15_000
    assert sorted(values_in(kafka.address, topic)) == sorted(lines)
    (tmp_path / "part-3.jsonl").write_bytes(lines[0])
    with pytest.raises(Exception, match=r"the input is not what 15,000 listings"):
        load(kafka.address, name, tmp_path)


def test_files_become_events(kafka: Server, tmp_path: Path) -> None:
    """The command loads, plans, tags and tells; a broken line is a dead letter; the live topic stays empty."""
    past = Past.on(kafka.address)
    created = {"listing_id": "dated", "title": "oak table", "created_at": "2026-03-04T05:06:07Z"}
    write(tmp_path, 6)
    (tmp_path / "z.jsonl").write_bytes(json.dumps(created).encode() + b"\n{not json\n" + b'{"listing_id": "old-1"}')
    words = ("--input", str(tmp_path), "--name", "history")
    (about,) = past.command(*words, "--dry-run")
    assert about["input_files"] == 4
    *_, report = past.command(*words)
    assert report["is_done"] and report["dead_letters"] == {"not_json": 1, "no_usable_input": 1}
    assert report["here"] == {"tagged": 6, "dead_letters": 2, "left_out": 1}
    assert "mend the files" in report["remedy"]
    events = list(read_events(kafka.address, past.stream.topics))
    times = {key: body["occurred_at"] for _, key, _, body in events if body is not None}
    assert times["dated"] == "2026-03-04T05:06:07.000Z"
    sources = {body["source"]["topic"] for _, _, _, body in events if body is not None}
    assert sources == {f"{past.stream.topics.input}.bulk.history"}
    assert not values_in(kafka.address, past.stream.topics.input)
    (status,) = past.command("--status")
    assert (status["replay"], status["state"], status["done"]) == ("history", "done", status["offsets"])
    *_, again = past.command(*words)
    assert again["here"] == {}
