"""What was read comes back from the cache as it was, or not at all."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.types import ReadText, TextLine
from worker.cache.seal import Seal
from worker.cache.text_codec import TextCodec

CODEC = TextCodec("engine 1")
KEY = CODEC.key_for("ab" * 32)
SQUARE = ((0.0, 0.0), (0.5, 0.0), (0.5, 0.25), (0.0, 0.25))
PRICE = TextLine("29,90 €", 0.9876, SQUARE, "price")
TEXT = ReadText((replace(PRICE, struck=((0, 5),)), TextLine("Größe 红色", 0.5, SQUARE)), truncated=True)


def _stored(text: ReadText) -> bytes:
    value = CODEC.encode(KEY, text)
    assert value is not None
    return value


@pytest.mark.parametrize("text", [ReadText(), TEXT])
def test_comes_back_as_it_was(text: ReadText) -> None:
    """Lines, scores, places, roles and the cut survive to the last digit, in any script."""
    assert CODEC.decode(KEY, _stored(text)) == text


@given(st.data())
def test_damage_is_a_miss(data: st.DataObject) -> None:
    """No byte can be changed, cut off or added without the value being refused."""
    value = _stored(TEXT)
    place = data.draw(st.integers(0, len(value) - 1))
    changed = bytes([value[place] ^ data.draw(st.integers(1, 255))])
    assert CODEC.decode(KEY, value[:place] + changed + value[place + 1 :]) is None
    assert CODEC.decode(KEY, value[:place]) is None
    assert CODEC.decode(KEY, value + changed) is None


def test_belongs_to_its_picture_engine_and_secret() -> None:
    """A value under another picture's key, of another engine or of a writer without the secret is refused."""
    other = CODEC.key_for("cd" * 32)
    assert CODEC.decode(other, _stored(TEXT)) is None
    assert TextCodec("engine 2").decode(KEY, _stored(TEXT)) is None
    assert TextCodec("engine 1", b"secret").decode(KEY, _stored(TEXT)) is None


def test_key_holds_the_engine_and_the_content_and_lies_where_the_acl_allows() -> None:
    """Another engine never finds these values, and an ACL for ``hangtag:text:*`` covers them."""
    assert KEY.startswith("hangtag:text:")
    assert KEY.endswith("ab" * 32)
    assert TextCodec("engine 2").key_for("ab" * 32) != KEY


@pytest.mark.parametrize(
    "line",
    [
        ["text", 1.5, SQUARE, "price"],
        ["text", float("nan"), SQUARE, "price"],
        ["text", 0.5, SQUARE[:3], "price"],
        ["text", 0.5, [[0, 0], [2, 0], [1, 1], [0, 1]], "price"],
        ["text", 0.5, SQUARE, "headline"],
        ["", 0.5, SQUARE, "price"],
        [7, 0.5, SQUARE, "price"],
        ["text", 0.5, SQUARE],
    ],
)
def test_forged_shapes_are_refused(line: list[object]) -> None:
    """Without a secret anybody can seal a value: what a reader could not have given is refused all the same."""
    assert CODEC.decode(KEY, _forged(json.dumps([False, [line]]))) is None


@pytest.mark.parametrize("score", ["1" + "0" * 400, "-1" + "0" * 400, "true", "Infinity", "1e999"])
def test_numbers_that_no_reader_gives_are_refused(score: str) -> None:
    """Also a whole number that no float holds: nothing that JSON can write makes the codec fail."""
    assert CODEC.decode(KEY, _forged(f'[false,[["text",{score},{json.dumps(SQUARE)},"price",[]]]]')) is None


def test_half_a_character_is_refused() -> None:
    """JSON can write a lone surrogate, and no event could be written with one in it."""
    assert CODEC.decode(KEY, _forged(json.dumps([False, [["\ud83d", 0.5, SQUARE, "price", []]]]))) is None
    assert CODEC.decode(KEY, _forged(json.dumps([False, [["text", 0.5, SQUARE, "price", []]]]))) is not None


def _forged(plain: str) -> bytes:
    """A value that verifies, of anybody's making."""
    body = _stored(ReadText())[:12] + zlib.compress(plain.encode())
    return body + Seal(b"hangtag-reading").of(KEY, body)


def test_a_bomb_is_refused_and_too_long_a_text_is_not_kept() -> None:
    """A value that would unpack to hundreds of megabytes costs one at most, and none such is written."""
    assert CODEC.decode(KEY, _forged("[" * 300_000_000)) is None
    assert CODEC.encode(KEY, ReadText((replace(PRICE, text="x" * 2_000_000),))) is None
