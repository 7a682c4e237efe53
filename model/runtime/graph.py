"""What OpenVINO graphs of known towers are built of: a file's arrays, each taken once, and the layers that both share.

Built from its weights a graph needs neither torch's tracer nor the library that describes the tower: `timm` and
`transformers` take twice as long to import as all else that a worker loads (`make bench BENCHES=start`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

from model.errors import CheckpointError, reading
from model.runtime.openvino_runtime import openvino_runtime

Array = npt.NDArray[Any]


class Weights:
    """The arrays of one file, by name. Every array must be taken, in the shape that the graph needs."""

    def __init__(self, arrays: Mapping[str, Array], file: str) -> None:
        self._left = dict(arrays)
        self._file = file

    @classmethod
    def read(cls, path: Path) -> Weights:
        """From a safetensors file. Raises CheckpointError."""
        with reading(path.name):
            return cls(load_file(path), path.name)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def take(self, name: str, *shape: int) -> Array:
        """One array, as it is stored. A side given as -1 may be of any length. Raises CheckpointError."""
        found = self._left.pop(name, None)
        if found is None:
            raise self._misfit(f"it lacks {name}")
        wanted = tuple(own if side == -1 else side for side, own in zip(shape, found.shape, strict=False))
        if found.shape != wanted or len(shape) != len(wanted):
            raise self._misfit(f"{name} has shape {found.shape}, not {shape}")
        return found

    def drop(self, *endings: str) -> None:
        """Forget what a graph has no use for, by the names' last part."""
        self._left = {name: one for name, one in self._left.items() if not name.endswith(endings)}

    def close(self) -> None:
        """All that is left over would be ignored: raises CheckpointError."""
        if self._left:
            raise self._misfit(f"it holds {min(self._left)} beyond what the tower has")

    def _misfit(self, words: str) -> CheckpointError:
        return CheckpointError(f"{self._file} does not fit the checkpoint's config.json: {words}")


class Layers:
    """Makes nodes from weights: float32 whatever they are stored as."""

    def __init__(self, weights: Weights) -> None:
        openvino_runtime()  # imports it without its telemetry
        from openvino import opset15

        self.ops: Any = opset15
        self.weights = weights

    def constant(self, array: Array) -> Any:
        """A float32 constant that shares the array's memory where it can."""
        return self.ops.constant(np.ascontiguousarray(array, np.float32), shared_memory=True)

    def integers(self, *numbers: int) -> Any:
        """A list of int64."""
        return self.ops.constant(np.array(numbers, np.int64))

    def table(self, name: str, rows: int, width: int, places: Any) -> Any:
        """Rows of a table, by number. The table stays as stored, fp16 takes half the memory; rows become float32."""
        table = self.ops.constant(self.weights.take(name, rows, width), shared_memory=True)
        return self.ops.convert(self.ops.gather(table, places, self.integers(0)), "f32")

    def linear(self, value: Any, name: str, wide: int, narrow: int) -> Any:
        """``value`` (…, ``narrow``) to (…, ``wide``), with its bias."""
        weight = self.constant(self.weights.take(f"{name}.weight", wide, narrow))
        bias = self.constant(self.weights.take(f"{name}.bias", wide))
        return self.ops.add(self.ops.matmul(value, weight, False, True), bias)

    def layer_norm(self, value: Any, name: str, width: int, epsilon: float) -> Any:
        """Over the last axis."""
        normal = self.ops.mvn(value, self.integers(-1), True, epsilon, "INSIDE_SQRT")
        scaled = self.ops.multiply(normal, self.constant(self.weights.take(f"{name}.weight", width)))
        return self.ops.add(scaled, self.constant(self.weights.take(f"{name}.bias", width)))

    def batch_norm(self, value: Any, name: str, width: int, epsilon: float) -> Any:
        """Over the second axis, with what training measured."""
        parts = [
            self.constant(self.weights.take(f"{name}.{one}", width))
            for one in ("weight", "bias", "running_mean", "running_var")
        ]
        return self.ops.batch_norm_inference(value, *parts, epsilon)

    def model(self, result: Any, inputs: list[Any]) -> Any:
        """The finished graph. Raises CheckpointError when weights were left over."""
        self.weights.close()
        return openvino_runtime().Model([result], inputs)
