"""The experts learn from their sides, and every fusion does without either."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from model.config import ModelConfig
from model.errors import ModelError
from model.fusion import ATTRIBUTES, FusionModel
from model.fusions.pair import Parts
from model.fusions.registry import FUSIONS
from model.inputs import Inputs, bag_tensors
from model.ngrams import NUM_COLUMNS, bags
from model.packing import unpack
from model.place import SHIPPED
from model.pool import experts_of

SIZES = {"product_type": 4, "color": 3, "material": 2, "scene": 2}
CONFIG = ModelConfig(image_dim=24, color_dim=10, text_dim=16, hidden_dim=32, joint_dim=8, fusions=tuple(FUSIONS))
ROWS = 32
ALL, NONE = torch.ones(ROWS, dtype=torch.bool), torch.zeros(ROWS, dtype=torch.bool)
IDF = np.ones(NUM_COLUMNS, np.float32)
HEADS = SHIPPED / "heads.safetensors"


def listings() -> tuple[Inputs, dict[str, torch.Tensor]]:
    """Made-up pictures and titles, and labels that have nothing to do with them."""
    torch.manual_seed(7)
    labels = {name: torch.randint(0, SIZES[name], (ROWS,)) for name in ATTRIBUTES}
    words = bag_tensors(bags([f"thing {chr(97 + index)}{index}" for index in range(ROWS)], IDF))
    colors = torch.rand(ROWS, CONFIG.color_dim)
    titles = torch.randn(ROWS, CONFIG.text_dim)
    images = torch.randn(ROWS, CONFIG.image_dim)
    return Inputs(images, colors, titles, *words, ALL, ALL, parts_of(images, titles)), labels


def parts_of(images: torch.Tensor, titles: torch.Tensor) -> Parts:
    """Regions and tokens around the vectors; of every second title the last token is padding."""
    regions = images[:, None] + 0.3 * torch.randn(ROWS, 4, CONFIG.image_dim)
    tokens = titles[:, None] + 0.3 * torch.randn(ROWS, 3, CONFIG.text_dim)
    is_token = torch.ones(ROWS, 3, dtype=torch.bool)
    is_token[::2, 2] = False
    return Parts(regions, tokens, is_token)


@pytest.fixture(scope="module")
def fitted() -> FusionModel:
    """A small model that has seen 32 listings often."""
    inputs, labels = listings()
    fusion = FusionModel(CONFIG, SIZES).train()
    optimiser = torch.optim.AdamW(fusion.parameters(), lr=1e-2, fused=True)
    for _ in range(400):
        found = fusion(inputs)
        losses = [cross_entropy(one, labels[name]) for name in ATTRIBUTES for one in found[name].values()]
        optimiser.zero_grad()
        torch.autograd.backward(torch.stack(losses).sum())
        optimiser.step()
    return fusion.eval()


def test_experts_are_named_in_the_order_of_their_scores() -> None:
    """Tuned ones too: pools keep weights by that order."""
    config = replace(CONFIG, tuned_text_layers=1, tuned_image_blocks=1)
    inputs, _ = listings()
    wider = replace(inputs, images=inputs.images.repeat(1, 2), titles=inputs.titles.repeat(1, 2))
    fusion = FusionModel(config, SIZES).eval()
    with torch.inference_mode():
        assert fusion.experts("color") == tuple(fusion(wider)["color"])


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_expert_learns_a_small_set_by_heart(fitted: FusionModel, name: str) -> None:
    """Each can fit 32 listings: gradients reach all of them."""
    inputs, labels = listings()
    with torch.inference_mode():
        found = fitted(inputs)[name]
    for one in found.values():
        assert (one.argmax(dim=1) == labels[name]).float().mean() > 0.9


@pytest.mark.parametrize("fusion", FUSIONS)
def test_fusions_do_with_the_side_that_is_there(fitted: FusionModel, fusion: str) -> None:
    """Modality dropout taught each to answer from one side alone, far above the guess of one in four."""
    inputs, labels = listings()
    with torch.inference_mode():
        seen = fitted(replace(inputs, has_title=NONE))["product_type"][fusion]
        said = fitted(replace(inputs, has_image=NONE))["product_type"][fusion]
    for one in (seen, said):
        assert (one.argmax(dim=1) == labels["product_type"]).float().mean() > 0.7


@pytest.mark.parametrize("fusion", FUSIONS)
def test_missing_side_says_nothing(fitted: FusionModel, fusion: str) -> None:
    """Whatever stands in the place of a missing title or picture, a fusion's answer is the same."""
    inputs, _ = listings()
    assert inputs.parts is not None
    noise = 9 * torch.randn_like(inputs.titles), 9 * torch.randn_like(inputs.images)
    other_tokens = replace(
        inputs.parts, tokens=9 * torch.randn_like(inputs.parts.tokens), is_token=torch.rand(32, 3) < 0.5
    )
    other_regions = replace(inputs.parts, regions=9 * torch.randn_like(inputs.parts.regions))
    without_title = replace(inputs, has_title=NONE)
    without_image = replace(inputs, has_image=NONE)
    other_title = replace(without_title, titles=noise[0], parts=other_tokens)
    other_image = replace(without_image, images=noise[1], colors=1 - inputs.colors, parts=other_regions)
    with torch.inference_mode():
        for there, changed in ((without_title, other_title), (without_image, other_image)):
            for name in ATTRIBUTES:
                found, again = fitted(there)[name][fusion], fitted(changed)[name][fusion]
                assert torch.allclose(found, again, atol=1e-5)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_fusions_look_at_both_sides(fitted: FusionModel, fusion: str) -> None:
    """Another picture or another title changes the answer."""
    inputs, _ = listings()
    turned = torch.roll(torch.arange(ROWS), 1)
    assert inputs.parts is not None
    other_image = replace(
        inputs, images=inputs.images[turned], parts=replace(inputs.parts, regions=inputs.parts.regions[turned])
    )
    other_title = replace(
        inputs, titles=inputs.titles[turned], parts=replace(inputs.parts, tokens=inputs.parts.tokens[turned])
    )
    with torch.inference_mode():
        here, *others = (fitted(one)["color"][fusion] for one in (inputs, other_image, other_title))
    for other in others:
        assert (here - other).abs().amax(dim=1).min() > 1e-3


def test_cross_attention_looks_at_regions_and_not_at_padding(fitted: FusionModel) -> None:
    """Regions by themselves change its answer; what stands behind a title's last token does not."""
    inputs, _ = listings()
    assert inputs.parts is not None
    parts = inputs.parts
    turned = replace(inputs, parts=replace(parts, regions=parts.regions.roll(1, 0)))
    padded = parts.tokens.clone()
    padded[::2, 2] = 99.0
    behind = replace(inputs, parts=replace(parts, tokens=padded))
    with torch.inference_mode():
        here, other, same = (fitted(one)["color"]["cross_attention"] for one in (inputs, turned, behind))
    assert not torch.allclose(here, other, atol=1e-3)
    assert torch.allclose(here, same, atol=1e-5)


def test_cross_attention_asks_for_its_parts() -> None:
    """Vectors alone are an error, not a silent guess."""
    inputs, _ = listings()
    with pytest.raises(ModelError, match="needs regions and tokens"):
        FusionModel(CONFIG, SIZES)(replace(inputs, parts=None))


def test_a_fusion_that_is_none_is_named() -> None:
    """With those that there are."""
    with pytest.raises(ModelError, match="'sum' is no fusion; choose among concatenation, cross_attention"):
        FusionModel(replace(CONFIG, fusions=("sum",)), SIZES)


def test_stacking_alone_has_no_joint_expert() -> None:
    """Without a fusion the single-sided experts are all there is, and the pool's sides are made of them."""
    inputs, _ = listings()
    with torch.inference_mode():
        found = FusionModel(replace(CONFIG, fusions=()), SIZES).eval()(inputs)["color"]
    assert tuple(found) == ("image", "text", "words")
    assert experts_of("fused", found) == ("image", "text", "words")


def test_the_shipped_gate_computes_what_its_paper_says() -> None:
    """From the weights in the file, by hand."""
    weights = unpack(load_file(HEADS))
    config, sizes = shipped()
    fusion = FusionModel(config, sizes).eval()
    fusion.load_state_dict(weights)
    inputs = random_listings(config)
    with torch.inference_mode():
        own = fusion.own(inputs)
        image, text = fusion.image_side(own.images, own.colors), fusion.text_side(own.titles)
        seen = torch.where(inputs.has_image[:, None], image, weights["no_image"])
        said = torch.where(inputs.has_title[:, None], text, weights["no_text"])
        gate = [weights[f"fusions.gated.gate.{name}"] for name in ("weight", "bias")]
        share = torch.sigmoid(torch.cat([seen, said], dim=1) @ gate[0].T + gate[1])
        joined = share * seen + (1 - share) * said
        for name in ATTRIBUTES:
            expected = joined @ weights[f"heads.gated.{name}.weight"].T + weights[f"heads.gated.{name}.bias"]
            assert torch.allclose(fusion(inputs)[name]["gated"], expected, atol=1e-4)


def shipped() -> tuple[ModelConfig, dict[str, int]]:
    """The shipped checkpoint's configuration, and how many values its heads have."""
    values = json.loads((SHIPPED / "labels.json").read_text(encoding="utf-8"))["values"]
    return ModelConfig.load(SHIPPED / "config.json"), {name: len(one) for name, one in values.items()}


def random_listings(config: ModelConfig) -> Inputs:
    """Any; of the last two one has no title and one no picture."""
    words = bag_tensors(bags([f"thing {index}" for index in range(6)], IDF))
    there = torch.ones(6, dtype=torch.bool)
    has_image, has_title = there.clone(), there.clone()
    has_title[4], has_image[5] = False, False
    vectors = (torch.rand(6, config.picture_dim), torch.rand(6, config.color_dim), torch.randn(6, config.title_dim))
    return Inputs(*vectors, *words, has_image, has_title)


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
    config = replace(CONFIG, fusions=("gated",))
    fusion = FusionModel(config, SIZES, modality_dropout=0.5).train()
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


def test_both_spaces_learn_whose_title_a_picture_has() -> None:
    """Each by itself finds the titles of 32 pictures: neither leaves it to the other."""
    inputs, _ = listings()
    torch.manual_seed(0)
    fusion = FusionModel(CONFIG, SIZES).train()
    optimiser = torch.optim.AdamW(fusion.joint.parameters(), lr=0.02)
    for _ in range(150):
        optimiser.zero_grad()
        torch.autograd.backward(fusion.contrast(inputs))
        optimiser.step()
    with torch.inference_mode():
        left, right = fusion.eval().similarity(inputs)
    width = CONFIG.joint_dim
    for space in (slice(width), slice(width, None)):
        assert torch.equal((left[:, space] @ right[:, space].T).argmax(dim=1), torch.arange(ROWS))
