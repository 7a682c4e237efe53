"""Presets: those that come with the program are valid, and what is wrong with one's own is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.errors import ModelError
from model.fusions.registry import FUSIONS
from model.training.preset import load_preset, preset_names


def test_presets_of_the_program_cover_every_fusion_and_both_references() -> None:
    """Each fusion has a preset of its name, stacking has none of them, and the heads are those of the design."""
    presets = {name: load_preset(name) for name in preset_names()}
    for name in FUSIONS:
        assert presets[name].model.fusions == (name,)
    assert presets["stacking"].model.fusions == ()
    assert set(presets["all"].model.fusions) == set(FUSIONS)
    a, b = presets["a"].reference, presets["b"].reference
    assert (a.image, a.text, a.hidden, a.widths, a.heads) == (
        "resnet50",
        "lstm",
        512,
        (512, 256, 128, 64),
        {"product_type": 10},
    )
    assert (b.image, b.text, b.widths) == ("resnet50", "bert", (512, 256, 128, 64))
    assert b.heads == {"product": 100, "scene": 20, "attribute": 50}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind = 3", "kind 3 is none"),
        ("epoch = 3", "unknown key 'epoch'"),
        ("epochs = 0", "epochs is 0; write a whole number from 1"),
        ("kind", "not TOML"),
        ('[model]\nfusions = ["sum"]', "'sum' is no fusion"),
        ('[model]\nfusions = ["gated", "gated"]', "names one twice"),
        ("[model]\nimage_dim = 3", "has no 'image_dim' to set"),
        ("[model]\nmemory_rows = -5", "memory_rows is -5; write 0, for none, or more"),
        ('[model]\nhidden_dim = "wide"', "hidden_dim is 'wide'; write one of kind int"),
        ("[reference]\nside = true", "side is True; write one of kind int"),
        ("[reference]\ncolour = 3", "has no 'colour'"),
        ('[reference]\nimage = "vgg"', "image 'vgg' is none"),
        ("[reference]\nheads = { size = 4 }", "head 'size' of 4"),
    ],
)
def test_what_is_wrong_with_a_preset_is_named(tmp_path: Path, text: str, message: str) -> None:
    """The file, the key, and what may stand there."""
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        load_preset(str(path))


def test_a_preset_that_is_not_there_is_answered_with_those_that_are() -> None:
    """Names come first, files second."""
    with pytest.raises(ModelError, match="is no file and none of a, a-lite0, all"):
        load_preset("c")
