"""The network: ResNet-50 and a bidirectional LSTM or BERT, 512 numbers each, concatenation, 512-256-128-64, heads.

He et al., "Deep Residual Learning" (2016); Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997); Devlin et al.,
"BERT" (2019). A learned vector stands for a missing picture or title; training hides either now and then.
"""

from __future__ import annotations

import timm
import torch
from torch import nn
from torchvision import models
from transformers import BertConfig, BertModel

from model.reference.config import ReferenceConfig

_EMBEDDING = 128
_HIDDEN_SHARE = 0.1  # of listings lose their picture in training, as many their title


class ReferenceModel(nn.Module):
    """``bert``: the encoder's configuration, where one is asked for; ``num_words``: the LSTM's vocabulary."""

    def __init__(self, config: ReferenceConfig, num_words: int, bert: BertConfig | None) -> None:
        super().__init__()
        self.image = _Pictures(config)
        self.text: nn.Module = _Lstm(num_words, config.hidden) if bert is None else _Bert(bert, config.hidden)
        self.no_image = nn.Parameter(torch.zeros(config.hidden))
        self.no_text = nn.Parameter(torch.zeros(config.hidden))
        self.net = nn.Sequential()
        width = 2 * config.hidden
        for narrower in config.widths:
            self.net.extend([nn.Linear(width, narrower), nn.ReLU(), nn.Dropout(0.1)])
            width = narrower
        self.heads = nn.ModuleDict({name: nn.Linear(width, size) for name, size in config.heads.items()})

    def forward(
        self,
        pixels: torch.Tensor,
        ids: torch.Tensor,
        lengths: torch.Tensor,
        has_image: torch.Tensor,
        has_title: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """(B, S, S, 3) uint8 pictures, (B, T) ids of which the first ``lengths`` (B,) count, to outputs by head."""
        chance = torch.rand(len(pixels), device=pixels.device) if self.training else torch.ones(len(pixels))
        see = has_image & ~((chance < _HIDDEN_SHARE) & has_title)
        read = has_title & ~((chance >= _HIDDEN_SHARE) & (chance < 2 * _HIDDEN_SHARE) & has_image)
        seen = torch.where(see[:, None], self.image(pixels), self.no_image)
        said = torch.where(read[:, None], self.text(ids, lengths), self.no_text)
        joined = self.net(torch.cat([seen, said], dim=1))
        return {name: head(joined) for name, head in self.heads.items()}

    def pretrained(self) -> list[nn.Parameter]:
        """Parameters that begin with weights, and are changed more slowly."""
        parts = [self.image.net] if self.image.is_pretrained else []
        parts += [self.text.net] if isinstance(self.text, _Bert) else []
        return [parameter for part in parts for parameter in part.parameters()]


class _Pictures(nn.Module):
    def __init__(self, config: ReferenceConfig) -> None:
        super().__init__()
        self.is_pretrained = config.image == "lite0"
        self.net: nn.Module
        if self.is_pretrained:
            self.net = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0)
            width, self._mean, self._std = 1280, 127.0, 128.0
        else:
            residual: models.ResNet = getattr(models, config.image)(weights=None)
            width, self._mean, self._std = residual.fc.in_features, 117.0, 58.0
            residual.fc = nn.Identity()
            self.net = residual
        self.end = nn.Sequential(nn.Linear(width, config.hidden), nn.ReLU())

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        scaled = (pixels.permute(0, 3, 1, 2).float() - self._mean) / self._std
        found: torch.Tensor = self.end(self.net(scaled.contiguous(memory_format=torch.channels_last)))
        return found


class _Lstm(nn.Module):
    """The last states of both directions, one after the other."""

    def __init__(self, num_words: int, hidden: int) -> None:
        super().__init__()
        self.table = nn.Embedding(num_words + 2, _EMBEDDING, padding_idx=0)
        self.net = nn.LSTM(_EMBEDDING, hidden // 2, batch_first=True, bidirectional=True)

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        words = nn.utils.rnn.pack_padded_sequence(
            self.table(ids), lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        _, (states, _) = self.net(words)  # (2, B, hidden / 2)
        return torch.cat([states[0], states[1]], dim=1)


class _Bert(nn.Module):
    """The pooled output: the first token's state through BERT's own pooler."""

    def __init__(self, config: BertConfig, hidden: int) -> None:
        super().__init__()
        self.net = BertModel(config, add_pooling_layer=True)
        self.end = nn.Sequential(nn.Linear(config.hidden_size, hidden), nn.ReLU())

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        mask = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        found: torch.Tensor = self.end(self.net(input_ids=ids, attention_mask=mask.long()).pooler_output)
        return found
