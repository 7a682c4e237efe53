"""An image tower cut in two: the first stages, which are never trained, and the last, which may be.

What the first stages see in a picture is kept in a file, for several views of it, so that training the last ones reads
numbers instead of pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn

from model.config import ModelConfig
from model.geometry import Framing
from model.image import ImageTower, first_stages, last_stages
from model.runtime.engines import choose_engine, open_images
from model.training.dataset import Row
from model.training.features import weights_of
from model.training.picture_files import digests_of, load_upright
from model.types import Pixels

VIEWS = ("as it is", "mirrored", "crop", "another crop")
_PHOTO_VIEWS = (0, 2)  # of photos without a title, which are many of few kinds
_LEAST_AREA = 0.5  # of the picture in a crop
_CHUNK = 32

Log = Callable[[str], None]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class _First(nn.Module):
    """(B, S, S, 3) uint8 sRGB to (B, C, H, W): what the last stages take."""

    def __init__(self, tower: ImageTower, num_tuned: int) -> None:
        super().__init__()
        self._tower = tower
        self._num_tuned = num_tuned

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return first_stages(self._tower.net, self._tower.scaled(pixels), self._num_tuned)


@dataclass(frozen=True, slots=True)
class Views:
    """What the first stages saw: ``cells`` (V, N, H, W, C) fp16 in a file; a row has the views in ``kinds``."""

    cells: npt.NDArray[np.float16]
    kinds: Sequence[tuple[int, ...]]  # per row, the views that there are
    last: nn.Module  # the stages that take it, as they came
    key: str

    def drawn(self, rows: Ints, draw: np.random.Generator) -> torch.Tensor:
        """(B, C, H, W) one view of each row, drawn."""
        return self._of([(draw.choice(self.kinds[row]), row) for row in rows])

    def plain(self, rows: Sequence[int]) -> torch.Tensor:
        """(B, C, H, W) of the pictures as they are."""
        return self._of([(0, row) for row in rows])

    def _of(self, places: Sequence[tuple[int, int]]) -> torch.Tensor:
        cells = np.stack([self.cells[place] for place in places]).astype(np.float32)
        return torch.from_numpy(cells).permute(0, 3, 1, 2)  # channels last in memory, as the kernels like it


def look(rows: Sequence[Row], tower: ImageTower, config: ModelConfig, cache: Path, log: Log) -> Views:
    """What the first stages see in all views of the rows' pictures; what ``cache`` has is read from there.

    Raises ModelError for a tower that has no such stages.
    """
    side, num_tuned = config.image_side, config.tuned_image_blocks
    kinds = [tuple(range(len(VIEWS))) if row.title else _PHOTO_VIEWS for row in rows]
    last, first = last_stages(tower.net, num_tuned), _First(tower, num_tuned)
    key = _key(digests_of([row.image for row in rows], log), kinds, tower, side, num_tuned)
    path = cache / f"views-{key}.npy"
    if not path.is_file():
        with torch.inference_mode():
            shape = first(torch.zeros(1, side, side, 3, dtype=torch.uint8)).shape
        cache.mkdir(parents=True, exist_ok=True)
        _compute(rows, kinds, first, replace(tower.framing, side=side), path, shape, log)
    return Views(np.load(path, mmap_mode="r"), kinds, last, key)


def features_of(last: nn.Module, views: Views) -> Floats:
    """(N, Di) of the pictures as they are, by these last stages."""
    count = len(views.kinds)
    with torch.inference_mode():
        parts = [last(views.plain(range(start, min(count, start + _CHUNK)))) for start in range(0, count, _CHUNK)]
    return np.asarray(torch.cat(parts).numpy(), np.float32)


def _key(digests: Sequence[str], kinds: Sequence[tuple[int, ...]], tower: ImageTower, side: int, num_tuned: int) -> str:
    digest = hashlib.sha256(f"{side} {VIEWS} {num_tuned}".encode())
    for picture, views in zip(digests, kinds, strict=True):
        digest.update(f"{picture} {views}\0".encode())
    digest.update(weights_of(tower))
    return digest.hexdigest()[:16]


def _compute(
    rows: Sequence[Row],
    kinds: Sequence[tuple[int, ...]],
    first: nn.Module,
    framing: Framing,
    path: Path,
    shape: torch.Size,
    log: Log,
) -> None:
    """Into a file beside ``path``, which then takes its name: a run that was stopped leaves none half full."""
    place, side = torch.device("cpu"), framing.side
    see = open_images(first, side, place, choose_engine(place, precision="fp32"))
    _, channels, height, width = shape
    partial = path.with_suffix(".partial.npy")
    cells = np.lib.format.open_memmap(
        partial, mode="w+", dtype=np.float16, shape=(len(VIEWS), len(rows), height, width, channels)
    )
    for view, name in enumerate(VIEWS):
        chosen = [index for index, own in enumerate(kinds) if view in own]
        log(f"first stages: {len(chosen):,} pictures, {name}")
        for start in range(0, len(chosen), _CHUNK):
            some = chosen[start : start + _CHUNK]
            pixels = np.stack([_view_of(rows[index].image, view, index, framing) for index in some])
            with torch.inference_mode():
                cells[view, some] = see(pixels).permute(0, 2, 3, 1).numpy()
    cells.flush()
    partial.rename(path)


def _view_of(path: Path, view: int, index: int, framing: Framing) -> Pixels:
    """(S, S, 3) of one of ``VIEWS``; crops depend on nothing but the row."""
    image = load_upright(path, framing)
    draw = np.random.default_rng((index, view))
    found = framing.square(image) if view < 2 else _crop(image, framing.side, draw)
    if view == 1 or (view > 1 and draw.random() < 0.5):
        found = found.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.asarray(found, np.uint8)


def _crop(image: Image.Image, side: int, draw: np.random.Generator) -> Image.Image:
    """At least half of the picture at another aspect ratio (Szegedy et al. 2015)."""
    area, ratio = draw.uniform(_LEAST_AREA, 1) * image.width * image.height, np.exp(draw.uniform(-0.288, 0.288))
    width = min(image.width, round((area * ratio) ** 0.5))
    height = min(image.height, round((area / ratio) ** 0.5))
    left, top = draw.integers(0, image.width - width + 1), draw.integers(0, image.height - height + 1)
    box = (left, top, left + width, top + height)
    return image.resize((side, side), Image.Resampling.BILINEAR, box)
