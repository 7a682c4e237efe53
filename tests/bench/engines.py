"""The image tower on each engine: processor time per picture, one thread, and what precision does to the tags."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from model.dataset import Row, load_rows
from model.engines import EngineChoice, choose_engine, open_images
from model.geometry import fit_square
from model.openvino_runtime import has_openvino
from model.predictor import TorchPredictor, load_predictor
from model.taxonomy import load_taxonomy
from model.types import ListingInput
from model.weights import SHIPPED, load
from tests.bench.figure import Bench, Figure, median_of
from tests.bench.goods import photos

TITLE = "Engines on a CPU, one thread, image tower alone, batches of 16"
_ATTRIBUTES = ("category", "product_type", "color", "material")

Pictures = npt.NDArray[np.uint8]


async def run(bench: Bench) -> list[Figure]:
    """See the module."""
    torch.set_num_threads(1)
    if not has_openvino():
        return [Figure("OpenVINO", 0, "", None, "not installed: pip install 'hangtag[openvino]'")]
    pictures = _pictures()
    engines = {choice.name: _engine(choice) for choice in _choices()}
    times: dict[str, list[float]] = {name: [] for name in engines}
    with torch.inference_mode():
        for _ in range(bench.size(short=5, full=9)):
            for name, engine in engines.items():
                times[name].append(_cpu_ms(engine, pictures))
    figures = [median_of(f"image tower, {name}", "CPU-ms", found, None, "per picture") for name, found in times.items()]
    return [*figures, *_ratios(times), *_changes(bench.data)]


def _choices() -> list[EngineChoice]:
    place = torch.device("cpu")
    found = [choose_engine(place, "torch"), choose_engine(place, "openvino", "fp32", 1)]
    best = choose_engine(place, num_threads=1)
    return found if best.precision == "fp32" else [*found, best]


def _engine(choice: EngineChoice) -> Callable[[Pictures], torch.Tensor]:
    found = load(SHIPPED)
    return open_images(found.image, found.config.image_side, torch.device("cpu"), choice)


def _ratios(times: dict[str, list[float]]) -> list[Figure]:
    torch_ms, exact = times["torch fp32"], times["openvino fp32"]
    found = [
        median_of("torch ÷ OpenVINO fp32", "×", [a / b for a, b in zip(torch_ms, exact, strict=True)], None),
    ]
    if "openvino bf16" in times:
        ratios = [a / b for a, b in zip(exact, times["openvino bf16"], strict=True)]
        found.append(median_of("OpenVINO fp32 ÷ bf16", "×", ratios, (">=", 1.7), "CPU-ms per picture"))
    return found


def _changes(data: Path | None) -> list[Figure]:
    """Points of accuracy that the engine of ``auto`` costs against torch, on test listings of the training data."""
    if data is None:
        return []
    rows = [row for row in load_rows(data) if row.split == "test" and row.title]
    exact, fast = _right(load_predictor("", "cpu", engine="torch"), rows), _right(load_predictor("", "cpu"), rows)
    name = choose_engine(torch.device("cpu")).name
    note = f"{name} against torch fp32, {len(rows)} test listings, picture and title"
    return [
        Figure(f"tags' change, {one}", round(abs(100 * (fast[one] - exact[one])), 2), "points", ("<=", 0.5), note)
        for one in _ATTRIBUTES
        if exact[one] > 0
    ]


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
