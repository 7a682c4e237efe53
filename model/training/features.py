"""What the frozen towers see in every training row, computed once and kept in files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from model.colors.color_histogram import color_histogram
from model.colors.foreground import find_foreground
from model.geometry import Framing
from model.image import ImageTower
from model.runtime.engines import choose_engine, open_images
from model.taxonomy import load_taxonomy
from model.text import TextTower
from model.training.dataset import Row
from model.training.kept import kept
from model.training.masking import Mask
from model.training.part_features import PartFeatures
from model.training.picture_files import digests_of, load_pixels

Floats = npt.NDArray[np.float32]
Array = npt.NDArray[Any]
Log = Callable[[str], None]

_BATCH = 32


@dataclass(frozen=True, slots=True)
class GroundFeatures:
    """What is measured of pictures' grounds (`model.scenes.ground`)."""

    measures: Floats  # (N, K)
    backdrops: Floats  # (N, K): of pictures from a studio, the same ones before other backdrops; zeros of others

    def part_of(self, rows: npt.NDArray[np.int64]) -> GroundFeatures:
        """Those of these rows."""
        return GroundFeatures(self.measures[rows], self.backdrops[rows])


@dataclass(frozen=True, slots=True)
class Features:
    """One line per row. Rows without a title have zeros in ``titles`` and ``masked``."""

    images: Floats  # (N, Di)
    colors: Floats  # (N, Dc)
    titles: Floats  # (N, Dt)
    masked: Floats  # (N, Dt): of the titles without the words that state colour and material
    masked_titles: tuple[str, ...]
    parts: PartFeatures | None = None  # only for fusions that need them
    grounds: GroundFeatures | None = None  # only where scenes look at them

    def scene_inputs(self, rows: npt.NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """What `model.fusion.FusionModel.scenes` is asked with: features of these rows, and measures, none where no
        scene looks at them.
        """
        measures = self.grounds.measures[rows] if self.grounds is not None else np.zeros((len(rows), 0), np.float32)
        return torch.from_numpy(self.images[rows]), torch.from_numpy(measures)


def compute_features(
    rows: Sequence[Row],
    titles: Sequence[str],
    towers: tuple[ImageTower, TextTower],
    side: int,
    cache: Path,
    log: Log,
) -> Features:
    """Features row by row, with the title that is given for each. What ``cache`` has is read from there."""
    image, text = towers
    mask = Mask(load_taxonomy())
    masked = [mask.hide(title) for title in titles]
    seen = _see(rows, image, side, cache, log)
    said = cached(cache, "titles", (text, *titles), lambda: {"titles": read_titles(titles, text)})
    hidden = cached(cache, "titles", (text, *masked), lambda: {"titles": read_titles(masked, text)})
    return Features(seen["images"], seen["colors"], said["titles"], hidden["titles"], tuple(masked))


def see_images(rows: Sequence[Row], tower: ImageTower, side: int, cache: Path, log: Log) -> Floats:
    """(N, Di) what the image tower sees in the rows' pictures; what ``cache`` has is read from there."""
    return _see(rows, tower, side, cache, log)["images"]


def look_at(rows: Sequence[Row], see: Callable[[npt.NDArray[np.uint8]], torch.Tensor], framing: Framing) -> Floats:
    """(N, Di) what an engine sees in the rows' pictures; nothing is kept."""
    found = [see(batch).float().cpu().numpy() for batch in batches_of([row.image for row in rows], framing)]
    return np.concatenate(found).astype(np.float32)


def batches_of(pictures: Sequence[Path], framing: Framing) -> Iterator[npt.NDArray[np.uint8]]:
    """(P, S, S, 3) a few at a time, in order."""
    for start in range(0, len(pictures), _BATCH):
        yield np.stack([load_pixels(path, framing) for path in pictures[start : start + _BATCH]])


def _see(rows: Sequence[Row], tower: ImageTower, side: int, cache: Path, log: Log) -> Mapping[str, Floats]:
    pictures = [row.image for row in rows]
    key = (tower, side, *digests_of(pictures, log))
    return cached(cache, "pictures", key, lambda: _look(pictures, tower, side, log))


def cached(
    cache: Path, kind: str, key: Sequence[object], compute: Callable[[], Mapping[str, Array]]
) -> Mapping[str, Any]:
    """Arrays by name from a file of ``cache`` that is named after ``key``; computed where there is none. Of pictures
    the key has digests, as another catalogue may have other pictures under the same names.
    """
    digest = hashlib.sha256()
    for part in key:
        digest.update(weights_of(part) if isinstance(part, nn.Module) else f"{part}\0".encode())

    def tensors() -> dict[str, torch.Tensor]:
        with torch.inference_mode():
            return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in compute().items()}

    found = kept(cache / f"{kind}-{digest.hexdigest()[:16]}.safetensors", tensors)
    return {name: tensor.numpy() for name, tensor in found.items()}


def weights_of(tower: nn.Module) -> bytes:
    """A digest of a tower's weights, and of what else makes its features: no other tower has it."""
    digest = hashlib.sha256(str(getattr(tower, "identity", "")).encode())
    for name, value in tower.state_dict().items():
        digest.update(f"\0{name} {value.dtype} {tuple(value.shape)}\0".encode())
        digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.digest()


def read_titles(titles: Sequence[str], tower: TextTower) -> Floats:
    """(N, Dt) vectors of titles, zeros of an empty one; nothing is kept."""
    vectors = tower([title or "-" for title in titles]).cpu().numpy()
    vectors[[index for index, title in enumerate(titles) if not title.strip()]] = 0
    # The cache keeps fp16, so training sees what serving will see.
    return np.asarray(vectors.astype(np.float16), np.float32)


def _look(pictures: Sequence[Path], tower: ImageTower, side: int, log: Log) -> Mapping[str, Floats]:
    place = next(tower.parameters()).device
    see = open_images(tower, side, place, choose_engine(place, precision="fp32"))  # a third of torch's time on a CPU
    images: list[Floats] = []
    colors: list[Floats] = []
    for start in range(0, len(pictures), _BATCH):
        framing = replace(tower.framing, side=side)
        batch = [load_pixels(path, framing) for path in pictures[start : start + _BATCH]]
        images.append(see(np.stack(batch)).cpu().numpy())
        colors += [color_histogram(find_foreground(pixels)) for pixels in batch]
        if start % (50 * _BATCH) == 0:
            log(f"pictures {start:,} of {len(pictures):,}")
    return {"images": np.concatenate(images).astype(np.float32), "colors": np.stack(colors)}
