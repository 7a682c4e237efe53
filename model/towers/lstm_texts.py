"""A bidirectional LSTM (Hochreiter & Schmidhuber 1997; Graves & Schmidhuber 2005) as a text tower, learned from the
titles of a catalogue alone.

It learns to say which words were hidden in a title from the vector of the others (Mikolov et al. 2013, with the whole
title for a context). No label is looked at, so what is fitted on it later can be asked out of fold as on any other
frozen tower. Its vocabulary is the words of those titles; Chinese is taken character by character.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn
from torch.nn.functional import log_softmax, normalize

from model.errors import CheckpointError
from model.text import TextTower

Log = Callable[[str], None]

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[MASK]")
_PAD, _UNKNOWN, _START, _HIDDEN = range(len(_SPECIAL))
_MAX_WORDS = 20_000
_MIN_TITLES = 2  # with a word in them; a rarer one is unknown
_HIDDEN_SHARE = 0.3
_BATCH = 64
_LEARNING_RATE = 2e-3


@dataclass(frozen=True, slots=True)
class LstmConfig:
    """Sizes. ``hidden_size``: of both directions together, the length of a title's vector."""

    vocab_size: int
    embedding_size: int = 128
    hidden_size: int = 256
    model_type: str = "lstm"


@dataclass(frozen=True, slots=True)
class States:
    """What an encoder gives: (B, T, D)."""

    last_hidden_state: torch.Tensor


class BidirectionalLstm(nn.Module):
    """Token ids (B, T), padded behind, to states (B, T, D). A title's states do not depend on how wide it is padded."""

    def __init__(self, config: LstmConfig) -> None:
        super().__init__()
        self.config = config
        each = config.hidden_size // 2
        self.words = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=_PAD)
        self.forwards = nn.LSTM(config.embedding_size, each, batch_first=True)
        self.backwards = nn.LSTM(config.embedding_size, each, batch_first=True)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> States:
        """See the class."""
        words = self.words(input_ids)
        order = _turned(attention_mask)
        there, _ = self.forwards(words)
        back, _ = self.backwards(torch.gather(words, 1, order[..., None].expand_as(words)))
        back = torch.gather(back, 1, order[..., None].expand_as(back))
        return States(torch.cat([there, back], dim=-1))


def _turned(mask: torch.Tensor) -> torch.Tensor:
    """(B, T) places that turn each row's tokens around and leave the padding behind them; turned twice: as it was."""
    places = torch.arange(mask.shape[1], device=mask.device)[None]
    lengths = mask.sum(dim=1, keepdim=True).long()
    return torch.where(places < lengths, lengths - 1 - places, places)


def build(folder: Path, max_tokens: int) -> TextTower:
    """The tower that a checkpoint's folder describes, weights unset. Raises CheckpointError."""
    try:
        config = LstmConfig(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{folder / 'config.json'} describes no LSTM: {error}") from error
    return TextTower(folder, max_tokens, BidirectionalLstm(config))


def learn(
    titles: Sequence[str], folder: Path, *, dim: int, max_tokens: int, epochs: int, seed: int, log: Log
) -> TextTower:
    """Learn a tower from titles and write it into ``folder``. Same titles and seed, same tower."""
    tokenizer = _tokenizer_of(titles)
    config = LstmConfig(tokenizer.get_vocab_size(), hidden_size=dim)
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps(asdict(config), indent=2) + "\n", encoding="utf-8")
    torch.manual_seed(seed)
    tower = TextTower(folder, max_tokens, BidirectionalLstm(config))
    tokenizer.enable_truncation(max_tokens)
    _fit(tower, [one.ids for one in tokenizer.encode_batch(list(titles))], epochs, seed, log)
    weights = {name: value.detach().half().contiguous() for name, value in tower.net.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    return tower.eval()


# ---- the words ------------------------------------------------------------------------------------------------------


def _tokenizer_of(titles: Sequence[str]) -> Tokenizer:
    """One number per word of the titles, the most frequent first."""
    normalise = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    split = pre_tokenizers.BertPreTokenizer()
    counts: Counter[str] = Counter()
    for title in titles:
        counts.update({word for word, _ in split.pre_tokenize_str(normalise.normalize_str(title))})
    words = sorted((word for word, count in counts.items() if count >= _MIN_TITLES), key=lambda w: (-counts[w], w))
    vocabulary = {word: place for place, word in enumerate([*_SPECIAL, *words[:_MAX_WORDS]])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=_SPECIAL[_UNKNOWN]))
    tokenizer.normalizer = normalise
    tokenizer.pre_tokenizer = split
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{_SPECIAL[_START]} $A", special_tokens=[(_SPECIAL[_START], _START)]
    )
    return tokenizer


# ---- learning -------------------------------------------------------------------------------------------------------


def _fit(tower: TextTower, titles: Sequence[Sequence[int]], epochs: int, seed: int, log: Log) -> None:
    net = tower.net
    assert isinstance(net, BidirectionalLstm)  # noqa: S101  # `learn` has just built it
    guess = nn.Linear(net.config.hidden_size, net.config.embedding_size)
    scale = nn.Parameter(torch.tensor(2.0))
    optimiser = torch.optim.AdamW([*net.parameters(), *guess.parameters(), scale], lr=_LEARNING_RATE)
    generator = torch.Generator().manual_seed(seed)
    wanted = [ids for ids in titles if sum(token >= len(_SPECIAL) for token in ids) > 1]
    for epoch in range(epochs):
        total, order = 0.0, torch.randperm(len(wanted), generator=generator).tolist()
        for start in range(0, len(order), _BATCH):
            ids, mask = _padded([wanted[index] for index in order[start : start + _BATCH]])
            hidden = (torch.rand(ids.shape, generator=generator) < _HIDDEN_SHARE) & (ids >= len(_SPECIAL))
            vectors = tower.encode(torch.where(hidden, _HIDDEN, ids), mask)
            scores = log_softmax(scale.exp() * guess(vectors) @ normalize(net.words.weight, dim=1).T, dim=1)
            told = torch.gather(scores, 1, ids)[hidden]
            loss = -told.mean() if len(told) else scores.sum() * 0
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += float(loss.detach()) * min(_BATCH, len(order) - start)
        log(f"words: epoch {epoch + 1} of {epochs}, loss {total / max(1, len(order)):.3f}")


def _padded(titles: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    ids = nn.utils.rnn.pad_sequence([torch.tensor(one) for one in titles], batch_first=True, padding_value=_PAD)
    return ids, (ids != _PAD).float()
