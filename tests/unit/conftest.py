"""What tests of training share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def few_ranges() -> Iterator[None]:
    """int8 looks at fewer pictures than there are: a few batches say what many do, and which are drawn counts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("model.measuring.precision.NUM_PICTURES", 24)
        yield
