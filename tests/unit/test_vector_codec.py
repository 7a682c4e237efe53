"""The vector codec: what was written comes back, and nothing else is ever believed."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from worker.cache.vector_codec import Vector, VectorCodec, as_stored

DIM = 384
CODEC = VectorCodec("rev-a", DIM)
KEY = CODEC.key_for("Red leather sofa")


def _vector(seed: int, dim: int = DIM) -> Vector:
    return np.random.default_rng(seed).standard_normal(dim).astype(np.float32)


def _flip_bits(rng: random.Random, value: bytes) -> bytes:
    damaged = bytearray(value)
    for _ in range(rng.randint(1, 8)):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _overwrite(rng: random.Random, value: bytes) -> bytes:
    start = rng.randrange(len(value))
    end = min(len(value), start + rng.randint(1, 64))
    return value[:start] + rng.randbytes(end - start) + value[end:]


def _blank(rng: random.Random, value: bytes) -> bytes:
    start = rng.randrange(len(value))
    return value[:start] + bytes(len(value) - start)


def _swap(rng: random.Random, value: bytes) -> bytes:
    cut = rng.randrange(1, len(value))
    return value[cut:] + value[:cut]


DAMAGES = (
    _flip_bits,
    _overwrite,
    _blank,
    _swap,
    lambda rng, value: value[: rng.randrange(len(value))],
    lambda rng, value: value + rng.randbytes(rng.randint(1, 32)),
    lambda rng, value: rng.randbytes(len(value)),
    lambda rng, value: value[rng.randrange(1, len(value)) :],
)


def test_ten_thousand_damages_are_all_refused() -> None:
    """No bit flip, overwrite, truncation, extension, rotation or noise is taken for a vector."""
    rng = random.Random(6)
    values = [CODEC.encode(KEY, _vector(seed)) for seed in range(20)]
    accepted = 0
    tried = 0
    while tried < 10_000:
        value = rng.choice(values)
        damaged = rng.choice(DAMAGES)(rng, value)
        if damaged == value:
            continue  # the damage put back what was there
        tried += 1
        accepted += CODEC.decode(KEY, damaged) is not None
    assert accepted == 0


@given(hnp.arrays(np.float32, DIM, elements=st.floats(-60_000, 60_000, width=32)))
def test_round_trip_is_exactly_the_rounded_vector(vector: Vector) -> None:
    """What comes back is bit for bit what as_stored says, so scores cannot depend on where a vector came from."""
    decoded = CODEC.decode(KEY, CODEC.encode(KEY, vector))
    assert decoded is not None
    np.testing.assert_array_equal(decoded.astype(np.float32), as_stored(vector))


@given(hnp.arrays(np.float32, 8, elements=st.floats(-60_000, 60_000, width=32)))
def test_rounding_twice_changes_nothing(vector: Vector) -> None:
    """A vector that went through the cache can go through it again."""
    np.testing.assert_array_equal(as_stored(as_stored(vector)), as_stored(vector))


def test_a_value_belongs_to_its_key() -> None:
    """A sound value copied under another title's key is refused: the digest holds the key."""
    value = CODEC.encode(KEY, _vector(1))
    assert CODEC.decode(KEY, value) is not None
    assert CODEC.decode(CODEC.key_for("Blue sofa"), value) is None


@pytest.mark.parametrize(
    "other",
    [
        VectorCodec("rev-b", DIM),
        VectorCodec("rev-a", DIM - 1),
        VectorCodec("rev-a", DIM, b"secret"),
        VectorCodec("rev-a", DIM * 2),
    ],
    ids=["revision", "shorter", "keyed", "longer"],
)
def test_values_of_another_tower_or_key_are_refused(other: VectorCodec) -> None:
    """Revision, dimension and digest key must match, in both directions, even under the same cache key."""
    assert other.decode(KEY, CODEC.encode(KEY, _vector(1))) is None
    assert CODEC.decode(KEY, other.encode(KEY, _vector(1, other.dim))) is None


def test_forgery_needs_the_digest_key() -> None:
    """A writer who knows the format but not the key cannot make a value that a keyed reader believes."""
    forger, wrong_key = VectorCodec("rev-a", DIM), VectorCodec("rev-a", DIM, b"guess")
    reader = VectorCodec("rev-a", DIM, b"the real secret")
    assert reader.decode(KEY, forger.encode(KEY, _vector(1))) is None
    assert reader.decode(KEY, wrong_key.encode(KEY, _vector(1))) is None
    assert reader.decode(KEY, reader.encode(KEY, _vector(1))) is not None


def test_digest_keys_of_any_length_work() -> None:
    """BLAKE2b takes keys up to 64 bytes; longer secrets are not cut, so two that differ late stay different."""
    long_key, other = b"k" * 100, b"k" * 99 + b"x"
    value = VectorCodec("r", 4, long_key).encode("k", _vector(1, 4))
    assert VectorCodec("r", 4, long_key).decode("k", value) is not None
    assert VectorCodec("r", 4, other).decode("k", value) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_verify_but_are_not_finite_are_refused(bad: float) -> None:
    """A writer with the right digest still cannot plant NaN or infinity."""
    value = bytearray(CODEC.encode(KEY, _vector(1)))
    value[16:18] = np.float16(bad).tobytes()
    body = bytes(value[:-16])
    assert CODEC.decode(KEY, body + CODEC._seal.of(KEY, body)) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, 70_000.0])
def test_a_vector_that_fp16_cannot_hold_is_not_written(bad: float) -> None:
    """NaN, infinity and values beyond fp16's range are refused at the door."""
    vector = _vector(1)
    vector[7] = bad
    assert not CODEC.is_storable(vector)
    with pytest.raises(ValueError, match="finite"):
        CODEC.encode(KEY, vector)


def test_a_vector_of_another_length_is_not_written() -> None:
    """The error names the shape found and the one wanted."""
    with pytest.raises(ValueError, match=r"\(3,\) is not \(384,\)"):
        CODEC.encode(KEY, _vector(1, 3))


def test_key_is_the_contracts() -> None:
    """Prefix, tower revision, and the BLAKE2b-128 of the normalised title in hex."""
    digest = hashlib.blake2b(b"Red leather sofa", digest_size=16).hexdigest()
    assert CODEC.key_for(" Red\u200b  leather sofa ") == f"hangtag:text:v1:rev-a:{digest}"


def test_the_title_is_nowhere() -> None:
    """Neither key nor value holds any of the title's words."""
    value = CODEC.encode(KEY, _vector(1))
    assert b"leather" not in KEY.encode() + value


def test_small() -> None:
    """A value is 32 bytes larger than its fp16 payload."""
    assert len(CODEC.encode(KEY, _vector(1))) == 2 * DIM + 32


@pytest.mark.parametrize("dim", [0, -1, 70_000])
def test_impossible_dimensions_are_refused(dim: int) -> None:
    """The error names the value and the limit."""
    with pytest.raises(ValueError, match=f"{dim} numbers.*65,535"):
        VectorCodec("r", dim)
