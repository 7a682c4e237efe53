"""What the towers see region by region and token by token, for fusions that look at more than one vector per side.

Regions are the image tower's last feature map, averaged into a square grid: of 7 × 7 at a side of 224 pixels a grid of
4 × 4 keeps where things are at a third of the size. Tokens are the encoder's last states. Both are kept as fp16: about
41 kB per picture and 25 kB per title.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import adaptive_avg_pool2d

from model.config import ModelConfig
from model.errors import ModelError
from model.fusions.pair import Parts
from model.fusions.registry import NEEDS_PARTS
from model.image import ImageTower
from model.text import TextTower
from model.training.dataset import Row
from model.training.features import Features, cached, compute_features
from model.training.ground_data import grounds_of
from model.training.part_features import Halves, PartFeatures
from model.training.picture_files import digests_of, load_pixels
from model.types import ListingInput

Log = Callable[[str], None]

_BATCH = 32


def all_features(
    rows: Sequence[Row],
    titles: Sequence[str],
    towers: tuple[ImageTower, TextTower],
    config: ModelConfig,
    cache: Path,
    log: Log,
) -> Features:
    """See `model.training.features.compute_features`; with parts where one of the configuration's fusions needs them,
    and with grounds where its scenes do.
    """
    found = compute_features(rows, titles, towers, config.image_side, cache, log)
    if config.ground_dim:
        found = replace(found, grounds=grounds_of(rows, config.framing, cache, log))
    if not NEEDS_PARTS & set(config.fusions):
        return found
    pictures = [row.image for row in rows]
    with torch.inference_mode():
        return replace(found, parts=_parts(pictures, titles, found.masked_titles, towers, config, cache, log))


def _parts(
    pictures: Sequence[Path],
    titles: Sequence[str],
    masked: Sequence[str],
    towers: tuple[ImageTower, TextTower],
    config: ModelConfig,
    cache: Path,
    log: Log,
) -> PartFeatures:
    image, text = towers
    grid, limit = config.region_grid, config.part_tokens
    seen = cached(
        cache,
        "regions",
        (image, config.image_side, grid, *digests_of(pictures, log)),
        lambda: {"regions": _look(pictures, image, config.image_side, grid, log)},
    )
    said = cached(cache, "tokens", (text, limit, *titles), lambda: _read(titles, text, limit))
    hidden = cached(cache, "tokens", (text, limit, *masked), lambda: _read(masked, text, limit))
    return PartFeatures(seen["regions"], said["tokens"], hidden["tokens"], said["lengths"], hidden["lengths"])


def regions_of(tower: ImageTower, pixels: torch.Tensor, grid: int) -> torch.Tensor:
    """(B, S, S, 3) uint8 to (B, ``grid``², Di): the last feature map of a network, or a transformer's patches."""
    net: Any = tower.net  # timm's networks and those of transformers
    if not hasattr(net, "forward_features"):
        raise ModelError("a torchvision tower has no regions to attend to; take it from timm, or another fusion")
    features: torch.Tensor = net.forward_features(tower.scaled(pixels))
    if features.ndim == 3:
        num_others = features.shape[1] - isqrt(features.shape[1]) ** 2  # class token and registers come first
        patches = features[:, getattr(net, "num_prefix_tokens", num_others) :]
        side = round(patches.shape[1] ** 0.5)
        if side * side != patches.shape[1]:
            raise ModelError("the image tower's patches form no square; it has no regions to attend to")
        features = patches.transpose(1, 2).reshape(len(patches), -1, side, side)
    return adaptive_avg_pool2d(features.float(), grid).flatten(2).transpose(1, 2)


def tokens_of(tower: TextTower, titles: Sequence[str], limit: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Titles to the states of their first ``limit`` tokens, (B, T, Dt), and which are there, (B, T) bool."""
    states, mask = tower.states(titles, limit)
    return states * mask[..., None], mask > 0


def parts_of_listings(
    listings: Sequence[ListingInput], towers: tuple[ImageTower, TextTower], config: ModelConfig
) -> Parts:
    """Parts of listings as they are served: regions averaged over a listing's pictures, in fp16 as in training."""
    image, text = towers
    regions = torch.zeros(len(listings), config.region_grid**2, config.image_dim)
    for row, one in enumerate(listings):
        if one.images:
            pixels = torch.from_numpy(np.stack(one.images)).to(next(image.parameters()).device)
            regions[row] = regions_of(image, pixels, config.region_grid).mean(dim=0).cpu()
    tokens, is_token = tokens_of(text, [one.title or "-" for one in listings], config.part_tokens)
    return Parts(regions.half().float(), tokens.cpu().half().float(), is_token.cpu())


def _look(pictures: Sequence[Path], tower: ImageTower, side: int, grid: int, log: Log) -> Halves:
    device = next(tower.parameters()).device
    found = []
    for start in range(0, len(pictures), _BATCH):
        framing = replace(tower.framing, side=side)
        batch = np.stack([load_pixels(path, framing) for path in pictures[start : start + _BATCH]])
        found.append(regions_of(tower, torch.from_numpy(batch).to(device), grid).cpu().numpy().astype(np.float16))
        if start % (50 * _BATCH) == 0:
            log(f"regions of pictures {start:,} of {len(pictures):,}")
    return np.concatenate(found)


def _read(titles: Sequence[str], tower: TextTower, limit: int) -> dict[str, npt.NDArray[np.generic]]:
    tokens: Halves | None = None
    lengths = np.zeros(len(titles), np.int64)
    order = sorted(range(len(titles)), key=lambda index: len(titles[index]))
    for start in range(0, len(order), _BATCH):
        chosen = order[start : start + _BATCH]
        states, is_token = tokens_of(tower, [titles[index] or "-" for index in chosen], limit)
        if tokens is None:
            tokens = np.zeros((len(titles), limit, states.shape[2]), np.float16)
        tokens[chosen, : states.shape[1]] = states.cpu().numpy().astype(np.float16)
        lengths[chosen] = is_token.sum(dim=1).cpu().numpy()
    blank = [index for index, title in enumerate(titles) if not title.strip()]
    lengths[blank] = 0
    return {"tokens": tokens if tokens is not None else np.zeros((0, limit, 0), np.float16), "lengths": lengths}
