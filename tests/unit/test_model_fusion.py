"""The gate learns from both sides, and does without either."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from model.config import ModelConfig
from model.fusion import ATTRIBUTES, FusionModel

SIZES = {"product_type": 4, "color": 3, "material": 2, "scene": 2}
CONFIG = ModelConfig(image_dim=24, text_dim=16, hidden_dim=32, joint_dim=8)
ROWS = 32
ALL, NONE = torch.ones(ROWS, dtype=torch.bool), torch.zeros(ROWS, dtype=torch.bool)


def listings() -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """Made-up vectors of pictures and titles, and labels that have nothing to do with them."""
    torch.manual_seed(7)
    labels = {name: torch.randint(0, SIZES[name], (ROWS,)) for name in ATTRIBUTES}
    return torch.randn(ROWS, CONFIG.image_dim), torch.randn(ROWS, CONFIG.text_dim), labels


@pytest.fixture(scope="module")
def fitted() -> FusionModel:
    """A small model that has seen 32 listings often."""
    images, titles, labels = listings()
    fusion = FusionModel(CONFIG, SIZES).train()
    optimiser = torch.optim.AdamW(fusion.parameters(), lr=1e-2)
    for _ in range(300):
        found = fusion(images, titles, ALL, ALL)
        losses = [
            cross_entropy(one, labels[name])
            for name in ATTRIBUTES
            for one in (found[name].gated, found[name].image, found[name].text)
        ]
        optimiser.zero_grad()
        torch.autograd.backward(torch.stack(losses).sum())
        optimiser.step()
    return fusion.eval()


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_head_learns_a_small_set_by_heart(fitted: FusionModel, name: str) -> None:
    """The gated head and each side's own head can fit 32 listings: gradients reach all of them."""
    images, titles, labels = listings()
    with torch.inference_mode():
        found = fitted(images, titles, ALL, ALL)[name]
    for one in (found.gated, found.image, found.text):
        assert (one.argmax(dim=1) == labels[name]).float().mean() > 0.9


def test_gate_does_with_the_side_that_is_there(fitted: FusionModel) -> None:
    """Modality dropout taught the gate to answer from one side alone, far above the guess of one in four."""
    images, titles, labels = listings()
    with torch.inference_mode():
        seen = fitted(images, titles, ALL, NONE)["product_type"].gated
        said = fitted(images, titles, NONE, ALL)["product_type"].gated
    for one in (seen, said):
        assert (one.argmax(dim=1) == labels["product_type"]).float().mean() > 0.7


def test_missing_side_says_nothing(fitted: FusionModel) -> None:
    """Whatever stands in the place of a missing title or picture, the gate's answer is the same."""
    images, titles, _ = listings()
    with torch.inference_mode():
        for has_image, has_title in ((ALL, NONE), (NONE, ALL)):
            there = fitted(images, titles, has_image, has_title)
            noise = fitted(
                images if has_image is ALL else 9 * torch.randn_like(images),
                titles if has_title is ALL else 9 * torch.randn_like(titles),
                has_image,
                has_title,
            )
            for name in ATTRIBUTES:
                assert torch.equal(there[name].gated, noise[name].gated)


def test_single_sided_heads_look_at_their_side_only(fitted: FusionModel) -> None:
    """The picture's head ignores the title and the title's head ignores the picture."""
    images, titles, _ = listings()
    with torch.inference_mode():
        here = fitted(images, titles, ALL, ALL)["color"]
        other_title = fitted(images, -titles, ALL, ALL)["color"]
        other_image = fitted(-images, titles, ALL, ALL)["color"]
    assert torch.equal(here.image, other_title.image)
    assert torch.equal(here.text, other_image.text)
    assert not torch.equal(here.gated, other_title.gated)
    assert not torch.equal(here.gated, other_image.gated)


def test_training_never_drops_both_sides() -> None:
    """With dropout as high as it goes, each listing keeps one side: stand-ins alone would teach nothing."""
    images, titles, _ = listings()
    torch.manual_seed(3)
    fusion = FusionModel(CONFIG, SIZES, modality_dropout=0.5).train()
    with torch.no_grad():
        fusion.image_side.eval()
        fusion.text_side.eval()
        nothing = fusion.eval()(images, titles, NONE, NONE)["product_type"].gated[0]
        fusion.train()
        for _ in range(20):
            found = fusion(images, titles, ALL, ALL)["product_type"].gated
            assert not (found == nothing).all(dim=1).any()


def test_joint_vectors_have_length_one() -> None:
    """Similarity is a cosine: between -1 and 1 for any input."""
    images, titles, _ = listings()
    with torch.inference_mode():
        left, right = FusionModel(CONFIG, SIZES).similarity(images, titles)
    assert torch.allclose(left.norm(dim=1), torch.ones(ROWS), atol=1e-5)
    assert torch.allclose(right.norm(dim=1), torch.ones(ROWS), atol=1e-5)
