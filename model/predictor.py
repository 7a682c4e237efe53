"""The resident model: one object, one device, one thread.

A listing's pictures go through the image tower one by one and are averaged; its title goes through the text tower
unless the cache knew its vector. Computed vectors are rounded to fp16, as the cache stores them, so that a score does
not depend on where the vector came from. A title in words that the model does not know counts as none: what it states
outright is found by the extractor all the same.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch

from model.association import pair_features, probabilities, sides_of
from model.calibrate import bought_of, thresholds_of
from model.colors.color import named_colors
from model.colors.color_histogram import color_histogram
from model.colors.foreground import Foreground, find_foreground
from model.errors import CheckpointError, OutOfMemoryError
from model.fusion import Logits
from model.inputs import Inputs, bag_tensors
from model.labels import UNTAUGHT, Labels, Side
from model.ngrams import bags, is_familiar
from model.parts import parts_of_listings
from model.pool import SIDES
from model.prompts import Prompted
from model.runtime.device_lane import BUCKETS
from model.runtime.engines import Engine, EngineChoice, Precision, choose_engine, engine_name
from model.runtime.opened_towers import open_towers
from model.runtime.repeats import SeenPictures
from model.scenes.ground import ground_measures
from model.scoring import category_matrix
from model.taxonomy import Taxonomy, load_taxonomy
from model.types import ColorArea, ListingInput, ModelInfo, Prediction, Scores, Timings, Vector
from model.weights import Checkpoint, Vocabulary, load, locate
from model.zero_shot import by_listing, calibrated, open_zero_shot, threshold_of

DEFAULT_TARGET = 0.95
_MAX_PICTURES = 32
# On a CPU the first batch of sixteen takes a tenth of a second longer, once; to warm up for it takes four.
_WARM_UP_SIZES = {"cpu": (1, 4), "cuda": (1, 4, 16)}


class TorchPredictor:
    """See `model.types.Predictor`."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: torch.device,
        targets: Mapping[str, float],
        choice: EngineChoice,
        taxonomy: Taxonomy | None = None,
    ) -> None:
        self._config = checkpoint.config
        self._vocabulary = checkpoint.vocabulary
        self._device = device
        towers = open_towers(checkpoint, device, choice)
        taxonomy = taxonomy or load_taxonomy()  # after the towers: a worker's rules have read it meanwhile
        self._image, self._text = SeenPictures(towers.images), towers.texts
        # Fusions that look at parts ask the towers themselves once more.
        needs_towers = checkpoint.fusion.needs_parts
        self._towers = (checkpoint.image.to(device), checkpoint.text.to(device)) if needs_towers else None
        self._fusion = checkpoint.fusion.to(device)
        self._idf = checkpoint.fusion.idf.cpu().numpy()
        self._word_bits = checkpoint.fusion.word_bits.cpu().numpy()
        categories, self._to_category = category_matrix(checkpoint.vocabulary.values["product_type"], taxonomy)
        if not self._to_category.any():  # the taxonomy places none of the types
            categories, self._to_category = (), self._to_category[:, :0]
        types = checkpoint.vocabulary.values["product_type"]
        self._presence = checkpoint.presence
        self._published = [types.index(name) for name in checkpoint.vocabulary.published_types]
        self._untaught = [name for name, own in checkpoint.vocabulary.values.items() if own == UNTAUGHT]
        asked = taxonomy.prompts
        self._zero_shot = open_zero_shot(checkpoint, device, choice, asked) if asked else None
        self.labels = labels_of(checkpoint, categories, targets, taxonomy.prompts)
        engine = engine_name(choice, towers.images, towers.texts)
        self.info = _info(checkpoint, device, self.labels, engine, taxonomy.prompts)
        self.timings = Timings()

    def warm_up(self) -> None:
        """See `model.types.Predictor`."""
        side = self._config.image_side
        for count in _WARM_UP_SIZES[self._device.type]:  # each picture another, as the same one would be seen once
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
        shown = [pixels for one in listings for pixels in one.images]
        see = self._see(shown)
        prompted = self._zero_shot.scores(shown) if self._zero_shot is not None else {}
        begun = time.perf_counter()
        titles = self._read(listings)
        said = time.perf_counter()
        foregrounds = [[find_foreground(pixels) for pixels in one.images] for one in listings]
        grounds = self._grounds([one for found in foregrounds for one in found])
        waiting = time.perf_counter()
        pictures = see()  # (P, Di)
        seen = time.perf_counter()
        inputs = self._inputs(listings, pictures, foregrounds, titles)
        logits = self._fusion(inputs)
        scenes = self._scenes(pictures, grounds)
        found = _Found(
            titles,
            self._scores(logits, inputs.has_image, inputs.has_title),
            inputs.has_title.tolist(),
            scenes,
            self._association(inputs, logits),
            [_colors(one) for one in foregrounds],
            self._presence.probabilities(pictures.cpu().numpy()).tolist() if self._presence else (),
            by_listing(prompted, [len(one.images) for one in listings]),
            self._fusion.strangeness(pictures).tolist() if self._fusion.classes is not None else (),
        )
        image, text = begun - started + seen - waiting, said - begun
        self.timings = Timings({"image": image, "text": text, "heads": time.perf_counter() - started - image - text})
        return _to_predictions(listings, found)

    def _grounds(self, foregrounds: Sequence[Foreground | None]) -> Vector:
        """(P, K) what is measured of them, where scenes look at it."""
        if not self._config.ground_dim or not foregrounds:
            return np.zeros((len(foregrounds), self._config.ground_dim), np.float32)
        return np.stack([ground_measures(one) for one in foregrounds])

    def _scenes(self, pictures: torch.Tensor, grounds: Vector) -> Vector:
        """(P, V) probabilities."""
        scores = self._fusion.scenes(pictures, torch.from_numpy(grounds).to(self._device))
        found: Vector = torch.softmax(scores / self._vocabulary.scene_temperature, dim=1).cpu().numpy()
        return found[:, :0] if "scene" in self._untaught else found

    def _inputs(
        self,
        listings: Sequence[ListingInput],
        pictures: torch.Tensor,
        foregrounds: Sequence[Sequence[Foreground | None]],
        titles: Sequence[Vector | None],
    ) -> Inputs:
        counts = [len(one.images) for one in listings]
        histograms = [color_histogram(found) for one in foregrounds for found in one]
        colors = torch.from_numpy(np.stack(histograms)) if histograms else torch.zeros(0, self._config.color_dim)
        blank = np.zeros(self._config.title_dim, np.float32)
        familiar = [bool(one.title.strip()) and is_familiar(one.title, self._word_bits) for one in listings]
        readable = [one.title if known else "" for one, known in zip(listings, familiar, strict=True)]
        vectors = [vector if known else None for vector, known in zip(titles, familiar, strict=True)]
        return Inputs(
            _means(pictures, counts),
            _means(colors, counts),
            torch.from_numpy(np.stack([blank if vector is None else vector for vector in vectors])),
            *bag_tensors(bags(readable, self._idf)),
            torch.tensor([count > 0 for count in counts]),
            torch.tensor([vector is not None for vector in vectors]),
            parts_of_listings(listings, self._towers, self._config) if self._towers is not None else None,
        ).to(self._device)

    def _see(self, pictures: Sequence[np.ndarray]) -> Callable[[], torch.Tensor]:
        """Starts on them; what is returned gives (P, Di) on the device. A GPU works on it beside the host."""
        if not pictures:
            return lambda: torch.zeros(0, self._config.picture_dim, device=self._device)
        starts = range(0, len(pictures), _MAX_PICTURES)
        parts = [self._image.begin(np.stack(pictures[start : start + _MAX_PICTURES])) for start in starts]
        return lambda: torch.cat([part() for part in parts]).to(self._device)

    def _read(self, listings: Sequence[ListingInput]) -> list[Vector | None]:
        """One vector per listing, None without a title; each unknown title is computed once."""
        known: dict[str, Vector] = {one.title: one.title_vector for one in listings if one.title_vector is not None}
        wanted = list(dict.fromkeys(one.title for one in listings if one.title and one.title not in known))
        if wanted:
            computed = self._text(wanted).cpu().numpy().astype(np.float16).astype(np.float32)
            known.update(zip(wanted, computed, strict=True))
        return [known[one.title] if one.title else None for one in listings]

    def _association(self, inputs: Inputs, logits: Mapping[str, Logits]) -> Vector:
        sides = sides_of(self._fusion.similarity(inputs), logits, self._vocabulary.pools)
        own = torch.arange(len(inputs.has_image), device=self._device)
        found: Vector = probabilities(pair_features(sides, own, own), self._vocabulary.association).cpu().numpy()
        return found

    def _scores(
        self, logits: Mapping[str, Logits], has_image: torch.Tensor, has_title: torch.Tensor
    ) -> dict[str, tuple[_BySide, _BySide]]:
        """By attribute: where the words state nothing, and where they state a value."""
        asked = [
            self._by_side(name, one, has_image, has_title, stated) for name, one in logits.items() for stated in _STATED
        ]
        told = iter(_on_host([scores for one in asked for scores in one.values()]))
        sides = iter([{side: next(told) for side in one} for one in asked])
        found = {name: (next(sides), next(sides)) for name in logits}
        types = found["product_type"]
        found["category"] = _over(types, lambda scores: scores @ self._to_category)
        found["product_type"] = _over(types, lambda scores: scores[:, self._published])
        return {name: _over(one, _nothing) if name in self._untaught else one for name, one in found.items()}

    def _by_side(
        self, name: str, logits: Logits, has_image: torch.Tensor, has_title: torch.Tensor, stated: bool
    ) -> dict[Side, torch.Tensor]:
        """(B, V) by side; ``fused`` is the one side that is there where the other is missing."""
        pool = self._vocabulary.pools[name]
        scores = {side: pool.scores(logits, side, stated=stated) for side in SIDES}
        single = torch.where(has_image[:, None], scores["image"], scores["text"])
        scores["fused"] = torch.where((has_image & has_title)[:, None], scores["fused"], single)
        return scores


_STATED = (False, True)
_BySide = dict[Side, Vector]


@dataclass(frozen=True, slots=True)
class _Found:
    """A batch's answers, listing by listing; ``scenes`` picture by picture."""

    titles: Sequence[Vector | None]
    scores: Mapping[str, tuple[_BySide, _BySide]]
    has_title: Sequence[bool]  # one that the model can read
    scenes: Vector
    association: Vector
    colors: Sequence[tuple[ColorArea, ...]]
    has_text: Sequence[float]  # picture by picture; empty where the checkpoint does not say
    prompted: Sequence[Mapping[str, Vector]]  # what answers prompts, by attribute
    strangeness: Sequence[float]  # picture by picture


def _on_host(found: Sequence[torch.Tensor]) -> list[Vector]:
    """The tensors as arrays, copied in one piece: each copy from a GPU is a stop of its own."""
    flat = torch.cat([one.float().reshape(-1) for one in found]).cpu().numpy()
    ends = np.cumsum([one.numel() for one in found])
    return [part.reshape(one.shape) for part, one in zip(np.split(flat, ends[:-1]), found, strict=True)]


def _over(found: tuple[_BySide, _BySide], change: Callable[[Vector], Vector]) -> tuple[_BySide, _BySide]:
    quiet, told = ({side: change(scores) for side, scores in one.items()} for one in found)
    return quiet, told


def _nothing(scores: Vector) -> Vector:
    return scores[:, :0]


def _to_predictions(listings: Sequence[ListingInput], found: _Found) -> list[Prediction]:
    predictions = []
    at = 0
    for row, one in enumerate(listings):
        mine = slice(at, at + len(one.images))
        own, texts, strange = found.scenes[mine], tuple(found.has_text[mine]), tuple(found.strangeness[mine])
        at += len(one.images)
        has_image, has_title = bool(one.images), found.has_title[row]
        predictions.append(
            Prediction(
                {name: _row_scores(by_side, row, has_image, has_title) for name, by_side in found.scores.items()}
                | {name: Scores(scores, scores, None) for name, scores in found.prompted[row].items()},
                own.mean(axis=0) if has_image else None,
                tuple(own),
                float(found.association[row]) if has_image and has_title else None,
                found.colors[row],
                found.titles[row],
                texts,
                strange,
            )
        )
    return predictions


def _row_scores(found: tuple[_BySide, _BySide], row: int, has_image: bool, has_title: bool) -> Scores:
    quiet, told = (
        (one["fused"][row], one["image"][row] if has_image else None, one["text"][row] if has_title else None)
        for one in found
    )
    return Scores(*quiet, Scores(*told))


def load_predictor(
    checkpoint: str,
    device: str = "auto",
    precision_targets: Mapping[str, float] | None = None,
    engine: Engine = "auto",
    precision: Precision = "auto",
    num_threads: int = 0,
    taxonomy: Taxonomy | None = None,
) -> TorchPredictor:
    """Load onto ``auto``, ``cpu``, ``cuda`` or ``cuda:N``; engines: `choose_engine`. Raises CheckpointError."""
    place = choose_device(device)
    num_torch_threads = num_threads or torch.get_num_threads()
    torch.set_num_threads(1)  # many small steps: on a busy machine two threads wait for each other at each of them
    try:
        found = load(locate(checkpoint))
        choice = choose_engine(place, engine, precision, num_threads, found.quantisation)
        return TorchPredictor(found, place, precision_targets or {}, choice, taxonomy)
    finally:
        torch.set_num_threads(num_torch_threads)


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


def labels_of(
    checkpoint: Checkpoint,
    categories: tuple[str, ...],
    targets: Mapping[str, float],
    prompts: Mapping[str, Prompted] = MappingProxyType({}),
) -> Labels:
    """Vocabularies as published, and the thresholds that the precision targets buy; none of what was never taught."""
    vocabulary: Vocabulary = checkpoint.vocabulary
    taught = {name: () if own == UNTAUGHT else own for name, own in vocabulary.values.items()}
    values = {**taught, "product_type": vocabulary.published_types, "category": categories}
    asked = {name: (checkpoint.outcomes.get(name, {}), targets.get(name, DEFAULT_TARGET)) for name in values}
    asked = {name: one for name, one in asked.items() if values[name]}
    thresholds = {name: thresholds_of(*one) for name, one in asked.items()}
    stated: dict[str, dict[str, float]] = {
        name: {side: weights.stated for side, weights in pool.stated.items()} for name, pool in vocabulary.pools.items()
    }
    stated["category"] = stated["product_type"]
    known = calibrated(vocabulary, prompts)
    for name, one in prompts.items():
        values[name] = one.values
        outcomes = checkpoint.outcomes.get(name, {}) if name in known else {}
        asked[name] = (outcomes, targets.get(name, DEFAULT_TARGET))
        thresholds[name] = threshold_of(one, *asked[name])
    bought = {name: bought_of(*one, thresholds[name]) for name, one in asked.items() if one[0]}
    doubts = {**vocabulary.doubts, **dict.fromkeys(prompts, 0.0)}  # how sure they are nobody measured: no conflicts
    unproven = frozenset(checkpoint.config.untaught_scenes)
    beyond = vocabulary.pools["product_type"].beyond
    return Labels(values, thresholds, stated, doubts, vocabulary.curves, bought, unproven, beyond)


def _info(
    checkpoint: Checkpoint, device: torch.device, labels: Labels, engine: str, prompts: Mapping[str, Prompted]
) -> ModelInfo:
    config = checkpoint.config
    asked = {name: one.digest for name, one in sorted(prompts.items())}
    told = (sorted(checkpoint.digests.items()), engine, labels.thresholds, *([asked] if asked else []))
    whole = hashlib.sha256(repr(told).encode())
    towers = [item for item in sorted(checkpoint.digests.items()) if item[0].startswith("towers/text/")]
    text = hashlib.sha256(
        repr((towers, config.max_title_tokens, config.text_pooling + config.text_prefix, engine.split()[0])).encode()
    )
    return ModelInfo(
        config.name,
        whole.hexdigest()[:16],
        text.hexdigest()[:16],
        config.title_dim,
        config.image_side,
        str(device),
        engine,
        checkpoint.presence.threshold if checkpoint.presence else 0.0,
        BUCKETS if device.type == "cuda" else (),
    )


def _means(pictures: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
    """(B, width): the mean over each listing's pictures, zeros without any."""
    means = torch.zeros(len(counts), pictures.shape[1], device=pictures.device)
    at = 0
    for row, count in enumerate(counts):
        if count:
            means[row] = pictures[at : at + count].mean(dim=0)
        at += count
    return means


def _colors(foregrounds: Sequence[Foreground | None]) -> tuple[ColorArea, ...]:
    """Foreground colours over all pictures: shares averaged, largest first."""
    shares: dict[str, float] = {}
    shown: dict[str, str] = {}
    for foreground in foregrounds:
        for area in named_colors(foreground) if foreground is not None else ():
            shares[area.value] = shares.get(area.value, 0.0) + area.share / len(foregrounds)
            shown.setdefault(area.value, area.hex)
    areas = (ColorArea(value, shown[value], min(1.0, round(share, 4))) for value, share in shares.items())
    return tuple(sorted(areas, key=lambda area: -area.share))
