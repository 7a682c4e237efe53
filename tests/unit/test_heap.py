"""Memory that is free goes back to the system when a start is over."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from worker.machine.heap import give_back

_PIECE, _COUNT = 64 * 1024, 1600  # bytes: small enough to come from the heap


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="another C library")
def test_free_pages_below_used_ones_go_back() -> None:
    """A single piece in use at the end keeps all that was freed before it, until it is asked back."""
    library = ctypes.CDLL(None)
    library.malloc.restype = ctypes.c_void_p
    library.free.argtypes = [ctypes.c_void_p]
    pieces = [library.malloc(_PIECE) for _ in range(_COUNT)]
    for piece in pieces:
        ctypes.memset(piece, 1, _PIECE)
    last = pieces.pop()
    for piece in pieces:
        library.free(piece)
    before = _resident_bytes()
    give_back()
    after = _resident_bytes()
    library.free(last)
    assert before - after > 0.9 * _PIECE * _COUNT
