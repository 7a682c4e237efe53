"""Does a picture hold text? A logistic head on the image tower's features, which are computed anyway.

OCR costs many times what tagging costs, and most product pictures hold no text. A picture whose probability lies below
``threshold`` need not be read. The threshold is the one that lets at least ``RECALL`` of the calibration pictures with
text through; what counts as text is what our own reader reads (`model.presence.text_labels`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file, save_file

from model.errors import CheckpointError
from model.minimise import minimise

FILE = "text_presence.safetensors"
RECALL = 0.995  # on calibration pictures, so that 0.99 holds on others

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

_DECAY = 0.1  # chosen on calibration pictures


@dataclass(frozen=True, slots=True)
class TextPresence:
    """``weights`` (D,) and ``bias`` of the head; a picture below ``threshold`` (0-1) holds no text worth reading."""

    weights: Floats
    bias: float
    threshold: float

    def probabilities(self, features: Floats) -> Floats:
        """(P,) in 0-1, for features (P, D or more) of the image tower; what tuned stages add is not looked at."""
        scores = features[:, : len(self.weights)] @ self.weights + np.float32(self.bias)
        return np.asarray(1 / (1 + np.exp(-np.clip(scores, -60, 60))), np.float32)

    def save(self, folder: Path) -> None:
        """Write the head into a checkpoint's folder; whoever seals the folder comes after."""
        numbers = {"bias": self.bias, "threshold": self.threshold}
        arrays = {name: np.array([value], np.float32) for name, value in numbers.items()}
        save_file({"weights": np.ascontiguousarray(self.weights, np.float32), **arrays}, folder / FILE)


def load_presence(folder: Path, image_dim: int) -> TextPresence | None:
    """The head of a checkpoint, None where it has none. Raises CheckpointError when it does not fit the image tower."""
    path = folder / FILE
    if not path.is_file():
        return None
    found = load_file(path)
    shapes = {name: found[name].shape if name in found else None for name in ("weights", "bias", "threshold")}
    if shapes != {"weights": (image_dim,), "bias": (1,), "threshold": (1,)}:
        raise CheckpointError(
            f"{FILE} of the checkpoint holds {shapes}, wanted are {image_dim} weights; train it again"
        )
    if not all(np.isfinite(array).all() for array in found.values()):
        raise CheckpointError(f"{FILE} of the checkpoint holds numbers that are not finite; train it again")
    return TextPresence(found["weights"], float(found["bias"][0]), float(found["threshold"][0]))


def fit_presence(features: Floats, has_text: Bools, is_calibration: Bools, decay: float = _DECAY) -> TextPresence:
    """Fit on (N, D) features and (N,) truth; rows with ``is_calibration`` only set the threshold."""
    fitted = ~is_calibration
    mean, spread = features[fitted].mean(axis=0), features[fitted].std(axis=0) + 1e-3
    scaled = torch.from_numpy((features[fitted] - mean) / spread)
    raw = _fit(scaled, torch.from_numpy(has_text[fitted].astype(np.float32)), decay)
    weights = np.asarray(raw[:-1].numpy() / spread, np.float32)
    head = TextPresence(weights, float(raw[-1]) - float(weights @ mean), 0.0)
    threshold = threshold_for(head.probabilities(features[is_calibration]), has_text[is_calibration])
    return TextPresence(head.weights, head.bias, threshold)


def threshold_for(probabilities: Floats, has_text: Bools, recall: float = RECALL) -> float:
    """The highest threshold at or above which ``recall`` of the pictures with text lie; 0 where there are none."""
    found = np.sort(probabilities[has_text])
    return float(found[int((1 - recall) * len(found))]) if len(found) else 0.0


def presence_figures(probabilities: Floats, characters: npt.NDArray[np.int64], threshold: float) -> dict[str, Any]:
    """How the head does on pictures of which is known how many ``characters`` the reader reads in each."""
    passed, has_text = probabilities >= threshold, characters > 0
    return {
        "pictures": len(characters),
        "with_text": int(has_text.sum()),
        "recall": round(float(passed[has_text].mean()), 4) if has_text.any() else None,
        "text_recall": round(float(characters[passed].sum() / max(1, characters.sum())), 4),
        "skipped": round(float((~passed).mean()), 4),
        "skipped_without_text": round(float((~passed[~has_text]).mean()), 4) if (~has_text).any() else None,
        "threshold": round(threshold, 4),
    }


def _fit(scaled: torch.Tensor, truth: torch.Tensor, decay: float) -> torch.Tensor:
    """(D + 1,) weights and bias of a logistic regression with weight decay."""

    def loss(raw: torch.Tensor) -> torch.Tensor:
        scores = scaled @ raw[:-1] + raw[-1]
        found = torch.nn.functional.binary_cross_entropy_with_logits(scores, truth)
        return found + decay * (raw[:-1] ** 2).sum()

    return minimise(torch.zeros(scaled.shape[1] + 1), loss, steps=300)
