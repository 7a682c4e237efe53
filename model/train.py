"""``hangtag train``: towers are imported and frozen, fusion and heads are fitted, scores calibrated, figures taken.

The same seed on the same data gives the same checkpoint.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from model.calibrate import Outcomes, Pool, fit_pool
from model.card import write_card
from model.config import ModelConfig
from model.dataset import Row, Split, load_rows
from model.evaluate import evaluate_features, label_ids, side_scores
from model.features import Features, compute_features
from model.fusion import ATTRIBUTES, FusionModel, Logits
from model.origin import import_towers
from model.predictor import choose_device
from model.presence_data import learn_presence
from model.weights import Vocabulary, load_towers, save_heads, save_outcomes, seal

MIN_TYPE_ROWS = 20
MIN_MATERIAL_ROWS = 15
_BATCH = 512
_MASKED_SHARE = 0.3
_EPOCHS = 60


@dataclass(frozen=True, slots=True)
class TrainReport:
    """Where the checkpoint is, and its figures as ``hangtag evaluate`` gives them."""

    folder: Path
    figures: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Data:
    """All rows as tensors. ``labels[name]`` holds -1 where nothing is known."""

    images: torch.Tensor
    titles: torch.Tensor
    masked: torch.Tensor
    has_title: torch.Tensor
    labels: Mapping[str, torch.Tensor]
    splits: Sequence[Split]

    def rows(self, split: Split) -> torch.Tensor:
        return torch.tensor([index for index, one in enumerate(self.splits) if one == split])


def train(
    data: Path,
    out: Path,
    *,
    seed: int = 0,
    epochs: int | None = None,
    device: str = "auto",
    cache: Path = Path(".cache/features"),
    log: Callable[[str], None] = lambda _: None,
) -> TrainReport:
    """Write a complete checkpoint to the folder ``out``. Raises ModelError when data or weights are missing."""
    torch.manual_seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    config = ModelConfig()
    config.save(out / "config.json")
    origins = import_towers(out)
    rows = load_rows(data)
    image, text = load_towers(out, config)
    place = choose_device(device)
    features = compute_features(rows, image.to(place), text.to(place), config.image_side, cache, log)
    values = vocabularies(rows)
    tensors = _tensors(rows, features, values)
    fusion = _fit(config, tensors, values, epochs or _EPOCHS, log)
    _round_to_half(fusion)
    vocabulary, outcomes = _calibrate(fusion, tensors, values, _published(rows))
    save_heads(out, fusion)
    save_outcomes(out, outcomes)
    see = lambda more: compute_features(more, image, text, config.image_side, cache, log).images  # noqa: E731
    if presence := learn_presence(features.images, rows, see, cache):
        presence.save(out)
    (out / "labels.json").write_text(json.dumps(vocabulary.to_json(), indent=1) + "\n", encoding="utf-8")
    figures = evaluate_features(fusion, vocabulary, outcomes, features, rows)
    write_card(out, config, vocabulary, origins, rows, figures)
    seal(out)
    return TrainReport(out, figures)


def vocabularies(rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    """Values per attribute, sorted: what training rows hold often enough."""
    least = {"product_type": 1, "color": 1, "material": MIN_MATERIAL_ROWS, "scene": MIN_TYPE_ROWS}
    return {name: tuple(sorted(v for v, n in _counts(rows, name).items() if n >= few)) for name, few in least.items()}


def _published(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(sorted(v for v, n in _counts(rows, "product_type").items() if n >= MIN_TYPE_ROWS))


def _counts(rows: Sequence[Row], attribute: str) -> Counter[str]:
    return Counter(row.labels[attribute] for row in rows if row.split != "test" and attribute in row.labels)


def _tensors(rows: Sequence[Row], features: Features, values: Mapping[str, tuple[str, ...]]) -> _Data:
    return _Data(
        torch.from_numpy(features.images),
        torch.from_numpy(features.titles),
        torch.from_numpy(features.masked),
        torch.tensor([bool(row.title) for row in rows]),
        {name: torch.from_numpy(label_ids(rows, name, values[name])) for name in values},
        [row.split for row in rows],
    )


# ---- fit ------------------------------------------------------------------------------------------------------------


def _fit(
    config: ModelConfig, data: _Data, values: Mapping[str, tuple[str, ...]], epochs: int, log: Callable[[str], None]
) -> FusionModel:
    fusion = FusionModel(config, {name: len(found) for name, found in values.items()}).train()
    chosen = data.rows("train")
    num_steps = epochs * -(-len(chosen) // _BATCH)
    optimiser = torch.optim.AdamW(fusion.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=num_steps, pct_start=0.1)
    for epoch in range(epochs):
        total = 0.0
        for batch in chosen[torch.randperm(len(chosen))].split(_BATCH):  # type: ignore[no-untyped-call]
            loss = _loss(fusion, data, batch)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(batch)
        if epoch % 10 == 9 or epoch + 1 == epochs:
            log(f"epoch {epoch + 1} of {epochs}: loss {total / len(chosen):.3f}")
    return fusion.eval()


def _loss(fusion: FusionModel, data: _Data, batch: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of every head on the rows that have its label, and InfoNCE over pictures and their titles."""
    images, has_title = data.images[batch], data.has_title[batch]
    hide = torch.rand(len(batch)) < _MASKED_SHARE
    titles = torch.where(hide[:, None], data.masked[batch], data.titles[batch])
    logits = fusion(images, titles, torch.ones(len(batch), dtype=torch.bool), has_title)
    losses = [_contrastive(fusion, images[has_title], data.titles[batch][has_title])]
    for name in ATTRIBUTES:
        wanted = data.labels[name][batch]
        known = wanted >= 0
        one: Logits = logits[name]
        losses += [_cross_entropy(found[known], wanted[known]) for found in (one.gated, one.image, one.text)]
    scenes = data.labels["scene"][batch]
    losses.append(_cross_entropy(fusion.scene(images)[scenes >= 0], scenes[scenes >= 0]))
    return torch.stack(losses).sum()


def _cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return cross_entropy(logits, labels, label_smoothing=0.05) if len(labels) else logits.sum() * 0


def _contrastive(fusion: FusionModel, images: torch.Tensor, titles: torch.Tensor) -> torch.Tensor:
    """InfoNCE in both directions (van den Oord et al. 2018; Radford et al. 2021): each picture finds its title."""
    if len(images) < 2:
        return images.sum() * 0
    left, right = fusion.similarity(images, titles)
    scores = fusion.log_scale.clamp(max=4.6).exp() * left @ right.T
    own = torch.arange(len(images))
    return 0.5 * (cross_entropy(scores, own) + cross_entropy(scores.T, own))


def _round_to_half(fusion: FusionModel) -> None:
    """What is calibrated and measured is what ships."""
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.copy_(parameter.half().float())


# ---- calibrate ------------------------------------------------------------------------------------------------------


def _calibrate(
    fusion: FusionModel, data: _Data, values: Mapping[str, tuple[str, ...]], published: tuple[str, ...]
) -> tuple[Vocabulary, dict[str, dict[str, Outcomes]]]:
    rows = data.rows("calibrate")
    both = rows[data.has_title[rows]]
    with torch.no_grad():
        there = torch.ones(len(both), dtype=torch.bool)
        logits = fusion(data.images[both], data.titles[both], there, there)
        scene_rows = rows[data.labels["scene"][rows] >= 0]
        scene_logits = fusion.scene(data.images[scene_rows])
        association = _fit_association(fusion, data.images[both], data.titles[both])
    pools = {}
    for name in ATTRIBUTES:
        wanted = data.labels[name][both]
        known = wanted >= 0
        one = logits[name]
        pools[name] = fit_pool(Logits(one.gated[known], one.image[known], one.text[known]), wanted[known])
    scene = fit_pool(Logits(scene_logits, scene_logits, scene_logits), data.labels["scene"][scene_rows])
    vocabulary = Vocabulary(values, published, pools, scene.image_temperature, association)
    truth = {name: data.labels[name][both].numpy() for name in ATTRIBUTES}
    outcomes = side_scores(vocabulary, logits, truth)
    outcomes["scene"] = _scene_outcomes(scene_logits, scene, data.labels["scene"][scene_rows].numpy())
    return vocabulary, outcomes


def _scene_outcomes(logits: torch.Tensor, pool: Pool, truth: np.ndarray) -> dict[str, Outcomes]:
    scores = torch.softmax(logits / pool.image_temperature, dim=1).numpy()
    found = Outcomes(scores.max(axis=1), scores.argmax(axis=1) == truth)
    return {"fused": found, "image": found}


def _fit_association(fusion: FusionModel, images: torch.Tensor, titles: torch.Tensor) -> tuple[float, float]:
    """Logistic regression of "own title or another's" on similarity, as many of one as of the other."""
    left, right = fusion.similarity(images, titles)
    own = (left * right).sum(dim=1)
    others = (left * right.roll(1 + len(right) // 2, dims=0)).sum(dim=1)
    similarity = torch.cat([own, others])
    truth = torch.cat([torch.ones(len(own)), torch.zeros(len(others))])
    with torch.enable_grad():
        raw = torch.tensor([5.0, 0.0], requires_grad=True)
        optimiser = torch.optim.LBFGS([raw], max_iter=200, line_search_fn="strong_wolfe")

        def closure() -> torch.Tensor:
            optimiser.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(raw[0] * similarity + raw[1], truth)
            torch.autograd.backward(loss)
            return loss

        optimiser.step(closure)  # type: ignore[no-untyped-call]
    return float(raw[0]), float(raw[1])
