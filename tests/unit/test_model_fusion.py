"""The experts learn from their sides, and the gate does without either."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from model.config import ModelConfig
from model.fusion import ATTRIBUTES, FusionModel, Inputs, bag_tensors
from model.ngrams import NUM_COLUMNS, bags

SIZES = {"product_type": 4, "color": 3, "material": 2, "scene": 2}
CONFIG = ModelConfig(image_dim=24, color_dim=10, text_dim=16, hidden_dim=32, joint_dim=8)
ROWS = 32
ALL, NONE = torch.ones(ROWS, dtype=torch.bool), torch.zeros(ROWS, dtype=torch.bool)
IDF = np.ones(NUM_COLUMNS, np.float32)


def listings() -> tuple[Inputs, dict[str, torch.Tensor]]:
    """Made-up pictures and titles, and labels that have nothing to do with them."""
    torch.manual_seed(7)
    labels = {name: torch.randint(0, SIZES[name], (ROWS,)) for name in ATTRIBUTES}
    words = bag_tensors(bags([f"thing {chr(97 + index)}{index}" for index in range(ROWS)], IDF))
    colors = torch.rand(ROWS, CONFIG.color_dim)
    titles = torch.randn(ROWS, CONFIG.text_dim)
    return Inputs(torch.randn(ROWS, CONFIG.image_dim), colors, titles, *words, ALL, ALL), labels


@pytest.fixture(scope="module")
def fitted() -> FusionModel:
    """A small model that has seen 32 listings often."""
    inputs, labels = listings()
    fusion = FusionModel(CONFIG, SIZES).train()
    optimiser = torch.optim.AdamW(fusion.parameters(), lr=1e-2)
    for _ in range(400):
        found = fusion(inputs)
        losses = [cross_entropy(one, labels[name]) for name in ATTRIBUTES for one in found[name].values()]
        optimiser.zero_grad()
        torch.autograd.backward(torch.stack(losses).sum())
        optimiser.step()
    return fusion.eval()


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_expert_learns_a_small_set_by_heart(fitted: FusionModel, name: str) -> None:
    """Each can fit 32 listings: gradients reach all of them."""
    inputs, labels = listings()
    with torch.inference_mode():
        found = fitted(inputs)[name]
    for one in found.values():
        assert (one.argmax(dim=1) == labels[name]).float().mean() > 0.9


def test_gate_does_with_the_side_that_is_there(fitted: FusionModel) -> None:
    """Modality dropout taught the gate to answer from one side alone, far above the guess of one in four."""
    inputs, labels = listings()
    with torch.inference_mode():
        seen = fitted(replace(inputs, has_title=NONE))["product_type"]["gated"]
        said = fitted(replace(inputs, has_image=NONE))["product_type"]["gated"]
    for one in (seen, said):
        assert (one.argmax(dim=1) == labels["product_type"]).float().mean() > 0.7


def test_missing_side_says_nothing(fitted: FusionModel) -> None:
    """Whatever stands in the place of a missing title or picture, the gate's answer is the same."""
    inputs, _ = listings()
    without_title = replace(inputs, has_title=NONE)
    without_image = replace(inputs, has_image=NONE)
    other_title = replace(without_title, titles=9 * torch.randn_like(inputs.titles))
    other_image = replace(without_image, images=9 * torch.randn_like(inputs.images), colors=1 - inputs.colors)
    with torch.inference_mode():
        for there, noise in ((without_title, other_title), (without_image, other_image)):
            for name in ATTRIBUTES:
                assert torch.equal(fitted(there)[name]["gated"], fitted(noise)[name]["gated"])


def test_single_sided_experts_look_at_their_side_only(fitted: FusionModel) -> None:
    """The picture's expert ignores the title, those of the title ignore the picture; colours count as picture."""
    inputs, _ = listings()
    with torch.inference_mode():
        here = fitted(inputs)["color"]
        other_title = fitted(replace(inputs, titles=-inputs.titles, weights=-inputs.weights))["color"]
        other_image = fitted(replace(inputs, images=-inputs.images, colors=1 - inputs.colors))["color"]
        other_colors = fitted(replace(inputs, colors=1 - inputs.colors))["color"]
    assert torch.equal(here["image"], other_title["image"])
    for expert in ("text", "words"):
        assert torch.equal(here[expert], other_image[expert])
        assert not torch.equal(here[expert], other_title[expert])
    assert not torch.equal(here["image"], other_colors["image"])


def test_training_never_drops_both_sides() -> None:
    """With dropout as high as it goes, each listing keeps one side: stand-ins alone would teach nothing."""
    inputs, _ = listings()
    torch.manual_seed(3)
    fusion = FusionModel(CONFIG, SIZES, modality_dropout=0.5).train()
    with torch.no_grad():
        fusion.image_side.eval()
        fusion.text_side.eval()
        nothing = fusion.eval()(replace(inputs, has_image=NONE, has_title=NONE))["product_type"]["gated"][0]
        fusion.train()
        for _ in range(20):
            found = fusion(inputs)["product_type"]["gated"]
            assert not (found == nothing).all(dim=1).any()


def test_joint_vectors_have_length_one() -> None:
    """Similarity is a cosine: between -1 and 1 for any input."""
    inputs, _ = listings()
    with torch.inference_mode():
        left, right = FusionModel(CONFIG, SIZES).eval().similarity(inputs)
    assert torch.allclose(left.norm(dim=1), torch.ones(ROWS), atol=1e-5)
    assert torch.allclose(right.norm(dim=1), torch.ones(ROWS), atol=1e-5)
