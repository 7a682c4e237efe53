"""The auditor finds what it is there to find, and accuses nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import Topics
from tests.audit import Output, Sent, Source, judge

TOPICS = Topics()
SENT = [Sent(b"a", 0, 3)]
EVENT_TYPES = {
    TOPICS.attributes: "listing.attributes.v1",
    TOPICS.scenes: "listing.scenes.v1",
    TOPICS.texts: "listing.texts.v1",
}
Stream = tuple[list[Sent], set[Source]]


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Input records with holes in the offsets and repeated keys, and which of them end as dead letters."""
    places = draw(st.sets(st.tuples(st.integers(0, 2), st.integers(0, 40)), min_size=1, max_size=20))
    sent = [Sent(draw(st.sampled_from((b"a", b"b", b"c"))), *place) for place in sorted(places)]
    return sent, draw(st.sets(st.sampled_from(sorted(places))))


def perfect_outputs(sent: Sequence[Sent], dead: set[Source]) -> list[Output]:
    """What a faultless worker publishes, record after record."""
    outputs: list[Output] = []
    for one in sent:
        source = (one.partition, one.offset)
        for topic in (TOPICS.dead_letter,) if source in dead else EVENT_TYPES:
            event_id = None if source in dead else f"{topic}-{source}"
            headers = {} if event_id is None else _headers(topic, event_id)
            outputs.append(Output(topic, one.partition, len(outputs), one.key, headers, source, event_id))
    return outputs


def _headers(topic: str, event_id: str) -> dict[str, bytes]:
    fixed = {"ce_specversion": b"1.0", "content-type": b"application/json"}
    return {"ce_id": event_id.encode(), "ce_type": EVENT_TYPES[topic].encode(), **fixed}


@given(streams())
def test_a_faultless_stream_is_clean(stream: Stream) -> None:
    """Three events or one dead letter per record, in order: nothing is reported and everything is counted."""
    sent, dead = stream
    report = judge(sent, perfect_outputs(sent, dead), TOPICS)
    assert report.is_clean, report
    assert (report.num_tagged, report.num_dead) == (len(sent) - len(dead), len(dead))


@given(streams(), st.data())
def test_an_output_that_is_lost_is_missed(stream: Stream, data: st.DataObject) -> None:
    """Without any one output its record, and no other, is missing."""
    outputs = perfect_outputs(*stream)
    lost = outputs.pop(data.draw(st.integers(0, len(outputs) - 1)))
    report = judge(stream[0], outputs, TOPICS)
    assert report.missing == [lost.source]
    assert not report.doubled


@given(streams(), st.data())
def test_an_output_that_comes_twice_is_doubled(stream: Stream, data: st.DataObject) -> None:
    """Any one output published again makes its record, and no other, doubled."""
    outputs = perfect_outputs(*stream)
    again = data.draw(st.sampled_from(outputs))
    report = judge(stream[0], [*outputs, replace(again, offset=len(outputs))], TOPICS)
    assert report.doubled == [again.source]
    assert not report.missing


@given(streams(), st.data())
def test_a_changed_key_is_wrong(stream: Stream, data: st.DataObject) -> None:
    """An output under another key than its record's is reported, also when it has no key."""
    outputs = perfect_outputs(*stream)
    place = data.draw(st.integers(0, len(outputs) - 1))
    outputs[place] = replace(outputs[place], key=data.draw(st.sampled_from((b"z", None))))
    assert len(judge(stream[0], outputs, TOPICS).wrong) == 1


@given(streams())
def test_a_dead_letter_beside_events_is_doubled(stream: Stream) -> None:
    """A record may be tagged or dead, never both."""
    sent, first = stream[0], stream[0][0]
    dead_too = perfect_outputs([first], {(first.partition, first.offset)})
    report = judge(sent, perfect_outputs(sent, set()) + dead_too, TOPICS)
    assert report.doubled == [(first.partition, first.offset)]


def test_an_older_result_after_a_newer_one_is_out_of_order() -> None:
    """Per key and input partition, results leave in the order in which records came."""
    sent = [Sent(b"a", 0, 3), Sent(b"a", 0, 8)]
    newer_first = [*perfect_outputs(sent[1:], set()), *perfect_outputs(sent[:1], set())]
    report = judge(sent, [replace(one, offset=place) for place, one in enumerate(newer_first)], TOPICS)
    assert len(report.out_of_order) == 3
    assert not (report.missing or report.doubled or report.wrong)


def test_other_keys_and_partitions_owe_each_other_no_order() -> None:
    """Records of different keys, or of one key on two partitions, may overtake each other."""
    sent = [Sent(b"a", 0, 3), Sent(b"b", 0, 8), Sent(b"a", 1, 1)]
    assert judge(sent, perfect_outputs(sent[::-1], set()), TOPICS).is_clean


def test_an_output_from_nowhere_is_wrong() -> None:
    """An output whose source was never sent is reported."""
    outputs = perfect_outputs([*SENT, Sent(b"a", 0, 4)], {(0, 4)})
    assert judge(SENT, outputs, TOPICS).wrong == ["(0, 4): from no input"]


def test_headers_that_name_another_event_are_wrong() -> None:
    """``ce_id`` is the body's ``event_id``, and ``ce_type`` is the topic's."""
    outputs = perfect_outputs(SENT, set())
    outputs[1] = replace(outputs[1], headers={**outputs[1].headers, "ce_id": b"other"})
    outputs[2] = replace(outputs[2], headers=_headers(TOPICS.scenes, outputs[2].event_id or ""))
    assert judge(SENT, outputs, TOPICS).wrong == ["(0, 3): ce_id", "(0, 3): ce_type"]


def test_an_event_id_that_two_events_share_is_wrong() -> None:
    """Each of the three events has an id of its own."""
    shared = [replace(one, event_id="x", headers=_headers(one.topic, "x")) for one in perfect_outputs(SENT, set())]
    assert len(judge(SENT, shared, TOPICS).wrong) == 2


def test_body_that_names_another_listing_or_id_is_wrong() -> None:
    """The body's listing is the key, and its event id follows from what it says of itself."""
    outputs = perfect_outputs(SENT, set())
    outputs[0] = replace(outputs[0], listing_id="b")
    outputs[1] = replace(outputs[1], right_id="another")
    assert len(judge(SENT, outputs, TOPICS).wrong) == 2
