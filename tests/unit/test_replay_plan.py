"""The frozen plan: written and read back, and held against what is asked for later."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from worker.errors import FatalError
from worker.kafka.topic_reader import Range
from worker.replays.plan import Plan, PlannedPartition, Request, check_only

PLAN = Plan(
    "spring", "listings.created", "hangtag", datetime(2026, 1, 31, tzinfo=UTC),
    Request("-7d", only="scenes").completed(), (PlannedPartition(0, 5, 9, 12, 1, 2), PlannedPartition(3, 0, 0, 0)),
)  # fmt: skip


def test_a_plan_comes_back_as_it_was() -> None:
    """Every process decides by the same record."""
    assert Plan.from_bytes(PLAN.to_bytes()) == PLAN
    assert PLAN.group_id == "hangtag.replay.spring"
    assert PLAN.ranges == {0: Range(5, 9), 3: Range(0, 0)}
    assert (PLAN.num_offsets, list(PLAN.kinds)) == (4, ["scenes"])


@pytest.mark.parametrize("value", [b"", b"{}", b"[1]", b'{"version": 2}', b'{"version": 1, "name": "x"}'])
def test_a_record_that_is_no_plan_is_an_error(value: bytes) -> None:
    """Guessing at bounds would tag the wrong listings."""
    with pytest.raises(FatalError, match="cannot be read"):
        Plan.from_bytes(value)


def test_the_same_words_and_fewer_words_go_on() -> None:
    """What is not said comes from the plan."""
    for same in (Request(), Request("-7d"), Request("-7d", "latest", only="scenes"), PLAN.request):
        same.check_same("spring", PLAN.request)


@pytest.mark.parametrize(
    ("other", "option"),
    [
        (Request("-6d"), "--from"), (Request(end="5"), "--to"), (Request(only="texts"), "--only"),
        (Request(include_superseded=True), "--include-superseded"), (Request(output_prefix="x."), "--output-prefix"),
        (Request(where="title~oak"), "--where"),
    ],
)  # fmt: skip
def test_other_words_are_refused_and_the_plan_is_told(other: Request, option: str) -> None:
    """A second plan of a name would make processes disagree."""
    with pytest.raises(FatalError, match=f"planned with {option} "):
        other.check_same("spring", PLAN.request)


def test_a_new_plan_needs_a_start() -> None:
    """Replaying everything must be asked for."""
    with pytest.raises(FatalError, match="--from"):
        Request().completed()


def test_only_takes_kinds_of_events() -> None:
    """In one order, so that the same words in another order are the same plan; all of them is no restriction."""
    assert check_only("texts, attributes") == "attributes,texts"
    assert check_only("texts,scenes,attributes") == ""
    with pytest.raises(FatalError, match="pictures"):
        check_only("pictures")
