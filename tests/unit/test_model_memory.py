"""Experts that ask the training listings that are most like one, and how their table is written."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.config import ModelConfig
from model.errors import CheckpointError
from model.fusion import ATTRIBUTES, FusionModel
from model.inputs import Inputs, bag_tensors
from model.memory import _View
from model.ngrams import NUM_COLUMNS, bags
from model.packing import pack, unpack
from model.pool import experts_of

SIZES = {"product_type": 3, "color": 3, "material": 3, "scene": 2}
ROWS = 60
CONFIG = ModelConfig(image_dim=24, color_dim=10, detail_dim=6, text_dim=16, hidden_dim=8, joint_dim=4, memory_rows=ROWS)


def listings(kinds: torch.Tensor, seed: int) -> Inputs:
    """One of three looks and one of three titles each, by kind, and some noise."""
    drawn = torch.Generator().manual_seed(3)
    looks, titles = torch.rand(3, 30, generator=drawn), torch.randn(3, 16, generator=drawn)
    hues = torch.rand(3, 10, generator=drawn)
    noise = torch.Generator().manual_seed(seed)

    def near(centres: torch.Tensor) -> torch.Tensor:
        return centres[kinds] + 0.1 * torch.rand(len(kinds), centres.shape[1], generator=noise)

    there = torch.ones(len(kinds), dtype=torch.bool)
    words = bag_tensors(bags([""] * len(kinds), np.ones(NUM_COLUMNS, np.float32)))
    return Inputs(near(looks), near(hues), near(titles), *words, there, there)


def remembers(kinds: torch.Tensor, labels: dict[str, torch.Tensor]) -> FusionModel:
    """A model that was never trained, but remembers these listings."""
    fusion = FusionModel(CONFIG, SIZES).eval()
    inputs = listings(kinds, seed=1)
    fusion.learn_details(inputs.images)
    fusion.remember(inputs, labels)
    return fusion


KINDS = torch.arange(ROWS) % 3
LABELS = dict.fromkeys(ATTRIBUTES, KINDS)
ASKED = torch.tensor([2, 0, 1, 1])


@torch.inference_mode()
@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_listing_is_what_those_that_look_like_it_were(name: str) -> None:
    """Whatever it is called."""
    asked = listings(ASKED, seed=2)
    fusion = remembers(KINDS, LABELS)
    scores = fusion(asked)[name]["memory"].exp()
    assert scores.argmax(dim=1).tolist() == ASKED.tolist()
    assert torch.allclose(scores.sum(dim=1), torch.ones(len(ASKED)), atol=1e-5)
    assert (scores > 0).all(), "neighbours never rule a value out"
    assert torch.equal(fusion(replace(asked, titles=-asked.titles))[name]["memory"].exp(), scores)


@torch.inference_mode()
def test_who_sees_nothing_says_how_common_values_are() -> None:
    """A missing picture is no row of zeros that happens to be like something."""
    kinds = torch.tensor([0] * 40 + [1] * 15 + [2] * 5)
    fusion = remembers(kinds, dict.fromkeys(ATTRIBUTES, kinds))
    asked = listings(ASKED, seed=2)
    nobody = torch.zeros(len(ASKED), dtype=torch.bool)
    blind = fusion(replace(asked, has_image=nobody, images=0 * asked.images, colors=0 * asked.colors))
    assert torch.allclose(blind["color"]["memory"].exp(), (torch.tensor([41, 16, 6]) / 63).expand(4, 3))


@torch.inference_mode()
def test_listings_of_which_nothing_is_known_are_no_neighbours() -> None:
    """Their looks count for what is known of them alone; an attribute nobody knows is a guess."""
    known = torch.where(torch.arange(ROWS) < 6, KINDS, -1)
    labels = {"product_type": KINDS, "color": known, "material": torch.full((ROWS,), -1)}
    found = remembers(KINDS, labels)(listings(ASKED, seed=2))
    assert found["color"]["memory"].argmax(dim=1).tolist() == ASKED.tolist()
    assert torch.allclose(found["material"]["memory"].exp(), torch.full((4, 3), 1 / 3))


@torch.inference_mode()
def test_what_is_written_remembers_the_same() -> None:
    """A table of whole numbers and steps, read into another model: of listings between two kinds it says as much."""
    fusion = remembers(KINDS, LABELS)
    other = FusionModel(CONFIG, SIZES).eval()
    packed = pack(fusion.state_dict())
    assert packed["memory.views.looks.keys"].dtype == torch.int8
    other.load_state_dict(unpack(packed))
    for name, written in other.state_dict().items():
        if name.endswith(".keys"):
            kept = fusion.state_dict()[name]
            assert (written - kept).abs().max() <= kept.abs().max() / 127, name
    one, two = listings(ASKED, seed=2), listings(ASKED.roll(1), seed=2)
    between = replace(one, images=(one.images + two.images) / 2, colors=(one.colors + two.colors) / 2)
    for name in ATTRIBUTES:
        first, second = (model(between)[name]["memory"].exp() for model in (fusion, other))
        assert torch.allclose(first, second, atol=0.1)


@torch.inference_mode()
def test_fewer_listings_than_components_are_told_apart_as_well() -> None:
    """What no listing differs in does not tell others apart: a near copy is found among strangers."""
    view = _View(256, 128, 40)
    drawn = torch.Generator().manual_seed(5)
    block = torch.rand(40, 256, generator=drawn)
    view.learn(block)
    alike = view(block + 0.02 * torch.rand(40, 256, generator=drawn))
    strangers = alike - 2 * torch.eye(40)
    assert alike.diagonal().min() > 0.9
    assert strangers.max() < 0.5


@torch.inference_mode()
def test_many_listings_are_asked_a_few_hundred_at_a_time() -> None:
    """With the same answers."""
    fusion = remembers(KINDS, LABELS)
    many = fusion(listings(torch.arange(1200) % 3, seed=2))["color"]["memory"]
    assert many.argmax(dim=1).tolist() == [index % 3 for index in range(1200)]


def test_the_memory_is_an_expert_of_the_picture() -> None:
    """``without`` and conflicts ask one side alone."""
    experts = FusionModel(CONFIG, SIZES).experts("color")
    assert experts_of("fused", experts) == ("gated", "image", "text", "words", "memory")
    assert experts_of("image", experts) == ("image", "memory")
    assert experts_of("text", experts) == ("text", "words")


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**31), st.sampled_from([0.0, 1e-7, 1.0, 1e4]))
def test_a_packed_table_is_off_by_half_a_step_at_most(rows: int, columns: int, seed: int, scale: float) -> None:
    """Each row has a step of its own; a row of zeros stays one."""
    table = scale * torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    found = unpack(pack({"a.keys": table, "b.table.weight": table, "c": torch.arange(3)}))
    bound = table.abs().amax(dim=1, keepdim=True) / 127 * 0.501
    for name in ("a.keys", "b.table.weight"):
        assert ((found[name] - table).abs() <= bound).all()
    assert found["c"].tolist() == [0, 1, 2]


def test_tables_that_were_written_plainly_are_read() -> None:
    """Checkpoints of format 3 have fp16 there."""
    table = torch.randn(4, 3)
    found = unpack({"words.color.table.weight": table.half()})
    assert torch.equal(found["words.color.table.weight"], table.half().float())


def test_the_formats_before_are_read_and_others_are_named(tmp_path: Path) -> None:
    """Who trained a checkpoint last month keeps it."""
    path = tmp_path / "config.json"
    CONFIG.save(path)
    found = json.loads(path.read_text()) | {"format": 4}
    del found["class_types"]
    path.write_text(json.dumps(found))
    assert (ModelConfig.load(path).memory_rows, ModelConfig.load(path).class_types) == (ROWS, False)
    del found["memory_rows"]
    path.write_text(json.dumps(found | {"format": 3}))
    assert ModelConfig.load(path).memory_rows == 0
    path.write_text(json.dumps(found | {"format": 2}))
    with pytest.raises(CheckpointError, match=r"has format 2.*this program reads formats 3 to 5"):
        ModelConfig.load(path)
