"""The C library's heap after a start: what loading needed for a moment goes back to the system."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Return the free pages of all arenas, which the GNU library keeps; with another library this does nothing."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
