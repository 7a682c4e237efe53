"""The fusions that a configuration may name.

Alignment by contrast (InfoNCE) is the model's joint space, trained beside every fusion; stacking of calibrated
decisions is the pool (`model.pool`), which takes whatever experts there are, also none that sees both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from torch import nn

from model.errors import ModelError
from model.fusions.concatenation import Concatenation
from model.fusions.cross_attention import CrossAttention
from model.fusions.gate import Gate
from model.fusions.residual import Residual


@dataclass(frozen=True, slots=True)
class Widths:
    """Lengths of the vectors that a fusion meets."""

    hidden: int
    image: int  # of a region, as of the pooled picture
    text: int  # of a token, as of the pooled title


FUSIONS: Mapping[str, Callable[[Widths], nn.Module]] = {
    "concatenation": lambda widths: Concatenation(widths.hidden),
    "cross_attention": lambda widths: CrossAttention(widths.hidden, widths.image, widths.text),
    "gated": lambda widths: Gate(widths.hidden),
    "residual": lambda widths: Residual(widths.hidden),
}
NEEDS_PARTS = frozenset({"cross_attention"})


def build_fusion(name: str, widths: Widths) -> nn.Module:
    """The fusion called ``name``, with random weights. Raises ModelError for a name that is none."""
    refuse_other_fusions([name])
    return FUSIONS[name](widths)


def refuse_other_fusions(names: Iterable[str], where: str = "") -> None:
    """Raise ModelError for a name that is none; ``where`` it stands begins the message."""
    if strange := [name for name in names if name not in FUSIONS]:
        raise ModelError(f"{where}{strange[0]!r} is no fusion; choose among {', '.join(sorted(FUSIONS))}")
