"""Errors that the model raises; the worker maps them at its edge."""

from __future__ import annotations


class ModelError(Exception):
    """Root of everything the model package raises on purpose."""


class CheckpointError(ModelError):
    """A checkpoint that is missing, damaged, or of another format. The message says which file and what to do."""


class OutOfMemoryError(ModelError):
    """The device ran out of memory: a smaller batch may work."""
