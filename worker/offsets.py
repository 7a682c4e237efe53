"""Pure: which records of a partition are finished, and how that is written into a commit.

Listings finish in any order. A commit says "everything before ``offset`` is finished", and its metadata carries the
*gap map*: the records finished beyond that offset. Both come from one snapshot, in one transaction, so a restart redoes
only what was not committed.

Gap map on the wire (ASCII, base64 of the bytes below; Kafka allows 4,096 characters):

    magic ``HG`` | version 1 | codec 0 raw or 1 deflate | 8 bytes BLAKE2b of (committed offset, codec, body) | body

The body is a bitmap: bit *i* (least significant first) is set when ``committed + i`` is finished. The digest covers the
committed offset, so a map that belongs to another commit is recognised as foreign. Foreign, damaged or future metadata
reads as "nothing finished beyond": work is redone, never skipped.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

MAX_METADATA_CHARACTERS = 4096
MAX_WINDOW_OFFSETS = 20_000  # a raw bitmap of this many fits MAX_METADATA_CHARACTERS with room to spare

_MAGIC = b"HG"
_VERSION = 1
_DIGEST_BYTES = 8
_HEADER_BYTES = len(_MAGIC) + 2 + _DIGEST_BYTES


@dataclass(frozen=True, slots=True)
class Position:
    """What one partition commits: the next offset to read, and the gap map beyond it."""

    offset: int
    metadata: str


@dataclass(frozen=True, slots=True)
class GapMap:
    """A decoded gap map. ``foreign`` says why metadata was there but could not be used."""

    finished: frozenset[int]
    foreign: str | None = None


def encode_map(committed: int, finished: Iterable[int]) -> str:
    """Metadata for a commit at ``committed``; empty where nothing is finished beyond it.

    Raises ValueError for an offset outside ``[committed, committed + MAX_WINDOW_OFFSETS)``: admission keeps it inside.
    """
    indices = [offset - committed for offset in finished]
    if not indices:
        return ""
    if min(indices) < 0 or max(indices) >= MAX_WINDOW_OFFSETS:
        raise ValueError(f"an offset lies outside the window of {MAX_WINDOW_OFFSETS} beyond {committed}")
    raw = bytearray(max(indices) // 8 + 1)
    for index in indices:
        raw[index >> 3] |= 1 << (index & 7)
    deflated = zlib.compress(raw, 9)
    codec, body = (1, deflated) if len(deflated) < len(raw) else (0, bytes(raw))
    packed = _MAGIC + bytes((_VERSION, codec)) + _digest(committed, codec, body) + body
    return base64.b64encode(packed).decode("ascii")


def decode_map(metadata: str | None, committed: int) -> GapMap:
    """The offsets finished beyond ``committed``. Never raises: what cannot be trusted counts as nothing finished."""
    if not metadata:
        return GapMap(frozenset())
    try:
        packed = base64.b64decode(metadata, validate=True)
    except (binascii.Error, ValueError):
        return GapMap(frozenset(), "not base64")
    if len(packed) <= _HEADER_BYTES or packed[:2] != _MAGIC:
        return GapMap(frozenset(), "not written by hangtag")
    version, codec = packed[2], packed[3]
    digest, body = packed[4:_HEADER_BYTES], packed[_HEADER_BYTES:]
    if version != _VERSION or codec not in (0, 1):
        return GapMap(frozenset(), f"version {version}, codec {codec}; this program reads version {_VERSION}")
    if digest != _digest(committed, codec, body):
        return GapMap(frozenset(), "damaged, or of another commit")
    raw = _inflate(body) if codec else body
    if raw is None or len(raw) * 8 > MAX_WINDOW_OFFSETS + 8:
        return GapMap(frozenset(), "larger than the window")
    return GapMap(frozenset(committed + index for index in _set_bits(raw)))


def _digest(committed: int, codec: int, body: bytes) -> bytes:
    return blake2b(committed.to_bytes(8, "big") + bytes((codec,)) + body, digest_size=_DIGEST_BYTES).digest()


def _inflate(body: bytes) -> bytes | None:
    engine = zlib.decompressobj()
    try:
        raw = engine.decompress(body, MAX_WINDOW_OFFSETS // 8 + 2)
    except zlib.error:
        return None
    return raw if engine.eof else None


def _set_bits(raw: bytes) -> Iterable[int]:
    for base, byte in enumerate(raw):
        yield from (base * 8 + bit for bit in range(8) if byte >> bit & 1)


class PartitionLedger:
    """The records of one partition between the committed offset and the newest one delivered.

    Records are delivered in offset order (with holes: compacted, aborted and control offsets never arrive) and finish
    in any order. Owner: the event loop.
    """

    def __init__(self, start: int, finished: frozenset[int] = frozenset()) -> None:
        self._next = start  # everything below was delivered
        self._open: OrderedDict[int, None] = OrderedDict()  # delivered, unfinished, ascending
        self._finished = {offset for offset in finished if offset >= start}
        self._trimmed_to = start

    @property
    def committable(self) -> int:
        """The offset up to which everything delivered is finished."""
        return next(iter(self._open), self._next)

    @property
    def num_open(self) -> int:
        """Records delivered and not finished."""
        return len(self._open)

    def has_room(self, offset: int) -> bool:
        """May ``offset`` be delivered now, so that the gap map is sure to fit its 4,096 characters?"""
        return offset < self.committable + MAX_WINDOW_OFFSETS

    def deliver(self, offset: int) -> bool:
        """Take note of a record. False: it was finished before (or seen already), so skip it."""
        if offset < self._next:
            return False
        self._next = offset + 1
        if offset in self._finished:
            self._trim()
            return False
        self._open[offset] = None
        return True

    def finish(self, offset: int) -> None:
        """A record is done. Raises KeyError for one that is not open: finishing twice is a bug."""
        del self._open[offset]
        self._finished.add(offset)
        self._trim()

    def position(self) -> Position:
        """What to commit now."""
        committed = self.committable
        return Position(committed, encode_map(committed, (offset for offset in self._finished if offset >= committed)))

    def _trim(self) -> None:
        committed = self.committable
        if committed - self._trimmed_to > len(self._finished) // 2:  # amortised: each offset is copied a few times
            self._finished = {offset for offset in self._finished if offset >= committed}
            self._trimmed_to = committed
