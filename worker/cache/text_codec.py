"""What was read in a picture as bytes that check themselves, and the keys they stand under.

A value is 12 bytes of head, compressed JSON, and a 16-byte BLAKE2b digest over the cache key, the head and the JSON, as
for title vectors (`worker.cache.vector_codec`): a value that was damaged, cut or copied under another key does not
verify, and with a ``digest_key`` neither does one that somebody without the key wrote. What verifies must still have
the shapes and ranges that a reader gives. The key is made of the picture's content hash, not of its address.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from typing import Any, get_args

from model.types import ReadText, Role, TextLine
from worker.cache.seal import Seal

KEY_PREFIX = "hangtag:text:v1:"  # the prefix that an ACL for title vectors lets us use

_HEAD = struct.Struct("<3sB8s")
_MAGIC = b"HTR"
_VERSION = 2  # 1 had no struck spans
_PERSON = b"hangtag-reading"
_MAX_BYTES = 1 << 20  # of JSON; what is longer is not kept
_MAX_LINES = 1_000
_ROLES = frozenset(get_args(Role))


class TextCodec:
    """Writes and verifies what one OCR engine read. ``revision`` is the engine's with all that decides its results."""

    def __init__(self, revision: str, digest_key: bytes = b"") -> None:
        self._revision = hashlib.blake2b(revision.encode(), digest_size=8).digest()
        self._seal = Seal(_PERSON, digest_key)
        self._head = _HEAD.pack(_MAGIC, _VERSION, self._revision)

    def key_for(self, sha256: str) -> str:
        """The cache key of a picture by its content's SHA-256, hex."""
        return f"{KEY_PREFIX}read.{self._revision.hex()}:{sha256}"

    def encode(self, key: str, text: ReadText) -> bytes | None:
        """The value to store under ``key``, None for one too long to keep."""
        lines = [[one.text, one.score, one.polygon, one.role, one.struck] for one in text.lines]
        plain = json.dumps([text.truncated, lines], ensure_ascii=False, separators=(",", ":")).encode()
        if len(plain) > _MAX_BYTES or len(lines) > _MAX_LINES:
            return None
        body = self._head + zlib.compress(plain, 6)
        return body + self._seal.of(key, body)

    def decode(self, key: str, value: bytes) -> ReadText | None:
        """What was read, or None for anything that does not verify."""
        body = self._seal.opened(key, value)
        if body is None or not body.startswith(self._head):
            return None
        try:
            unpacker = zlib.decompressobj()
            plain = unpacker.decompress(body[_HEAD.size :], _MAX_BYTES)
            return _text(json.loads(plain)) if unpacker.eof else None
        except (zlib.error, ValueError, TypeError, RecursionError):
            return None


def _text(found: Any) -> ReadText | None:
    truncated, lines = found
    if not isinstance(truncated, bool) or len(lines) > _MAX_LINES:
        return None
    read = [_line(*line) for line in lines]
    known = tuple(line for line in read if line is not None)
    return ReadText(known, truncated) if len(known) == len(read) else None


def _line(text: Any, score: Any, polygon: Any, role: Any, struck: Any) -> TextLine | None:
    """One line as a reader gives it, or None."""
    corners = tuple((x, y) for x, y in polygon)
    numbers = [score, *(side for corner in corners for side in corner)]
    # Compared before anything is made a float of: JSON's whole numbers may be longer than a float holds. NaN fails too.
    sound = all(type(one) in {float, int} and 0 <= one <= 1 for one in numbers)
    if not sound or len(corners) != 4 or not isinstance(text, str) or not text or role not in _ROLES:
        return None
    text.encode()  # raises ValueError for half a character, which JSON can write and no event could hold
    spans = tuple((start, end) for start, end in struck)
    if not all(type(one) is int for span in spans for one in span) or not all(
        0 <= a < b <= len(text) for a, b in spans
    ):
        return None
    return TextLine(text, float(score), tuple((float(x), float(y)) for x, y in corners), role, spans)
