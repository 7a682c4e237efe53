"""Our EfficientNet-lite is timm's: the same names, the same shapes, the same numbers."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch

from model.runtime.efficientnet import SCALES, EfficientNetLite


@pytest.mark.parametrize("name", SCALES)
def test_weights_have_timms_names_and_shapes(name: str) -> None:
    """In timm's order, so that a checkpoint fits either, and cached features stay valid."""
    with torch.device("meta"):
        ours, theirs = EfficientNetLite(name), timm.create_model(name, pretrained=False, num_classes=0)
    named = [[(key, value.shape) for key, value in net.state_dict().items()] for net in (ours, theirs)]
    assert named[0] == named[1]
    assert [key for key, _ in ours.named_parameters()] == [key for key, _ in theirs.named_parameters()]


def test_features_are_timms_on_a_picture_of_odd_sides() -> None:
    """Padding included; vectors and feature maps, whole and stage by stage, to the last digit."""
    generator = torch.Generator().manual_seed(7)
    theirs: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0).eval()
    for key, value in theirs.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.rand(value.shape, generator=generator) * 0.2 + (-0.1 if "conv" in key else 0.9))
    ours: Any = EfficientNetLite("tf_efficientnet_lite0").eval()
    ours.load_state_dict(theirs.state_dict())
    picture = torch.randn(2, 3, 225, 191, generator=generator)
    with torch.inference_mode():
        assert torch.equal(ours(picture), theirs(picture))
        assert torch.equal(ours.forward_features(picture), theirs.forward_features(picture))
        begun = ours.blocks[:-2](ours.bn1(ours.conv_stem(picture)))
        assert torch.equal(begun, theirs.blocks[:-2](theirs.bn1(theirs.conv_stem(picture))))
        assert ours.global_pool(begun).shape == theirs.global_pool(begun).shape
