"""int8's rounding: close to what it rounds, in whole steps that fit every CPU, and told apart from another tower's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch import nn

from model.errors import CheckpointError
from model.runtime.engines import choose_engine
from model.runtime.openvino_runtime import has_openvino
from model.runtime.quantise import FILE, Quantisation, load_quantisation, measure_ranges, rounded

CPU = torch.device("cpu")


class SmallTower(nn.Module):
    """Pictures to vectors, with a tower's kinds of convolutions: plain, depthwise, pointwise; one that is not last."""

    def __init__(self, width: int = 12, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.narrow = nn.Conv2d(width, 8, 1)
        self.wide = nn.Conv2d(8, 32, 1)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, S, S, 3) uint8 to (B, 32)."""
        seen = nn.functional.relu6(self.norm(self.first(pixels.permute(0, 3, 1, 2).float() / 64 - 2)))
        return torch.relu(self.wide(self.narrow(nn.functional.relu6(self.depthwise(seen))))).mean((2, 3))


def pictures(seed: int, count: int = 16) -> torch.Tensor:
    """Blocks of colour, as a tower with random weights tells them apart."""
    blocks = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), np.uint8)
    return torch.from_numpy(blocks.repeat(8, axis=1).repeat(8, axis=2))


@pytest.fixture
def tower() -> SmallTower:
    tower = SmallTower()
    tower.eval()
    return tower


def test_rounded_features_are_close_to_the_exact_ones(tower: SmallTower) -> None:
    """On pictures that nobody measured; and they are not the same, or nothing was rounded."""
    coarse = rounded(tower, measure_ranges(tower, [pictures(0), pictures(1)]))
    with torch.inference_mode():
        exact, found = tower(pictures(2)), coarse(pictures(2))
    assert torch.nn.functional.cosine_similarity(exact, found).min() > 0.995
    assert not torch.equal(exact, found)


def test_the_tower_itself_stays_exact(tower: SmallTower) -> None:
    """Measuring and rounding leave nothing behind in it."""
    with torch.inference_mode():
        before = tower(pictures(2))
        rounded(tower, measure_ranges(tower, [pictures(0)]))
        assert torch.equal(tower(pictures(2)), before)


def test_weights_are_at_most_64_steps(tower: SmallTower) -> None:
    """Whole steps of an output channel: two products with a byte then fit 16 bits, where a CPU adds them in 16."""
    coarse = rounded(tower, measure_ranges(tower, [pictures(0)]))
    for name, conv in coarse.named_modules():
        if isinstance(conv, nn.Conv2d):
            steps = conv.parametrizations["weight"][0].steps  # type: ignore[index,union-attr]
            counted = conv.weight / steps[:, None, None, None]
            assert counted.abs().max() <= 64 + 1e-3, name
            assert (counted - counted.round()).abs().max() < 1e-2, name


def test_a_channel_that_dwarfs_the_others_does_not_drown_them(tower: SmallTower) -> None:
    """Channels of an input with both signs are balanced: one step for all would leave the small ones nothing."""
    with torch.no_grad():
        tower.narrow.weight[0] *= 300
        tower.wide.weight[:, 0] /= 300
    coarse = rounded(tower, measure_ranges(tower, [pictures(0), pictures(1)]))
    with torch.inference_mode():
        exact, found = tower(pictures(2)), coarse(pictures(2))
    assert torch.nn.functional.cosine_similarity(exact, found).min() > 0.99


def test_what_is_saved_is_what_is_loaded(tower: SmallTower, tmp_path: Path) -> None:
    """Ranges as they were measured, with what they change; a checkpoint without the file offers no int8."""
    assert load_quantisation(tmp_path) is None
    made = Quantisation(measure_ranges(tower, [pictures(0)]), {"color fused": 0.25, "category image": -0.5}, 700)
    made.save(tmp_path)
    found = load_quantisation(tmp_path)
    assert found is not None
    assert (found.changes, found.compared) == (made.changes, 700)
    assert {name: one.tolist() for name, one in found.ranges.items()} == {
        name: one.tolist() for name, one in made.ranges.items()
    }
    assert (tmp_path / FILE).stat().st_size < 4096


def test_another_towers_ranges_are_refused(tower: SmallTower, tmp_path: Path) -> None:
    """By names and shapes; the message says what to run."""
    Quantisation(measure_ranges(tower, [pictures(0)])).save(tmp_path)
    found = load_quantisation(tmp_path)
    assert found is not None
    with pytest.raises(CheckpointError, match=r"another image tower.*--quantise"):
        rounded(SmallTower(width=16), found.ranges)


def test_numbers_that_are_none_are_refused(tower: SmallTower, tmp_path: Path) -> None:
    """A range of NaN would make every feature NaN."""
    Quantisation(measure_ranges(tower, [pictures(0)])).save(tmp_path)
    found = load_file(tmp_path / FILE)
    found["layer:first"][0, 0] = np.nan
    save_file(found, tmp_path / FILE)
    with pytest.raises(CheckpointError, match="not finite"):
        load_quantisation(tmp_path)


@pytest.mark.parametrize(
    ("changes", "is_harmless"),
    [
        ({}, False),
        ({"color fused": 0.5, "category fused": -0.5}, True),
        ({"color fused": 0.1, "category fused": 0.51}, False),
        ({"color fused": 0.1, "color image": 1.2}, True),
        ({"color fused": 0.1, "color image": -0.51}, False),
    ],
)
def test_auto_takes_int8_only_where_it_was_measured_to_be_harmless(
    tower: SmallTower, changes: dict[str, float], is_harmless: bool
) -> None:
    """Half a point either way is the most, and half a point lost by the picture alone; unmeasured there is none."""
    known = Quantisation(measure_ranges(tower, [pictures(0)]), changes)
    assert known.is_harmless == is_harmless
    if has_openvino():
        assert (choose_engine(CPU, quantisation=known).precision == "int8") == is_harmless
        assert choose_engine(CPU, precision="int8", quantisation=known).name == "openvino int8"


@pytest.mark.parametrize(("compared", "is_harmless"), [(24, False), (599, False), (600, True), (None, True)])
def test_a_handful_of_listings_proves_nothing(compared: int | None, is_harmless: bool, tmp_path: Path) -> None:
    """No answer of 24 changed says little of half a point; a file that does not say how many is as it was."""
    Quantisation({}, {"color fused": 0.0}, compared).save(tmp_path)
    found = load_quantisation(tmp_path)
    assert found is not None and found.is_harmless == is_harmless


def test_int8_without_ranges_is_refused() -> None:
    """A checkpoint that knows nothing of int8 cannot run in it; the message says what makes it known."""
    if not has_openvino():
        pytest.skip("OpenVINO is not installed")
    with pytest.raises(CheckpointError, match="hangtag train --quantise"):
        choose_engine(CPU, precision="int8")
