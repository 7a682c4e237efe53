"""Which engine OCR's networks run on, and all of them opened on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model.reading.engine import Network, OcrFiles, alphabet_of
from model.reading.openvino import OpenVinoNetwork

OcrEngine = Literal["auto", "onnxruntime", "openvino"]


@dataclass(frozen=True, slots=True)
class OcrNetworks:
    """The networks, and the recogniser's characters by output column."""

    detector: Network
    recogniser: Network
    classifier: Network
    scout: Network | None
    alphabet: tuple[str, ...]


def choose_engine(engine: OcrEngine) -> Literal["onnxruntime", "openvino"]:
    """``auto`` is onnxruntime. Hardly two parts and lines are of one size, and OpenVINO makes itself ready for each
    size anew: 10 of 20 CPU-ms for a part, with 256 bits at a time as with 512.
    """
    return "onnxruntime" if engine == "auto" else engine


def open_networks(files: OcrFiles, engine: Literal["onnxruntime", "openvino"], num_threads: int) -> OcrNetworks:
    """Open them on one engine. Raises CheckpointError when the engine is not installed."""
    scout = _open(files.scout, engine, num_threads) if files.scout is not None else None
    detector, recogniser, classifier = (
        _open(path, engine, num_threads) for path in (files.detector, files.recogniser, files.classifier)
    )
    return OcrNetworks(detector, recogniser, classifier, scout, alphabet_of(files.recogniser))


def _open(path: Path, engine: Literal["onnxruntime", "openvino"], num_threads: int) -> Network:
    if engine == "openvino":
        return OpenVinoNetwork(path, num_threads)
    from model.reading.onnx import OnnxNetwork  # importing onnxruntime takes as long as opening a network

    return OnnxNetwork(path, num_threads)
