"""The resident model: one object, one device, one thread.

A listing's pictures go through the image tower one by one and are averaged; its title goes through the text tower
unless the cache knew its vector. Computed vectors are rounded to fp16, as the cache stores them, so that a score does
not depend on where the vector came from.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from model.calibrate import thresholds_of
from model.color import foreground_colors
from model.engines import Engine, EngineChoice, Precision, choose_engine, move_texts, open_images
from model.errors import CheckpointError, OutOfMemoryError
from model.fusion import Logits
from model.labels import Labels
from model.repeats import SeenPictures
from model.taxonomy import load_taxonomy
from model.types import ColorArea, ListingInput, ModelInfo, Prediction, Scores, Timings, Vector
from model.weights import Checkpoint, Vocabulary, load, locate

DEFAULT_TARGET = 0.95
_MAX_PICTURES = 32
_WARM_UP_SIZES = (1, 4, 16)


class TorchPredictor:
    """See `model.types.Predictor`."""

    def __init__(
        self, checkpoint: Checkpoint, device: torch.device, targets: Mapping[str, float], choice: EngineChoice
    ) -> None:
        self._config = checkpoint.config
        self._vocabulary = checkpoint.vocabulary
        self._device = device
        self._image = SeenPictures(open_images(checkpoint.image, checkpoint.config.image_side, device, choice))
        self._text = checkpoint.text.to(device)
        move_texts(self._text, choice)
        self._fusion = checkpoint.fusion.to(device)
        categories, self._to_category = category_matrix(checkpoint.vocabulary.values["product_type"])
        types = checkpoint.vocabulary.values["product_type"]
        self._presence = checkpoint.presence
        self._published = [types.index(name) for name in checkpoint.vocabulary.published_types]
        self.labels = labels_of(checkpoint, categories, targets)
        self.info = _info(checkpoint, device, self.labels, choice.name)
        self.timings = Timings()

    def warm_up(self) -> None:
        """See `model.types.Predictor`."""
        side = self._config.image_side
        for count in _WARM_UP_SIZES:  # each picture another, as the same one would be seen once
            pictures = [np.full((side, side, 3), count + place, np.uint8) for place in range(count)]
            self.predict([ListingInput("warm up", (picture,)) for picture in pictures])

    def predict(self, listings: Sequence[ListingInput]) -> list[Prediction]:
        """See `model.types.Predictor`."""
        if not listings:
            return []
        try:
            with torch.inference_mode():
                return self._predict(listings)
        except torch.OutOfMemoryError as error:
            raise OutOfMemoryError(f"a batch of {len(listings)} listings does not fit on {self._device}") from error

    def _predict(self, listings: Sequence[ListingInput]) -> list[Prediction]:
        started = time.perf_counter()
        pictures = self._see([pixels for one in listings for pixels in one.images])  # (P, Di)
        seen = time.perf_counter()
        titles = self._read(listings)
        said = time.perf_counter()
        images = _means(pictures, [len(one.images) for one in listings], self._config.image_dim)
        has_image = torch.tensor([bool(one.images) for one in listings], device=self._device)
        has_title = torch.tensor([vector is not None for vector in titles], device=self._device)
        blank = np.zeros(self._config.text_dim, np.float32)
        stacked = np.stack([blank if vector is None else vector for vector in titles])
        texts = torch.from_numpy(stacked).to(self._device)
        logits = self._fusion(images, texts, has_image, has_title)
        both = self._association(images, texts)
        scenes = torch.softmax(self._fusion.scene(pictures) / self._vocabulary.scene_temperature, dim=1).cpu().numpy()
        scores = self._scores(logits, has_image, has_title)
        self.timings = Timings({"image": seen - started, "text": said - seen, "heads": time.perf_counter() - said})
        has_text = self._presence.probabilities(pictures.cpu().numpy()).tolist() if self._presence else []
        return self._to_predictions(listings, titles, scores, scenes, both, has_text)

    def _see(self, pictures: Sequence[np.ndarray]) -> torch.Tensor:
        parts = [
            self._image(np.stack(pictures[start : start + _MAX_PICTURES]))
            for start in range(0, len(pictures), _MAX_PICTURES)
        ]
        return torch.cat(parts) if parts else torch.zeros(0, self._config.image_dim, device=self._device)

    def _read(self, listings: Sequence[ListingInput]) -> list[Vector | None]:
        """One vector per listing, None without a title; each unknown title is computed once."""
        known: dict[str, Vector] = {one.title: one.title_vector for one in listings if one.title_vector is not None}
        wanted = list(dict.fromkeys(one.title for one in listings if one.title and one.title not in known))
        if wanted:
            computed = self._text(wanted).cpu().numpy().astype(np.float16).astype(np.float32)
            known.update(zip(wanted, computed, strict=True))
        return [known[one.title] if one.title else None for one in listings]

    def _association(self, images: torch.Tensor, texts: torch.Tensor) -> Vector:
        left, right = self._fusion.similarity(images, texts)
        scale, offset = self._vocabulary.association
        probabilities: Vector = torch.sigmoid(scale * (left * right).sum(dim=1) + offset).cpu().numpy()
        return probabilities

    def _scores(
        self, logits: Mapping[str, Logits], has_image: torch.Tensor, has_title: torch.Tensor
    ) -> dict[str, tuple[Vector, Vector, Vector]]:
        """By attribute: fused, image, text, each (B, V)."""
        found = {}
        for name, one in logits.items():
            pool = self._vocabulary.pools[name]
            image, text = pool.image_alone(one), pool.text_alone(one)
            single = torch.where(has_image[:, None], image, text)
            fused = torch.where((has_image & has_title)[:, None], pool.fused(one), single)
            found[name] = (fused.cpu().numpy(), image.cpu().numpy(), text.cpu().numpy())
        types = found["product_type"]
        found["category"] = tuple(side @ self._to_category for side in types)  # type: ignore[assignment]
        found["product_type"] = tuple(side[:, self._published] for side in types)  # type: ignore[assignment]
        return found

    def _to_predictions(
        self,
        listings: Sequence[ListingInput],
        titles: Sequence[Vector | None],
        scores: Mapping[str, tuple[Vector, Vector, Vector]],
        scenes: Vector,
        both: Vector,
        has_text: Sequence[float],
    ) -> list[Prediction]:
        predictions = []
        at = 0
        for row, (one, title) in enumerate(zip(listings, titles, strict=True)):
            own, own_texts = scenes[at : at + len(one.images)], tuple(has_text[at : at + len(one.images)])
            at += len(one.images)
            has_image, has_title = bool(one.images), title is not None
            attributes = {
                name: Scores(fused[row], image[row] if has_image else None, text[row] if has_title else None)
                for name, (fused, image, text) in scores.items()
            }
            predictions.append(
                Prediction(
                    attributes,
                    own.mean(axis=0) if has_image else None,
                    tuple(own),
                    float(both[row]) if has_image and has_title else None,
                    _colors(one),
                    title,
                    own_texts,
                )
            )
        return predictions


def load_predictor(
    checkpoint: str,
    device: str = "auto",
    precision_targets: Mapping[str, float] | None = None,
    engine: Engine = "auto",
    precision: Precision = "auto",
    num_threads: int = 0,
) -> TorchPredictor:
    """Load onto a device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; see `model.engines`. Raises CheckpointError."""
    place = choose_device(device)
    if num_threads:
        torch.set_num_threads(num_threads)
    choice = choose_engine(place, engine, precision, num_threads)
    return TorchPredictor(load(locate(checkpoint)), place, precision_targets or {}, choice)


def choose_device(device: str) -> torch.device:
    """The device meant. Raises CheckpointError for a name that is none, and for a device this machine lacks."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise CheckpointError(f"model.device={device!r} is not a device; set it to auto, cpu, cuda or cuda:N")
    chosen = torch.device(device)
    usable = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if chosen.type == "cuda" and (chosen.index or 0) >= usable:
        raise CheckpointError(
            f"model.device={device!r}: {usable or 'no'} CUDA devices are usable here; set model.device to cpu or auto"
        )
    return chosen


def category_matrix(types: Sequence[str]) -> tuple[tuple[str, ...], Vector]:
    """All category paths, and (types, categories) with 1 where a type belongs. A type the taxonomy lacks counts
    nowhere.
    """
    taxonomy = load_taxonomy()
    categories = taxonomy.categories
    matrix = np.zeros((len(types), len(categories)), np.float32)
    for row, name in enumerate(types):
        path = taxonomy.category_of(name)
        if path is not None:
            matrix[row, categories.index(path)] = 1
    return categories, matrix


def labels_of(checkpoint: Checkpoint, categories: tuple[str, ...], targets: Mapping[str, float]) -> Labels:
    """Vocabularies as published, and the thresholds that the precision targets buy."""
    vocabulary: Vocabulary = checkpoint.vocabulary
    values = {**vocabulary.values, "product_type": vocabulary.published_types, "category": categories}
    thresholds = {
        name: thresholds_of(checkpoint.outcomes.get(name, {}), targets.get(name, DEFAULT_TARGET)) for name in values
    }
    return Labels(values, thresholds)


def _info(checkpoint: Checkpoint, device: torch.device, labels: Labels, engine: str) -> ModelInfo:
    config = checkpoint.config
    whole = hashlib.sha256(repr((sorted(checkpoint.digests.items()), engine, labels.thresholds)).encode())
    towers = [item for item in sorted(checkpoint.digests.items()) if item[0].startswith("towers/text/")]
    text = hashlib.sha256(repr((towers, config.max_title_tokens, "mean", engine.split()[0])).encode())
    return ModelInfo(
        config.name,
        whole.hexdigest()[:16],
        text.hexdigest()[:16],
        config.text_dim,
        config.image_side,
        str(device),
        engine,
        checkpoint.presence.threshold if checkpoint.presence else 0.0,
    )


def _means(pictures: torch.Tensor, counts: Sequence[int], width: int) -> torch.Tensor:
    """(B, width): the mean over each listing's pictures, zeros without any."""
    means = torch.zeros(len(counts), width, device=pictures.device)
    at = 0
    for row, count in enumerate(counts):
        if count:
            means[row] = pictures[at : at + count].mean(dim=0)
        at += count
    return means


def _colors(listing: ListingInput) -> tuple[ColorArea, ...]:
    """Foreground colours over all pictures: shares averaged, largest first."""
    shares: dict[str, float] = {}
    shown: dict[str, str] = {}
    for pixels in listing.images:
        for area in foreground_colors(pixels):
            shares[area.value] = shares.get(area.value, 0.0) + area.share / len(listing.images)
            shown.setdefault(area.value, area.hex)
    areas = (ColorArea(value, shown[value], min(1.0, round(share, 4))) for value, share in shares.items())
    return tuple(sorted(areas, key=lambda area: -area.share))
