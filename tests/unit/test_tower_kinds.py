"""One of each kind of tower learns 32 listings by heart, and says the same on OpenVINO as on torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cosine_similarity, cross_entropy

from model.config import ModelConfig
from model.image import ImageTower
from model.runtime.engines import EngineChoice, OpenVinoImages, TorchImages, engine_name, move_texts, open_images
from model.runtime.openvino_runtime import has_openvino
from model.text import TextTower
from model.training.bring import bring_towers
from model.weights import load_towers
from tests.unit.tower_sources import bert_folder, clip_folder, distilbert_folder, siglip_folder, vit_folder

NUM_LISTINGS = 32
CPU = torch.device("cpu")
FAST, EXACT = EngineChoice("openvino", "fp32", 1), EngineChoice("torch", "fp32")
TITLES = [
    f"{color} {kind} of maker {'a ' * (1 + place % 3)}".strip()
    for place, (color, kind) in enumerate(
        (color, kind)
        for color in ("red", "green", "blue", "yellow", "black", "red green", "blue black", "yellow red")
        for kind in ("chair", "lamp", "rug", "shoe")
    )
]
IMAGES = {
    "timm": "timm:test_efficientnet=random,side=64",
    "torchvision": "torchvision:resnet18=random,side=64",
    "vit": "transformers:{vit}",
    "clip": "transformers:{clip}",
    "siglip": "transformers:{siglip}",
}
LEARNERS = {**IMAGES, "torchvision": "torchvision:shufflenet_v2_x0_5=random,side=64"}  # of ResNet's weights a tenth
RATES = {"vit": 1e-3}  # at which they learn in a few steps; the others at 2e-3
TEXTS = {"bert": "transformers:{bert}", "distilbert": "transformers:{distilbert},pooling=cls", "lstm": "lstm,dim=64"}

needs_openvino = pytest.mark.skipif(not has_openvino(), reason="openvino is not installed")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of small models."""
    folder = tmp_path_factory.mktemp("sources")
    makers: dict[str, Callable[[Path], object]] = {
        "vit": vit_folder,
        "clip": clip_folder,
        "siglip": siglip_folder,
        "bert": bert_folder,
        "distilbert": distilbert_folder,
    }
    for name, make in makers.items():
        make(folder / name)
    return {name: folder / name for name in makers}


def towers(
    folder: Path, sources: dict[str, Path], image: str, text: str, images: Mapping[str, str] = IMAGES
) -> tuple[ModelConfig, ImageTower, TextTower]:
    """Both towers as a checkpoint has them."""
    spec, titles = images[image].format(**sources), TEXTS[text].format(**sources)
    config = bring_towers(folder, spec, titles, titles=TITLES).config
    return config, *load_towers(folder, config)


def pictures(side: int) -> torch.Tensor:
    """(32, S, S, 3): bars of eight colours, at one of four places."""
    generator = np.random.default_rng(3)
    found = np.full((NUM_LISTINGS, side, side, 3), 255, np.uint8)
    colors = generator.integers(0, 230, (8, 3))
    for place in range(NUM_LISTINGS):
        start = (place % 4) * side // 4
        found[place, :, start : start + side // 4] = colors[place // 4]
    return torch.from_numpy(found)


def learned(tower: nn.Module, dim: int, run: Callable[[], torch.Tensor], rate: float) -> bool:
    """Train a tower and a linear head until all 32 are told apart, as they will be asked: in eval mode."""
    torch.manual_seed(0)
    head, own = nn.Linear(dim, NUM_LISTINGS), torch.arange(NUM_LISTINGS)
    optimiser = torch.optim.Adam([*tower.parameters(), *head.parameters()], lr=rate, fused=True)
    for step in range(300):
        tower.train()
        optimiser.zero_grad()
        cross_entropy(head(run()), own).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % 20 == 19:
            tower.eval()
            with torch.inference_mode():
                if bool((head(run()).argmax(dim=1) == own).all()):
                    return True
    return False


@pytest.mark.parametrize("kind", list(LEARNERS))
def test_image_towers_learn_32_pictures_by_heart(tmp_path: Path, sources: dict[str, Path], kind: str) -> None:
    """Gradients reach every kind's own network through the tower that serves it."""
    config, tower, _ = towers(tmp_path, sources, kind, "lstm", LEARNERS)
    shown = pictures(config.image_side)
    assert learned(tower, config.image_dim, lambda: tower(shown), RATES.get(kind, 2e-3))


@pytest.mark.parametrize("kind", list(TEXTS))
def test_text_towers_learn_32_titles_by_heart(tmp_path: Path, sources: dict[str, Path], kind: str) -> None:
    """Titles that share their words with others."""
    config, _, tower = towers(tmp_path, sources, "timm", kind)
    assert learned(tower, config.text_dim, lambda: 8 * tower(TITLES), rate=5e-3)


@needs_openvino
@pytest.mark.parametrize("kind", list(IMAGES))
def test_image_towers_run_on_openvino(tmp_path: Path, sources: dict[str, Path], kind: str) -> None:
    """Converted, and the same to the last digits, whatever the number of pictures."""
    config, tower, _ = towers(tmp_path, sources, kind, "lstm")
    fast = open_images(tower, config.image_side, CPU, FAST)
    assert isinstance(fast, OpenVinoImages)
    shown = pictures(config.image_side).numpy()[:5]
    with torch.inference_mode():
        exact = open_images(tower, config.image_side, CPU, EXACT)(shown)
    assert float(cosine_similarity(fast(shown), exact).min()) > 0.9999


@needs_openvino
@pytest.mark.parametrize("kind", list(TEXTS))
def test_text_towers_run_on_openvino(tmp_path: Path, sources: dict[str, Path], kind: str) -> None:
    """Titles of other lengths than those that were traced, alone and together."""
    _, _, tower = towers(tmp_path, sources, "timm", kind)
    titles = [*TITLES[:3], "red", "a photo of a " * 7 + "lamp"]
    with torch.inference_mode():
        exact = tower(titles)
        move_texts(tower, FAST)
        assert tower.engine is not None
        together, alone = tower(titles), torch.cat([tower([title]) for title in titles])
    assert float((together - exact).abs().max()) < 1e-3
    assert float((alone - exact).abs().max()) < 1e-3


class Untraceable(nn.Module):
    """A network with an operation that OpenVINO does not have."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S) to (B, 3)."""
        means: torch.Tensor = torch.special.bessel_j0(pictures).mean(dim=(2, 3))
        return means


@needs_openvino
def test_a_tower_that_cannot_be_converted_is_said_to_run_on_torch(caplog: pytest.LogCaptureFixture) -> None:
    """In the log with the reason, and wherever the engine is named; its results are torch's."""
    tower = ImageTower(ModelConfig(image_side=16), Untraceable())
    opened = open_images(tower, 16, CPU, FAST)
    assert isinstance(opened, TorchImages)
    assert "cannot run on OpenVINO" in caplog.text
    assert "runs on torch" in caplog.text
    assert engine_name(FAST, opened, object()) == "openvino fp32 (pictures on torch)"
    shown = pictures(16)
    with torch.inference_mode():
        torch.testing.assert_close(opened(shown.numpy()), tower(shown))
