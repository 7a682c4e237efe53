"""The models that a worker really runs on. Importing this costs seconds: torch."""

from __future__ import annotations

import os
from dataclasses import dataclass

from model.ocr import open_reader
from model.predictor import load_predictor
from model.types import Predictor, TextReader
from worker.build import threads_of
from worker.settings import Settings


@dataclass(frozen=True, slots=True)
class ShippedModels:
    """The checkpoint and the OCR engine that the settings name. See `worker.build.Models`."""

    settings: Settings

    def load_predictor(self) -> Predictor:
        """See `Models`."""
        model = self.settings.model
        num_threads = threads_of(self.settings).model
        os.environ.setdefault("RAYON_NUM_THREADS", str(num_threads))  # the tokeniser's; read when it is first used
        return load_predictor(
            model.checkpoint, model.device, model.precision_targets, model.engine, model.precision, num_threads
        )

    def open_reader(self) -> TextReader:
        """See `Models`."""
        ocr = self.settings.ocr
        return open_reader(
            num_threads=threads_of(self.settings).ocr, engine=ocr.engine, looks_everywhere=not ocr.skip_without_text
        )
