"""What the towers run on: torch on any device, or OpenVINO on a CPU (``hangtag[openvino]``).

An engine takes a tower as the checkpoint gives it and runs it; whoever calls it need not know which one it is. On a CPU
OpenVINO needs a third of torch's processor time, and a seventh in bf16 where the CPU computes in it (`make bench`). In
int8 it runs a tower whose checkpoint knows what to round to (`model.runtime.quantise`).
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from model.errors import CheckpointError
from model.runtime.cuda_lane import CudaImages
from model.runtime.openvino_runtime import has_openvino, open_core, openvino_runtime
from model.runtime.quantise import Quantisation, rounded
from model.text import TextTower

Engine = Literal["auto", "torch", "openvino"]
Precision = Literal["auto", "fp32", "bf16", "int8"]

log = logging.getLogger(__name__)

_FIRST_WITH_BF16 = (8, 0)  # compute capability: Ampere
_HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}  # of int8 what is left when the rounded layers are taken out


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """An engine and the precision it computes in. ``num_threads`` 0: the engine's own default."""

    engine: Literal["torch", "openvino"]
    precision: Literal["fp32", "bf16", "int8"]
    num_threads: int = 0

    @property
    def name(self) -> str:
        """As it stands in metrics, in ``doctor`` and in the model's revision."""
        return f"{self.engine} {self.precision}"

    @property
    def exact(self) -> EngineChoice:
        """The same engine in fp32."""
        return EngineChoice(self.engine, "fp32", self.num_threads)


def choose_engine(
    device: torch.device,
    engine: Engine = "auto",
    precision: Precision = "auto",
    num_threads: int = 0,
    quantisation: Quantisation | None = None,
) -> EngineChoice:
    """``auto`` is OpenVINO on a CPU where it is installed: in int8 where the checkpoint's measurement says that no tag
    suffers, else in bf16 where the CPU has instructions for it. On a GPU it is torch, in bf16 where the GPU has it.
    Raises CheckpointError for what this machine, this engine or this checkpoint cannot do.
    """
    on_cpu = device.type == "cpu"
    if engine == "openvino" and not on_cpu:
        raise CheckpointError(f"model.engine=openvino runs on a CPU, the device is {device}; set model.device to cpu")
    if engine == "openvino" and not has_openvino():
        raise CheckpointError("model.engine=openvino, but it is not installed: pip install 'hangtag[openvino]'")
    if not on_cpu:
        return EngineChoice("torch", _choose_on_gpu(device, precision))
    if engine == "torch" or not has_openvino():
        if precision in ("bf16", "int8"):
            raise CheckpointError(f"model.precision={precision} needs model.engine=openvino; set one or the other")
        return EngineChoice("torch", "fp32", num_threads)
    return EngineChoice("openvino", _choose_precision(precision, quantisation), num_threads)


def _choose_on_gpu(device: torch.device, precision: Precision) -> Literal["fp32", "bf16"]:
    if precision == "int8":
        raise CheckpointError(f"model.precision=int8 runs on a CPU, the device is {device}; set it to auto")
    has_bf16 = torch.cuda.is_available() and torch.cuda.get_device_capability(device) >= _FIRST_WITH_BF16
    if precision == "bf16" and not has_bf16:
        raise CheckpointError(f"model.precision=bf16, but {device} does not compute in it; set it to auto or fp32")
    return "bf16" if has_bf16 and precision != "fp32" else "fp32"


def _choose_precision(precision: Precision, quantisation: Quantisation | None) -> Literal["fp32", "bf16", "int8"]:
    """OpenVINO's, on a CPU."""
    if precision == "int8" and quantisation is None:
        raise CheckpointError(
            "model.precision=int8, but nobody measured what the checkpoint's layers see; run hangtag train --quantise, "
            "or set model.precision to auto"
        )
    if precision == "auto" and quantisation is not None and quantisation.is_harmless:
        return "int8"
    has_bf16 = "BF16" in open_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "auto":
        return "bf16" if has_bf16 else "fp32"
    if precision == "bf16" and not has_bf16:
        raise CheckpointError("model.precision=bf16, but this CPU has no bf16 instructions; set it to auto or fp32")
    return precision


class TorchImages:
    """The image tower on torch, on the CPU: (P, S, S, 3) uint8 to (P, D)."""

    def __init__(self, tower: torch.nn.Module, device: torch.device) -> None:
        self._tower = tower.to(device).to(memory_format=torch.channels_last)
        self._device = device

    def __call__(self, pictures: npt.NDArray[np.uint8]) -> torch.Tensor:
        """Features of a batch."""
        features: torch.Tensor = self._tower(torch.from_numpy(pictures).to(self._device))
        return features


class OpenVinoImages:
    """The image tower on OpenVINO: (P, S, S, 3) uint8 to (P, D) on the CPU."""

    def __init__(self, request: Any) -> None:
        self._request = request

    def convolution_types(self) -> Counter[str]:
        """How many convolutions compute in which type, once a batch ran: ``u8`` or ``i8`` are int8 kernels."""
        layers = self._request.get_compiled_model().get_runtime_model().get_ordered_ops()
        told = [layer.get_rt_info() for layer in layers]
        return Counter(
            one["runtimePrecision"].astype(str) for one in told if one["layerType"].astype(str) == "Convolution"
        )

    def __call__(self, pictures: npt.NDArray[np.uint8]) -> torch.Tensor:
        """Features of a batch."""
        self._request.infer({0: pictures})
        return torch.from_numpy(np.array(self._request.get_output_tensor(0).data, np.float32))


def open_images(
    tower: torch.nn.Module,
    side: int,
    device: torch.device,
    choice: EngineChoice,
    quantisation: Quantisation | None = None,
) -> Callable[..., torch.Tensor]:
    """The image tower on the chosen engine: (P, ``side``, ``side``, 3) uint8 array to (P, D) on the CPU.

    ``quantisation`` is what int8 needs.
    """
    if choice.engine == "openvino":
        try:
            return _traced_images(tower, side, choice, quantisation)
        except Exception as error:  # the tracer and OpenVINO raise what they like
            _say_fallen("a tower of pictures", error)
    if device.type == "cuda":
        return CudaImages(tower, side, device, choice.precision)
    return TorchImages(tower, device)


def _traced_images(
    tower: torch.nn.Module, side: int, choice: EngineChoice, quantisation: Quantisation | None
) -> OpenVinoImages:
    example = torch.zeros(2, side, side, 3, dtype=torch.uint8)
    module: torch.nn.Module = tower
    if choice.precision == "int8" and quantisation is not None:
        module = rounded(tower, quantisation.ranges)
    return OpenVinoImages(_compiled(module, (example,), [(-1, side, side, 3)], choice))


def move_texts(tower: TextTower, choice: EngineChoice) -> None:
    """Let the text tower's encoder run on the chosen engine, in fp32 always: its vectors are kept and compared."""
    if choice.engine == "openvino":
        ids, mask = torch.ones(2, 8, dtype=torch.long), torch.ones(2, 8)
        try:
            tower.engine = OpenVinoTexts(_compiled(_Encoder(tower), (ids, mask), [(-1, -1), (-1, -1)], choice.exact))
        except Exception as error:  # as above
            _say_fallen("the tower of titles", error)


def engine_name(choice: EngineChoice, images: object, texts: object) -> str:
    """As it stands in metrics, in ``doctor`` and in the model's revision: also which tower had to stay on torch."""
    is_fallen = {"pictures": isinstance(images, TorchImages), "titles": getattr(texts, "engine", texts) is None}
    fallen = [what for what, fell in is_fallen.items() if fell and choice.engine == "openvino"]
    return choice.name + (f" ({' and '.join(fallen)} on torch)" if fallen else "")


def _say_fallen(what: str, error: Exception) -> None:
    first = (str(error).strip().splitlines() or ["no reason given"])[0][:200]
    log.warning(
        "%s cannot run on OpenVINO (%s: %s); it runs on torch, in fp32 and slower", what, type(error).__name__, first
    )


class _Encoder(torch.nn.Module):
    """The text tower's encoder with its two inputs, as a module that can be traced."""

    def __init__(self, tower: TextTower) -> None:
        super().__init__()
        self._tower = tower

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, T) token ids and (B, T) mask to (B, D)."""
        return self._tower.encode(ids, mask)


class OpenVinoTexts:
    """An encoder on OpenVINO."""

    def __init__(self, request: Any) -> None:
        self._request = request

    def __call__(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """(B, T) token ids and mask to (B, D) of length 1."""
        self._request.infer({0: ids.numpy(), 1: mask.numpy()})
        return torch.from_numpy(np.array(self._request.get_output_tensor(0).data, np.float32))


def _compiled(
    module: torch.nn.Module, example: tuple[torch.Tensor, ...], shapes: list[tuple[int, ...]], choice: EngineChoice
) -> Any:
    """An inference request on the CPU plugin for a traced module."""
    model = _converted(module, example)
    if choice.precision == "int8":
        _fold_constants(model)
    model.reshape({place: list(shape) for place, shape in enumerate(shapes)})
    return compiled(model, choice)


def compiled(model: Any, choice: EngineChoice) -> Any:
    """An inference request on the CPU plugin for an OpenVINO graph."""
    config: dict[str, Any] = {
        "INFERENCE_PRECISION_HINT": _HINTS[choice.precision],
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,  # the cores are shared with OCR and the decoders
    }
    if choice.num_threads:
        config["INFERENCE_NUM_THREADS"] = choice.num_threads
    return open_core().compile_model(model, "CPU", config).create_infer_request()


def _converted(module: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Any:
    """By the frontend itself: `openvino.convert_model` traces three times."""
    openvino_runtime()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with warnings.catch_warnings(), _silenced("transformers"), torch.no_grad():
        warnings.simplefilter("ignore")  # tracing is deprecated in torch; nothing that OpenVINO reads has replaced it
        traced = torch.jit.trace(module, example, check_trace=False)  # type: ignore[no-untyped-call]
        frontend = FrontEndManager().load_by_framework("pytorch")
        decoder = TorchScriptPythonDecoder(traced)  # the frontend keeps no hold on it
        return frontend.convert(frontend.load(decoder))


def _fold_constants(model: Any) -> None:
    """The CPU plugin takes rounded layers for such only where the steps are constants, not sums to be worked out."""
    from openvino.passes import ConstantFolding, Manager

    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(model)


@contextmanager
def _silenced(name: str) -> Iterator[None]:
    """Tracing looks at every attribute of a module, and some complain of that on stderr."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
