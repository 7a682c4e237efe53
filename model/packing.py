"""How trained numbers are written: fp16, and the two kinds of large tables as int8 with a step for each row.

A row of a table belongs to one n-gram, or to one listing that is remembered; 127 steps up to its largest number move
each by two fifths of a per cent of that at most, and halve the tables.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

_TABLES = (".table.weight", ".keys")
_STEP = ".step"


def pack(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What to write. Whole numbers stay as they are."""
    packed: dict[str, torch.Tensor] = {}
    for name, value in weights.items():
        if name.endswith(_TABLES):
            step = value.abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny) / 127
            packed[name] = (value / step[:, None]).round().to(torch.int8).contiguous()
            packed[name + _STEP] = step
        else:
            packed[name] = (value.half() if value.is_floating_point() else value).contiguous()
    return packed


def unpack(packed: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """float32 of what ``pack`` gave, or of tables that are not packed."""
    found: dict[str, torch.Tensor] = {}
    for name, value in packed.items():
        if (step := packed.get(name + _STEP)) is not None:
            found[name] = value.float() * step[:, None]
        elif not name.endswith(_STEP) or name.removesuffix(_STEP) not in packed:
            found[name] = value.float() if value.is_floating_point() else value
    return found
