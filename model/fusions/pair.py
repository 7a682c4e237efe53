"""What a fusion is given, and what it must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch


@dataclass(frozen=True, slots=True)
class Parts:
    """Pictures by region and titles by token; a missing side's rows hold anything, and must not be looked at."""

    regions: torch.Tensor  # (B, R, Di)
    tokens: torch.Tensor  # (B, T, Dt)
    is_token: torch.Tensor  # (B, T) bool: padding is none

    def to(self, device: torch.device) -> Parts:
        """The same on another device."""
        return Parts(self.regions.to(device), self.tokens.to(device), self.is_token.to(device))


@dataclass(frozen=True, slots=True)
class Pair:
    """A batch of pictures and titles. Where a side is missing ``seen`` or ``said`` holds its learned stand-in."""

    seen: torch.Tensor  # (B, H)
    said: torch.Tensor  # (B, H)
    has_image: torch.Tensor  # (B,) bool
    has_title: torch.Tensor  # (B,) bool
    parts: Parts | None = None  # only for fusions that need them


class Fusion(Protocol):
    """A module that joins pairs."""

    def __call__(self, pair: Pair) -> torch.Tensor:
        """(B, H)."""
        ...
