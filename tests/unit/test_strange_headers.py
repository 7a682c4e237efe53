"""Whatever a stranger writes into a record's headers: it ends in three events or in one dead letter."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import astuple, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.deadletter import DeadLetterHeaders, Reason, SourcePosition, Stage, earlier_trip
from tests.unit.enrich_samples import INFO, ORIGIN, TOPICS, decoded, item, record, tags
from tests.unit.test_intake import Bench, settle
from tests.unit.test_tracing import line
from worker.deadletter import HEADERS_OMITTED, build_dead_letter
from worker.errors import FatalError, RejectedError
from worker.item import Headers, OutputRecord, Record
from worker.metrics import Metrics
from worker.outcome import Identity, Outcome, Outputs
from worker.parse import parse
from worker.partitions.assignment import Assigned
from worker.partitions.intake import Intake
from worker.partitions.intake_policy import IntakePolicy
from worker.partitions.superseded import Superseded
from worker.telemetry.tracing import NO_TRACES

NOT_SO = RejectedError(Reason.NOT_JSON, Stage.PARSE, "no")
EXTREMES = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
LETTER = DeadLetterHeaders(
    source=SourcePosition("in", 0, 0, 0), group="g", message="m", reason=Reason.NOT_JSON, stage=Stage.PARSE, attempts=1,
    worker_version="0", model_revision=None, failed_at=datetime(2026, 1, 31, tzinfo=UTC),
)  # fmt: skip


def redriven(**told: str) -> Headers:
    """A redrive's headers, some of them as given."""
    place = {"topic": "in", "partition": "0", "offset": "0", "attempts": "1", **told}
    return tuple((f"hangtag.redrive.{name}", text.encode()) for name, text in place.items())


def copied(**told: str) -> Headers:
    """The headers of a dead letter that some tool copied back, some of them as given."""
    headers = dict(LETTER.to_headers()) | {f"hangtag.dlq.{name}": text.encode() for name, text in told.items()}
    return tuple(headers.items())


def letter_of(of: Record, max_bytes: int = 1_000_000) -> OutputRecord:
    """Its dead letter."""
    return build_dead_letter(
        of, NOT_SO, topic="dead", group_id="g", worker_version="0", model_revision=None,
        failed_at=datetime.now(UTC), max_bytes=max_bytes,
    )  # fmt: skip


@pytest.mark.parametrize("time", EXTREMES)
@pytest.mark.parametrize("headers", [redriven, copied])
async def test_an_extreme_time_is_no_time(time: str, headers: Callable[..., Headers]) -> None:
    """Beyond the years 1 to 9999 in UTC: the listing is tagged under its own place, and the next one as well."""
    async with line(NO_TRACES) as work:
        work.send(headers(timestamp=time), ())
        outputs = await work.outputs(6)
    assert [output.topic for output in outputs] == ["a", "s", "t"] * 2
    sources = [json.loads(output.value or b"")["source"]["offset"] for output in outputs]
    assert sources == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("time", EXTREMES)
def test_a_convicts_dead_letter_can_be_built(time: str) -> None:
    """What died of these headers is named by where it stands."""
    letter = letter_of(record(headers=redriven(timestamp=time)))
    assert DeadLetterHeaders.from_headers(letter.headers).source == SourcePosition(
        ORIGIN.topic, ORIGIN.partition, ORIGIN.offset, ORIGIN.timestamp_ms
    )


@pytest.mark.parametrize("told", [{"partition": str(2**31)}, {"offset": str(2**63)}])
def test_a_place_that_kafka_cannot_have_is_none(told: dict[str, str]) -> None:
    """It would not fit the readers' integers."""
    assert earlier_trip(redriven(**told)) is None


HEADER = st.tuples(
    st.sampled_from([name for name, _ in (*redriven(timestamp=""), *copied())]),
    st.one_of(
        st.none(), st.binary(max_size=40), st.integers(0, 10**20).map(lambda number: str(number).encode()),
        st.datetimes(timezones=st.timezones()).map(lambda time: time.isoformat().encode()),
        st.sampled_from([b"in", b"0", b"1", *(time.encode() for time in EXTREMES)]),
    ),
)  # fmt: skip


@given(st.lists(HEADER, max_size=12))
def test_no_headers_break_a_dead_letter(headers: list[tuple[str, bytes | None]]) -> None:
    """Ours, filled in by somebody else."""
    given_headers = (*redriven(), *copied(), *headers)
    letter = letter_of(record(headers=given_headers))
    DeadLetterHeaders.from_headers(letter.headers)


@pytest.mark.parametrize("told", [b"[" * 100_000, b'{"size": Infinity, "sha256": ""}', b"9" * 5_000])
def test_a_dead_letter_that_somebody_else_wrote_is_refused_in_words(told: bytes) -> None:
    """Not by whatever a parser raises."""
    with pytest.raises(ValueError, match="value_omitted"):
        DeadLetterHeaders.from_headers((*LETTER.to_headers(), ("hangtag.dlq.value_omitted", told)))


def test_names_that_cannot_be_read_make_a_dead_letter() -> None:
    """Its headers may have said which version it is; key and value are kept, and that headers were left out is said."""
    unreadable = replace(record(), has_unreadable_headers=True)
    with pytest.raises(RejectedError, match="name is not UTF-8") as caught:
        parse(unreadable)
    assert (caught.value.reason, caught.value.stage) == (Reason.SCHEMA_VIOLATION, Stage.PARSE)
    letter = letter_of(unreadable)
    assert (letter.key, letter.value) == (unreadable.key, unreadable.value)
    assert json.loads(dict(letter.headers)[HEADERS_OMITTED] or b"") == {"headers": None, "size": None}


def outputs() -> Outputs:
    """What turns outcomes into records."""
    return Outputs(Identity("g", "0", TOPICS), INFO, dict.fromkeys(astuple(TOPICS), 1_000_000), Metrics())


def test_events_that_cannot_be_built_are_one_dead_letter() -> None:
    """Whatever went wrong there is one listing's, and no reason for the process to end."""
    broken = Outcome(record(), "L1", item(decoded()), tags(0))  # a picture without its scene
    finished = outputs().of(broken)
    assert finished.reason is Reason.MODEL_FAILED
    (letter,) = finished.outputs
    told = DeadLetterHeaders.from_headers(letter.headers)
    assert (told.stage, told.message) == (Stage.ENRICH, "ValueError, which nobody foresaw; the worker's log says where")


def test_a_dead_letter_of_last_resort_leaves_the_headers_out() -> None:
    """A name that nothing can write, as the client never gives one: the letter is built all the same."""
    finished = outputs().of(Outcome(record(headers=(("\ud800", b"v"),)), "L1", error=NOT_SO))
    (letter,) = finished.outputs
    assert DeadLetterHeaders.from_headers(letter.headers).source.offset == ORIGIN.offset
    assert HEADERS_OMITTED in dict(letter.headers)


async def test_a_search_that_fails_stops_the_replay() -> None:
    """However it fails: the partition would wait for its answer for ever."""
    failures: list[FatalError] = []

    async def find(partition: int) -> Superseded:
        raise OverflowError("date value out of range")

    bench = Bench()
    bench.intake = Intake("in", IntakePolicy(drain_seconds=2.0), failures.append, find)
    bench.intake.consumer = bench.doors  # type: ignore[assignment]
    bench.intake.on_assigned([Assigned(3, 1, 0, "", 10, 10)])
    await settle()
    bench.loop.cancel()
    (failure,) = failures
    assert "partition 3" in str(failure) and "OverflowError" in str(failure)


def test_rfc3339_survives_the_edges() -> None:
    """The last times that can be told are told."""
    edges = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
    for edge in edges:
        assert earlier_trip(redriven(timestamp=edge.isoformat())) is not None
