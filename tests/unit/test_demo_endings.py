"""A listing ends once: with three different results or one dead letter."""

from __future__ import annotations

import json

from tests.unit.demo_events import TOPICS, dead_letter, results
from worker.demo.endings import Endings, read_output

LISTING = {"listing_id": "a", "title": "red opener", "image_urls": ["http://h/1.jpg"]}


def endings(*keys: str) -> Endings:
    return Endings(frozenset(keys), TOPICS)


def test_three_results_end_a_listing() -> None:
    """Only the third event ends it, whatever the order."""
    found = endings("a")
    ends = [found.add(event)[1] for event in reversed(results(LISTING))]
    assert ends[:2] == [None, None]
    assert ends[2] is not None
    assert ends[2].reason is None
    assert len(ends[2].events) == 3
    assert found.is_complete


def test_copies_count_once() -> None:
    """The same event read twice does not stand in for a missing one."""
    found = endings("a")
    first = results(LISTING)[0]
    assert [found.add(first)[0] for _ in range(3)] == [True, False, False]
    assert not found.is_complete
    assert found.num_copies == 2
    assert found.missing == ["a"]


def test_a_dead_letter_ends_a_listing() -> None:
    """One dead letter is the ending, with its reason; a copy of it is not counted."""
    found = endings("a", "b")
    letter = dead_letter("a", "http_error", "404", offset=7)
    ending = found.add(letter)[1]
    assert ending is not None
    assert ending.reason == "http_error"
    assert found.add(letter) == (False, None)
    assert found.reasons() == {"http_error": 1}
    assert found.missing == ["b"]


def test_results_read_from_kafka_are_parsed() -> None:
    """A result's value is JSON, and its line in the file says topic, key and value."""
    event = read_output("t", b"k", b'{"event_id": "1"}', [("ce_id", b"1"), ("empty", None)])
    assert event.value == {"event_id": "1"}
    assert json.loads(event.to_json()) == {"topic": "t", "key": "k", "value": {"event_id": "1"}}


def test_dead_letters_keep_what_is_no_json() -> None:
    """A dead letter's value is kept as text or null, and its headers say why."""
    headers = [("hangtag.dlq.reason", b"not_json")]
    broken = json.loads(read_output("t", b"k", b'{"a": \xff', headers).to_json())
    assert broken["value"] == '{"a": �'
    assert broken["headers"] == {"hangtag.dlq.reason": "not_json"}
    assert json.loads(read_output("t", b"k", None, headers).to_json())["value"] is None
