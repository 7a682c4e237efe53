"""How the tagger does on what training never saw: families of listings, whole brands, a source of photos.

Everything is fitted anew without the group and asked about it; pools are the checkpoint's, so nothing of a group is in
them but a few weights. Brands stand beside the same rows with only their families left out: the difference is what a
brand's other listings teach. Data without a column of brands has them in its titles, nearly always in front.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from model.config import ModelConfig
from model.errors import ModelError
from model.fusion import ATTRIBUTES, FusionModel
from model.measuring.ablation import features_by
from model.measuring.intervals import interval_95
from model.measuring.report import as_markdown, within
from model.pool import SIDES, Pool
from model.scoring import Scorer
from model.taxonomy import load_taxonomy
from model.train import published_types, vocabularies, with_untaught
from model.training.catalogue import rows_of
from model.training.dataset import Row
from model.training.fit import Examples, Length, examples_of, fit_experts
from model.training.folds import NUM_FOLDS, fold_of_rows
from model.training.progress import Meter, ShowProgress, silent
from model.weights import SHIPPED, Checkpoint, load

MIN_BRAND_ROWS = 50  # with fewer, a figure says little

_NOT_A_BRAND = re.compile(r"\(renewed\)|\bamazon brand\b|\bby amazon\b|[^\w']+", re.IGNORECASE)
_RESOLD = {"amazon basics": "amazonbasics"}
_ASKED = ("product_type", "category", "color", "material")

Log = Callable[[str], None]
Bools = npt.NDArray[np.bool_]
# (attribute, side) -> (N,) rows that were asked, and which were right
Right = dict[tuple[str, str], tuple[Bools, Bools]]


def brand_of(title: str) -> str:
    """The first word of a title, what shops write in front of a brand left out; empty of an empty title."""
    words = _NOT_A_BRAND.sub(" ", title.casefold()).split()
    return _RESOLD.get(" ".join(words[:2]), words[0]) if words else ""


def hold_out(
    data: Path,
    *,
    num_brands: int = 4,
    epochs: int = 18,
    seed: int = 0,
    device: str = "auto",
    cache: Path = Path(".cache/features"),
    checkpoint: Path = SHIPPED,
    log: Log = lambda _: None,
    progress: ShowProgress = silent,
) -> dict[str, Any]:
    """Figures as JSON-ready values, for ``held_out_tables``; towers and pools are those of ``checkpoint``.

    Raises ModelError when data is missing, or holds nothing to leave out.
    """
    rows = rows_of(data, log)
    loaded = load(checkpoint)
    # What was tuned has seen every group.
    values, config = with_untaught(vocabularies(rows), loaded.config.untuned())
    config = replace(config, class_types=config.class_types and loaded.config.class_types)  # pools are the checkpoint's
    features = features_by(rows, config, checkpoint, device, cache, log)
    training = np.array([row.split == "train" for row in rows])
    titled = training & np.array([bool(row.title) for row in rows])
    if not titled.any():
        raise ModelError(f"{data.name} holds no titled training listings to leave out")
    folds = fold_of_rows(rows, features.images[:, : config.image_dim])
    brands = np.array([brand_of(row.title) for row in rows])
    largest = _largest(brands[titled], num_brands)
    scenes = list(scenes_of_two_sources(rows, training, values["scene"]))
    meter = Meter((NUM_FOLDS + len(largest) + len(scenes)) * epochs, progress)
    how = _How(Length(epochs), seed, log, meter)
    scorer = Scorer.of(values, published_types(rows), load_taxonomy())
    bench = _Bench(
        rows, training, examples_of(rows, features, values), values, _pools(loaded, config), scorer, config, how
    )
    right: Right = {}
    for fold in range(NUM_FOLDS):
        left = folds == fold
        bench.ask(bench.without(f"families, {fold + 1} of {NUM_FOLDS}", left), left & titled, right)
    return {
        "epochs": epochs,
        "families": _figures(right, titled),
        "brands": [_of_brand(bench, name, brands == name, titled, right) for name in largest],
        "scenes": [_of_scene(bench, *one) for one in scenes],
    }


def _pools(checkpoint: Checkpoint, config: ModelConfig) -> Mapping[str, Pool]:
    """The checkpoint's, without weights of experts that are not fitted here: tuned ones, and those that ``config`` has
    not, as the data gives them nothing to say.
    """
    lacking = () if config.class_types else ("classes",)
    found = {}
    for name, pool in checkpoint.vocabulary.pools.items():
        every = checkpoint.fusion.experts(name)
        kept = [one for one in every if not one.startswith("tuned_") and one not in lacking]
        found[name] = pool.of(kept, every)
    return found


def _largest(brands: npt.NDArray[np.str_], count: int) -> list[str]:
    most = Counter(brands.tolist()).most_common(count)
    return [name for name, rows in most if rows >= MIN_BRAND_ROWS]


def _of_brand(bench: _Bench, name: str, own: Bools, titled: Bools, by_families: Right) -> dict[str, Any]:
    right: Right = {}
    bench.ask(bench.without(f"brand {name}", own), own & titled, right)
    return {"brand": name, "without": _figures(right, own & titled), "families": _figures(by_families, own & titled)}


def _of_scene(bench: _Bench, source: str, scene: str, left: Bools) -> dict[str, Any]:
    correct, count = bench.ask_scene(bench.without(f"{scene} of {source}", left), left, scene), int(left.sum())
    return {"source": source, "scene": scene, **_accuracy(correct, count)}


@dataclass(frozen=True, slots=True)
class _How:
    """How each fit is made."""

    length: Length
    seed: int
    log: Log
    meter: Meter


@dataclass(frozen=True, slots=True)
class _Bench:
    """The rows, and what every fit shares."""

    rows: Sequence[Row]
    training: Bools
    data: Examples
    values: Mapping[str, tuple[str, ...]]
    pools: Mapping[str, Pool]
    scorer: Scorer
    config: ModelConfig
    how: _How

    def without(self, what: str, left: Bools) -> FusionModel:
        """Fitted on the training rows but those that are left out."""
        how = self.how
        how.meter.begin(what)
        how.log(f"{what}: {int((left & self.training).sum()):,} training rows left out")
        torch.manual_seed(how.seed)
        rows = torch.from_numpy(np.flatnonzero(self.training & ~left))
        sizes = {name: len(one) for name, one in self.values.items()}
        return fit_experts(self.config, self.data, rows, sizes, how.length, how.log, how.meter.step)

    def ask(self, fusion: FusionModel, chosen: Bools, right: Right) -> None:
        """Note which of the chosen rows each side has right."""
        places = np.flatnonzero(chosen)
        stated = self.scorer.stated([self.rows[place].title for place in places.tolist()])
        with torch.inference_mode():
            logits = fusion(self.data.inputs(torch.from_numpy(places)))
        truth = {name: self.data.labels[name][places].numpy() for name in ATTRIBUTES}
        scored = self.scorer.score(self.pools, logits, stated, truth)
        for name in _ASKED:
            wanted = scored.truth[name]
            for side in SIDES:
                asked, correct = right.setdefault((name, side), (_none_of(self.rows), _none_of(self.rows)))
                asked[places] = wanted >= 0
                correct[places] = scored.scores[name][side].argmax(axis=1) == wanted

    def ask_scene(self, fusion: FusionModel, chosen: Bools, scene: str) -> int:
        """How many of the chosen photos are called by their scene."""
        with torch.inference_mode():
            scores = fusion.scenes(*self.data.scene_inputs(torch.from_numpy(np.flatnonzero(chosen))))
        return int((scores.argmax(dim=1) == self.values["scene"].index(scene)).sum())


def _none_of(rows: Sequence[Row]) -> Bools:
    return np.zeros(len(rows), np.bool_)


def _figures(right: Right, chosen: Bools) -> dict[str, dict[str, Any]]:
    """By attribute and side, of the chosen rows with a label."""
    found: dict[str, dict[str, Any]] = {}
    for (name, side), (asked, correct) in right.items():
        rows = asked & chosen
        count, hits = int(rows.sum()), int((rows & correct).sum())
        if count:
            found.setdefault(name, {})[side] = _accuracy(hits, count)
    return found


def _accuracy(correct: int, count: int) -> dict[str, Any]:
    return {"rows": count, "accuracy": round(correct / count, 4), "interval_95": interval_95(correct, count)}


def scenes_of_two_sources(
    rows: Sequence[Row], training: Bools, taught: Sequence[str]
) -> Iterator[tuple[str, str, Bools]]:
    """A source and a scene that training photos of another source show too, and this source's photos of it: left out
    and then asked about. Scenes that are not ``taught`` count as unknown.
    """
    told = [row.labels.get("scene", "") for row in rows]
    sources, scenes = np.array([row.source for row in rows]), np.array([one if one in taught else "" for one in told])
    known = training & (scenes != "")
    for source in np.unique(sources):
        own = sources == source
        for scene in np.unique(scenes[known & own]):
            shows = known & (scenes == scene)
            if (shows & ~own).any():
                yield str(source), str(scene), shows & own


# ---- tables ---------------------------------------------------------------------------------------------------------


def held_out_tables(found: Mapping[str, Any]) -> str:
    """A Markdown page."""
    head = (
        f"Each group was left out of a fit of {found['epochs']} passes and then asked about: accuracy (95 % interval) "
        "by both sides, by the picture, by the title. Product types: those with enough training rows to be named. A "
        "brand is what titles begin with."
    )
    groups = [("every family, a third at a time", "its families", found["families"])]
    for one in found["brands"]:
        groups += [(one["brand"], "its families", one["families"]), (one["brand"], "the brand", one["without"])]
    head_cells = ("Asked about", "Left out", "Rows", "Both", "Picture", "Title")
    tables = [as_markdown(name, head_cells, list(_lines(name, groups))) for name in _ASKED]
    scenes = [(one["source"], one["scene"], f"{one['rows']:,}", within(one, "accuracy")) for one in found["scenes"]]
    if scenes:
        tables.append(
            as_markdown("scene, a source's photos of it left out", ("Source", "Scene", "Photos", "Called so"), scenes)
        )
    return "\n\n".join(["# Left out of training", f"Printed by `hangtag evaluate --held-out`. {head}", *tables]) + "\n"


def _lines(name: str, groups: Sequence[tuple[str, str, Mapping[str, Any]]]) -> Iterator[tuple[str, ...]]:
    for who, left, figures in groups:
        if name in figures:
            by_side = figures[name]
            yield who, left, f"{by_side['fused']['rows']:,}", *(within(by_side[side], "accuracy") for side in SIDES)
