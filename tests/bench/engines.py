"""The image tower on each engine: processor time per picture, one thread, and what precision does to the tags."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from model.config import ModelConfig
from model.geometry import fit_square
from model.image import ImageTower
from model.predictor import TorchPredictor
from model.runtime.engines import EngineChoice, choose_engine, open_images
from model.runtime.openvino_runtime import has_openvino
from model.runtime.quantise import NUM_PICTURES, Quantisation, measure_ranges
from model.taxonomy import load_taxonomy
from model.training.dataset import Row, load_rows
from model.training.features import batches_of
from model.types import ListingInput
from model.weights import SHIPPED, load
from tests.bench.figure import Bench, Figure, median_of
from tests.bench.goods import photos

TITLE = "Engines on a CPU, one thread, image tower alone, batches of 16"
CPU = torch.device("cpu")
_HAS_VNNI = "vnni" in Path("/proc/cpuinfo").read_text()
_ATTRIBUTES = ("category", "product_type", "color", "material")

Pictures = npt.NDArray[np.uint8]


async def run(bench: Bench) -> list[Figure]:
    """See the module."""
    torch.set_num_threads(1)
    if not has_openvino():
        return [Figure("OpenVINO", 0, "", None, "not installed: pip install 'hangtag[openvino]'")]
    pictures, loaded = _pictures(), load(SHIPPED)
    ranges = _ranges(loaded.image, bench.data, pictures)
    shipped = _measured(loaded.image, ranges, pictures, bench.size(short=5, full=9))
    other = ImageTower(replace(ModelConfig(), image_tower="resnet50")).eval()
    chosen = pictures[:8]
    beside = _measured(other, _ranges(other, None, chosen), chosen, bench.size(short=3, full=5), skips_torch=True)
    return [
        *_figures("image tower", shipped, judged=True),
        *_figures("ResNet-50 beside it", beside, judged=False),
        *_changes(bench.data, ranges),
    ]


def _choices(*, skips_torch: bool = False) -> list[EngineChoice]:
    """OpenVINO in every precision that this CPU has, and torch first."""
    has_bf16 = choose_engine(CPU).precision != "fp32"
    found = [EngineChoice("torch", "fp32", 1), EngineChoice("openvino", "fp32", 1)]
    found += [EngineChoice("openvino", "bf16", 1)] if has_bf16 else []
    return [*found, EngineChoice("openvino", "int8", 1)][skips_torch:]


def _ranges(tower: ImageTower, data: Path | None, pictures: Pictures) -> dict[str, npt.NDArray[np.float32]]:
    """What int8 rounds to: from training pictures where they are there, else from these."""
    if data is None:
        return measure_ranges(tower, [torch.from_numpy(pictures)])
    training = [row.image for row in load_rows(data) if row.split == "train"]
    drawn = [training[index] for index in np.random.default_rng(0).permutation(len(training))[:NUM_PICTURES]]
    return measure_ranges(tower, map(torch.from_numpy, batches_of(drawn, tower.framing)))


def _measured(
    tower: ImageTower,
    ranges: dict[str, npt.NDArray[np.float32]],
    pictures: Pictures,
    rounds: int,
    *,
    skips_torch: bool = False,
) -> dict[str, list[float]]:
    """CPU-ms per picture by engine, round by round; engines take turns."""
    known = Quantisation(ranges)
    engines = {
        choice.name: open_images(tower, pictures.shape[1], CPU, choice, known)
        for choice in _choices(skips_torch=skips_torch)
    }
    times: dict[str, list[float]] = {name: [] for name in engines}
    with torch.inference_mode():
        for engine in engines.values():
            engine(pictures[:16])
        for _ in range(rounds):
            for name, engine in engines.items():
                times[name].append(_cpu_ms(engine, pictures))
    return times


def _figures(what: str, times: dict[str, list[float]], *, judged: bool) -> list[Figure]:
    exact = times["openvino fp32"]
    found = [median_of(f"{what}, {name}", "CPU-ms", one, None, "per picture") for name, one in times.items()]
    for name, bar in (("bf16", 1.7), ("int8", 2.5)):
        if f"openvino {name}" in times:
            ratios = [a / b for a, b in zip(exact, times[f"openvino {name}"], strict=True)]
            note = "CPU-ms per picture" + ("" if _HAS_VNNI or name != "int8" else "; this CPU has no VNNI instructions")
            found.append(
                median_of(f"{what}, OpenVINO fp32 ÷ {name}", "×", ratios, (">=", bar) if judged else None, note)
            )
    if "torch fp32" in times:
        ratios = [a / b for a, b in zip(times["torch fp32"], exact, strict=True)]
        found.append(median_of(f"{what}, torch ÷ OpenVINO fp32", "×", ratios, None))
    return found


def _changes(data: Path | None, ranges: dict[str, npt.NDArray[np.float32]]) -> list[Figure]:
    """Points of accuracy that each precision costs against torch, on test listings of the training data."""
    if data is None:
        return []
    rows = [row for row in load_rows(data) if row.split == "test" and row.title]
    loaded = replace(load(SHIPPED), quantisation=Quantisation(ranges))
    exact = _right(TorchPredictor(loaded, CPU, {}, EngineChoice("torch", "fp32")), rows)
    figures = []
    for choice in _choices(skips_torch=True)[1:]:
        fast = _right(TorchPredictor(loaded, CPU, {}, choice), rows)
        note = f"against torch fp32, {len(rows)} test listings, picture and title"
        figures += [
            Figure(
                f"tags' change, {choice.name}, {one}", round(abs(100 * (fast[one] - exact[one])), 2), "points",
                ("<=", 0.5), note,
            )
            for one in _ATTRIBUTES
            if exact[one] > 0
        ]  # fmt: skip
    return figures


def _right(predictor: TorchPredictor, rows: Sequence[Row]) -> dict[str, float]:
    """Share of right top values by attribute."""
    category_of = load_taxonomy().category_of
    right: dict[str, list[bool]] = {name: [] for name in _ATTRIBUTES}
    for some in (rows[start : start + 16] for start in range(0, len(rows), 16)):
        found = predictor.predict([ListingInput(row.title, (_square(row.image),)) for row in some])
        for row, one in zip(some, found, strict=True):
            truth = {**row.labels, "category": category_of(row.labels.get("product_type", "")) or ""}
            for name in _ATTRIBUTES:
                values = predictor.labels.values[name]
                if truth.get(name) in values:
                    right[name].append(values[int(one.attributes[name].fused.argmax())] == truth[name])
    return {name: float(np.mean(found)) if found else 0.0 for name, found in right.items()}


def _pictures() -> Pictures:
    found = [fit_square(Image.open(io.BytesIO(body)).convert("RGB"), 224) for body in list(photos(256).values())[:32]]
    return np.stack([np.asarray(image, np.uint8) for image in found])


def _square(path: Path) -> Pictures:
    with Image.open(path) as image:
        return np.asarray(fit_square(image.convert("RGB"), 224), np.uint8)


def _cpu_ms(engine: Callable[[Pictures], torch.Tensor], pictures: Pictures) -> float:
    began = time.process_time()
    for start in range(0, len(pictures), 16):
        engine(pictures[start : start + 16])
    return 1000 * (time.process_time() - began) / len(pictures)
