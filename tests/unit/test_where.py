"""Which records are meant, and sets of offsets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import FatalError
from worker.partitions.offset_set import OffsetSet
from worker.replays.where import Earlier, Where, canonical, parse_where


def event(revision: str, product_type: str | None) -> dict[str, Any]:
    """The part of an attributes event that counts."""
    values = [{"value": product_type, "score": 0.4}] if product_type else []
    return {"model": {"revision": revision}, "attributes": {"product_type": {"values": values}}}


def test_conditions_are_kept_in_one_order() -> None:
    """The same words in another order are the same plan."""
    assert canonical(["type=chair", " title~oak "]) == canonical(["title~oak", "type=chair", "type=chair"])
    assert canonical(["title~Oak; and more"]) == "title~Oak; and more"
    assert canonical(None) is None and canonical([]) is None
    assert parse_where("title~Oak\nuntagged=abc".splitlines()) == Where(("oak",), (), ("abc",))


@pytest.mark.parametrize("text", ["", "title~", "type=  ", "colour=red", "oak", "TITLE~oak"])
def test_other_words_are_refused(text: str) -> None:
    """A condition that is not understood would replay everything."""
    with pytest.raises(FatalError, match=r"give one of title~WORDS"):
        parse_where([text])


@pytest.mark.parametrize(
    ("value", "is_meant"),
    [
        (b'{"title": "Small OAK table"}', True), (b'{"title": "oak"}', False), (b'{"title": 5}', False),
        (b"{not json", False), (b'["oak table"]', False), (None, False),
    ],
)  # fmt: skip
def test_titles_hold_all_words_in_whatever_case(value: bytes | None, is_meant: bool) -> None:
    """What cannot be read has no title."""
    assert parse_where(["title~oak", "title~Table"]).takes_record(value) == is_meant


def test_the_last_result_says_what_type_a_listing_is() -> None:
    """A later result takes an earlier one's word back; without any result there is no type."""
    earlier = Earlier(parse_where(["type=chair"]), 0, 10)
    for offset, product_type in ((1, "chair"), (2, "table"), (2, "chair"), (3, "chair"), (3, None), (99, "chair")):
        earlier.tell(offset, event("r", product_type))
    assert [offset for offset in range(10) if earlier.takes(offset)] == [1, 2]


def test_what_a_revision_has_tagged_is_not_tagged_by_it_again() -> None:
    """Whatever others said before or after; several conditions must all hold."""
    earlier = Earlier(parse_where(["untagged=new", "type=chair"]), 0, 5)
    for offset, revision in ((0, "old"), (1, "new"), (2, "new"), (2, "old")):
        earlier.tell(offset, event(revision, "chair"))
    assert [offset for offset in range(5) if earlier.takes(offset)] == [0]


@given(
    st.integers(0, 50),
    st.integers(0, 40),
    st.lists(st.tuples(st.booleans(), st.integers(0, 120)), max_size=80),
)
def test_an_offset_set_is_a_set(first: int, size: int, steps: list[tuple[bool, int]]) -> None:
    """Of offsets in its stretch; others are never in."""
    found, plain = OffsetSet(first, first + size), set[int]()
    for is_added, offset in steps:
        if is_added:
            found.add(offset)
            plain |= {offset} & set(range(first, first + size))
        else:
            found.discard(offset)
            plain -= {offset}
        assert {one for one in range(200) if one in found} == plain


def test_strange_json_is_no_record_that_is_meant() -> None:
    """Nesting without end must not end the replay."""
    assert not parse_where(["title~oak"]).takes_record(b"[" * 100_000)
    assert parse_where(["title~oak"]).takes_record(json.dumps({"title": "\u0000oak"}).encode())
