"""Pure: which records of a partition are finished, and how that is written into a commit.

Listings finish in any order. A commit says "everything before ``offset`` is finished", and its metadata carries the
*gap map*: the records finished beyond that offset. Both come from one snapshot, in one transaction, so a restart redoes
only what was not committed.

Beside the map stands a `Mark`: which process wrote it, or that the partition was handed over cleanly. A mark that is
not clean when a partition is assigned means that its last owner died, and with it the records it had under way; the
count of such deaths is how a record that kills the process is found (`worker.partitions.quarantine`).

Gap map on the wire (ASCII, base64 of the bytes below; Kafka allows 4,096 characters):

    magic ``HG`` | version 2 | codec 0 raw or 1 deflate | writer, 4 bytes | deaths, 1 byte | until, 4 bytes
    | alone, 4 bytes | 8 bytes BLAKE2b of (committed offset, all of the above, body) | body

The body is a bitmap: bit *i* (least significant first) is set when ``committed + i`` is finished. ``until`` and
``alone`` are distances of offsets from the committed one, plus 1; 0: none. The digest covers the committed offset, so a
map that belongs to another commit is recognised as foreign. Foreign, damaged or future metadata reads as "nothing
finished beyond": work is redone, never skipped.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

MAX_METADATA_CHARACTERS = 4096
MAX_WINDOW_OFFSETS = 20_000  # a raw bitmap of this many fits MAX_METADATA_CHARACTERS with room to spare

_MAGIC = b"HG"
_VERSION = 2
_DIGEST_BYTES = 8
_SHORT_BYTES = 128
_HEAD = struct.Struct(">2sBBIBII")  # magic, version, codec, writer, deaths, until, alone
_HEADER_BYTES = _HEAD.size + _DIGEST_BYTES
MAX_DEATHS_COUNTED = 255


@dataclass(frozen=True, slots=True)
class Mark:
    """Who holds the partition. ``writer`` 0: nobody, it was handed over cleanly.

    ``deaths``: how often an owner died since the records before ``until`` were under way; without deaths ``until`` is
    one past the newest record started. ``alone``: the record run by itself, for fear that it is the one that kills.
    """

    writer: int = 0
    deaths: int = 0
    until: int | None = None
    alone: int | None = None


CLEAN = Mark()


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
    mark: Mark = CLEAN


def encode_map(committed: int, finished: Iterable[int], mark: Mark = CLEAN) -> str:
    """Metadata for a commit at ``committed``; empty where nothing is finished beyond it and the mark is clean.

    Raises ValueError for an offset outside ``[committed, committed + MAX_WINDOW_OFFSETS)``: admission keeps it inside.
    """
    indices = [offset - committed for offset in finished]
    if not indices and mark == CLEAN:
        return ""
    if indices and (min(indices) < 0 or max(indices) >= MAX_WINDOW_OFFSETS):
        raise ValueError(f"an offset lies outside the window of {MAX_WINDOW_OFFSETS} beyond {committed}")
    raw = bytearray(max(indices) // 8 + 1 if indices else 0)
    for index in indices:
        raw[index >> 3] |= 1 << (index & 7)
    # Of a short map deflating saves nothing that matters, and costs more than all the rest here.
    deflated = zlib.compress(raw, 9) if len(raw) > _SHORT_BYTES else bytes(raw)
    codec, body = (1, deflated) if len(deflated) < len(raw) else (0, bytes(raw))
    places = (0 if at is None or at < committed else at - committed + 1 for at in (mark.until, mark.alone))
    head = _HEAD.pack(_MAGIC, _VERSION, codec, mark.writer, min(mark.deaths, MAX_DEATHS_COUNTED), *places)
    return base64.b64encode(head + _digest(committed, head, body) + body).decode("ascii")


def decode_map(metadata: str | None, committed: int) -> GapMap:
    """The offsets finished beyond ``committed``. Never raises: what cannot be trusted counts as nothing finished."""
    if not metadata:
        return GapMap(frozenset())
    try:
        packed = base64.b64decode(metadata, validate=True)
    except (binascii.Error, ValueError):
        return GapMap(frozenset(), "not base64")
    if len(packed) < _HEADER_BYTES or packed[:2] != _MAGIC:
        return GapMap(frozenset(), "not written by hangtag")
    _, version, codec, writer, deaths, *places = _HEAD.unpack_from(packed)
    digest, body = packed[_HEAD.size : _HEADER_BYTES], packed[_HEADER_BYTES:]
    if version != _VERSION or codec not in (0, 1):
        return GapMap(frozenset(), f"version {version}, codec {codec}; this program reads version {_VERSION}")
    if digest != _digest(committed, packed[: _HEAD.size], body):
        return GapMap(frozenset(), "damaged, or of another commit")
    raw = _inflate(body) if codec else body
    if raw is None or len(raw) * 8 > MAX_WINDOW_OFFSETS + 8:
        return GapMap(frozenset(), "larger than the window")
    until, alone = (committed + place - 1 if place else None for place in places)
    mark = Mark(writer, deaths, until, alone)
    return GapMap(frozenset(committed + index for index in _set_bits(raw)), mark=mark)


def _digest(committed: int, head: bytes, body: bytes) -> bytes:
    return blake2b(committed.to_bytes(8, "big") + head + body, digest_size=_DIGEST_BYTES).digest()


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
    def next_offset(self) -> int:
        """The offset after the newest one delivered."""
        return self._next

    def is_finished(self, offset: int) -> bool:
        """Was it finished before, or lies before where this ledger starts?"""
        return offset < self._trimmed_to or offset in self._finished

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

    def pass_to(self, offset: int) -> None:
        """Nothing more comes before ``offset``: what was not delivered there is a hole."""
        self._next = max(self._next, offset)

    def finish(self, offset: int) -> None:
        """A record is done. Raises KeyError for one that is not open: finishing twice is a bug."""
        del self._open[offset]
        self._finished.add(offset)
        self._trim()

    def position(self, mark: Mark = CLEAN) -> Position:
        """What to commit now."""
        committed = self.committable
        beyond = (offset for offset in self._finished if offset >= committed)
        return Position(committed, encode_map(committed, beyond, mark))

    def _trim(self) -> None:
        committed = self.committable
        if committed - self._trimmed_to > len(self._finished) // 2:  # amortised: each offset is copied a few times
            self._finished = {offset for offset in self._finished if offset >= committed}
            self._trimmed_to = committed
