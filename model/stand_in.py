"""A model that stands in where the real one is not the point: the same interface, answers by arithmetic, a set pace.

Its answers depend on the listing alone (title and pixels), never on the batch. Its device takes ``fixed_seconds`` per
batch and ``item_seconds`` per picture. The reliability suite and the simulated device of the benchmarks run on it; it
imports no torch, so a process starts in a second.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from model.labels import Labels, Threshold
from model.taxonomy import Taxonomy, load_taxonomy
from model.types import ListingInput, ModelInfo, Pixels, Prediction, ReadText, Scores, Vector

_TEXT_DIM = 384
_NUM_TYPES = 24


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the stand-in's device takes."""

    fixed_seconds: float = 0.0
    item_seconds: float = 0.0


class StandInPredictor:
    """See `model.types.Predictor`."""

    def __init__(self, pace: Pace = Pace(), taxonomy: Taxonomy | None = None) -> None:  # frozen
        self._pace = pace
        self._never = threading.Event()
        self.labels = stand_in_labels(taxonomy or load_taxonomy())
        self.info = ModelInfo("stand-in", "stand-in", "stand-in", _TEXT_DIM, 224, "stand-in", "stand-in")

    def warm_up(self) -> None:
        """See `model.types.Predictor`."""
        self.predict([ListingInput("warm up")])

    def predict(self, listings: Sequence[ListingInput]) -> list[Prediction]:
        """See `model.types.Predictor`."""
        num_items = sum(max(1, len(one.images)) for one in listings)
        seconds = self._pace.fixed_seconds + self._pace.item_seconds * num_items
        if seconds > 0:
            self._never.wait(seconds)  # the device is busy; this thread owns it
        return [self._predict(one) for one in listings]

    def _predict(self, listing: ListingInput) -> Prediction:
        title = listing.title_vector if listing.title_vector is not None else _vector_of(listing.title)
        seen = [float(pixels.mean()) for pixels in listing.images]
        attributes = {}
        for name, values in self.labels.values.items():
            if name != "scene":
                text = _scores(f"{name}/{listing.title}", len(values)) if listing.title else None
                image = _scores(f"{name}/{seen}", len(values)) if seen else None
                attributes[name] = Scores(_pool(text, image), image, text)
        scenes = tuple(_scores(f"scene/{mean}", len(self.labels.values["scene"])) for mean in seen)
        scene: Vector | None = np.mean(scenes, axis=0) if scenes else None
        association = 0.5 if listing.title and seen else None
        return Prediction(attributes, scene, scenes, association, (), title if listing.title else None)


class StandInReader:
    """An OCR engine that finds nothing, and fails on pictures that ``cannot_read``. See `model.types.TextReader`."""

    revision = "stand-in"
    engine = "stand-in"

    def __init__(self, cannot_read: Callable[[Pixels], bool] = lambda picture: False) -> None:
        self._cannot_read = cannot_read

    def read(self, pictures: Sequence[Pixels]) -> list[ReadText]:
        """See `model.types.TextReader`."""
        if any(map(self._cannot_read, pictures)):
            raise ValueError("the stand-in cannot read this")
        return [ReadText() for _ in pictures]


def stand_in_labels(taxonomy: Taxonomy) -> Labels:
    """Vocabularies from the taxonomy, each cut to a size at which arithmetic can still be sure of itself."""
    threshold = Threshold(0.6, 0.8, 0.8)
    types = sorted(name for path in taxonomy.categories for name in (path.split(" > ")[-1].lower(),))[:_NUM_TYPES]
    values = {
        "category": tuple(taxonomy.categories),
        "product_type": tuple(types),
        "color": tuple(taxonomy.synonyms("color")),
        "material": tuple(taxonomy.synonyms("material")),
        "scene": tuple(taxonomy.scenes),
    }
    return Labels(values, dict.fromkeys(values, threshold))


def _scores(seed: str, count: int) -> Vector:
    """A distribution over ``count`` values that the seed decides: one value well ahead of the others."""
    digest = hashlib.blake2b(seed.encode(), digest_size=8).digest()
    top, sureness = int.from_bytes(digest[:4], "big") % count, 0.5 + digest[4] / 600
    scores = np.full(count, (1 - sureness) / max(1, count - 1), np.float32)
    scores[top] = sureness
    return scores


def _pool(text: Vector | None, image: Vector | None) -> Vector:
    """Both sides' mean, or the one that is there."""
    sides = [side for side in (text, image) if side is not None]
    pooled: Vector = np.mean(sides, axis=0, dtype=np.float32)
    return pooled


def _vector_of(title: str) -> Vector:
    """A unit vector that the title decides, rounded to fp16 as the cache stores it."""
    seed = int.from_bytes(hashlib.blake2b(title.encode(), digest_size=8).digest(), "big")
    vector = np.random.default_rng(seed).standard_normal(_TEXT_DIM).astype(np.float32)
    return (vector / np.linalg.norm(vector)).astype(np.float16).astype(np.float32)
