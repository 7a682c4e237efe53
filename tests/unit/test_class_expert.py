"""Product types by the image tower's own classes, which count where a picture is like none of training."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize, one_hot

from model.class_expert import MIN_TYPES, TABLE, ClassExpert, are_told, told_types, weighed
from model.config import ModelConfig
from model.fusion import ATTRIBUTES, FusionModel
from model.inputs import Inputs, bag_tensors
from model.memory import _View
from model.ngrams import NUM_COLUMNS, bags
from model.pool import experts_of
from model.scenes.ground import NUM_MEASURES
from model.scenes.image_classes import NUM_KEPT, kept_classes
from model.taxonomy import load_taxonomy
from model.train import with_untaught
from model.weights import SHIPPED, load

TAXONOMY = load_taxonomy()
SIZES = {"product_type": 3, "color": 3, "material": 3, "scene": 2}
SOFA, TOASTER, SEASHORE = (kept_classes().index(number) for number in (831, 859, 978))


def _chances(*classes: int) -> torch.Tensor:
    return one_hot(torch.tensor(classes), NUM_KEPT).float()


def test_the_table_speaks_of_types_and_of_categories_that_stand_for_rare_ones() -> None:
    """A sofa by name; a toaster, which nobody names, by its category; of a seashore nothing."""
    told = told_types(("Kitchen & Dining > Appliances", "chair", "sofa"), TAXONOMY)
    assert told[SOFA].tolist() == [0, 0, 1]
    assert told[TOASTER].tolist() == [1, 0, 0]
    assert not told[SEASHORE].any()


def test_every_word_of_the_table_is_the_taxonomys() -> None:
    """A typing error would silently say nothing."""
    lines = TABLE.read_text(encoding="utf-8").splitlines()[1:]
    for line in lines:
        number, _, types = line.split(",")
        assert int(number) in kept_classes()
        assert all(name in TAXONOMY.categories or TAXONOMY.category_of(name) for name in types.split("|")), line


def test_training_listings_correct_the_table() -> None:
    """A thousand sofas that a catalogue calls chairs outweigh the table; a class that none was taken for keeps it."""
    types = ("Kitchen & Dining > Appliances", "chair", "sofa")
    expert = ClassExpert(ModelConfig(image_classes=NUM_KEPT), len(types))
    chances, labels = _chances(*[SOFA] * 1000), torch.ones(1000, dtype=torch.long)
    expert.learn(chances, torch.zeros(1000), labels, told_types(types, TAXONOMY))
    found = expert(_chances(SOFA, TOASTER, SEASHORE, SOFA), torch.tensor([True, True, True, False])).exp()
    assert [types[place] for place in found[:2].argmax(dim=1)] == ["chair", "Kitchen & Dining > Appliances"]
    assert torch.allclose(found[2:], torch.full((2, 3), 1 / 3))  # of what is not told, and of what is not seen
    assert torch.allclose(found.sum(dim=1), torch.ones(4))


def test_strange_pictures_are_told_by_classes_and_others_by_networks() -> None:
    """The network is sure of one value, the classes of another."""
    network, classes = torch.tensor([[4.0, 0.0]] * 2), torch.tensor([[0.1, 0.9]] * 2).log()
    found = weighed({"image": network, "memory": network, "text": network}, classes, torch.tensor([0.0, 1.0]))
    pooled = (found["image"] + found["memory"] + found["classes"]).argmax(dim=1)
    assert pooled.tolist() == [0, 1]
    assert torch.equal(found["text"], network)  # a title is not strange because its picture is


@pytest.mark.parametrize(
    ("types", "memory_rows", "has_types"),
    [
        (("sofa", "chair", "table", "desk", "lamp", "shoes", "boot", "hat", "clock", "rug"), 10, True),
        (("sofa", "chair", "table", "desk", "lamp", "shoes", "boot", "hat", "clock", "rug"), 0, False),
        (("screw M4", "screw M5", "screw M6"), 10, False),
    ],
)
def test_a_catalogue_of_other_things_does_without(types: tuple[str, ...], memory_rows: int, has_types: bool) -> None:
    """As does one without a memory, which says what is strange. Scenes keep the classes all the same."""
    assert are_told(types, TAXONOMY) == (len(types) >= MIN_TYPES)
    config = ModelConfig(image_classes=NUM_KEPT, ground_dim=NUM_MEASURES, memory_rows=memory_rows)
    _, found = with_untaught({"product_type": types, "scene": ("indoor", "studio")}, config)
    assert (found.class_types, found.image_classes) == (has_types, NUM_KEPT)


def test_experts_are_named_in_the_order_of_their_scores() -> None:
    """Pools go by it. What was learned counts: of strange pictures the classes, which only types are told by."""
    types = ("chair", "sofa", "table")
    config = ModelConfig(
        image_dim=24, color_dim=10, text_dim=16, hidden_dim=8, joint_dim=4, ground_dim=NUM_MEASURES,
        image_classes=NUM_KEPT, class_types=True, memory_rows=40,
    )  # fmt: skip
    fusion = FusionModel(config, SIZES).eval()
    labels = torch.arange(40) % 3
    drawn = torch.Generator().manual_seed(0)
    few = torch.randn(4, 24, generator=drawn)
    remembered = _pictures(torch.rand(40, 4, generator=drawn) @ few)
    assert fusion.surroundings is not None
    fusion.surroundings.know_classes(torch.randn(NUM_KEPT, 24, generator=drawn), torch.zeros(NUM_KEPT), [-1] * NUM_KEPT)
    with torch.no_grad():
        fusion.remember(remembered, dict.fromkeys(ATTRIBUTES, labels))
        before = fusion(remembered)["product_type"]["classes"]
        fusion.learn_class_types(remembered, labels, told_types(types, TAXONOMY))
        found = fusion(remembered)
    assert {name: tuple(one) for name, one in found.items()} == {name: fusion.experts(name) for name in ATTRIBUTES}
    assert "classes" in experts_of("image", found["product_type"])
    assert "classes" not in found["color"]
    assert not torch.equal(before, found["product_type"]["classes"])
    strange = fusion.strangeness(torch.cat([remembered.images, torch.randn(20, 24, generator=drawn)]))
    assert strange[40:].min() > strange[:40].median()


def _pictures(features: torch.Tensor) -> Inputs:
    count = len(features)
    titles = bag_tensors(bags([""] * count, np.ones(NUM_COLUMNS, np.float32)))
    there = torch.ones(count, dtype=torch.bool)
    return Inputs(features, torch.zeros(count, 10), torch.zeros(count, 16), *titles, there, there)


@torch.inference_mode()
def test_noise_is_strange_to_the_shipped_model_and_what_its_components_express_is_not() -> None:
    """Features drawn at random, and those that the memory's components give back."""
    fusion = load(SHIPPED).fusion
    assert fusion.memory is not None
    looks = cast(_View, fusion.memory.views["looks"])
    drawn = torch.Generator().manual_seed(0)
    inside = looks.mean + 0.1 * torch.randn(20, looks.map.shape[1], generator=drawn) @ normalize(looks.map, dim=0).T
    noise = torch.rand(20, len(looks.mean), generator=drawn)
    assert fusion.strangeness(noise).min() > 0.9
    assert fusion.strangeness(inside).max() < 0.1
    assert not FusionModel(ModelConfig(), SIZES).strangeness(noise).any()  # who cannot tell
