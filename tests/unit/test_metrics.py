"""Metrics: the table, the exposition and the snapshot say the same."""

from __future__ import annotations

import typing

import pytest
from prometheus_client.parser import text_string_to_metric_families

from worker.metrics import TABLE, MetricRow, Metrics, describe


def _rendered_names(metrics: Metrics) -> set[str]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {f"{f.name}_total" if f.type == "counter" else f.name for f in families}


@pytest.mark.parametrize("row", describe(), ids=lambda row: row.name)
def test_every_row_follows_the_naming_rules(row: MetricRow) -> None:
    """Names start with hangtag_, units end the names that Prometheus wants them on, and each has a meaning."""
    assert row.name.startswith("hangtag_")
    assert row.name.endswith("_total") == (row.kind == "counter")
    assert row.meaning.endswith(".")
    assert row.unit
    if row.unit in {"seconds", "bytes"}:
        assert row.unit in row.name


@pytest.mark.parametrize("row", describe(), ids=lambda row: row.name)
def test_no_label_can_hold_what_strangers_wrote(row: MetricRow) -> None:
    """Labels come from a closed list of names, and none is for a URL, host, listing or title."""
    allowed = {"outcome", "reason", "stage", "topic_kind", "tier", "rule", "partition"}
    assert set(row.labels) <= allowed | {
        "version",
        "model_revision",
        "device",
        "model_engine",
        "model_buckets",
        "ocr_engine",
    }


def test_table_and_attributes_agree() -> None:
    """Each declared attribute has one row and each row one attribute, of the declared type."""
    declared = typing.get_type_hints(Metrics)
    assert sorted(declared) == sorted(row.attribute for row in TABLE)
    metrics = Metrics()
    for attribute, kind in declared.items():
        assert type(getattr(metrics, attribute)) is kind


def test_what_is_rendered_is_described() -> None:
    """An operator finds every exposed metric in the description, and the other way round."""
    assert _rendered_names(Metrics()) == {row.name for row in describe()}


def test_render_parses_and_carries_values() -> None:
    """A counter that went up is in the text that Prometheus parses, with its labels."""
    metrics = Metrics()
    metrics.dead_letters.labels("not_json", "parse").inc(3)
    families = {f.name: f for f in text_string_to_metric_families(metrics.render().decode())}
    sample = families["hangtag_dead_letters"].samples[0]
    assert sample.labels == {"reason": "not_json", "stage": "parse"}
    assert sample.value == 3.0


def test_creation_times_are_left_out() -> None:
    """No _created series: they would be a third more lines."""
    assert b"_created" not in Metrics().render()


def test_closed_outcomes_are_there_from_the_start() -> None:
    """A rate over an outcome that has not happened yet is 0, not absent."""
    assert Metrics().snapshot()["transactions"] == {"committed": 0.0, "aborted": 0.0, "unknown": 0.0, "fatal": 0.0}


def test_snapshot_is_plain_numbers() -> None:
    """Unlabelled metrics are numbers, labelled ones dicts, histograms a count and a sum."""
    metrics = Metrics()
    metrics.consumed_records.inc(5)
    metrics.stage_seconds.labels("fetch").observe(0.5)
    metrics.batch_listings.observe(8)
    metrics.dead_letters.labels("not_json", "parse").inc()
    found = metrics.snapshot()
    assert found["consumed_records"] == 5.0
    assert found["stage_seconds_count"] == {"fetch": 1.0}
    assert found["stage_seconds_sum"] == {"fetch": 0.5}
    assert (found["batch_listings_count"], found["batch_listings_sum"]) == (1.0, 8.0)
    assert found["dead_letters"] == {"not_json/parse": 1.0}


def test_two_workers_in_one_process_do_not_share() -> None:
    """Each Metrics has its own registry: live traffic and a backfill count apart."""
    one, other = Metrics(), Metrics()
    one.consumed_records.inc()
    assert other.snapshot()["consumed_records"] == 0.0


def test_revoked_partitions_vanish() -> None:
    """A partition that is no longer ours leaves no gauge behind; one never seen may be forgotten too."""
    metrics = Metrics()
    metrics.partition_lag.labels(3).set(7)
    metrics.forget_partition(3)
    metrics.forget_partition(4)
    assert metrics.snapshot()["partition_lag"] == {}
    assert b'partition="3"' not in metrics.render()


def test_build_info_names_one_build() -> None:
    """After a model is reloaded only the new revision is shown."""
    metrics = Metrics()
    metrics.set_build("0.1.0", "old", "cpu")
    metrics.set_build("0.1.0", "new", "cpu")
    assert metrics.snapshot()["build_info"] == {"0.1.0/new/cpu": 1.0}
