"""Errors that the model raises; the worker maps them at its edge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class ModelError(Exception):
    """Root of everything the model package raises on purpose."""


class CheckpointError(ModelError):
    """A checkpoint that is missing, damaged, or of another format. The message says which file and what to do."""


class OutOfMemoryError(ModelError):
    """The device ran out of memory: a smaller batch may work."""


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Maps whatever a reader of one of a checkpoint's files raises; tokenizers raises bare Exception."""
    try:
        yield
    except CheckpointError:
        raise
    except Exception as error:
        words = f"{type(error).__name__}: {str(error)[:200]}"
        raise CheckpointError(f"{name} of the checkpoint cannot be read: {words}; copy the folder again") from error
