"""OCR's networks on OpenVINO, where it is installed (``hangtag[openvino]``): the same files, the same interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np

from model.errors import CheckpointError
from model.reading.engine import Floats
from model.runtime.openvino_runtime import has_openvino, open_core


class OpenVinoNetwork:
    """One network on OpenVINO's CPU plugin. See `model.reading.engine.Network`."""

    def __init__(self, path: Path, num_threads: int, precision: str = "f32") -> None:
        if not has_openvino():
            raise CheckpointError("OpenVINO is not installed; pip install 'hangtag[openvino]', or set ocr.engine")
        config: dict[str, Any] = {
            "INFERENCE_NUM_THREADS": num_threads,
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # the cores are shared with the model and the decoders
            "CPU_RUNTIME_CACHE_CAPACITY": 64,  # shapes vary: each kept kernel costs memory
        }
        self._model = open_core().compile_model(str(path), "CPU", config)
        self._request: Any = self._model.create_infer_request()

    def __call__(self, batch: Floats) -> Floats:
        """Run the network; see `model.reading.engine.Network`."""
        request = self._request or self._model.create_infer_request()
        self._request = None  # one that has failed is asked no more: after running out of memory it ends the process
        request.infer({0: batch})
        found = cast(Floats, np.array(request.get_output_tensor(0).data, np.float32))
        self._request = request
        return found
