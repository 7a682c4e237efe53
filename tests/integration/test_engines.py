"""The same towers on another engine say the same, and OCR reads the same on either of its engines."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import worker.demo
from model.errors import CheckpointError
from model.geometry import fit_square
from model.image import ImageTower
from model.ocr import open_reader
from model.predictor import TorchPredictor, load_predictor
from model.runtime.engines import EngineChoice, OpenVinoImages, choose_engine, open_images
from model.runtime.openvino_runtime import has_openvino
from model.runtime.quantise import Quantisation, measure_ranges, rounded
from model.types import ListingInput, Pixels
from model.weights import SHIPPED, load

PICTURES = sorted((Path(worker.demo.__file__).parent / "data" / "pictures").glob("*.jpg"))
CPU = torch.device("cpu")

CONVERTS = """
import sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        print(f"tried {event} {arguments}", flush=True)

sys.addaudithook(refuse)
from model.predictor import load_predictor
print(load_predictor("", "cpu", engine="openvino").info.engine)
"""


def _squares(count: int) -> np.ndarray:
    chosen = PICTURES[:: len(PICTURES) // count][:count]
    return np.stack([np.asarray(fit_square(Image.open(path).convert("RGB"), 224), np.uint8) for path in chosen])


def _card(name: str) -> Pixels:
    (path,) = [one for one in PICTURES if one.stem == name]
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.uint8)


@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.999999), ("bf16", 0.985)])
def test_features_are_the_same_on_both_engines(precision: str, least: float) -> None:
    """In fp32 to the last digits; in bf16 nearly the same direction, picture by picture."""
    try:
        choice = choose_engine(CPU, "openvino", precision)  # type: ignore[arg-type]  # one of the two
    except CheckpointError as error:
        pytest.skip(str(error))  # this CPU has no bf16
    found = load(SHIPPED)
    pictures = _squares(6)
    with torch.inference_mode():
        fast = open_images(found.image, 224, CPU, choice)(pictures)
        exact = open_images(found.image, 224, CPU, EngineChoice("torch", "fp32"))(pictures)
    assert torch.nn.functional.cosine_similarity(fast, exact).min() > least


@pytest.fixture(scope="module")
def quantised() -> tuple[ImageTower, Quantisation]:
    """The shipped image tower, with what int8 rounds to from the demo's own pictures."""
    tower = load(SHIPPED).image
    return tower, Quantisation(measure_ranges(tower, [torch.from_numpy(_squares(16))]))


def test_int8_is_what_its_rounding_says(quantised: tuple[ImageTower, Quantisation]) -> None:
    """The engine's features are those of the rounded tower in torch, and near the exact ones: the same tags on any CPU.
    All convolutions run on int8 kernels, the depthwise ones too.
    """
    if not has_openvino():
        pytest.skip("OpenVINO is not installed")
    tower, known = quantised
    engine = open_images(tower, 224, CPU, EngineChoice("openvino", "int8"), known)
    assert isinstance(engine, OpenVinoImages)
    pictures = _squares(6)
    with torch.inference_mode():
        found, told = engine(pictures), rounded(tower, known.ranges)(torch.from_numpy(pictures))
        exact = tower(torch.from_numpy(pictures))
    assert torch.nn.functional.cosine_similarity(found, told).min() > 0.995
    assert torch.nn.functional.cosine_similarity(found, exact).mean() > 0.96
    assert set(engine.convolution_types()) <= {"u8", "i8"}


def test_int8_is_another_revision_with_the_same_titles(quantised: tuple[ImageTower, Quantisation]) -> None:
    """What pictures say changes, so results get another revision; cached title vectors stay good."""
    if not has_openvino():
        pytest.skip("OpenVINO is not installed")
    loaded = replace(load(SHIPPED), quantisation=quantised[1])
    infos = [TorchPredictor(loaded, CPU, {}, EngineChoice("openvino", one)).info for one in ("fp32", "int8")]
    assert infos[0].revision != infos[1].revision
    assert infos[0].text_revision == infos[1].text_revision
    assert infos[1].engine == "openvino int8"


def test_titles_have_the_same_vectors_on_both_engines() -> None:
    """Short, long and in other scripts; of different lengths in one batch."""
    titles = ["lamp", "a brass table lamp with a linen shade " * 6, "红色 皮革 沙发", "Größe 42, blau"]
    listings = [ListingInput(title) for title in titles]
    exact = load_predictor("", "cpu", engine="torch").predict(listings)
    fast = load_predictor("", "cpu", engine="openvino", precision="fp32").predict(listings)
    for one, other in zip(fast, exact, strict=True):
        assert one.title_vector is not None and other.title_vector is not None
        assert np.abs(one.title_vector - other.title_vector).max() < 1e-3


def test_another_engine_is_another_revision() -> None:
    """Results of one engine never pass for the other's, and neither do its cached title vectors."""
    infos = [load_predictor("", "cpu", engine=name).info for name in ("torch", "openvino")]
    assert infos[0].revision != infos[1].revision
    assert infos[0].text_revision != infos[1].text_revision


def test_converting_tells_nobody() -> None:
    """OpenVINO's own converter reports its use over the network; ours must not."""
    done = subprocess.run([sys.executable, "-c", CONVERTS], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "openvino", done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("torch", "bf16"), "model.precision=bf16"),
        (("torch", "int8"), "model.precision=int8"),
        (("openvino", "fp32"), "runs on a CPU"),
    ],
)
def test_what_cannot_be_is_said(arguments: tuple[str, str], words: str) -> None:
    """A precision that an engine lacks, or an engine that a device lacks, is refused with the setting's name."""
    device = torch.device("cuda" if arguments[0] == "openvino" else "cpu")
    with pytest.raises(CheckpointError, match=words):
        choose_engine(device, *arguments)  # type: ignore[arg-type]  # spelled as the settings do


def test_ocr_reads_the_same_on_both_engines() -> None:
    """Every line, in order, with the same role; scores to the third digit."""
    pictures = [_card("card-lamp"), _card("card-shirt"), _card("card-oranges")]
    one, other = (open_reader(engine=name).read(pictures) for name in ("onnxruntime", "openvino"))
    for left, right in zip(one, other, strict=True):
        assert [(line.text, line.role) for line in left.lines] == [(line.text, line.role) for line in right.lines]
        assert np.allclose([line.score for line in left.lines], [line.score for line in right.lines], atol=1e-3)
        assert left.lines


def test_sockets_are_counted_at_all() -> None:
    """The hook of `CONVERTS` sees a connection when there is one: else its silence would mean nothing."""
    told = CONVERTS.split("from model")[0] + "import socket\nsocket.socket().connect_ex(('127.0.0.1', 9))\n"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=60, check=False)
    assert "socket.connect" in done.stdout
