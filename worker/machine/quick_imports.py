"""How a worker's process imports torch and all else: without the garbage collector, which would go over a quarter of a
million objects that stay, time and again; and with OpenMP told, which listens only then, to let idle threads sleep.
"""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_imports() -> Iterator[None]:
    """What is imported within stays for the life of the process, and is never looked at for garbage: with torch and all
    else of a worker that saves a quarter of the imports' time, and once more as much when a collection follows.

    Between two layers OpenMP's threads would keep their cores busy with waiting: an eighth of the model's processor
    time on two cores, which decoders and the event loop have use for. What the environment says of it holds.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        atexit.register(gc.unfreeze)  # or native modules take what is never collected for a leak, and say so
