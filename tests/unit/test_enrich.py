"""Events are built from results and nothing else: no clock, no chance."""

from __future__ import annotations

import json

import pytest

from schemas.deadletter import Reason, Stage
from schemas.topics import Topics
from tests.unit.enrich_samples import (
    INFO,
    NOW,
    ORIGIN,
    TOPICS,
    decision,
    decoded,
    failed,
    item,
    price,
    read_text,
    record,
    tags,
    value,
)
from worker.enrich import build_error_line, build_events, build_tag_line, build_text_event, check_sizes
from worker.errors import RejectedError
from worker.item import FailedImage, OutputRecord

TEXTS = (read_text(("SALE", "other"), ("Oak chair", "title")), None)


def events(topics: Topics = TOPICS) -> tuple[OutputRecord, ...]:
    """The events of a listing with one good and one failed picture."""
    return build_events(item(decoded(), failed()), tags(1), TEXTS, (price(),), INFO, topics, now=NOW)


def test_one_event_goes_to_each_topic_under_the_listings_key() -> None:
    """Attributes, scenes and texts, each with its own id, all keyed as the input was."""
    found = events()
    assert [one.topic for one in found] == [TOPICS.attributes, TOPICS.scenes, TOPICS.texts]
    assert {one.key for one in found} == {b"L1"}
    bodies = [json.loads(one.value or b"") for one in found]
    assert len({body["event_id"] for body in bodies}) == 3
    for body, one in zip(bodies, found, strict=True):
        assert body["source"] == {"topic": "listings.created", "partition": 3, "offset": 41}
        assert body["inputs"]["images"] == {"fetched": 1, "failed": 1}
        assert dict(one.headers)["ce_id"] == body["event_id"].encode()


def test_same_record_gives_same_bytes() -> None:
    """Twice the same record under the same model: the same events, ids included."""
    assert [one.value for one in events()] == [one.value for one in events()]


def test_failed_picture_says_why_in_its_place() -> None:
    """A picture that could not be had stands at its index with reason and detail."""
    scenes, texts = (json.loads(one.value or b"") for one in events()[1:])
    for body in (scenes, texts):
        assert body["images"][1]["error"] == {"reason": "http_error", "detail": "the server said 404"}
    assert "error" not in scenes["images"][0]


def test_half_a_character_in_a_strangers_words_costs_no_listing() -> None:
    """A picture that failed with such words is told of in its place, and the events can be written all the same."""
    error = RejectedError(Reason.NOT_AN_IMAGE, Stage.FETCH, "served as \udcff")
    gone = FailedImage("https://img.test/gone.jpg", error.reason, error.stage, error.detail)
    built = build_events(item(decoded(), gone), tags(1), TEXTS, (price(),), INFO, TOPICS, now=NOW)
    for one in built[1:]:
        assert json.loads(one.value or b"")["images"][1]["error"]["detail"] == r"served as \udcff"
    assert json.dumps(build_error_line("L1", error), ensure_ascii=False).encode()


def test_price_and_title_come_from_the_pictures() -> None:
    """Prices keep their other readings; the title is what was read as one."""
    body = json.loads(events()[2].value or b"")
    assert body["title"] == "Oak chair"
    assert body["prices"][0]["alternatives"] == [{"amount": "2990", "currency": None, "score": 0.2}]


def test_texts_alone_are_the_same_event() -> None:
    """Without the device, byte for byte; texts that do not fit the pictures are noticed here, too."""
    given = item(decoded(), failed())
    assert build_text_event(given, TEXTS, (price(),), INFO, TOPICS, now=NOW) == events()[2]
    with pytest.raises(ValueError, match="one each"):
        build_text_event(given, (), (), INFO, TOPICS, now=NOW)


def test_results_that_break_the_schema_are_refused() -> None:
    """A score above 1 never leaves the worker: the listing is refused as a fault of the model."""
    wrong = tags(0, material=decision(value("wood", 1.7)))
    with pytest.raises(RejectedError) as caught:
        build_events(item(), wrong, (), (), INFO, TOPICS, now=NOW)
    assert caught.value.reason is Reason.MODEL_FAILED


def test_results_of_another_listing_are_noticed() -> None:
    """Results whose pictures do not match the listing's are a bug, and said so."""
    with pytest.raises(ValueError, match="one each"):
        build_events(item(decoded()), tags(0), (None,), (), INFO, TOPICS, now=NOW)


def test_event_too_large_for_the_broker_is_refused_before_it_is_sent() -> None:
    """One oversized record would abort its whole transaction for ever, so it is refused first."""
    with pytest.raises(RejectedError) as caught:
        check_sizes(events(), {TOPICS.attributes: 1_000_000, TOPICS.scenes: 100, TOPICS.texts: 1_000_000})
    assert caught.value.reason is Reason.OUTPUT_TOO_LARGE
    assert TOPICS.scenes in caught.value.detail
    check_sizes(events(), {**dict.fromkeys((TOPICS.attributes, TOPICS.scenes, TOPICS.texts), 100_000), "dead": 100})


def test_tag_line_has_no_source() -> None:
    """``hangtag tag`` knows no topic: source is null, everything else as in the events."""
    line = build_tag_line(item(of=record(origin=None)), tags(), (), (), INFO, now=NOW)
    assert line["attributes"]["source"] is None
    assert line["listing_id"] == "L1"
    error = RejectedError(Reason.HTTP_ERROR, next(iter(type(failed().stage))), "gone")
    assert build_error_line("L1", error)["error"]["reason"] == "http_error"


def test_time_is_the_records_own() -> None:
    """``occurred_at`` is when the record was written, not when it was worked on."""
    body = json.loads(events()[0].value or b"")
    assert ORIGIN.timestamp_ms == 1_738_324_800_123
    assert body["occurred_at"].startswith("2025-01-31T12:00:00.123")
