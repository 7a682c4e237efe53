"""``hangtag evaluate``: how good a checkpoint is on rows that training never saw.

Each attribute is measured by picture alone, title alone, title with the words that state colour and material hidden,
and both together, because colour, material and type stand in most titles: one figure would flatter. Beside them stands
each expert alone, since a pool that does not beat its best expert is worth nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from model.calibrate import Outcomes
from model.fusion import ATTRIBUTES, SINGLE_SIDED, FusionModel
from model.measuring.asked import POOLS, TARGET, Asked, Bools, Ints, Read, bars_of, features_of
from model.measuring.chosen_rows import Chosen, choose_rows, labels_of, warnings_of
from model.measuring.figures import figures_of, outcome_figures, paired_gain
from model.measuring.label_noise import label_noise
from model.measuring.precision import changes_of
from model.place import digest_of_all
from model.pool import SIDES
from model.predictor import choose_device
from model.presence.presence_data import evaluate_presence
from model.runtime.engines import Engine, Precision, choose_engine, open_images
from model.scoring import Scored
from model.training.catalogue import is_catalogue
from model.training.dataset import Row, load_rows
from model.training.features import Features, look_at, read_titles, see_images
from model.weights import SHIPPED, Checkpoint, Vocabulary, load

_MASKED = {"fused": "fused_masked", "text": "text_masked"}
_NO_TARGETS: Mapping[str, float] = MappingProxyType({})

Log = Callable[[str], None]


def evaluate(
    checkpoint: Path | None,
    data: Path,
    *,
    device: str = "auto",
    cache: Path = Path(".cache/features"),
    engine: tuple[Engine, Precision] | None = None,
    targets: Mapping[str, float] = _NO_TARGETS,
    all_rows: bool = False,
    warn: Log = lambda _: None,
) -> dict[str, Any]:
    """Figures of a checkpoint (None: the shipped one) on ``data``, as JSON-ready values; ``measured`` in them says of
    which rows and labels. ``all_rows``: see `model.measuring.chosen_rows`; ``targets``: precision by attribute.

    With an ``engine`` and precision the figures are its own, and ``engine`` in them says what it changes against torch
    in fp32. ``warn`` hears of rows and labels that nothing could be made of.
    """
    loaded = load(checkpoint or SHIPPED)
    chosen = choose_rows(data, loaded.folder, all_rows=all_rows, warn=warn)
    rows = chosen.rows
    measured = _measured(loaded, data, chosen, targets, warn)
    features = features_of(loaded, rows, device, cache)
    told: dict[str, Any] = {}
    if engine is not None:
        features, told = _on_engine(loaded, features, rows, choose_device(device), engine)
    read = partial(read_titles, tower=loaded.text)
    experts = (loaded.fusion, loaded.vocabulary, loaded.outcomes)
    figures = measured | told | evaluate_features(*experts, features, rows, read, targets)
    if loaded.presence is not None and not is_catalogue(data):
        see = partial(see_images, tower=loaded.image, side=loaded.config.image_side, cache=cache, log=lambda _: None)
        figures["text_presence"] = evaluate_presence(loaded.presence, features.images, rows, see, cache)
    everything = rows if is_catalogue(data) else load_rows(data)
    return figures | noise_figures(everything, cache)


def _measured(
    loaded: Checkpoint, data: Path, chosen: Chosen, targets: Mapping[str, float], warn: Log
) -> dict[str, Any]:
    """What is measured: said before it takes its time, and kept with the figures."""
    labels = labels_of(chosen.rows, loaded.vocabulary.values)
    if chosen.left_out and is_catalogue(data):
        warn(f"{data.name}: {chosen.words}")
    for line in warnings_of(labels):
        warn(line)
    if not any(one["measured"] for one in labels.values()):
        names = ", ".join(name for name, own in loaded.vocabulary.values.items() if any(own))
        warn(f"{data.name}: no row has a label of the checkpoint's, so nothing is measured; label {names}")
    told = {
        "data": str(data),
        "checkpoint": str(loaded.folder),
        "digest": digest_of_all(loaded.folder),
        "targets": {name: targets.get(name, TARGET) for name in (*loaded.vocabulary.values, "category")},
        "rows": len(chosen.rows),
        "rows_in_words": chosen.words,
        "labels": labels,
    }
    return {"measured": told}


def noise_figures(rows: Sequence[Row], cache: Path) -> dict[str, Any]:
    """How often labels of ``rows`` are wrong, training rows included: a ceiling for every other figure."""
    found = label_noise(rows, cache)
    return {"label_noise": found} if found else {}


def _on_engine(
    loaded: Checkpoint, exact: Features, rows: Sequence[Row], device: torch.device, engine: tuple[Engine, Precision]
) -> tuple[Features, dict[str, Any]]:
    """The features as an engine gives them, and by how many points each attribute changes."""
    choice = choose_engine(device, *engine, quantisation=loaded.quantisation)
    side = loaded.config.image_side
    with torch.inference_mode():
        fast = look_at(rows, open_images(loaded.image, side, device, choice, loaded.quantisation), loaded.image.framing)
    told = {"engine": {"name": choice.name, "points_changed": changes_of(loaded, exact, fast, rows)}}
    return replace(exact, images=fast), told


def evaluate_features(
    fusion: FusionModel,
    vocabulary: Vocabulary,
    outcomes: Mapping[str, Mapping[str, Outcomes]],
    features: Features,
    rows: Sequence[Row],
    read: Read,
    targets: Mapping[str, float] = _NO_TARGETS,
) -> dict[str, Any]:
    """Figures on the test rows among ``rows``; thresholds come from calibration ``outcomes``. ``read``: what gives
    vectors of other titles; ``targets``: precision by attribute.
    """
    test = np.array([index for index, row in enumerate(rows) if row.split == "test"], np.int64)
    titled = test[[bool(rows[index].title) for index in test]]
    untitled = np.array([i for i in test if not rows[i].title and rows[i].source == "catalogue"], np.int64)
    asked = Asked(fusion, vocabulary, features, rows, targets)
    found: dict[str, Any] = {"rows": {"listings": len(titled)}, "families": _families(outcomes)}
    with torch.inference_mode():
        if len(titled) > 1:
            found |= _of_listings(asked, titled, outcomes, read)
        if len(untitled):
            found |= _untitled(asked, untitled, outcomes)
        found |= asked.scene(test, outcomes.get("scene", {}))
        found |= asked.garments(test)
    return found


def _families(outcomes: Mapping[str, Mapping[str, Outcomes]]) -> dict[str, dict[str, Any]]:
    """How experts did that had not seen a row's family, on the rows that set the pools and thresholds."""
    found: dict[str, dict[str, Any]] = {}
    for name, by_side in sorted(outcomes.items()):
        for side in SIDES:
            keys = (side,) if side == "image" else (side, f"{side}_stated")  # a picture's are of all rows as it is
            own = [by_side[key] for key in keys if key in by_side]
            if own:
                found.setdefault(name, {})[side] = outcome_figures(reduce(Outcomes.joined, own))
    return found


def _of_listings(
    asked: Asked, rows: Ints, outcomes: Mapping[str, Mapping[str, Outcomes]], read: Read
) -> dict[str, Any]:
    """Figures of titled listings; of attributes that no row has a label for there are none."""
    plain, logits = asked.scores(rows, masked=False)
    masked, _ = asked.scores(rows, masked=True)
    labelled = [name for name in (*ATTRIBUTES, "category") if plain.known(name).any()]
    found = {name: _attribute(name, plain, masked, outcomes.get(name, {}), asked.target(name)) for name in labelled}
    if (plain.truth["product_type"] >= 0).any():
        found["product_type"]["published"] = _published_only(plain)
        found["product_type"]["apart"] = asked.apart(plain)
    answered = [name for name in labelled if name != "category"]
    accuracy, right = asked.experts(logits, plain, answered)
    found["experts"] = {"accuracy": accuracy}
    found["gains"] = _gains(right, plain, masked)
    found["association"] = asked.association(rows)
    found["conflicts"] = _conflicts(plain, asked.doubt("color"))
    found["evidence"] = asked.evidence(rows, plain, answered, read)
    found["details"] = asked.details(rows, plain, answered)
    return found


def _untitled(asked: Asked, rows: Ints, outcomes: Mapping[str, Mapping[str, Outcomes]]) -> dict[str, Any]:
    """Figures of a team's listings without a title, by their pictures."""
    plain, _ = asked.scores(rows, masked=False)
    found: dict[str, Any] = {}
    for name in (*ATTRIBUTES, "category"):
        known = plain.known(name)
        if known.any():
            target, stated = asked.target(name), np.zeros(int(known.sum()), np.bool_)
            bars = bars_of(outcomes.get(name, {}), "image", stated, target)
            scores, truth = plain.scores[name]["image"][known], plain.truth[name][known]
            found[name] = {"image": figures_of(scores, truth, plain.families[known], target, bars)}
    return {"untitled": found} if found else {}


def _attribute(
    name: str, plain: Scored, masked: Scored, calibration: Mapping[str, Outcomes], target: float
) -> dict[str, Any]:
    known = plain.known(name)
    truth, families = plain.truth[name][known], plain.families[known]
    found: dict[str, Any] = {}
    for side in SIDES:
        bars = bars_of(calibration, side, plain.leads_as_stated(name, side)[known], target)
        found[side] = figures_of(plain.scores[name][side][known], truth, families, target, bars)
    for own, shown in _MASKED.items():
        found[shown] = figures_of(masked.scores[name][own][known], truth, families)
    return found


def _published_only(plain: Scored) -> dict[str, Any]:
    """Product type on listings whose type has enough training rows to be answered, by side."""
    truth = plain.truth["product_type"]
    rows = truth >= 0
    known = (truth[rows], plain.families[rows])
    return {side: figures_of(plain.scores["product_type"][side][rows], *known) for side in SIDES}


def _conflicts(plain: Scored, doubt: float) -> dict[str, Any]:
    """How often what is said conflicts with the pictures: colours as they are, and each swapped for another."""
    single, said = plain.stating_one("color")
    single &= plain.truth["color"] >= 0
    if not single.any():
        return {}
    said, seen = said[single], plain.seen["color"][single]
    swapped = (said + np.random.default_rng(0).integers(1, seen.shape[1], len(said))) % seen.shape[1]
    lines = np.arange(len(said))
    return {
        "rows": len(said),
        "untouched": round(float((seen[lines, said] < doubt).mean()), 4),
        "swapped": round(float((seen[lines, swapped] < doubt).mean()), 4),
    }


def _gains(right: Mapping[str, Mapping[str, Bools]], plain: Scored, masked: Scored) -> dict[str, dict[str, Any]]:
    """Fused less the best single side, paired, with a 95 % interval; masked colour beside it."""
    found = {}
    for name, by_expert in right.items():
        single = {expert: one for expert, one in by_expert.items() if expert in (*SINGLE_SIDED, *POOLS)}
        best = max(single, key=lambda expert: float(single[expert].mean()))
        found[name] = {"over": best} | paired_gain(
            _right(plain, name, "fused"), single[best], plain.families[plain.known(name)]
        )
    if "color" not in right:
        return found
    hidden = {side: _right(masked, "color", side) for side in ("image", "text")}
    best, families = max(hidden, key=lambda side: float(hidden[side].mean())), masked.families[masked.known("color")]
    found["color_masked"] = {"over": best} | paired_gain(_right(masked, "color", "fused"), hidden[best], families)
    return found


def _right(scored: Scored, name: str, side: str) -> Bools:
    known = scored.known(name)
    right: Bools = scored.scores[name][side][known].argmax(axis=1) == scored.truth[name][known]
    return right
