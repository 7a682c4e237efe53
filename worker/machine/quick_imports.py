"""Imports without the garbage collector: it would go over a quarter of a million objects that stay, time and again."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_imports() -> Iterator[None]:
    """What is imported within stays for the life of the process, and is never looked at for garbage: with torch and all
    else of a worker that saves a quarter of the imports' time, and once more as much when a collection follows.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        atexit.register(gc.unfreeze)  # or native modules take what is never collected for a leak, and say so
