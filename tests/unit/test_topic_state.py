"""What of a topic's settings falls short of the plan, and the commands that mend it."""

from __future__ import annotations

import pytest

from worker.kafka.admin import planned_topics
from worker.kafka.topic_state import FoundTopic, PlannedTopic, compare
from worker.settings import KafkaSettings

PLANNED = PlannedTopic(
    "in", 12, 3, {"retention.ms": "1000", "max.message.bytes": "500", "cleanup.policy": "delete"}
)  # fmt: skip
AS_PLANNED = dict(PLANNED.config)


@pytest.mark.parametrize(
    ("partitions", "changed", "short"),
    [
        (12, {}, {}),
        (24, {"retention.ms": "2000", "max.message.bytes": "501"}, {}),
        (12, {"retention.ms": "-1"}, {}),
        (12, {"retention.ms": "999"}, {"retention.ms": ("999", "1000")}),
        (12, {"max.message.bytes": "499"}, {"max.message.bytes": ("499", "500")}),
        (12, {"cleanup.policy": "compact,delete"}, {"cleanup.policy": ("compact,delete", "delete")}),
        (11, {}, {"partitions": ("11", "12")}),
    ],
)
def test_what_falls_short_is_told(partitions: int, changed: dict[str, str], short: dict[str, tuple[str, str]]) -> None:
    """Less than planned does harm: records vanish early, are refused, or are compacted away. More does not."""
    found = compare(PLANNED, FoundTopic(partitions, AS_PLANNED | changed))
    assert found.short == short
    assert bool(found.remedy("broker:9092")) is bool(short)


def test_what_must_never_go_must_never_go() -> None:
    """Where the plan keeps records for ever, a time that looks longer than any number is still short."""
    forever = PlannedTopic("bulk", 1, 1, {"retention.ms": "-1"})
    assert compare(forever, FoundTopic(1, {"retention.ms": "604800000"})).short
    assert not compare(forever, FoundTopic(1, {"retention.ms": "-1"})).short


def test_the_remedy_can_be_pasted() -> None:
    """Kafka's own commands, with all that lacks and nothing else."""
    found = compare(PLANNED, FoundTopic(6, AS_PLANNED | {"retention.ms": "1", "max.message.bytes": "2"}))
    assert found.remedy("broker:9092") == (
        "kafka-configs.sh --bootstrap-server broker:9092 --alter --entity-type topics --entity-name in "
        "--add-config max.message.bytes=500,retention.ms=1000; "
        "kafka-topics.sh --bootstrap-server broker:9092 --alter --topic in --partitions 12"
    )
    assert "retention.ms is 1, planned is 1000" in found.words


def test_settings_that_the_broker_does_not_tell_are_not_guessed() -> None:
    """Without DescribeConfigs only partitions are known."""
    found = compare(PLANNED, FoundTopic(12, None))
    assert found.found_settings is None
    assert not found.short


def test_plans_of_replays_are_compacted_and_all_else_is_not() -> None:
    """Compaction keeps the last record of a key: right for plans, the loss of all else."""
    plan = {topic.name: topic.config["cleanup.policy"] for topic in planned_topics(KafkaSettings(), 12, 3)}
    assert [name for name, policy in plan.items() if policy == "compact"] == ["hangtag.replays"]
    assert len(plan) == 6
