"""What an operator may write to choose a tower."""

from __future__ import annotations

import pytest

from model.errors import CheckpointError
from model.towers.spec import parse_image, parse_text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lstm,dim=0", "text tower lstm: dim is 0; it is 2 to 4,096"),
        ("lstm,dim=255", "dim is 255; half of it reads each way, so give an even number"),
        ("lstm,dim=2000000000", "dim is 2,000,000,000; it is 2 to 4,096"),
        ("lstm,epochs=-1", "epochs is -1; it is 1 to 1,000"),
        ("lstm,max_tokens=0", "max_tokens is 0; it is 4 to 8,192"),
        ("lstm,pooling=mean", "option 'pooling' is none; the options are max_tokens, dim, epochs"),
        ("lstm,dim=8,dim=16", "option 'dim' stands there twice"),
        ("all-MiniLM-L6-v2,max_tokens=100000", "max_tokens is 100,000; it is 4 to 512"),
        ("all-MiniLM-L6-v2,pooling=pooler", "pooling is 'pooler'; it is one of mean, cls"),
        ("all-MiniLM-L6-v2,dim=5", "option 'dim' is none; the options are pooling, prefix, max_tokens"),
        ("transformers:./e5,epochs=3", "option 'epochs' is none; the options are pooling, prefix, max_tokens"),
    ],
)
def test_a_title_tower_with_options_that_it_cannot_follow_is_refused(text: str, told: str) -> None:
    """Before it is built: the value, the limit or the options that there are."""
    with pytest.raises(CheckpointError, match=told):
        parse_text(text)


@pytest.mark.parametrize("kind", ["efficientnet-lite0", "efficientnet-lite2", "timm:x=random", "torchvision:x=random"])
def test_only_towers_of_transformers_pool_as_they_are_told(kind: str) -> None:
    """Others have one way, and would pass the option by."""
    with pytest.raises(CheckpointError, match=r"option 'pooling' is none; the options are side, fit, crop_share"):
        parse_image(f"{kind},pooling=mean")
    assert parse_image("transformers:./vit,pooling=mean").options == {"pooling": "mean"}


def test_options_within_their_limits_are_taken() -> None:
    """As numbers where they are numbers."""
    assert parse_text("lstm,dim=256,epochs=8,max_tokens=32").options == {"dim": 256, "epochs": 8, "max_tokens": 32}
    assert parse_text("all-MiniLM-L6-v2,pooling=cls,prefix=query: ").options == {"pooling": "cls", "prefix": "query: "}
