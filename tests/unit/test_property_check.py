"""A librdkafka property that cannot be used is a wrong setting, known before any broker is asked."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from worker.cli import app
from worker.kafka.property_check import find_wrong_property

BARE = {"group.id": "shop"}


def check(added: dict[str, dict[str, object]]) -> str | None:
    """What is told of properties that each client has from its own setting."""
    shared = added.get("kafka.client", {})
    consumer = {**BARE, **shared, **added.get("kafka.consumer", {})}
    return find_wrong_property(consumer, {**shared, **added.get("kafka.producer", {})}, added)


@pytest.mark.parametrize(
    ("added", "told"),
    [
        ({"kafka.client": {"no.such.prop": 1}}, "kafka.client, property no.such.prop: No such configuration property"),
        ({"kafka.producer": {"compression.codec": "none", "batch.size": "x"}}, "kafka.producer, property batch.size"),
        ({"kafka.consumer": {"session.timeout.ms": 0}}, "kafka.consumer, property session.timeout.ms"),
        ({"kafka.client": {"error_cb": "print"}}, "kafka.client, property error_cb: expected"),
        ({"kafka.producer": {"linger.ms": "soon"}}, "kafka.producer: Invalid value .*queue.buffering.max.ms"),
        ({"kafka.client": {"security.protocol": "SASL_SSL", "sasl.mechanism": "NO"}}, "kafka.client: .*mechanism: NO"),
    ],
)
def test_setting_and_property_are_named(added: dict[str, dict[str, object]], told: str) -> None:
    """The words are librdkafka's, which may know the property by an older name."""
    assert re.match(told, check(added) or "nothing")


def test_what_librdkafka_takes_is_well() -> None:
    """Properties that it knows, and none at all."""
    assert check({"kafka.client": {"client.rack": "a"}, "kafka.producer": {"compression.type": "zstd"}}) is None
    assert check({"kafka.client": {}}) is None


@pytest.mark.parametrize("command", [("run",), ("doctor",), ("topics", "plan"), ("dlq", "ls"), ("offsets", "show")])
def test_commands_end_at_once_with_two(command: tuple[str, ...]) -> None:
    """As for any other wrong setting, without a traceback, and before a broker that is away is waited for."""
    done = CliRunner().invoke(app, ["--set", 'kafka.client={"no.such.prop": 1}', *command])
    assert done.exit_code == 2
    assert isinstance(done.exception, SystemExit)


def test_other_commands_do_not_ask() -> None:
    """Settings can be looked at on a machine that lacks the files which they name."""
    added = '{"security.protocol": "SSL", "ssl.ca.location": "/nonexistent/ca.pem"}'
    assert CliRunner().invoke(app, ["--set", f"kafka.client={added}", "config", "show"]).exit_code == 0
