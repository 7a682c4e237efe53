"""An image tower cut in two: the first stages, which are never trained, and the last, which may be.

What the first stages see in a picture is kept in a file, for several views of it, so that training the last ones reads
numbers instead of pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import nn

from model.dataset import Row
from model.engines import choose_engine, open_images
from model.errors import ModelError
from model.geometry import fit_square
from model.image import ImageTower
from model.types import Pixels

VIEWS = ("as it is", "mirrored", "crop", "another crop")
_PHOTO_VIEWS = (0, 2)  # of photos without a title, which are many of few kinds
_LAST_BLOCKS = 2  # of an EfficientNet's seven: below 14 x 14 cells
_LEAST_AREA = 0.5  # of the picture in a crop
_CHUNK = 32

Log = Callable[[str], None]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class Halves:
    """Both parts of a tower, sharing its weights. Raises ModelError for a network without an EfficientNet's blocks."""

    def __init__(self, tower: ImageTower) -> None:
        net = tower.net
        if not all(hasattr(net, name) for name in ("conv_stem", "bn1", "blocks", "conv_head", "bn2", "global_pool")):
            raise ModelError(f"{type(net).__name__} cannot be tuned: it has no EfficientNet's blocks; train it frozen")
        self.first = _First(tower)
        blocks = list(cast(nn.Sequential, net.blocks))[-_LAST_BLOCKS:]
        self.last = nn.Sequential(*blocks, net.conv_head, net.bn2, net.global_pool).eval()


class _First(nn.Module):
    """(B, S, S, 3) uint8 sRGB to (B, C, H, W): what the last stages take."""

    def __init__(self, tower: ImageTower) -> None:
        super().__init__()
        self._tower = tower

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """See the class."""
        net = self._tower.net
        found: torch.Tensor = net.bn1(net.conv_stem(self._tower.scaled(pixels)))
        for block in list(net.blocks)[:-_LAST_BLOCKS]:
            found = block(found)
        return found


@dataclass(frozen=True, slots=True)
class Views:
    """What the first stages saw: ``cells`` (V, N, H, W, C) fp16 in a file; a row has ``counts`` of the views."""

    cells: npt.NDArray[np.float16]
    kinds: Sequence[tuple[int, ...]]  # per row, the views that there are
    num_features: int  # of the whole tower
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


def look(rows: Sequence[Row], tower: ImageTower, side: int, cache: Path, log: Log) -> Views:
    """What the first stages see in all views of the rows' pictures; what ``cache`` has is read from there."""
    kinds = [tuple(range(len(VIEWS))) if row.title else _PHOTO_VIEWS for row in rows]
    halves = Halves(tower)
    key = _key(rows, tower, side)
    path = cache / f"views-{key}.npy"
    with torch.inference_mode():
        shape = halves.first(torch.zeros(1, side, side, 3, dtype=torch.uint8)).shape
        width = halves.last(torch.zeros(shape)).shape[1]
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        _compute(rows, kinds, halves.first, side, path, shape, log)
    return Views(np.load(path, mmap_mode="r"), kinds, width, key)


def features_of(halves: Halves, views: Views, count: int) -> Floats:
    """(``count``, Di) of the pictures as they are, by these last stages."""
    with torch.inference_mode():
        parts = [
            halves.last(views.plain(range(start, min(count, start + _CHUNK)))) for start in range(0, count, _CHUNK)
        ]
    return np.asarray(torch.cat(parts).numpy(), np.float32)


def _key(rows: Sequence[Row], tower: ImageTower, side: int) -> str:
    digest = hashlib.sha256(f"{side} {VIEWS} {_LAST_BLOCKS}".encode())
    for row in rows:
        digest.update(f"{row.image.parent.name}/{row.image.name}\0".encode())
    for value in tower.parameters():
        digest.update(value.detach().cpu().float().numpy().ravel()[:64].tobytes())
    return digest.hexdigest()[:16]


def _compute(
    rows: Sequence[Row],
    kinds: Sequence[tuple[int, ...]],
    first: nn.Module,
    side: int,
    path: Path,
    shape: torch.Size,
    log: Log,
) -> None:
    """Into a file beside ``path``, which then takes its name: a run that was stopped leaves none half full."""
    place = torch.device("cpu")
    see = open_images(cast(ImageTower, first), side, place, choose_engine(place, precision="fp32"))
    _, channels, height, width = shape
    partial = path.with_suffix(".partial.npy")
    cells = np.lib.format.open_memmap(
        partial, mode="w+", dtype=np.float16, shape=(len(VIEWS), len(rows), height, width, channels)
    )
    for view, name in enumerate(VIEWS):
        chosen = [index for index, own in enumerate(kinds) if view in own]
        log(f"first stages: {len(chosen):,} pictures, {name}")
        for some in _chunks(chosen):
            pixels = np.stack([_view_of(rows[index].image, view, index, side) for index in some])
            with torch.inference_mode():
                cells[view, some] = see(pixels).permute(0, 2, 3, 1).numpy()
    cells.flush()
    partial.rename(path)


def _chunks(rows: Sequence[int]) -> Iterator[list[int]]:
    yield from (list(rows[start : start + _CHUNK]) for start in range(0, len(rows), _CHUNK))


def _view_of(path: Path, view: int, index: int, side: int) -> Pixels:
    """(S, S, 3) of one of ``VIEWS``; crops depend on nothing but the row."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    draw = np.random.default_rng((index, view))
    found = fit_square(image, side) if view < 2 else _crop(image, side, draw)
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
