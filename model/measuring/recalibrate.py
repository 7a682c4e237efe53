"""New weights and thresholds for a checkpoint from a team's own labelled listings; its experts stay as they are.

Each half of the listings, by family, is asked through pools fitted on the other half; what came of it fits the curves
that make scores honest, and buys the thresholds. So a threshold is not judged by rows that its pool was fitted on, and
every listing counts. The pools that are written are fitted on both halves.

Nothing is taken away for want of listings: where the new thresholds would accept fewer of the listings than those that
are there, and the listings do not contradict these, weights, curves and thresholds stay as they were.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import torch

from model.calibrate import MIN_POOL_ROWS, Judged, Outcomes, fit_pool, honest_outcomes, threshold_for
from model.doubts import doubt_of, fit_association
from model.errors import ModelError
from model.fusion import ATTRIBUTES
from model.measuring.asked import TARGET, Asked, Ints
from model.measuring.gains import Change, changes_of, changes_table, keys_of
from model.measuring.provenance import provenance_of
from model.pool import Pool
from model.prompts import Prompted
from model.taxonomy import load_taxonomy
from model.training.dataset import Row
from model.training.features import Features
from model.training.fit import label_ids
from model.weights import Calibrated, Checkpoint, Vocabulary, digest_of, save_outcomes, seal
from model.zero_shot_calibrate import calibrate_prompts

MIN_ROWS = 200
_SHOWN_VALUES = 3
_TOO_FEW = (
    f"no attribute has {MIN_ROWS} titled listings labelled with values that the checkpoint knows, with "
    f"{MIN_POOL_ROWS} in each of two halves that share no family; label more, or keep the checkpoint"
)

_SECTION = """
## Calibrated anew
On {listings}, by `hangtag evaluate --recalibrate`; `digests.json` of the checkpoint before has SHA-256 {source}….
**Figures above are of that checkpoint.** Listings each: {told}.

Which of them are accepted, with picture and title, by the thresholds that were there and by new ones; new ones judged
by pools fitted on other families. Where they would accept fewer, and the listings do not contradict the old
ones, weights and thresholds were kept.

{table}
"""

_T = TypeVar("_T")
Told = dict[str, dict[str, Outcomes]]  # attribute -> side


@dataclass(frozen=True, slots=True)
class Recalibrated:
    """Where the new checkpoint is, and on how many listings each attribute was calibrated; others kept their scores.

    ``changes``: what became of each attribute. ``notes``: of labels that taught nothing, as the checkpoint has no such
    value, a line for each attribute.
    """

    folder: Path
    rows: Mapping[str, int]
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def attributes(self) -> tuple[str, ...]:
        """Those that were calibrated."""
        return tuple(self.rows)


def recalibrate(
    source: Path,
    checkpoint: Checkpoint,
    features: Features,
    rows: Sequence[Row],
    out: Path,
    prompts: Mapping[str, Prompted] | None = None,
    *,
    data: Path | None = None,
    targets: Mapping[str, float] = MappingProxyType({}),
) -> Recalibrated:
    """Write a copy of the checkpoint in ``source`` to the new folder ``out``, calibrated on ``rows``. ``prompts``: the
    attributes that prompts declare, None: those of the taxonomy; they need no title. ``data``: the file of the rows,
    for the card; ``targets``: precision by attribute, else ``TARGET``.

    Raises ModelError when ``out`` exists, no attribute has ``MIN_ROWS`` titled listings that are labelled with values
    of the checkpoint, with ``MIN_POOL_ROWS`` of them in each half, or every attribute would be kept as it was.
    """
    if out.exists():
        raise ModelError(f"{out} exists; name a new folder for the recalibrated checkpoint")
    titled = np.array([index for index, row in enumerate(rows) if row.title], np.int64)
    is_fit = np.array([_is_fit(rows[index]) for index in titled], np.bool_)
    halves = titled[is_fit], titled[~is_fit]
    listings = [[rows[index] for index in half] for half in halves]
    counts = {name: _count(checkpoint, name, listings) for name in ATTRIBUTES}
    enough = [name for name, one in counts.items() if one.is_enough]
    asked_by_prompts = load_taxonomy().prompts if prompts is None else prompts
    prompted, by_prompts, lost = _by_prompts(checkpoint, asked_by_prompts, rows, targets)
    notes = tuple(one.note for one in counts.values() if one.note)
    notes += tuple(f"{name}: too few listings to buy a threshold; kept as it was" for name in lost)
    if not enough and not prompted:
        raise ModelError("; ".join((_TOO_FEW, *notes)))
    told = replace(checkpoint.vocabulary, prompted={**checkpoint.vocabulary.prompted, **prompted})
    renewed = _Renewal(replace(checkpoint, vocabulary=told), features, rows, halves, targets).of(enough)
    if not prompted and all(one.is_kept for one in renewed.changes):
        raise ModelError(f"nothing to gain, keep the checkpoint or label more listings:\n{_lines(renewed.changes)}")
    of_heads = {
        name: counts["product_type" if name == "category" else name].known
        for name in dict.fromkeys(one.attribute for one in renewed.changes if not one.is_kept)
    }
    of_prompts = {name: sum(row.labels.get(name) in asked_by_prompts[name].values for row in rows) for name in prompted}
    done = Recalibrated(out, of_heads | of_prompts, renewed.changes, notes)
    _write(
        source, out, renewed.vocabulary.to_json(), {**renewed.outcomes, **{name: by_prompts[name] for name in prompted}}
    )
    _tell(out, source, data, done)
    seal(out)
    return done


def _is_fit(row: Row) -> bool:
    """In which of two halves is the row's family?"""
    return blake2b(row.family.encode(), digest_size=1).digest()[0] % 2 == 0


def _by_prompts(
    checkpoint: Checkpoint, prompts: Mapping[str, Prompted], rows: Sequence[Row], targets: Mapping[str, float]
) -> tuple[dict[str, Calibrated], Told, list[str]]:
    """What `calibrate_prompts` finds, but for attributes that would lose their threshold; and these."""
    shares = [row for row in rows if _is_fit(row)], [row for row in rows if not _is_fit(row)]
    found, told = calibrate_prompts(checkpoint, prompts, *shares, min_rows=MIN_ROWS)
    lost = [name for name, one in found.items() if _is_lost(checkpoint, name, one, told[name], targets)]
    kept = [name for name in found if name not in lost]
    return {name: found[name] for name in kept}, {name: told[name] for name in kept}, lost


def _is_lost(
    checkpoint: Checkpoint, name: str, new: Calibrated, told: Mapping[str, Outcomes], targets: Mapping[str, float]
) -> bool:
    """Of an attribute by prompts: was there a threshold for these very prompts, and would there be none?"""
    before, target = checkpoint.vocabulary.prompted.get(name), targets.get(name, TARGET)
    if before is None or before.prompts != new.prompts or name not in checkpoint.outcomes:
        return False
    old, bought = (threshold_for(one["image"], target) for one in (checkpoint.outcomes[name], told))
    return old is not None and bought is None


@dataclass(frozen=True, slots=True)
class _Count:
    """Of one attribute: listings whose label is one of the checkpoint's values, and whether there are enough."""

    known: int
    is_enough: bool
    note: str  # of labels that are no values, empty where there are none


def _count(checkpoint: Checkpoint, name: str, halves: Sequence[Sequence[Row]]) -> _Count:
    values = checkpoint.vocabulary.values[name]
    unknown: Counter[str] = Counter()
    known = []
    for half in halves:
        found = label_ids(half, name, values)
        known.append(int((found >= 0).sum()))
        unknown.update(row.labels[name] for row, one in zip(half, found, strict=True) if one < 0 and name in row.labels)
    note = ""
    if unknown:
        shown = ", ".join(repr(value) for value, _ in unknown.most_common(_SHOWN_VALUES))
        more = ", …" if len(unknown) > _SHOWN_VALUES else ""
        note = f"{name} of {unknown.total()} listings is none of the checkpoint's values ({shown}{more})"
    return _Count(sum(known), sum(known) >= MIN_ROWS and min(known) >= MIN_POOL_ROWS, note)


# ---- what is new ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Renewed:
    """A vocabulary and all outcomes, with what is new in them, and what each attribute won or kept."""

    vocabulary: Vocabulary
    outcomes: Told
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class _Renewal:
    """A checkpoint and the listings that it is calibrated on, in two halves of titled ones."""

    checkpoint: Checkpoint
    features: Features
    rows: Sequence[Row]
    halves: tuple[Ints, Ints]
    targets: Mapping[str, float]

    def of(self, names: Sequence[str]) -> _Renewed:
        """With pools of these attributes fitted anew, and all that follows from them."""
        before, outcomes = self.checkpoint.vocabulary, {name: {**one} for name, one in self.checkpoint.outcomes.items()}
        if not names:
            return _Renewed(before, outcomes)
        every = np.concatenate(self.halves)
        groups = [(name, "category") if name == "product_type" else (name,) for name in names]
        with torch.no_grad():
            asked = self._asked(before).scores(every, masked=False)[0].judged()
        old = {name: {side: one.outcomes for side, one in by_side.items()} for name, by_side in asked.items()}
        pools, told = self._cross_fitted(names)
        curves, fresh = honest_outcomes({name: told[name] for group in groups for name in group if told.get(name)})
        targets = {name: self.targets.get(name, TARGET) for name in fresh}
        changes = [one for group in groups for one in changes_of(group, self.checkpoint.outcomes, old, fresh, targets)]
        new_pools, new_curves = {**before.pools}, {name: {**one} for name, one in before.curves.items()}
        for one in changes:
            if one.is_kept:
                continue
            name = one.attribute
            new_curves[name] = _exchanged(new_curves.get(name, {}), curves[name], stated=one.stated)
            outcomes[name] = _exchanged(outcomes.get(name, {}), fresh[name], stated=one.stated)
            if name in pools:
                part = "stated" if one.stated else "silent"
                new_pools[name] = replace(new_pools[name], **{part: getattr(pools[name], part)})
        raw = replace(before, pools=new_pools, curves={})
        renewed = {one.attribute for one in changes if not one.is_kept}
        return _Renewed(replace(self._doubted(raw, every, renewed), curves=new_curves), outcomes, tuple(changes))

    def _asked(self, vocabulary: Vocabulary) -> Asked:
        return Asked(self.checkpoint.fusion, vocabulary, self.features, self.rows)

    def _cross_fitted(self, names: Sequence[str]) -> tuple[dict[str, Pool], dict[str, dict[str, Judged]]]:
        """Pools of all rows, and how each half did by those of the other half."""
        before = self.checkpoint.vocabulary
        told: dict[str, dict[str, Judged]] = {}
        with torch.no_grad():
            asked = self._asked(before)
            fitted = [self._fitted(asked, names, rows) for rows in (*self.halves, np.concatenate(self.halves))]
            pools = [{name: self._alike(name, one[name], fitted) for name in names} for one in fitted]
            for own, rows in zip(pools, reversed(self.halves), strict=False):
                raw = replace(before, pools={**before.pools, **own}, curves={})
                for name, found in self._asked(raw).scores(rows, masked=False)[0].judged().items():
                    sides = told.setdefault(name, {})
                    sides.update({key: one.joined(sides[key]) if key in sides else one for key, one in found.items()})
        return pools[-1], told

    def _fitted(self, asked: Asked, names: Sequence[str], rows: Ints) -> dict[str, Pool]:
        scored, logits = asked.scores(rows, masked=False)
        pools = {}
        for name in names:
            values = self.checkpoint.vocabulary.values[name]
            labels = torch.from_numpy(label_ids([self.rows[index] for index in rows], name, values))
            own = asked.scorer.fitting(name, logits[name], labels, scored.stated[name])
            pools[name] = fit_pool(own, before=self.checkpoint.vocabulary.pools[name])
        return pools

    def _alike(self, name: str, pool: Pool, fitted: Sequence[Mapping[str, Pool]]) -> Pool:
        """A set of weights that some part of the rows was too few for is fitted on no other part either."""
        before = self.checkpoint.vocabulary.pools[name]
        silent = before.silent if any(one[name].silent == before.silent for one in fitted) else pool.silent
        stated = before.stated if any(one[name].stated == before.stated for one in fitted) else pool.stated
        return Pool(silent, stated, before.beyond)

    def _doubted(self, raw: Vocabulary, rows: Ints, names: Collection[str]) -> Vocabulary:
        """With what counts as a conflict, and as a pair, by the new pools."""
        if not names:
            return raw
        asked = self._asked(raw)
        with torch.no_grad():
            scored, sides = asked.scores(rows, masked=False)[0], asked.sides(rows)
        doubts = {name: one for name in names if (one := doubt_of(scored, name)) is not None}
        types = label_ids([self.rows[index] for index in rows], "product_type", raw.values["product_type"])
        association = fit_association(sides, torch.from_numpy(types), seed=0)
        return replace(raw, doubts={**raw.doubts, **doubts}, association=association)


def _exchanged(old: Mapping[str, _T], new: Mapping[str, _T], *, stated: bool) -> dict[str, _T]:
    """Sides of one kind of listings from ``new``, the others from ``old``."""
    kept, taken = keys_of(old, stated=not stated), keys_of(new, stated=stated)
    return {key: old[key] for key in kept} | {key: new[key] for key in taken}


# ---- written --------------------------------------------------------------------------------------------------------


def _write(source: Path, out: Path, vocabulary: Mapping[str, object], outcomes: Told) -> None:
    shutil.copytree(source, out)
    (out / "labels.json").write_text(json.dumps(vocabulary, indent=1) + "\n", encoding="utf-8")
    save_outcomes(out, outcomes)


def _tell(out: Path, source: Path, data: Path | None, done: Recalibrated) -> None:
    """Add a section to the card; its figures above are those of the checkpoint that was there before."""
    card = out / "MODEL_CARD.md"
    before = card.read_text(encoding="utf-8") if card.is_file() else ""
    told = ", ".join(f"{name} on {count:,}" for name, count in done.rows.items())
    section = _SECTION.format(
        listings=provenance_of(data) if data is not None else "listings of a team's own",
        source=digest_of(source / "digests.json")[:16],
        told=told,
        table=changes_table(done.changes),
    )
    card.write_text(before + section, encoding="utf-8")


def _lines(changes: Sequence[Change]) -> str:
    return "\n".join(one.words for one in changes)
