"""From experts' scores to each attribute's probabilities by side, for many rows at once.

What `model.tagging` does for one listing; thresholds and figures come from here, so both must do the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch

from model.calibrate import Fitting, Judged, Outcomes
from model.extract import Extractor
from model.fusion import ATTRIBUTES, Logits
from model.honesty import AS_IT_IS, Curve, curve_of, honest_rows
from model.labels import CATCH_ALL, FOUND_IN_TITLES, WORDS, Side
from model.pool import SIDES, Pool
from model.taxonomy import Taxonomy
from model.types import STATED_IN_FULL

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
BySide = Mapping[str, Floats]  # side -> (N, V)
_Asked = Mapping[Side, tuple[torch.Tensor, torch.Tensor]]  # (N, V) where words state nothing, and where they do


BEYOND = "category beyond"  # beside attributes: 1 where a title states a category by a type that the heads cannot name


def stated_values(
    extractor: Extractor,
    titles: Sequence[str],
    values: Mapping[str, Sequence[str]],
    categories: Sequence[str],
    published: Sequence[int],
) -> dict[str, torch.Tensor]:
    """By attribute of `ATTRIBUTES` and for the category, (N, V): how surely each title states each value, 1 outright,
    0 not. A title that states a product type states its category, also where the heads cannot name the type;
    where is said under `BEYOND`. ``published``: product types that are named, among the heads' values.
    """
    answers = {name: values[name] for name in ATTRIBUTES} | {"category": categories}
    index = {name: {value: place for place, value in enumerate(own)} for name, own in answers.items()}
    found = {name: torch.zeros(len(titles), len(own)) for name, own in answers.items()}
    found[BEYOND] = torch.zeros_like(found["category"])
    named = {values["product_type"][place] for place in published}
    for row, title in enumerate(titles):
        mentions = extractor.extract(title, "", ())
        for path in extractor.categories_beyond(named, mentions):
            found[BEYOND][row, index["category"][path]] = 1
        for mention in mentions:
            place = index.get(mention.attribute, {}).get(mention.value)
            if place is not None:
                own = found[mention.attribute][row]
                own[place] = max(mention.score / STATED_IN_FULL, float(own[place]))
    return found


def _ask(pool: Pool, logits: Logits) -> _Asked:
    return {side: (pool.scores(logits, side, stated=False), pool.scores(logits, side, stated=True)) for side in SIDES}


def _with_words(
    asked: _Asked, stated: torch.Tensor, pool: Pool, beyond: torch.Tensor | None = None
) -> dict[str, Floats]:
    """Probabilities by side, with what the words state. ``worded``: the picture's, with what the words state.
    ``beyond`` (N, V): see ``raised``.
    """
    is_stated = stated.amax(dim=1) > 0
    found: dict[str, Floats] = {}
    for side, (quiet, told) in asked.items():
        worded = raised(told, stated, pool.stated[side].stated, beyond)
        found[side] = torch.where(is_stated[:, None] & (side != "image"), worded, quiet).numpy()
        if side == "image":
            found["worded"] = worded.numpy()
    return found


def raised(scores: torch.Tensor, stated: torch.Tensor, weight: float, beyond: torch.Tensor | None) -> torch.Tensor:
    """As `model.tagging` does it: what the scores lack of 1, types without a category, stays lacking. ``beyond``
    (N, V): above 0 where a stated value that the heads know nothing of counts as that share of their best.
    """
    known = scores if beyond is None else torch.where(beyond > 0, beyond * scores.amax(dim=1, keepdim=True), scores)
    found = known * torch.exp(weight * stated)
    return found / (1 + (found - scores).sum(dim=1, keepdim=True))


@dataclass(frozen=True, slots=True)
class Scored:
    """All attributes' probabilities by side, and the truth as an index among them, -1 where unknown.

    Of product types only the published are there; a row of another type has -2, and any answer to it is wrong.
    """

    scores: Mapping[str, BySide]
    truth: Mapping[str, Ints]
    answers: Mapping[str, Sequence[str]]  # (V,) by attribute, what is scored
    stated: Mapping[str, torch.Tensor]  # (N, V) as `stated_values` gives it
    published: Sequence[int]  # product types that are named, among the heads' values
    worded: Mapping[str, Curve]  # what makes the score of words alone honest
    seen: Mapping[str, Floats]  # (N, V) what pictures alone give, before it is made honest: doubts are measured by it
    families: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # (N,) where figures are made of them

    def is_stated(self, attribute: str) -> Bools:
        """(N,) rows whose words state a value outright."""
        found: Bools = (self.stated[attribute].amax(dim=1) > 0).numpy()
        return found

    def stating_one(self, attribute: str) -> tuple[Bools, Ints]:
        """(N,) rows whose words state exactly one value, and its place among the answers; of the other rows the second
        is any.
        """
        own = self._of_answers(attribute)
        rows: Bools = ((own > 0).sum(dim=1) == 1).numpy()
        return rows, own.argmax(dim=1).numpy()

    def leads_as_stated(self, attribute: str, side: str) -> Bools:
        """(N,) rows whose top value their words state: others must reach the bar of those that state none."""
        top = torch.from_numpy(self.scores[attribute][side].argmax(axis=1))
        found: Bools = (self._of_answers(attribute).gather(1, top[:, None])[:, 0] > 0).numpy()
        return found

    def _of_answers(self, attribute: str) -> torch.Tensor:
        own = self.stated[attribute]
        return own[:, list(self.published)] if attribute == "product_type" else own

    def known(self, attribute: str) -> Bools:
        """(N,) rows whose label is known, one that cannot be answered included."""
        known: Bools = self.truth[attribute] != -1
        return known

    def judged(self) -> dict[str, dict[str, Judged]]:
        """How the top values did, by attribute and side, listings that state a value apart from the others. Needs
        ``families``.

        Where labels themselves were found in titles, listings that state nothing have no outcomes: those few that are
        labelled say nothing of the many that are not.
        """
        found: dict[str, dict[str, Judged]] = {}
        for name, by_side in self.scores.items():
            known, stated = self.known(name), self.is_stated(name)
            own = {f"{side}_stated": self._judged(name, by_side[side], known & stated) for side in ("fused", "text")}
            own["image_stated"] = self._judged(name, by_side["worded"], known & stated)
            if name not in FOUND_IN_TITLES:
                own |= {side: self._judged(name, by_side[side], known & ~stated) for side in ("fused", "text")}
                own["image"] = self._judged(name, by_side["image"], known)
            own[WORDS] = self._of_words(name, known)
            found[name] = {side: one for side, one in own.items() if len(one.values)}
        return found

    def _of_words(self, attribute: str, known: Bools) -> Judged:
        """How often a title that states one value is right, whatever else is known of the listing."""
        single, said = self.stating_one(attribute)
        rows = known & single
        raw = self._answers(attribute, np.full(len(said), STATED_IN_FULL, np.float32), said, rows)
        curve = self.worded.get(attribute, AS_IT_IS)
        return raw if curve == AS_IT_IS else replace(raw, outcomes=raw.honest(curve))

    def _judged(self, attribute: str, scores: Floats, rows: Bools) -> Judged:
        return self._answers(attribute, scores.max(axis=1, initial=0.0), scores.argmax(axis=1), rows)

    def _answers(self, attribute: str, scores: Floats, said: Ints, rows: Bools) -> Judged:
        """``scores`` (N,) of values at the places ``said`` (N,), of some of the rows."""
        right: Bools = (said == self.truth[attribute])[rows]
        values = np.array(self.answers[attribute], np.str_)[said[rows]]
        return Judged(Outcomes(scores[rows], right), values, self.families[rows])


def score_all(
    pools: Mapping[str, Pool],
    logits: Mapping[str, Logits],
    stated: Mapping[str, torch.Tensor],
    truth: Mapping[str, Ints],
    published: Sequence[int],
    to_category: Floats,
    curves: Mapping[str, Mapping[str, Curve]],
    answers: Mapping[str, Sequence[str]],
) -> Scored:
    """Every attribute, category included. ``truth``: indices into the heads' values; ``to_category``: (types,
    categories); ``curves``: see `model.labels.Labels`; ``answers``: of each attribute, what its scores are of.
    """
    asked = {name: _ask(pools[name], logits[name]) for name in ATTRIBUTES}
    scores: dict[str, BySide] = {name: _with_words(one, stated[name], pools[name]) for name, one in asked.items()}
    scores["product_type"] = {side: one[:, published] for side, one in scores["product_type"].items()}
    sums = torch.from_numpy(to_category)
    by_category = {side: (quiet @ sums, told @ sums) for side, (quiet, told) in asked["product_type"].items()}
    own = pools["product_type"]
    scores["category"] = _with_words(by_category, stated["category"], own, own.beyond * stated[BEYOND])
    wanted = truth["product_type"]
    place = np.full(len(to_category) + 1, -2, np.int64)
    place[list(published)] = np.arange(len(published))
    place[-1] = -1
    found = {name: truth[name] for name in ATTRIBUTES}
    found["product_type"] = place[wanted]
    is_placed = (wanted >= 0) & (to_category.sum(axis=1)[wanted] > 0)
    found["category"] = np.where(is_placed, to_category.argmax(axis=1)[wanted], -1)
    worded = {name: one[WORDS] for name, one in curves.items() if WORDS in one}
    seen = {name: by_side["image"] for name, by_side in scores.items()}
    raw = Scored(scores, found, answers, stated, published, worded, seen)
    told = {
        name: _honest(by_side, raw.is_stated(name), curves.get(name, {}), answers[name])
        for name, by_side in scores.items()
    }
    return replace(raw, scores=told)


def _honest(by_side: BySide, stated: Bools, curves: Mapping[str, Curve], values: Sequence[str]) -> BySide:
    found = {}
    for side, scores in by_side.items():
        if side in ("image", "worded"):
            found[side] = honest_rows(scores, curve_of(curves, "image", stated=side == "worded"), values)
            continue
        quiet, worded = (honest_rows(scores, curve_of(curves, side, stated=one), values) for one in (False, True))
        found[side] = np.where(stated[:, None], worded, quiet)
    return found


def category_matrix(types: Sequence[str], taxonomy: Taxonomy) -> tuple[tuple[str, ...], Floats]:
    """All category paths, and (types, categories) with 1 where a type belongs; a category that stands for its rare
    types belongs to itself. A type the taxonomy lacks counts nowhere.
    """
    categories = taxonomy.categories
    matrix = np.zeros((len(types), len(categories)), np.float32)
    for row, name in enumerate(types):
        path = name if name in categories else taxonomy.category_of(name)
        if path is not None:
            matrix[row, categories.index(path)] = 1
    return categories, matrix


@dataclass(frozen=True, slots=True)
class Scorer:
    """`stated_values` and `score_all` for one set of the heads' values: what they need beside the rows is made once."""

    values: Mapping[str, Sequence[str]]
    published: tuple[int, ...]  # product types that are named, among the heads'
    extractor: Extractor
    categories: tuple[str, ...]
    to_category: Floats  # (types, categories)

    @classmethod
    def of(cls, values: Mapping[str, Sequence[str]], published_types: Sequence[str], taxonomy: Taxonomy) -> Scorer:
        """For the heads' ``values`` by attribute, of whose product types some are named."""
        types = values["product_type"]
        categories, to_category = category_matrix(types, taxonomy)
        published = tuple(types.index(name) for name in published_types)
        return cls(values, published, Extractor(taxonomy), categories, to_category)

    @property
    def answers(self) -> dict[str, Sequence[str]]:
        """By attribute, what its scores are of: of the product types those that are named."""
        types = self.values["product_type"]
        return {**self.values, "product_type": [types[at] for at in self.published], "category": self.categories}

    def stated(self, titles: Sequence[str]) -> dict[str, torch.Tensor]:
        """See `stated_values`."""
        return stated_values(self.extractor, titles, self.values, self.categories, self.published)

    def fitting(self, name: str, logits: Logits, labels: torch.Tensor, stated: torch.Tensor) -> Fitting:
        """Rows of which this attribute's label is known, to fit its pool on: ``labels`` (N,) -1 where not; ``stated``
        (N, V).

        A label is another name for a stated product type where it is of the same category, or a drawer: this catalogue
        calls boots shoes, and wall clocks decor.
        """
        renamed = torch.zeros(len(labels), dtype=torch.bool)
        if name == "product_type":
            to_category = torch.from_numpy(self.to_category)
            is_drawer = torch.tensor([one in CATCH_ALL for one in self.values[name]])
            known = labels.clamp(min=0)
            is_alike = ((stated > 0).float() @ to_category * to_category[known]).sum(dim=1) > 0
            renamed = (
                (is_alike | is_drawer[known]) & (stated.gather(1, known[:, None])[:, 0] == 0) & (stated.amax(dim=1) > 0)
            )
        return Fitting(logits, labels, stated, renamed).chosen(labels >= 0)

    def score(
        self,
        pools: Mapping[str, Pool],
        logits: Mapping[str, Logits],
        stated: Mapping[str, torch.Tensor],
        truth: Mapping[str, Ints],
        curves: Mapping[str, Mapping[str, Curve]] = MappingProxyType({}),
    ) -> Scored:
        """See `score_all`; without ``curves`` as the pools say it."""
        return score_all(pools, logits, stated, truth, self.published, self.to_category, curves, self.answers)
