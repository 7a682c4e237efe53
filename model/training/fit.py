"""Fits a fusion model's parts on given rows: the networks by gradients, the linear expert by a solver."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import cross_entropy

from model.bag_linear import BagLinear
from model.class_expert import told_types
from model.config import ModelConfig
from model.errors import ModelError
from model.fusion import ATTRIBUTES, FusionModel, Logits
from model.inputs import Inputs, bag_tensors
from model.ngrams import NUM_COLUMNS, Bags, bags, count_documents, idf, word_bits
from model.scenes.image_classes import classes_of
from model.scenes.surroundings import ScenePictures
from model.taxonomy import load_taxonomy
from model.training.dataset import Row
from model.training.features import Features
from model.training.losses import smoothed_cross_entropy
from model.training.part_features import PartFeatures

_BATCH = 256
_MASKED_SHARE = 0.3
_UNSEEN_MADE_SHARE = 0.4  # of made-up titles: the picture alone must do as well
_LEARNING_RATE = 2e-3
_WEIGHT_DECAY = 0.05
_SMOOTHING = 0.05
_SVM_COST = 1.0  # on held-out families better than 0.3 by one to three points for product types

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Examples:
    """All rows as tensors. ``labels[name]`` holds -1 where nothing is known."""

    images: torch.Tensor
    colors: torch.Tensor
    titles: torch.Tensor
    masked: torch.Tensor
    bags: Bags
    masked_bags: Bags
    has_title: torch.Tensor  # a made-up one counts
    is_made: torch.Tensor
    labels: Mapping[str, torch.Tensor]
    parts: PartFeatures | None = None  # only for fusions that need them
    scenes: ScenePictures | None = None  # only where scenes look at their surroundings
    told: torch.Tensor | None = None  # (C, V) see `model.class_expert.told_types`

    def scene_inputs(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """See `model.training.features.Features`."""
        measures = self.scenes.measures[rows] if self.scenes is not None else torch.zeros(len(rows), 0)
        return self.images[rows], measures

    def inputs(self, rows: torch.Tensor, hide: torch.Tensor | None = None) -> Inputs:
        """A batch of ``rows`` (B,); titles of those to ``hide`` (B,) bool lose their telling words."""
        titles, chosen = self.titles[rows], self.bags.take(rows.numpy())
        if hide is not None and bool(hide.any()):
            titles = torch.where(hide[:, None], self.masked[rows], titles)
            chosen = _mixed(chosen, self.masked_bags.take(rows.numpy()), hide.numpy())
        there = torch.ones(len(rows), dtype=torch.bool)
        vectors = (self.images[rows], self.colors[rows], titles)
        parts = self.parts.take(rows, ~there if hide is None else hide) if self.parts is not None else None
        return Inputs(*vectors, *bag_tensors(chosen), there, self.has_title[rows], parts)


def examples_of(rows: Sequence[Row], features: Features, values: Mapping[str, tuple[str, ...]]) -> Examples:
    """Rows and their features as tensors, n-grams weighted by how rare they are among the training titles."""
    titles = [row.title or row.made_title for row in rows]
    known = [title for row, title in zip(rows, titles, strict=True) if row.split == "train" and title]
    weights = idf(count_documents(known), len(known)).astype(np.float16).astype(np.float32)
    return Examples(
        torch.from_numpy(features.images),
        torch.from_numpy(features.colors),
        torch.from_numpy(features.titles),
        torch.from_numpy(features.masked),
        bags(titles, weights),
        bags(features.masked_titles, weights),
        torch.tensor([bool(title) for title in titles]),
        torch.tensor([not row.title for row in rows]),
        {name: torch.from_numpy(label_ids(rows, name, values[name])) for name in values},
        features.parts,
        _scene_pictures(rows, features, values["scene"]),
        told_types(values["product_type"], load_taxonomy()),
    )


def _scene_pictures(rows: Sequence[Row], features: Features, values: tuple[str, ...]) -> ScenePictures | None:
    if features.grounds is None:
        return None
    measures, backdrops = features.grounds.measures, features.grounds.backdrops
    sources = tuple(row.source for row in rows)
    return ScenePictures(torch.from_numpy(measures), torch.from_numpy(backdrops), sources, values)


def label_ids(rows: Sequence[Row], attribute: str, values: Sequence[str]) -> Ints:
    """(N,) index of each row's label in ``values``, -1 where it has none there.

    A product type that is not among the values is found by its category, which stands for all the rare types in it.
    """
    index = {value: place for place, value in enumerate(values) if value}
    found = [row.labels.get(attribute, "") for row in rows]
    if attribute == "product_type":
        taxonomy = load_taxonomy()
        found = [value if value in index else taxonomy.category_of(value) or "" for value in found]
    return np.array([index.get(value, -1) for value in found], np.int64)


def remember_words(fusion: FusionModel, titles: Sequence[str]) -> None:
    """Give the model the n-grams' weights and the words that it may take for known."""
    with torch.no_grad():
        fusion.idf.copy_(torch.from_numpy(idf(count_documents(titles), len(titles))))
        fusion.word_bits.copy_(torch.from_numpy(word_bits(titles)))


# ---- the network ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Length:
    """How long to train: a schedule for ``epochs`` passes, which ends after ``stop_after`` of them (None: with the
    last).
    """

    epochs: int
    stop_after: int | None = None

    @property
    def num_passes(self) -> int:
        """Passes that are really made."""
        return min(self.epochs, self.stop_after or self.epochs)


AfterPass = Callable[[], None]


def fit_network(
    config: ModelConfig,
    data: Examples,
    rows: torch.Tensor,
    sizes: Mapping[str, int],
    length: Length,
    log: Callable[[str], None],
    after_pass: AfterPass = lambda: None,
) -> FusionModel:
    """A fusion model whose network has seen ``rows``; its ``words`` are still blank."""
    fusion = FusionModel(config, sizes, config.modality_dropout).train()
    for epoch, loss in islice(_passes(fusion, data, rows, length.epochs), length.num_passes):
        after_pass()
        if epoch % 10 == 0 or epoch == length.num_passes:
            log(f"epoch {epoch} of {length.num_passes}: loss {loss:.3f}")
    return fusion.eval()


def fit_experts(
    config: ModelConfig,
    data: Examples,
    rows: torch.Tensor,
    sizes: Mapping[str, int],
    length: Length,
    log: Callable[[str], None],
    after_pass: AfterPass = lambda: None,
) -> FusionModel:
    """All experts, the linear one included, fitted on ``rows``. Raises ModelError when scikit-learn is missing, or the
    package of a tower whose classes are asked.
    """
    fusion = fit_network(config, data, rows, sizes, length, log, after_pass)
    fit_words(fusion, data, rows)
    fit_surroundings(config, fusion, data, rows)
    fit_memory(config, fusion, data, rows)
    fit_classes(fusion, data, rows)
    return fusion


def fit_memory(config: ModelConfig, fusion: FusionModel, data: Examples, rows: torch.Tensor) -> None:
    """Remember ``rows``, where the configuration has a memory. Of more than it has room for: listings before photos
    without a title of their own, of either some drawn by chance. With no such photo it takes garments on beds for rugs.
    """
    known = worth_remembering(rows, data.labels)
    drawn = known[torch.randperm(len(known))]
    listings = ~data.is_made[drawn]
    chosen = torch.cat([drawn[listings], drawn[~listings]])[: config.memory_rows].sort().values
    if len(chosen):
        fusion.remember(data.inputs(chosen), {name: data.labels[name][chosen] for name in ATTRIBUTES})


def fit_classes(fusion: FusionModel, data: Examples, rows: torch.Tensor) -> None:
    """The expert on the image tower's classes, where the configuration has it."""
    known = rows[data.labels["product_type"][rows] >= 0]
    if data.told is not None and len(known):
        fusion.learn_class_types(data.inputs(known), data.labels["product_type"][known], data.told)


def worth_remembering(rows: torch.Tensor, labels: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Those of ``rows`` of which an answer is known."""
    return rows[torch.stack([labels[name][rows] >= 0 for name in ATTRIBUTES]).any(dim=0)]


def fit_surroundings(config: ModelConfig, fusion: FusionModel, data: Examples, rows: torch.Tensor) -> None:
    """What corrects the scenes' head, where the configuration has it. Raises CheckpointError: see `fit_experts`."""
    if fusion.surroundings is None or data.scenes is None:
        return
    with torch.no_grad():
        scenes = data.scenes.values
        fusion.surroundings.learn_grounds(data.scenes.grounds(rows, data.labels["scene"][rows]), scenes)
        classes = classes_of(config.image_tower) if config.image_classes else None
        if classes is not None:
            values = [scenes.index(one) if one in scenes else -1 for one in classes.scenes]
            fusion.surroundings.know_classes(classes.weights, classes.bias, values)


def choose_length(
    config: ModelConfig,
    data: Examples,
    split: tuple[torch.Tensor, torch.Tensor],
    sizes: Mapping[str, int],
    epochs: int,
    patience: int,
    log: Callable[[str], None],
    after_pass: AfterPass = lambda: None,
) -> Length:
    """Early stopping (Prechelt 1998): after how many passes over the first rows of ``split`` the second are foretold
    best. A fit on all rows then makes as many (Goodfellow, Bengio & Courville 2016, algorithm 7.2).

    The wait ends ``patience`` passes after the best one.
    """
    rows, watched = split
    fusion = FusionModel(config, sizes, config.modality_dropout).train()
    best, least = 1, float("inf")
    for epoch, _ in _passes(fusion, data, rows, epochs):
        after_pass()
        loss = _watch(fusion, data, watched)
        if loss < least:
            best, least = epoch, loss
        if epoch - best >= patience:
            break
    log(f"held-out loss is least after {best} of {epochs} passes: {least:.3f}")
    return Length(epochs, best)


def _passes(fusion: FusionModel, data: Examples, rows: torch.Tensor, epochs: int) -> Iterator[tuple[int, float]]:
    """Trains pass by pass; gives the number of each, from 1, and its mean loss."""
    fusion.learn_details(data.images[rows])
    parameters = [value for name, value in fusion.named_parameters() if not name.startswith("words.")]
    optimiser = torch.optim.AdamW(parameters, lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    num_steps = epochs * -(-len(rows) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _LEARNING_RATE, total_steps=num_steps, pct_start=0.1)
    for epoch in range(epochs):
        total = 0.0
        for batch in rows[torch.randperm(len(rows))].split(_BATCH):  # type: ignore[no-untyped-call]
            loss = _loss(fusion, data, batch)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(batch)
        yield epoch + 1, total / len(rows)


def _watch(fusion: FusionModel, data: Examples, rows: torch.Tensor) -> float:
    """Mean cross-entropy of all experts on rows with a title of their own, every attribute counted once."""
    fusion.eval()
    losses = []
    with torch.inference_mode():
        for batch in rows[~data.is_made[rows]].split(_BATCH):  # type: ignore[no-untyped-call]
            logits = fusion.network(data.inputs(batch))
            for name in ATTRIBUTES:
                wanted = data.labels[name][batch]
                one = [cross_entropy(scores[wanted >= 0], wanted[wanted >= 0]) for scores in logits[name].values()]
                losses.append(torch.stack(one).mean().nan_to_num() * len(batch))
    fusion.train()
    return float(torch.stack(losses).sum()) / max(1, len(rows)) if losses else 0.0


def _loss(fusion: FusionModel, data: Examples, batch: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of every head on the rows that have its label, and InfoNCE over pictures and their titles."""
    is_made = data.is_made[batch]
    inputs = data.inputs(batch, hide=torch.rand(len(batch)) < _MASKED_SHARE)
    unseen = is_made & (torch.rand(len(batch)) < _UNSEEN_MADE_SHARE)
    inputs = replace(inputs, has_title=inputs.has_title & ~unseen)
    logits = fusion.network(inputs)
    own = batch[~is_made]
    losses = [fusion.contrast(data.inputs(own))] if len(own) > 1 else []
    for name in ATTRIBUTES:
        wanted = data.labels[name][batch]
        told = wanted.where(inputs.has_title, -1)
        one: Logits = logits[name]
        losses += [
            smoothed_cross_entropy(scores, told if expert == "text" else wanted, _SMOOTHING)
            for expert, scores in one.items()
        ]
    scenes, shown = fusion.taught_scenes(inputs.images), data.labels["scene"][batch]
    losses.append(smoothed_cross_entropy(scenes, shown.where(shown < scenes.shape[1], -1), _SMOOTHING))
    return torch.stack(losses).sum()


def _mixed(bags: Bags, masked: Bags, hide: npt.NDArray[np.bool_]) -> Bags:
    """Row by row from one or the other."""
    both = Bags(
        np.concatenate([bags.columns, masked.columns]),
        np.concatenate([bags.weights, masked.weights]),
        np.concatenate([bags.starts, bags.starts[-1] + masked.starts[1:]]),
    )
    return both.take(np.arange(len(hide)) + len(hide) * hide)


# ---- linear ---------------------------------------------------------------------------------------------------------


def fit_words(fusion: FusionModel, data: Examples, rows: torch.Tensor) -> None:
    """Linear support vector machines, one value against the rest (Fan et al. 2008), on n-grams and the title's vector.

    On colours they beat a softmax trained by gradients on the same n-grams by seven points. Raises ModelError when
    scikit-learn is missing.
    """
    titled = rows[data.has_title[rows]]
    for name in ATTRIBUTES:
        known = titled[data.labels[name][titled] >= 0]
        grams, labels = data.bags.take(known.numpy()), data.labels[name][known].numpy()
        _fill(cast(BagLinear, fusion.words[name]), grams, data.titles[known].numpy(), labels)


def _fill(machine: BagLinear, grams: Bags, dense: npt.NDArray[np.float32], labels: Ints) -> None:
    weights, bias = _svm(grams, dense, labels)
    seen = np.unique(labels)
    width = machine.dense.out_features
    all_weights = np.zeros((width, NUM_COLUMNS + dense.shape[1]), np.float32)
    all_bias = np.full(width, -1.0, np.float32)  # what a value's machine says of what it never saw
    all_weights[seen], all_bias[seen] = weights, bias
    machine.fill(all_weights, all_bias)


def _svm(
    grams: Bags, dense: npt.NDArray[np.float32], labels: Ints
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Weights (V, NUM_COLUMNS + D) and bias (V,) of the values that occur, in their order."""
    try:
        from scipy.sparse import csr_matrix, hstack
        from sklearn.svm import LinearSVC
    except ImportError as error:
        raise ModelError("scikit-learn is not installed; 'pip install hangtag[train]' brings it") from error
    rows = csr_matrix((grams.weights, grams.columns, grams.starts), shape=(len(labels), NUM_COLUMNS))
    if (count := len(np.unique(labels))) < 2:  # a fold of a small catalogue: there is nothing to part it from
        return np.zeros((count, NUM_COLUMNS + dense.shape[1])), np.ones(count)
    machine = LinearSVC(C=_SVM_COST, random_state=0).fit(hstack([rows, csr_matrix(dense)]).tocsr(), labels)
    if len(machine.classes_) > 2:
        return machine.coef_, machine.intercept_
    return np.concatenate([-machine.coef_, machine.coef_]), np.concatenate([-machine.intercept_, machine.intercept_])
