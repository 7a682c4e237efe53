"""Pure: how the cores are shared out between model, OCR and decoders.

With a GPU everything overlaps, so OCR and decoders take the cores. With the CPU as the device they share them on
purpose: more threads than cores only take turns, and OpenMP's wait for each other. OCR is the dearest by far.
"""

from __future__ import annotations

from dataclasses import dataclass

_MOST_OCR = 8  # its networks are small: more threads gain nothing


@dataclass(frozen=True, slots=True)
class ThreadPlan:
    """Threads of the model's engine and of OCR's, and decoder processes that may be busy at once."""

    model: int
    ocr: int
    decoders: int


@dataclass(frozen=True, slots=True)
class Asked:
    """What the operator fixed; None is left to the plan."""

    model: int | None = None
    ocr: int | None = None
    decoders: int | None = None


def plan_threads(cores: int, asked: Asked, *, on_gpu: bool, reads: bool) -> ThreadPlan:
    """The plan for so many ``cores``. ``reads``: OCR is on."""
    if on_gpu:
        # One decoder more than cores: it works while another waits for the event loop to bring its next picture.
        model, ocr, decoders = 1, cores * 2 // 3, cores // 3 if reads else cores + 1
    elif reads:
        model, ocr, decoders = cores // 4, cores - max(1, cores // 4) - cores // 8, cores // 8
    else:
        model, ocr, decoders = cores - cores // 3, 1, cores // 3
    return ThreadPlan(
        asked.model or max(1, model), asked.ocr or max(1, min(ocr, _MOST_OCR)), asked.decoders or max(1, decoders)
    )
