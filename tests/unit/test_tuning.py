"""Last stages of towers, tuned: learned from the given rows alone, kept, and beside what was there before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from model.config import ModelConfig
from model.image import ImageTower
from model.ngrams import NUM_COLUMNS, bags
from model.text import TextTower
from model.training.dataset import Row
from model.training.fit import Examples
from model.training.stages import look
from model.training.tune import Plan
from model.training.tuning import Tuned, Tuning
from model.weights import SHIPPED, load
from tests.unit.tower_sources import bert_folder

SIDE = 32
KINDS = {"chair": "red", "lamp": "blue"}  # what is always of one colour
CONFIG = ModelConfig(
    image_side=SIDE, image_dim=1280, text_dim=32, color_dim=4, tuned_text_layers=1, tuned_image_blocks=1
)
SIZES = {"product_type": 2, "color": 2, "material": 2}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """Red chairs and blue lamps."""
    folder = tmp_path_factory.mktemp("pictures")
    found = []
    for index in range(40):
        kind = list(KINDS)[index % 2]
        noise = np.random.default_rng(index).normal(0, 20, (SIDE, SIDE, 3))
        color = np.array((200, 40, 40) if kind == "chair" else (40, 40, 200))
        path = folder / f"{index}.png"
        Image.fromarray(np.clip(color + noise, 0, 255).astype(np.uint8)).save(path)
        labels = {"product_type": kind, "color": KINDS[kind]}
        found.append(Row(path, f"a {KINDS[kind]} {kind} of maker", labels, "train", "catalogue", str(index)))
    return found


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> tuple[ImageTower, TextTower]:
    """A small BERT with random weights, and the shipped picture tower: one that knows nothing cannot be tuned."""
    folder = tmp_path_factory.mktemp("towers") / "bert"
    net = bert_folder(folder)
    image = ImageTower(replace(CONFIG, tuned_text_layers=0, tuned_image_blocks=0)).eval()
    image.net.load_state_dict(load(SHIPPED).image.net.state_dict())
    return image, TextTower(folder, 32, net).eval()


def examples(rows: list[Row], towers: tuple[ImageTower, TextTower]) -> Examples:
    titles = [row.title for row in rows]
    pixels = torch.from_numpy(np.stack([np.asarray(Image.open(row.image)) for row in rows]))
    with torch.inference_mode():
        images, vectors = towers[0](pixels), towers[1](titles)
    kinds = torch.tensor([list(KINDS).index(row.labels["product_type"]) for row in rows])
    words = bags(titles, np.ones(NUM_COLUMNS, np.float32))
    there, nothing = torch.ones(len(rows), dtype=torch.bool), torch.full((len(rows),), -1)
    labels = {"product_type": kinds, "color": kinds, "material": nothing}
    colors = torch.zeros(len(rows), CONFIG.color_dim)
    return Examples(images.clone(), colors, vectors.clone(), vectors.clone(), words, words, there, ~there, labels)


def tuned_on(
    chosen: torch.Tensor, rows: list[Row], towers: tuple[ImageTower, TextTower], data: Examples, cache: Path
) -> Tuned:
    tuning = Tuning(CONFIG, towers, data, SIZES, cache, 0, lambda _: None)
    tuning.prepare(rows, [row.title for row in rows], ["a of maker"] * len(rows))
    return tuning.on(chosen)


@pytest.fixture(scope="module", autouse=True)
def short(request: pytest.FixtureRequest) -> None:
    """A few passes are enough for two kinds of thing."""
    patch = pytest.MonkeyPatch()
    patch.setattr("model.training.tuning.TEXT_PLAN", Plan(head_epochs=10, epochs=6, batch=8, rate=1e-3))
    patch.setattr("model.training.tuning.IMAGE_PLAN", Plan(head_epochs=10, epochs=3, batch=8, rate=1e-3))
    request.addfinalizer(patch.undo)


def test_tuned_stages_answer_for_rows_that_they_never_saw(
    rows: list[Row], towers: tuple[ImageTower, TextTower], tmp_path: Path
) -> None:
    """Both heads tell chairs from lamps among held-out rows, nine times of ten at least; what the towers saw before
    stands unchanged before it.
    """
    data = examples(rows, towers)
    tuned = tuned_on(torch.arange(30), rows, towers, data, tmp_path)
    found = tuned.examples
    assert torch.equal(found.titles[:, : CONFIG.text_dim], data.titles)
    assert torch.equal(found.images[:, : CONFIG.image_dim], data.images)
    truth = data.labels["product_type"][30:]
    for name, seen in (("tuned_text", found.titles[30:, 32:]), ("tuned_image", found.images[30:, 1280:])):
        answers = tuned.heads[name](seen, data.colors[30:])["product_type"].argmax(dim=1)
        assert float((answers == truth).float().mean()) >= 0.85, name  # of ten, by chance five


def test_hidden_rows_leave_no_trace(rows: list[Row], towers: tuple[ImageTower, TextTower], tmp_path: Path) -> None:
    """With other labels on rows that are held out the tuned weights are the same, to the last bit."""
    data = examples(rows, towers)
    kinds = data.labels["product_type"].clone()
    kinds[30:] = 1 - kinds[30:]
    lied = replace(data, labels={**data.labels, "product_type": kinds})
    one = tuned_on(torch.arange(30), rows, towers, data, tmp_path / "one")
    other = tuned_on(torch.arange(30), rows, towers, lied, tmp_path / "other")
    for name, stages in one.stages.items():
        for key, value in stages.state_dict().items():
            assert torch.equal(value, other.stages[name].state_dict()[key]), (name, key)


def test_what_was_tuned_is_found_again(rows: list[Row], towers: tuple[ImageTower, TextTower], tmp_path: Path) -> None:
    """The same rows are tuned once; other titles are another tuning."""
    data = examples(rows, towers)
    first = tuned_on(torch.arange(30), rows, towers, data, tmp_path)
    files = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = tuned_on(torch.arange(30), rows, towers, data, tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files
    assert torch.equal(first.examples.titles, again.examples.titles)
    renamed = [replace(row, title=row.title.replace("maker", "photo")) for row in rows]
    tuned_on(torch.arange(30), renamed, towers, data, tmp_path)
    assert len(list(tmp_path.glob("tuned-text-*"))) == 2


def test_the_tower_sees_what_training_saw(
    rows: list[Row], towers: tuple[ImageTower, TextTower], tmp_path: Path
) -> None:
    """Put into towers, tuned stages give the features that the examples have."""
    data = examples(rows, towers)
    tuned = tuned_on(torch.arange(30), rows, towers, data, tmp_path)
    text = towers[1]
    text.tuned = tuned.stages["tuned_text"]  # type: ignore[assignment]  # it is one
    image = ImageTower(CONFIG).eval()
    image.net.load_state_dict(towers[0].net.state_dict())
    image.tuned = tuned.stages["tuned_image"]
    pixels = torch.from_numpy(np.stack([np.asarray(Image.open(row.image)) for row in rows]))
    with torch.inference_mode():
        said, seen = text([row.title for row in rows]), image(pixels)
    text.tuned = None
    torch.testing.assert_close(said, tuned.examples.titles, atol=2e-3, rtol=0)
    torch.testing.assert_close(seen, tuned.examples.images, atol=2e-2, rtol=2e-2)


def test_views_of_a_picture_are_computed_once(
    rows: list[Row], towers: tuple[ImageTower, TextTower], tmp_path: Path
) -> None:
    """As it is, mirrored, and two crops; a second look reads the file."""
    lines: list[str] = []
    views = look(rows, towers[0], CONFIG, tmp_path, lines.append)
    assert len(lines) == 4
    assert all(kinds == (0, 1, 2, 3) for kinds in views.kinds)
    look(rows, towers[0], CONFIG, tmp_path, lines.append)
    assert len(lines) == 4
