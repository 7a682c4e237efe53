"""Which engine OCR's networks run on, and the three of them opened on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model.ocr_engine import Network, OcrFiles, alphabet_of
from model.ocr_openvino import OpenVinoNetwork
from model.openvino_runtime import has_openvino

OcrEngine = Literal["auto", "onnxruntime", "openvino"]


@dataclass(frozen=True, slots=True)
class OcrNetworks:
    """The three networks, and the recogniser's characters by output column."""

    detector: Network
    recogniser: Network
    classifier: Network
    alphabet: tuple[str, ...]


def choose_engine(engine: OcrEngine) -> Literal["onnxruntime", "openvino"]:
    """``auto`` is OpenVINO where it is installed: the same results for a third of the processor time."""
    if engine == "auto":
        return "openvino" if has_openvino() else "onnxruntime"
    return engine


def open_networks(files: OcrFiles, engine: Literal["onnxruntime", "openvino"], num_threads: int) -> OcrNetworks:
    """Open them on one engine. Raises CheckpointError when the engine is not installed."""
    detector, recogniser, classifier = (
        _open(path, engine, num_threads) for path in (files.detector, files.recogniser, files.classifier)
    )
    return OcrNetworks(detector, recogniser, classifier, alphabet_of(files.recogniser))


def _open(path: Path, engine: Literal["onnxruntime", "openvino"], num_threads: int) -> Network:
    if engine == "openvino":
        return OpenVinoNetwork(path, num_threads)
    from model.ocr_onnx import OnnxNetwork  # importing onnxruntime takes as long as opening a network

    return OnnxNetwork(path, num_threads)
