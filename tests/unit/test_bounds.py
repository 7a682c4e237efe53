"""What ``--from`` and ``--to`` mean, without a broker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from worker.errors import FatalError
from worker.kafka.topic_reader import Range
from worker.replays.bounds import Bound, Log, choose_partitions, freeze, parse_bound

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
MS = 1_769_860_800_000  # NOW
LOGS = {0: Log(0, 100, MS - 1000), 1: Log(50, 80, MS)}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("earliest", Bound(edge="earliest")),
        ("latest", Bound(edge="latest")),
        ("1042", Bound(offset=1042)),
        ("0:100,1:250", Bound(offsets={0: 100, 1: 250})),
        ("-7d", Bound(moment=NOW - timedelta(days=7))),
        ("-90m", Bound(moment=NOW - timedelta(minutes=90))),
        ("2026-01-31T13:00:00+01:00", Bound(moment=NOW)),
        ("2026-01-31T12:00:00Z", Bound(moment=NOW)),
    ],
)
def test_every_form_of_a_bound(text: str, meant: Bound) -> None:
    """Edges, offsets, offsets by partition, so long ago, and times in any zone."""
    assert parse_bound(text, "--from", NOW) == meant


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "-7y", "0:1,0:2", "2026-01-31T12:00:00", "1:", "-1", "²", "-999999w", "0001-01-01T00:00:00+14"],
)
def test_what_is_no_place_is_refused_by_name(text: str) -> None:
    """The message names the option, so that one of two is known to be wrong."""
    with pytest.raises(FatalError, match="--from"):
        parse_bound(text, "--from", NOW)


def test_edges_and_numbers_are_taken_as_they_are() -> None:
    """Half-open: the end is not part of it."""
    assert freeze(Bound(edge="earliest"), Bound(edge="latest"), LOGS) == {0: Range(0, 100), 1: Range(50, 80)}
    assert freeze(Bound(offset=60), Bound(offset=70), LOGS) == {0: Range(60, 70), 1: Range(60, 70)}
    assert freeze(Bound(offsets={1: 50}), Bound(edge="latest"), {1: LOGS[1]}) == {1: Range(50, 80)}


def test_a_time_is_the_first_offset_at_or_after_it() -> None:
    """No record so late: the log's end, so an empty range; a partition without records is empty as well."""
    moment = Bound(moment=NOW)
    logs = {0: LOGS[0], 2: Log(0, 0, None)}
    assert freeze(moment, Bound(edge="latest"), logs, {0: 40, 2: None}) == {0: Range(40, 100), 2: Range(0, 0)}
    assert freeze(moment, moment, logs, {0: 40, 2: None}, {0: 40, 2: None}) == {0: Range(40, 40), 2: Range(0, 0)}
    assert freeze(Bound(edge="earliest"), moment, logs, {}, {0: None, 2: None})[0] == Range(0, 100)


def test_deleted_offsets_are_an_error_that_names_the_earliest_time() -> None:
    """Silently starting later would lose what was asked for."""
    with pytest.raises(FatalError, match=r"partition 1.*2026-01-31T12:00:00.000Z"):
        freeze(Bound(offset=10), Bound(edge="latest"), LOGS)


def test_a_time_before_a_log_that_was_cut_is_an_error_that_names_the_earliest_time() -> None:
    """Partition 1 begins at offset 50 and after the time asked for: what was before is gone. Its own time is fine."""
    early = Bound(moment=NOW - timedelta(hours=1))
    with pytest.raises(FatalError, match=r"partitions 1; .*2026-01-31T12:00:00.000Z"):
        freeze(early, Bound(edge="latest"), LOGS, {0: 0, 1: 50})
    assert freeze(Bound(moment=NOW), Bound(edge="latest"), LOGS, {0: None, 1: 50}) == {
        0: Range(100, 100),
        1: Range(50, 80),
    }


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [(Bound(offset=60), Bound(offset=55), "before"), (Bound(offset=60), Bound(offset=101), "beyond")],
)
def test_places_outside_the_log_and_upside_down_are_errors(start: Bound, end: Bound, says: str) -> None:
    """Each names the partition."""
    with pytest.raises(FatalError, match=says):
        freeze(start, end, LOGS)


def test_partitions_must_agree() -> None:
    """Offsets by partition name the partitions; --partitions may say the same and nothing else."""
    start, end = Bound(offsets={1: 50}), Bound(edge="latest")
    assert choose_partitions(start, end, None, LOGS) == [1]
    assert choose_partitions(start, end, [1], LOGS) == [1]
    assert choose_partitions(end, end, None, LOGS) == [0, 1]
    with pytest.raises(FatalError, match="different partitions"):
        choose_partitions(start, end, [0], LOGS)
    with pytest.raises(FatalError, match="has partitions 0 to 1"):
        choose_partitions(end, end, [7], LOGS)
