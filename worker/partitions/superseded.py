"""Which records of a stretch have a later one of the same key, found in bounded memory.

Keys are remembered by digest, so many at a time as a limit allows. When there are more, half of them (by their digest)
are forgotten and left to another pass over the same records; so a stretch with many keys costs passes, not memory. What
is found is one bit per offset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b

from worker.partitions.offset_set import OffsetSet

MAX_KEYS = 500_000  # about 200 bytes each

_DIGEST_BYTES = 16  # two keys that share one would lose a listing: 128 bits make that unthinkable


@dataclass(frozen=True, slots=True)
class Keyed:
    """A record's place and key. ``rank``: the offset at which it first stood; lower than ``offset`` after a redrive."""

    offset: int
    key: bytes | None
    rank: int


class Superseded(OffsetSet):
    """Those found so far."""

    def __init__(self, first: int, end: int) -> None:
        super().__init__(first, end)
        self.num_records = 0  # met in the stretch, superseded or not
        self.num_superseded = 0

    def add(self, offset: int) -> None:
        """From now on it is in."""
        self.num_superseded += self.first <= offset < self.end and offset not in self
        super().add(offset)


NONE_SUPERSEDED = Superseded(0, 0)


def find_superseded(first: int, end: int, read: Callable[[], Iterable[Keyed]], max_keys: int = MAX_KEYS) -> Superseded:
    """The records in ``[first, end)`` that are not the newest of their key.

    ``read`` gives all records from ``first`` to where later ones count, in offset order, again at each call. The newest
    is the one with the highest rank, and of two with the same the later. A record without a key, or with an empty one,
    is never superseded.
    """
    found = Superseded(first, end)
    shares = [(0, 1)]  # of the digests: remainder and modulus
    while shares:
        remainder, modulus = shares.pop()
        is_first_pass = modulus == 1
        newest: dict[bytes, tuple[int, int]] = {}
        for record in read():
            found.num_records += is_first_pass and record.offset < end
            if not record.key or _number(digest := _digest(record.key)) % modulus != remainder:
                continue
            _enter(newest, digest, record, found)
            while len(newest) > max_keys:
                shares.append((remainder + modulus, modulus * 2))
                modulus *= 2
                newest = {one: at for one, at in newest.items() if _number(one) % modulus == remainder}
    return found


def _enter(newest: dict[bytes, tuple[int, int]], digest: bytes, record: Keyed, found: Superseded) -> None:
    rank, offset = newest.get(digest, (-1, -1))
    if record.rank < rank:
        found.add(record.offset)
        return
    if offset >= 0:
        found.add(offset)
    newest[digest] = (record.rank, record.offset)


def _digest(key: bytes) -> bytes:
    return blake2b(key, digest_size=_DIGEST_BYTES).digest()


def _number(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "big")
