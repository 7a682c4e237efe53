"""The title's tokens look at the picture's regions, and the regions at the tokens.

Multi-head attention (Vaswani et al., "Attention Is All You Need", 2017) in both directions between the sides, as in
ViLBERT's co-attention (Lu et al. 2019). Each side asks the other with all its parts; what comes back is averaged, added
to the side's own vector, and both are joined by a linear map. A side that is missing is one learned part.
"""

from __future__ import annotations

import torch
from torch import nn

from model.errors import ModelError
from model.fusions.pair import Pair

NUM_HEADS = 4


class CrossAttention(nn.Module):
    """See `model.fusions.pair.Fusion`; ``width``: of the space in which regions and tokens are compared."""

    def __init__(self, hidden: int, region_dim: int, token_dim: int, width: int = 256) -> None:
        super().__init__()
        self.region = nn.Sequential(nn.LayerNorm(region_dim), nn.Dropout(0.3), nn.Linear(region_dim, width))
        self.token = nn.Sequential(nn.LayerNorm(token_dim), nn.Dropout(0.1), nn.Linear(token_dim, width))
        self.no_region = nn.Parameter(torch.zeros(width))
        self.no_token = nn.Parameter(torch.zeros(width))
        self.to_regions = nn.MultiheadAttention(width, NUM_HEADS, dropout=0.1, batch_first=True)
        self.to_tokens = nn.MultiheadAttention(width, NUM_HEADS, dropout=0.1, batch_first=True)
        self.seen = nn.Linear(width, hidden)
        self.said = nn.Linear(width, hidden)
        self.end = nn.Sequential(nn.LayerNorm(2 * hidden), nn.Linear(2 * hidden, hidden), nn.GELU(), nn.Dropout(0.3))

    def forward(self, pair: Pair) -> torch.Tensor:
        """See `model.fusions.pair.Fusion`. Raises ModelError for pairs without their parts."""
        if pair.parts is None:
            raise ModelError("cross-attention needs regions and tokens, and got vectors alone")
        regions = torch.where(pair.has_image[:, None, None], self.region(pair.parts.regions), self.no_region)
        tokens = torch.where(pair.has_title[:, None, None], self.token(pair.parts.tokens), self.no_token)
        # A title that is missing, or has no token, is one stand-in: attention over nothing at all is not a number.
        is_token = pair.parts.is_token & pair.has_title[:, None]
        first = torch.arange(is_token.shape[1], device=is_token.device) == 0
        is_token = is_token | (first & ~is_token.any(dim=1, keepdim=True))
        seen, _ = self.to_regions(tokens, regions, regions, need_weights=False)
        said, _ = self.to_tokens(regions, tokens, tokens, key_padding_mask=~is_token, need_weights=False)
        told = is_token[..., None].float()
        found_in_picture = (seen * told).sum(dim=1) / told.sum(dim=1)
        both = (pair.seen + self.seen(found_in_picture), pair.said + self.said(said.mean(dim=1)))
        joined: torch.Tensor = self.end(torch.cat(both, dim=1))
        return joined
