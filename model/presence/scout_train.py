"""Teaches the scout where text is worth reading, and writes ``text_scout.onnx`` where the reader finds it.

    python -m model.presence.scout_train DATA [--steps 5000] [--threads 2] [--cache .cache] [--out FILE]

Needs ``hangtag[train]``. On two cores reading what it learns from takes half an hour, and is kept; learning takes as
long. What the scout does on calibration and on test pictures is printed, and stands in the file's metadata.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from model.ocr import MAX_SIDE, SIDE, open_reader
from model.presence.scout_data import TEXT, UNTOLD, Picture, Targets, read_pictures
from model.presence.scout_network import InUse, ScoutNetwork
from model.presence.text_presence import threshold_for
from model.reading.detect import as_input
from model.reading.engine import SCOUT_FILE, Floats
from model.reading.scout import CELL, Thresholds, hottest_in
from model.training.dataset import load_rows
from model.training.progress import ShowProgress
from model.types import Pixels

RECALL, LINE_RECALL = 0.99, 0.99  # of the calibration pictures with text, and of their lines

_CROP, _BATCH, _RATE, _DECAY = 256, 16, 6e-3, 2e-2
_LEAST_STEPS = 20  # in which the learning rate rises and falls
_ZOOM = (0.75, 1.3)
_HARD = 8  # cells of a crop, wrongly hot, that count by themselves
_TOP, _FEWEST_CELLS, _CLEAR = 4, 3, 0.98  # hottest cells that speak for a crop; cells, and share, that make its truth
_WEIGHTS = (1.0, 2.0, 0.3, 0.5)  # of text, of the rest, of its hardest cells, of whole crops

_FITTED_ON = (
    "Amazon Berkeley Objects, CC BY 4.0, credits in model/checkpoints/default/LICENSES/data.txt; "
    "clothing-dataset-small by Alexey Grigorev, CC0 1.0; GroceryStoreDataset, MIT, (c) 2019 Marcus Klasson"
)

Example = tuple[Pixels, Targets]
_Rows = npt.NDArray[np.int64]


def fit_scout(
    examples: Sequence[Example], is_photo: Sequence[bool], steps: int, seed: int, show: ShowProgress
) -> ScoutNetwork:
    """Fit on pictures (H, W, 3) sRGB at the detector's size with their targets (H / 8, W / 8)."""
    torch.manual_seed(seed)
    network = ScoutNetwork().train().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps, pct_start=0.1)
    for done, (pictures, targets) in enumerate(_batches(examples, is_photo, steps, np.random.default_rng(seed))):
        loss = _loss(network(pictures), targets)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        show(done + 1, steps, "learning where text is")
    return network.eval()


def _batches(
    examples: Sequence[Example], is_photo: Sequence[bool], steps: int, choose: np.random.Generator
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Half of a batch are crops with text, half of these of photos; the others are of pictures without."""
    has_text = np.array([bool((targets == TEXT).any()) for _, targets in examples])
    photos = np.array(is_photo, np.bool_)
    pools = [np.flatnonzero(one) for one in (has_text & photos, has_text, ~has_text)]
    pools = [pool if len(pool) else np.arange(len(examples)) for pool in pools]
    kinds = [(0, 0, 1, 1, 2, 2, 2, 2)[place % 8] for place in range(_BATCH)]
    for _ in range(steps):
        crops = [_crop(*examples[int(choose.choice(pools[kind]))], choose) for kind in kinds]
        pictures = torch.from_numpy(np.stack([pixels for pixels, _ in crops]))
        yield pictures.to(memory_format=torch.channels_last), torch.from_numpy(np.stack([one for _, one in crops]))


def _crop(pixels: Pixels, targets: Targets, choose: np.random.Generator) -> tuple[Floats, Targets]:
    """A part, zoomed and recoloured, and its targets: (3, 256, 256) in about -1 to 1, blue first; mostly with text."""
    side = round(_CROP / choose.uniform(*_ZOOM) / CELL) * CELL
    low, narrow = (max(0, side - length) for length in pixels.shape[:2])
    pixels = np.asarray(cv2.copyMakeBorder(pixels, 0, low, 0, narrow, cv2.BORDER_REPLICATE), np.uint8)
    border = cv2.copyMakeBorder(targets, 0, low // CELL, 0, narrow // CELL, cv2.BORDER_CONSTANT, value=UNTOLD)
    targets = np.asarray(border, np.uint8)
    left, top = (int(choose.integers(0, (length - side) // CELL + 1)) for length in pixels.shape[1::-1])
    rows, columns = np.nonzero(targets == TEXT)
    if len(rows) and choose.random() < 0.8:
        one = int(choose.integers(len(rows)))
        top, left = (
            int(np.clip(cell[one] - choose.integers(0, side // CELL), 0, (length - side) // CELL))
            for cell, length in ((rows, pixels.shape[0]), (columns, pixels.shape[1]))
        )
    cells, places = slice(top, top + side // CELL), slice(left, left + side // CELL)
    part = pixels[top * CELL : top * CELL + side, left * CELL : left * CELL + side]
    zoomed = np.asarray(cv2.resize(part, (_CROP, _CROP)), np.float32) / 127.5 - 1
    told = cv2.resize(targets[cells, places], (_CROP // CELL,) * 2, interpolation=cv2.INTER_NEAREST)
    quarters = int(choose.choice((0, 0, 0, 1, 2, 3)))  # bags and rings bear lines that run downwards
    turned, told = np.rot90(_recoloured(zoomed[:, :, ::-1], choose), quarters), np.rot90(told, quarters)
    return np.ascontiguousarray(turned.transpose(2, 0, 1)), np.ascontiguousarray(told, np.uint8)


def _recoloured(pixels: Floats, choose: np.random.Generator) -> Floats:
    if choose.random() < 0.25:
        pixels = -pixels
    if choose.random() < 0.3:
        pixels = pixels[:, :, choose.permutation(3)]
    return np.asarray(pixels * choose.uniform(0.7, 1.1) + choose.uniform(-0.15, 0.15), np.float32)


def _loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Of cells, of the wrong ones that are hottest, and of whole crops by their hottest cells."""
    is_text, is_told = (targets == TEXT).float().flatten(1), (targets != UNTOLD).float().flatten(1)
    flat = logits.flatten(1)
    each = functional.binary_cross_entropy_with_logits(flat, is_text, reduction="none") * is_told
    of_text, of_rest = each * is_text, each * (1 - is_text)
    top = flat.masked_fill(is_told == 0, -20.0).topk(_TOP, 1)[0].mean(1)
    has_text = (is_text.sum(1) >= _FEWEST_CELLS).float()
    is_clear = ((is_told * (1 - is_text)).mean(1) > _CLEAR).float()
    whole = functional.binary_cross_entropy_with_logits(top, has_text, reduction="none")
    parts = (
        (of_text.sum(1) / (is_text.sum(1) + 1)).mean(),
        of_rest.mean(),
        of_rest.topk(_HARD, 1)[0].mean(),
        (whole * torch.clamp(has_text + is_clear, max=1)).mean(),
    )
    return torch.stack([weight * part for weight, part in zip(_WEIGHTS, parts, strict=True)]).sum()


@dataclass(frozen=True, slots=True)
class Heat:
    """What the network sees in a picture: its hottest cell, and the hottest in each line that is text for certain."""

    picture: float
    lines: tuple[float, ...]


def heat_of(network: ScoutNetwork, picture: Picture) -> Heat:
    """See `Heat`; a line's cells are those that it touches."""
    batch = as_input(picture.pixels(SIDE, MAX_SIDE))[None]
    with torch.inference_mode():
        cells = torch.sigmoid(network(torch.from_numpy(batch)))[0].numpy()
    lines = (hottest_in(cells, np.array(line.polygon, np.float32)) for line in picture.sure_lines)
    return Heat(float(cells.max()), tuple(lines))


def thresholds_for(heats: Sequence[Heat], is_drawn: Sequence[bool]) -> Thresholds:
    """The highest that let ``RECALL`` of the pictures with text through, and ``LINE_RECALL`` of their lines: of photos
    as well as of pictures that we drew on. Lines of pictures that are not looked at are lost beside those.
    """
    found = []
    for drawn in (True, False):
        chosen = [one for one, is_one in zip(heats, is_drawn, strict=True) if is_one == drawn and one.lines]
        pictures = np.array([one.picture for one in chosen], np.float32)
        lines = np.array([line for one in chosen for line in one.lines], np.float32)
        found.append((_passing(pictures, RECALL), _passing(lines, LINE_RECALL)))
    look, read = (min(values) for values in zip(*found, strict=True))
    return Thresholds(look, min(look, read))


def _passing(heat: Floats, recall: float) -> float:
    return threshold_for(heat, np.ones(len(heat), np.bool_), recall)


def scout_figures(heats: Sequence[Heat], thresholds: Thresholds) -> dict[str, float]:
    """How many pictures hold text for certain; the share of those that is looked at, of their lines, and of the other
    pictures that is not.
    """
    with_text, without = [one for one in heats if one.lines], [one for one in heats if not one.lines]
    lines = [line >= thresholds.read and one.picture >= thresholds.look for one in with_text for line in one.lines]
    return {
        "pictures": len(heats),
        "with_text": len(with_text),
        "recall": _share([one.picture >= thresholds.look for one in with_text]),
        "line_recall": _share(lines),
        "skipped_without_text": _share([one.picture < thresholds.look for one in without]),
    }


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / max(1, len(hits)), 4)


def export(network: ScoutNetwork, told: dict[str, Any], out: Path) -> None:
    """Write the network as ONNX, with what is ``told`` of it as metadata."""
    import onnx

    sizes = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    torch.onnx.export(
        InUse(network.folded()).eval(), (torch.zeros(1, 3, SIDE, SIDE),), str(out), input_names=["picture"],
        output_names=["heat"], dynamo=True, dynamic_shapes=(sizes,), external_data=False, verbose=False,
    )  # fmt: skip
    model = onnx.load(str(out))
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {name: json.dumps(value) for name, value in told.items()})
    onnx.save(model, str(out))


def main() -> None:
    """Read, learn, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with abo/, clothing/ and grocery/")
    parser.add_argument("--steps", type=int, default=5000, help=f"batches to learn from, at least {_LEAST_STEPS}")
    parser.add_argument("--threads", type=int, default=2, help="of the OCR engine, and of learning")
    parser.add_argument("--cache", type=Path, default=Path(".cache/features"), help="where what was read is kept")
    parser.add_argument("--out", type=Path, default=SCOUT_FILE, help="the file to write")
    asked = parser.parse_args()
    if asked.steps < _LEAST_STEPS:
        parser.error(f"--steps {asked.steps}: at least {_LEAST_STEPS} are needed")
    torch.set_num_threads(asked.threads)
    reader = open_reader(num_threads=asked.threads, looks_everywhere=True)
    pictures = read_pictures(load_rows(asked.data), reader, asked.cache, _show)
    taught = [picture for picture in pictures if picture.part == "train"]
    examples = [_example(picture) for picture in taught]
    network = fit_scout(examples, [not one.is_drawn for one in taught], asked.steps, 0, _show)
    heats = {picture: heat_of(network, picture) for picture in pictures if picture.part != "train"}
    calibration = [picture for picture in heats if picture.part == "calibrate"]
    thresholds = thresholds_for([heats[one] for one in calibration], [one.is_drawn for one in calibration])
    told: dict[str, Any] = {"look": thresholds.look, "read": thresholds.read, "fitted on": _FITTED_ON}
    for part in ("calibrate", "test"):
        for name, is_drawn in (("photos", False), ("drawn", True)):
            chosen = [heat for one, heat in heats.items() if one.part == part and one.is_drawn == is_drawn]
            told[f"{part} {name}"] = scout_figures(chosen, thresholds)
    export(network, told, asked.out)
    print(json.dumps(told, indent=1))  # noqa: T201  # the command's own output


def _example(picture: Picture) -> Example:
    pixels = picture.pixels(SIDE, MAX_SIDE)
    return pixels, picture.targets(*pixels.shape[:2])


def _show(done: int, total: int, doing: str) -> None:
    if done % 100 == 0:
        print(f"{doing}: {done} of {total}", flush=True)  # noqa: T201  # the command's own output


if __name__ == "__main__":
    main()
