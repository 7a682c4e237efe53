"""OpenVINO's graphs that are built of the weights say what the libraries' towers say, and spare their imports."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from model.errors import CheckpointError
from model.runtime.engines import EngineChoice, OpenVinoImages, move_texts, open_images
from model.runtime.opened_towers import open_towers
from model.runtime.openvino_runtime import has_openvino
from model.runtime.quantise import Quantisation, rounded
from model.towers.source import save_half
from model.weights import SHIPPED, TUNED_FILES, Checkpoint, load

pytestmark = pytest.mark.skipif(not has_openvino(), reason="needs hangtag[openvino]")

CPU, EXACT = torch.device("cpu"), EngineChoice("openvino", "fp32", 1)
TITLES = ("lamp", "a brass table lamp with a linen shade " * 6, "红色 皮革 沙发", "Größe 42, blau", "!")
LIBRARIES = ("timm", "transformers", "torchvision", "torch._dynamo", "sympy", "scipy", "sklearn", "matplotlib")

STARTS = f"""
import sys
from model.predictor import load_predictor
predictor = load_predictor("", "cpu", engine="openvino", num_threads=1)
predictor.warm_up()
print([name for name in {LIBRARIES} if name in sys.modules])
"""


@pytest.fixture(scope="module")
def shipped() -> Checkpoint:
    """The shipped checkpoint."""
    return load(SHIPPED)


@pytest.fixture(scope="module")
def tuned(shipped: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """The same with a text tower whose last two layers stand there twice."""
    folder = tmp_path_factory.mktemp("tuned")
    shutil.copytree(SHIPPED / "towers", folder / "towers")
    layers = shipped.text.last_layers(2)
    with torch.no_grad():
        for value in layers.parameters():
            value.mul_(1.1)
    save_half(layers.state_dict(), folder / TUNED_FILES["tuned_text"])
    return replace(shipped, folder=folder, config=replace(shipped.config, tuned_text_layers=2))


def _pictures(side: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (3, side, side, 3), dtype=np.uint8)


def test_graphs_say_what_traced_towers_say(shipped: Checkpoint) -> None:
    """Features and title vectors, short, long and in other scripts, to the fifth digit."""
    pictures = _pictures(shipped.config.image_side)
    opened = open_towers(shipped, CPU, EXACT)
    features, vectors = opened.images(pictures), opened.texts(TITLES)
    with torch.inference_mode():
        traced = open_images(shipped.image, shipped.config.image_side, CPU, EXACT)(pictures)
        move_texts(shipped.text, EXACT)
        expected = shipped.text(TITLES)
    assert features.shape == (3, shipped.config.picture_dim)
    assert vectors.shape == (len(TITLES), shipped.config.title_dim)
    assert torch.allclose(features, traced, rtol=1e-5, atol=1e-5)
    assert torch.allclose(vectors, expected, rtol=0, atol=1e-6)


def test_tuned_layers_stand_behind_those_that_came(shipped: Checkpoint, tuned: Checkpoint) -> None:
    """A title's vector as it was, and after it that of the tuned layers, as torch has them."""
    vectors = open_towers(tuned, CPU, EXACT).texts(TITLES)
    with torch.inference_mode():
        expected = tuned.text(TITLES)
        before = shipped.text(TITLES)
    assert torch.allclose(vectors, expected, rtol=0, atol=1e-5)
    assert torch.allclose(vectors[:, : before.shape[1]], before, rtol=0, atol=1e-5)
    assert not torch.allclose(vectors[:, before.shape[1] :], before, rtol=0, atol=1e-2)


def test_the_int8_graph_says_what_the_rounded_tower_says(shipped: Checkpoint) -> None:
    """Built of the weights, in int8 kernels: the features of the tower that torch rounds."""
    assert shipped.quantisation is not None
    pictures = _pictures(shipped.config.image_side)
    opened = open_towers(shipped, CPU, EngineChoice("openvino", "int8", 1))
    assert isinstance(opened.images, OpenVinoImages)
    found = opened.images(pictures)
    with torch.inference_mode():
        exact = shipped.image(torch.from_numpy(pictures))
        expected = rounded(shipped.image, shipped.quantisation.ranges)(torch.from_numpy(pictures))
    near, far = ((found - one).norm() / one.norm() for one in (expected, exact))
    assert near < 0.5 * far
    kernels = opened.images.convolution_types()
    assert sum(count for kind, count in kernels.items() if kind in ("u8", "i8")) > 0.9 * sum(kernels.values())


def test_ranges_of_another_tower_are_refused(shipped: Checkpoint) -> None:
    """A convolution that nobody measured is named as such, not left as it is."""
    assert shipped.quantisation is not None
    ranges = dict(list(shipped.quantisation.ranges.items())[:-1])
    other = replace(shipped, quantisation=Quantisation(ranges))
    with pytest.raises(CheckpointError, match="belongs to another image tower"):
        open_towers(other, CPU, EngineChoice("openvino", "int8", 1))


def test_a_tower_that_no_graph_knows_is_traced(shipped: Checkpoint) -> None:
    """EfficientNet-lite of another origin has the same weights' names but pads otherwise: its library is asked."""
    other = replace(shipped, config=replace(shipped.config, image_tower="efficientnet_lite0"))
    pictures = _pictures(other.config.image_side)
    features = open_towers(other, CPU, EXACT).images(pictures)
    with torch.inference_mode():
        expected = other.image(torch.from_numpy(pictures))
        unlike = open_towers(shipped, CPU, EXACT).images(pictures)
    assert torch.allclose(features, expected, rtol=1e-3, atol=1e-3)
    assert not torch.allclose(features, unlike, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize(
    "file", ["towers/image.safetensors", "towers/text/model.safetensors", "towers/text/tuned.safetensors"]
)
@pytest.mark.parametrize("change", ["lacks", "beyond", "shape"])
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, tuned: Checkpoint, file: str, change: str) -> None:
    """A tower with an array too few, one too many or one of another shape is named, not run as something else."""
    shutil.copytree(tuned.folder / "towers", tmp_path / "towers")
    arrays = load_file(tmp_path / file)
    name = next(one for one in sorted(arrays) if one.endswith("weight"))
    if change == "lacks":
        del arrays[name]
    elif change == "beyond":
        arrays["another.weight"] = arrays[name]
    else:
        arrays[name] = arrays[name][..., :-1].copy()
    save_file(arrays, tmp_path / file)
    with pytest.raises(CheckpointError, match=rf"{Path(file).name} does not fit .*{change}"):
        open_towers(replace(tuned, folder=tmp_path), CPU, EXACT)


def test_a_start_on_openvino_imports_no_library_of_towers() -> None:
    """They take longer to import than all else together."""
    done = subprocess.run([sys.executable, "-c", STARTS], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
