"""What a decoder process that was taken over can say: none is believed, none costs more than its picture."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from schemas.deadletter import Reason
from tests.unit.decoder_pools import GOOD, alive, jail_in, pool, refused
from worker.decode import Decoder
from worker.item import DecodedImage

LIAR = """
import mmap, os, sys, time, json
from struct import Struct
told = json.loads(sys.argv[1])
shared = mmap.mmap(told["shared_file"], told["shared_bytes"])
answer, out, read = Struct(">cIIIII"), sys.stdout.buffer, sys.stdin.buffer.read
def send(*numbers, more=b""):
    out.write(answer.pack(*numbers) + more); out.flush()
send(b"R", 0, 0, 0, 0, 0)
while read(4):
    LIE
"""


@asynccontextmanager
async def lied_to(lie: str, folder: Path) -> AsyncIterator[Decoder]:
    """A decoder whose processes were taken over, and run ``lie`` for each picture."""
    jail_in(folder, LIAR.replace("LIE", lie.replace("\n", "\n    ")))
    sys.path.insert(0, str(folder))
    try:
        async with pool(seconds=1.0) as decoder:
            yield decoder
    finally:
        sys.path.remove(str(folder))


@pytest.mark.parametrize(
    "lie",
    [
        'send(b"P", 9, 9, 32, 65, 64)',
        'send(b"P", 9, 9, 4_000_000_000, 4, 4)',
        'send(b"P", 9, 9, 32, 0, 64)',
        'send(b"P", 0, 9, 32, 4, 4)',
        'send(b"Q", 9, 9, 32, 4, 4)',
        'send(b"E", 4_000_000_000, 0, 0, 0, 0)',
        'send(b"E", 0, 4_000_000_000, 0, 0, 0)',
        'send(b"E", 0, 301, 0, 0, 0, more=b"w" * 301)',
        'send(b"E", 5, 4, 0, 0, 0, more=b"nope")',
        'send(b"E", 4000, 0, 0, 0, 0, more=b"[" * 4000)',
        'os._exit(3)',
    ],
)  # fmt: skip
async def test_lies_are_not_believed(lie: str, tmp_path: Path) -> None:
    """Sizes, reasons and lengths that cannot be cost the process its life, and the picture is refused."""
    async with lied_to(lie, tmp_path) as decoder:
        before = set(decoder.pids)
        assert (await refused(decoder, GOOD.body)).reason is Reason.DECODE_FAILED
        await alive(decoder, 2, new_since=before)


async def test_words_are_taken_as_they_are(tmp_path: Path) -> None:
    """Whatever a process says of a picture ends up as text that an event can hold, and costs the process nothing."""
    words = b"[" * 100 + b'\\ud83d {"reason":"worker_crashed"} \xff\xed\xa0\xbd'
    async with lied_to(f'send(b"E", 3, {len(words)}, 0, 0, 0, more={words!r})', tmp_path) as decoder:
        before = set(decoder.pids)
        error = await refused(decoder, GOOD.body)
        assert (error.reason, error.detail) == (Reason.CORRUPT_IMAGE, words.decode(errors="replace"))
        assert error.detail.encode()
        assert (await refused(decoder, GOOD.body)).reason is Reason.CORRUPT_IMAGE
        assert set(decoder.pids) == before


async def test_shared_memory_can_be_neither_pulled_away_nor_changed_later(tmp_path: Path) -> None:
    """A process that was taken over cannot shrink the file under the worker, nor touch pixels it has handed over."""
    lie = """try: os.ftruncate(told["shared_file"], 0); broken = 7
except OSError: broken = 1
shared[:20000] = bytes([broken]) * 20000
send(b"P", 9, 9, 32, 4, 4)
shared[:20000] = bytes([99]) * 20000"""
    async with lied_to(lie, tmp_path) as decoder:
        found: list[DecodedImage] = [await decoder.decode(GOOD) for _ in range(5)]
    for one in found:  # a byte written late may be in the copy, but what is copied stays
        assert set(np.unique(one.pixels)) <= {1, 99}
        was = one.pixels.copy()
        assert np.array_equal(one.pixels, was) and one.pixels.flags.writeable
