"""OCR's networks on onnxruntime, which is always installed."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import onnxruntime as ort

from model.reading.engine import Floats


class OnnxNetwork:
    """One network on onnxruntime's CPU provider. Threads do not spin between calls: others need the cores."""

    def __init__(self, path: Path, num_threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False  # shapes vary: an arena would keep the largest for ever
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def __call__(self, batch: Floats) -> Floats:
        """Run the network; see `model.reading.engine.Network`."""
        return cast(Floats, self._session.run(None, {self._input: batch})[0])
