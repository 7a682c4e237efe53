"""Title vectors as bytes that check themselves, and the keys they stand under.

A value is 16 bytes of head, the vector as little-endian fp16, and a 16-byte BLAKE2b digest over the cache key, the head
and the vector. The key is part of the digest, so a value copied under another key does not verify. Without a
``digest_key`` the digest proves against damage; with one, also against a writer who does not know it.
Titles themselves are in neither the key nor the value.
"""

from __future__ import annotations

import hashlib
import struct

import numpy as np
import numpy.typing as npt

from worker.cache.seal import SEAL_BYTES, Seal
from worker.normalise import normalise_title

Vector = npt.NDArray[np.float32]
StoredVector = npt.NDArray[np.float16]

KEY_PREFIX = "hangtag:text:v1:"

_HEAD = struct.Struct("<3sBBxH8s")
_MAGIC = b"HTV"
_VERSION = 1
_FP16 = 1
_REVISION_BYTES = 8
_PERSON = b"hangtag-vector"
_MAX_DIM = 0xFFFF


def round_to_stored(vector: Vector) -> StoredVector:
    """The vector as the cache holds it, ``(D,)`` fp16. Values beyond fp16's range become infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return vector.astype(np.float16)


def as_stored(vector: Vector) -> Vector:
    """The vector as it comes back from the cache: ``(D,)`` float32 whose values are fp16's.

    Whoever computes a vector passes it through here before use, so that scores do not depend on where it came from.
    """
    return round_to_stored(vector).astype(np.float32)


class VectorCodec:
    """Writes and verifies the vectors of one text tower. ``revision`` is the tower's, ``dim`` its vectors' length."""

    def __init__(self, revision: str, dim: int, digest_key: bytes = b"") -> None:
        if not 0 < dim <= _MAX_DIM:
            raise ValueError(f"a vector of {dim} numbers cannot be cached; the format holds 1 to {_MAX_DIM:,}")
        self.revision = revision
        self.dim = dim
        self._seal = Seal(_PERSON, digest_key)
        self._head = _HEAD.pack(_MAGIC, _VERSION, _FP16, dim, _digest(revision.encode(), _REVISION_BYTES))
        self._num_bytes = len(self._head) + 2 * dim + SEAL_BYTES

    def key_for(self, title: str) -> str:
        """The cache key of a title: the same for every way of writing it that means the same."""
        return f"{KEY_PREFIX}{self.revision}:{_digest(normalise_title(title).encode(), 16).hex()}"

    def is_storable(self, vector: Vector | StoredVector) -> bool:
        """Whether it has this tower's shape and stays finite in fp16."""
        return vector.shape == (self.dim,) and bool(np.isfinite(round_to_stored(np.asarray(vector, np.float32))).all())

    def encode(self, key: str, vector: Vector | StoredVector) -> bytes:
        """The value to store under ``key``. Raises ValueError unless ``is_storable(vector)``."""
        if not self.is_storable(vector):
            raise ValueError(f"a vector of shape {vector.shape} is not ({self.dim},) and finite in fp16")
        body = self._head + vector.astype("<f2").tobytes()
        return body + self._seal.of(key, body)

    def decode(self, key: str, value: bytes) -> StoredVector | None:
        """The vector ``(D,)`` fp16 stored under ``key``, or None for anything that does not verify."""
        if len(value) != self._num_bytes or not value.startswith(self._head):
            return None
        body = self._seal.opened(key, value)
        if body is None:
            return None
        vector = np.frombuffer(body, "<f2", offset=len(self._head)).astype(np.float16)
        return vector if bool(np.isfinite(vector).all()) else None


def _digest(data: bytes, num_bytes: int) -> bytes:
    return hashlib.blake2b(data, digest_size=num_bytes).digest()
