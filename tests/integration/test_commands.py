"""The commands as a stranger types them, in processes of their own."""

from __future__ import annotations

import json
from dataclasses import astuple
from itertools import takewhile
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # no __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)
from jsonschema import Draft202012Validator

from tests.integration.stream import Stream
from tests.program import hangtag
from tests.servers.base import Server
from worker.doctor import examine
from worker.sources import load_settings


def test_tag_answers_line_by_line() -> None:
    """One line out per line in, in order, good and bad mixed; scores are shares and exclusive ones sum to at most 1."""
    lines = [
        json.dumps({"listing_id": "one", "title": "red leather boots, UK 7"}),
        "{broken",
        json.dumps({"listing_id": "three", "title": "oak table 120 x 60 cm", "description": "solid wood"}),
        json.dumps({"listing_id": "four", "title": "", "image_urls": ["http://10.0.0.1/a.jpg"]}),
        json.dumps({"listing_id": "five", "title": 5}),
    ]
    done = hangtag("tag", "-", stdin="\n".join(lines) + "\n")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["listing_id"] for one in found] == ["one", None, "three", "four", "five"]
    assert [one.get("error", {}).get("reason") for one in found] == [
        None, "not_json", None, "url_refused", "schema_violation",
    ]  # fmt: skip
    for one in (found[0], found[2]):
        tags = one["attributes"]["attributes"]
        assert set(tags) >= {"product_type", "color", "material", "size"}
        for tag in tags.values():
            scores = [value["score"] for value in tag["values"]]
            assert scores == sorted(scores, reverse=True)
            assert all(0 <= score <= 1 for score in scores)
            assert sum(scores) <= 1 + 1e-9
    assert "tagged 2, rejected 3" in done.stderr
    assert "leaked" not in done.stderr  # native modules say so at the end when something was left uncollected


def test_exported_schemas_hold_what_is_published(tmp_path: Path) -> None:
    """The events that ``tag`` writes are valid by the exported JSON Schemas."""
    assert hangtag("schemas", "export", str(tmp_path)).returncode == 0
    done = hangtag("tag", "-", stdin=json.dumps({"listing_id": "a", "title": "blue cotton shirt, size M"}) + "\n")
    line = json.loads(done.stdout)
    for part in ("attributes", "scenes", "texts"):
        schema = json.loads((tmp_path / f"listing.{part}.v1.schema.json").read_text())
        Draft202012Validator(schema).validate(line[part])


def test_wrong_setting_exits_with_two() -> None:
    """A setting out of bounds ends at once, naming key, value and limit, without a traceback."""
    done = hangtag("run", HANGTAG_HTTP__PORT="99999")
    assert done.returncode == 2
    assert "http.port='99999'" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_broker_is_told() -> None:
    """Without a broker the worker waits as long as it was told, says so, and exits 1."""
    done = hangtag(
        "--set", "kafka.wait_seconds=1", "--set", "kafka.bootstrap_servers=127.0.0.1:1", "--set", "ocr.enabled=false",
        "run", HANGTAG_HTTP__PORT="0",
    )  # fmt: skip
    assert done.returncode == 1
    assert "kafka.bootstrap_servers" in done.stderr
    assert "Traceback" not in done.stderr


def _settings(stream: Stream) -> dict[str, str]:
    """A stream's topics and group, as variables of the environment."""
    kinds = ("input", "attributes", "scenes", "texts", "dead_letter")
    names = {
        f"HANGTAG_KAFKA__{kind.upper()}_TOPIC": name for kind, name in zip(kinds, astuple(stream.topics), strict=True)
    }
    return {**names, "HANGTAG_KAFKA__BOOTSTRAP_SERVERS": stream.servers, "HANGTAG_KAFKA__GROUP_ID": stream.name}


@pytest.mark.kafka
def test_topics_are_created_once_and_offsets_reset(kafka: Server) -> None:
    """``topics create`` makes what is missing and leaves what is there; ``offsets reset`` moves an idle group."""
    stream = Stream(kafka.address)
    settings = _settings(stream)
    first = hangtag("topics", "create", "--partitions", "3", "--replication-factor", "1", **settings)
    assert first.returncode == 0, first.stderr
    states = {row["topic"]: row["state"] for row in map(json.loads, first.stdout.splitlines())}
    assert states[stream.topics.input] == "created"
    again = hangtag("topics", "create", "--partitions", "3", "--replication-factor", "1", **settings)
    assert {json.loads(line)["state"] for line in again.stdout.splitlines()} == {"exists"}
    stream.send([("k", b"{}")] * 5)
    dry = hangtag("offsets", "reset", "--to", "latest", "--dry-run", **settings)
    assert {json.loads(line)["dry_run"] for line in dry.stdout.splitlines()} == {True}
    moved = hangtag("offsets", "reset", "--to", "latest", **settings)
    assert moved.returncode == 0, moved.stderr
    shown = [json.loads(line) for line in hangtag("offsets", "show", **settings).stdout.splitlines()]
    assert sum(place["committed"] for place in shown) == 5
    assert sum(place["lag"] for place in shown) == 0
    refused = hangtag("offsets", "reset", "--to", "999", **settings)
    assert refused.returncode == 1
    assert "not in the log" in refused.stderr
    refused = hangtag("offsets", "reset", "--to", "latest", "--partitions", "0,7", **settings)
    assert refused.returncode == 1
    assert "the topic has partitions 0 to 2, not 7" in refused.stderr


@pytest.mark.kafka
def test_topics_that_differ_from_the_plan_are_told(kafka: Server) -> None:
    """``topics plan`` and ``doctor`` say what is in force, and with which command it becomes as planned."""
    stream = Stream(kafka.address)
    stream.create()
    admin = AdminClient({"bootstrap.servers": kafka.address})
    replays = f"{stream.name}.replays"
    made = admin.create_topics([NewTopic(replays, 1, 1, config={"cleanup.policy": "delete"})])
    made[replays].result(30)
    limit = ConfigEntry("max.message.bytes", "2000", incremental_operation=AlterConfigOpType.SET)
    dead_letters = ConfigResource(ResourceType.TOPIC, stream.topics.dead_letter, incremental_configs=[limit])
    admin.incremental_alter_configs([dead_letters])[dead_letters].result(30)
    settings = _settings(stream) | {"HANGTAG_KAFKA__REPLAY_TOPIC": replays}
    done = hangtag("topics", "plan", **settings)
    assert done.returncode == 0, done.stderr
    rows = {row["topic"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert {rows[name]["state"] for name in (replays, stream.topics.dead_letter)} == {"differs"}
    assert rows[replays]["found"] == "cleanup.policy=delete"
    assert "max.message.bytes=2000" in rows[stream.topics.dead_letter]["found"]
    assert "--add-config cleanup.policy=compact" in rows[replays]["remedy"]
    findings = examine(load_settings(environ=settings))
    warned = " ".join(one.words for one in takewhile(lambda one: one.subject != "transactions", findings))
    assert f"{replays}: cleanup.policy is delete, planned is compact" in warned
    told = warned.partition(f"{stream.topics.dead_letter}: ")[2].partition(" kafka-configs")[0]
    assert "max.message.bytes is 2000, planned is 1114112" in told
