"""What says where text is worth looking for, before the detector looks."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from model.errors import CheckpointError
from model.ocr import open_reader
from model.presence.scout_data import NO_TEXT, TEXT, UNTOLD, Line, Picture
from model.presence.scout_network import InUse, ScoutNetwork
from model.presence.scout_train import Heat, export, fit_scout, scout_figures, thresholds_for
from model.reading.detect import Detector, Place, as_input
from model.reading.engine import SCOUT_FILE, Floats
from model.reading.networks import choose_engine
from model.reading.onnx import OnnxNetwork
from model.reading.scout import CELL, Scout, Thresholds, thresholds_of
from model.training.progress import silent
from model.types import Pixels
from tests.bench.goods import poster
from worker.demo.samples import load_pictures

HALVES = Thresholds(0.5, 0.3)


class Asked:
    """A detector's network that takes everything for text, and remembers the sizes of what it was given."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def __call__(self, batch: Floats) -> Floats:
        """Text but for a rim."""
        self.sizes.append(batch.shape[2:])
        found = np.zeros((1, 1, *batch.shape[2:]), np.float32)
        found[:, :, 20:-20, 20:-20] = 1
        return found


def _hot(*places: tuple[int, int], heat: float = 0.9) -> Scout:
    """Sees text in these cells, row and column."""

    def network(batch: Floats) -> Floats:
        cells = np.zeros((1, batch.shape[2] // CELL, batch.shape[3] // CELL), np.float32)
        for row, column in places:
            cells[0, row, column] = heat
        return cells

    return Scout(network, HALVES)


def test_a_picture_without_text_is_not_looked_through() -> None:
    """The detector, twenty times as dear, is not asked; without a scout it is."""
    network, picture = Asked(), np.zeros((480, 480, 3), np.uint8)
    assert Detector(network, _hot((30, 30), heat=0.49)).find(picture, 480, 1536) == []
    assert network.sizes == []
    assert len(Detector(network).find(picture, 480, 1536)) == 1
    assert network.sizes == [(480, 480)]


def test_only_the_parts_around_hot_cells_are_looked_through() -> None:
    """Two places far from each other are two parts, and a box is where its part lies."""
    network, picture = Asked(), np.zeros((480, 480, 3), np.uint8)
    upper, lower = Detector(network, _hot((6, 10), (52, 40))).find(picture, 480, 1536)
    assert network.sizes == [(128, 128), (128, 128)]
    assert upper.corners[:, 1].max() < 200 < 300 < lower.corners[:, 1].min()


def test_what_is_cold_in_a_part_is_not_read() -> None:
    """The detector takes texture beside a line for text; the scout does not."""
    picture = np.zeros((480, 480, 3), np.uint8)
    scout = _hot((30, 30))

    def network(batch: Floats) -> Floats:
        found = np.zeros((1, 1, *batch.shape[2:]), np.float32)
        found[:, :, 48:60, 8:100] = found[:, :, 100:112, 8:100] = 1
        return found

    (box,) = Detector(network, scout).find(picture, 480, 1536)
    assert 240 < box.corners[:, 1].mean() < 256


def test_named_places_are_looked_through_whatever_the_scout_sees() -> None:
    """At the size asked for; a place that reaches out of the picture is looked at as far as there is picture."""
    network, picture = Asked(), np.zeros((480, 480, 3), np.uint8)
    places = [Place(10, 20, 50, 40), Place(400, 430, 600, 620), Place(-50, 440, 20, 470)]
    found = Detector(network, _hot()).find_in(picture, places, 960, 1536)
    assert network.sizes == [(64, 96), (128, 160), (64, 64)]
    assert all(box.corners.min() >= 0 and box.corners.max() < 480 for box in found)


@given(
    st.tuples(st.integers(4, 20), st.integers(4, 48)),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12),
)
def test_parts_hold_every_hot_cell_and_suit_the_network(
    size: tuple[int, int], places: list[tuple[float, float]]
) -> None:
    """Sides are multiples of 32, inside the picture; no pixel is seen twice."""
    heat = np.zeros((size[0] * 4, size[1] * 4), np.float32)
    for down, right in places:
        heat[int(down * (heat.shape[0] - 1)), int(right * (heat.shape[1] - 1))] = 1
    seen = np.zeros((heat.shape[0] * CELL, heat.shape[1] * CELL), np.uint8)
    for part in _hot().parts(heat):
        assert (part.foot - part.top) % 32 == (part.right - part.left) % 32 == 0
        assert 0 <= part.top < part.foot <= seen.shape[0]
        assert 0 <= part.left < part.right <= seen.shape[1]
        seen[part.top : part.foot, part.left : part.right] += 1
    assert seen.max() == 1
    assert seen[::CELL, ::CELL][heat > 0].all()
    assert seen[CELL - 1 :: CELL, CELL - 1 :: CELL][heat > 0].all()


def _card(words: str, font_size: int, ink: str, paper: str) -> Image.Image:
    image = Image.new("RGB", (400, 400), paper)
    ImageDraw.Draw(image).text((20, 180), words, fill=ink, font=ImageFont.load_default(font_size))
    return image


@pytest.mark.parametrize("size", [14, 24, 60])
@pytest.mark.parametrize(("ink", "paper"), [("black", "white"), ("white", "#103060"), ("#c02020", "#f4e9d0")])
def test_text_of_any_size_and_colour_is_looked_at(size: int, ink: str, paper: str) -> None:
    """Upright and running downwards."""
    card = _card("Sale $19.99", size, ink, paper)
    upright, turned = open_reader().read([np.asarray(card, np.uint8), np.asarray(card.rotate(90), np.uint8)])
    assert "19.99" in "".join(line.text for line in upright.lines)
    assert turned.lines


def test_reads_what_is_read_without_a_scout() -> None:
    """Posters, and the demo's cards with prices in two languages."""
    pictures = [np.asarray(poster(seed)[0], np.uint8) for seed in (1, 2)]
    cards = [body for name, body in sorted(load_pictures().items()) if name.startswith("card-")]
    assert cards
    pictures += map(_pixels, cards)
    ours, everywhere = open_reader().read(pictures), open_reader(looks_everywhere=True).read(pictures)
    assert [[line.text for line in one.lines] for one in ours] == [
        [line.text for line in one.lines] for one in everywhere
    ]


def test_nothing_is_seen_where_nothing_is() -> None:
    """An even picture, and a soft gradient."""
    scout = Scout(OnnxNetwork(SCOUT_FILE, 1), thresholds_of(SCOUT_FILE))
    gradient = np.repeat(np.linspace(0, 255, 320, dtype=np.uint8)[None, :, None], 320, 0).repeat(3, 2)
    for picture in (np.full((320, 320, 3), 230, np.uint8), gradient):
        assert scout.parts(scout.heat(as_input(picture)[None])) == []


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    """Without its thresholds it cannot be used."""
    path = tmp_path / "text_scout.onnx"
    path.write_bytes(SCOUT_FILE.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"text_scout\.onnx is not whole.* install hangtag again"):
        thresholds_of(path)


def _pixels(body: bytes) -> Pixels:
    with Image.open(io.BytesIO(body)) as image:
        return np.asarray(image.convert("RGB"), np.uint8)


_BOX = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.5), (0.25, 0.5))


def _picture(*lines: Line, is_drawn: bool = False) -> Picture:
    return Picture(Path("none"), "train", is_drawn, lines)


def test_targets_are_lines_that_are_text_for_certain() -> None:
    """Short ones and doubtful ones are told neither way, unless we drew them ourselves."""
    sure = _picture(Line("oak table", 0.97, _BOX)).targets(320, 320)
    assert (sure[11:19, 11:29] == TEXT).all()
    assert (sure[:9] == NO_TEXT).all()
    for line in (Line("11", 1.0, _BOX), Line("oak table", 0.7, _BOX)):
        assert (_picture(line).targets(320, 320)[11:19, 11:29] == UNTOLD).all()
        assert (_picture(line, is_drawn=True).targets(320, 320)[11:19, 11:29] == TEXT).all()


def test_learns_where_text_is() -> None:
    """From four pictures, seen again: letters are hot, the weave beside them is not."""
    weave = np.where(np.indices((256, 256)).sum(0) % 8 < 4, 200, 120).astype(np.uint8)[:, :, None].repeat(3, 2)
    examples = []
    for place in (40, 90, 140, 190):
        image = Image.fromarray(weave)
        ImageDraw.Draw(image).rectangle((30, place - 4, 226, place + 34), fill="white")
        ImageDraw.Draw(image).text((40, place), "free shipping", fill="black", font=ImageFont.load_default(26))
        targets = np.zeros((32, 32), np.uint8)
        targets[place // CELL : (place + 30) // CELL, 5:27] = TEXT
        examples.append((np.asarray(image, np.uint8), targets))
    network = fit_scout(examples, [True] * 4, 30, 0, silent)
    with torch.inference_mode():
        heat = network(torch.from_numpy(as_input(examples[0][0])[None]))[0].numpy()
    is_text = examples[0][1] == TEXT
    assert heat[is_text].mean() > heat[~is_text].mean() + 1


def test_a_file_says_what_was_learned(tmp_path: Path) -> None:
    """The same numbers out of the engine as out of torch, and the thresholds beside them."""
    pytest.importorskip("onnxscript", reason="pip install 'hangtag[train]'")
    torch.manual_seed(3)
    network, batch = ScoutNetwork().eval(), torch.rand(1, 3, 64, 96) * 2 - 1
    with torch.inference_mode():
        wanted = InUse(network)(batch).numpy()
    export(network, {"look": 0.4, "read": 0.25}, tmp_path / "scout.onnx")
    assert np.allclose(OnnxNetwork(tmp_path / "scout.onnx", 1)(batch.numpy()), wanted, atol=1e-5)
    assert thresholds_of(tmp_path / "scout.onnx") == Thresholds(0.4, 0.25)


def test_thresholds_let_through_what_they_promise() -> None:
    """Of photos and of drawn pictures, each: the harder kind sets them."""
    choose = np.random.default_rng(1)
    photos = [Heat(one, (one,)) for one in choose.uniform(0.2, 1, 1000).astype(np.float32).tolist()]
    drawn = [Heat(one, (one / 2,)) for one in choose.uniform(0.6, 1, 1000).astype(np.float32).tolist()]
    found = thresholds_for([*photos, *drawn, Heat(0.1, ())], [False] * 1000 + [True] * 1000 + [False])
    assert 0.2 < found.look < 0.22
    assert found.read <= found.look
    figures = scout_figures([*photos, Heat(0.1, ())], found)
    assert figures["recall"] >= 0.99
    assert figures["line_recall"] >= 0.98
    assert figures["skipped_without_text"] == 1


def test_the_engine_is_the_one_asked_for() -> None:
    """By default the same on all machines, so that workers of one group read the same texts."""
    assert choose_engine("auto") == "onnxruntime"
    assert choose_engine("openvino") == "openvino"
