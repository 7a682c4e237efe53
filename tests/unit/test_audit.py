"""The auditor sees what is wrong, and only that."""

from __future__ import annotations

from schemas.topics import Topics
from tests.audit import Output, Sent, judge

TOPICS = Topics()
SENT = [Sent(b"a", 0, 0), Sent(b"b", 0, 1), Sent(b"a", 0, 2)]


def output(topic: str, source: int, key: bytes, offset: int) -> Output:
    """An output whose headers are right."""
    return Output(topic, 0, offset, key, {"ce_id": b"x"}, (0, source), "x")


def good() -> list[Output]:
    """Three events for the first and third record, a dead letter for the second."""
    events = [output(topic, n, b"a", n) for topic in (TOPICS.attributes, TOPICS.scenes, TOPICS.texts) for n in (0, 2)]
    return [*events, Output(TOPICS.dead_letter, 0, 0, b"b", {}, (0, 1), None)]


def test_good_outputs_are_clean() -> None:
    """Nothing wrong is found where nothing is."""
    report = judge(SENT, good(), TOPICS)
    assert report.is_clean
    assert (report.num_tagged, report.num_dead) == (2, 1)


def test_each_fault_is_seen() -> None:
    """A lost event, a doubled one, a dead letter beside results, a wrong key and a swapped order are all reported."""
    assert judge(SENT, good()[1:], TOPICS).missing == [(0, 0)]
    assert judge(SENT, [*good(), output(TOPICS.scenes, 0, b"a", 9)], TOPICS).doubled == [(0, 0)]
    dead = Output(TOPICS.dead_letter, 0, 1, b"a", {}, (0, 0), None)
    assert judge(SENT, [*good(), dead], TOPICS).doubled == [(0, 0)]
    assert judge(SENT, [output(TOPICS.scenes, 0, b"z", 0), *good()[1:]], TOPICS).wrong
    swapped = [output(TOPICS.scenes, 2, b"a", 0), output(TOPICS.scenes, 0, b"a", 1)]
    assert judge(SENT, swapped, TOPICS).out_of_order
    assert judge([], good()[:1], TOPICS).wrong
