"""Scores and words to decided tags: the contract's ``Tag`` for every declared attribute.

Words join scores as a linear opinion pool (Stone 1961): ``(1 - w) * scores + w * mentions``. The model has read the
title
already, so a title's words get a small weight and mostly serve as evidence; description and OCR are news to it. Both
parts sum to at most 1, so the pool does. Sizes come from words alone: the surest mention wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from model.labels import Labels, Threshold
from model.taxonomy import Taxonomy
from model.types import (
    Consistency,
    Decision,
    ImageRegion,
    ListingTags,
    Mention,
    Prediction,
    Scores,
    Span,
    Status,
    TagValue,
    Vector,
)  # fmt: skip

SUGGESTED = 0.3
SIZE_THRESHOLD = 0.7
MAX_VALUES = 5
_MAX_EVIDENCE = 8
_DIGITS = 4
_WEIGHTS = {"title": 0.2, "description": 0.5, "ocr": 0.4}
_WHOLE_PICTURE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
_NEVER = Threshold(None, None, None)

Ranking = dict[str, float]  # value -> score


@dataclass(frozen=True, slots=True)
class _Words:
    """An attribute's mentions, by where they stand."""

    title: tuple[Mention, ...]
    description: tuple[Mention, ...]
    ocr: tuple[Mention, ...]

    @property
    def written(self) -> tuple[Mention, ...]:
        return self.title + self.description

    @property
    def all(self) -> tuple[Mention, ...]:
        return self.written + self.ocr


class Tagging:
    """Decides, with a checkpoint's vocabularies and thresholds and the taxonomy's names and rules."""

    def __init__(self, labels: Labels, taxonomy: Taxonomy) -> None:
        self._labels = labels
        self._taxonomy = taxonomy

    def resolve(
        self,
        prediction: Prediction,
        mentions: Sequence[Mention],
        title: str,
        *,
        was_read: bool,
        image_indices: Sequence[int] = (),
    ) -> ListingTags:
        """All tags of one listing. ``was_read``: OCR looked at a picture; ``image_indices``: the decoded pictures'
        places among the listing's pictures.
        """
        words = {name: _words_of(mentions, name) for name in self._taxonomy.attributes}
        regions = tuple(ImageRegion(index, _WHOLE_PICTURE) for index in image_indices)
        category = self._scored(
            "category", prediction.attributes["category"], _Words((), (), ()), regions, was_read=was_read
        )
        ruled_by = category.values[0].value if category.status == "accepted" else None
        attributes = {}
        for name in self._taxonomy.attributes:
            if ruled_by is not None and not self._taxonomy.applies(name, ruled_by):
                attributes[name] = _decision("not_applicable", (), "unknown")
            elif name in prediction.attributes:
                decided = self._scored(name, prediction.attributes[name], words[name], regions, was_read=was_read)
                attributes[name] = _colored(decided, prediction) if name == "color" else decided
            else:
                attributes[name] = self._worded(words[name], has_title=bool(title.strip()), was_read=was_read)
        return ListingTags(
            category,
            attributes,
            self._scene(prediction.scene, regions),
            tuple(self._scene(scores, regions[n : n + 1]) for n, scores in enumerate(prediction.image_scenes)),
            prediction.association,
        )

    # ---- scores and words ---------------------------------------------------------------------------------------

    def _scored(
        self, name: str, scores: Scores, words: _Words, regions: tuple[ImageRegion, ...], *, was_read: bool
    ) -> Decision:
        threshold = self._labels.thresholds.get(name, _NEVER)
        pooled = self._pool(name, scores.fused, words.all)
        values = self._values(name, pooled)
        image, text = self._ranking(name, scores.image), self._ranking(name, scores.text)
        consistency = _consistency(image, text, threshold, words.title)
        return Decision(
            status=_status(values, threshold.fused),
            values=values,
            consistency=consistency,
            without_images=self._top(name, self._pool(name, scores.text, words.written))
            if scores.image is not None
            else None,
            without_text=self._top(name, self._pool(name, scores.image, words.ocr))
            if scores.text is not None
            else None,
            without_ocr=self._top(name, self._pool(name, scores.fused, words.written)) if was_read else None,
            evidence=_evidence(values, words, image, threshold, regions),
        )

    def _ranking(self, name: str, scores: Vector | None) -> Ranking:
        """The best values; more than can be published, so that words may still lift one."""
        if scores is None:
            return {}
        best = np.argsort(-scores, kind="stable")[: 4 * MAX_VALUES]
        return {self._labels.values[name][index]: float(scores[index]) for index in best}

    def _pool(self, name: str, scores: Vector | None, mentions: Sequence[Mention]) -> Ranking:
        """Scores and mentions in one ranking; sums stay at or below 1."""
        known = self._ranking(name, scores)
        if not mentions:
            return known
        said = _spread(mentions)
        weight = max(_WEIGHTS[mention.span.kind] * mention.score for mention in mentions) if known else 1.0
        return {
            value: (1 - weight) * known.get(value, 0.0) + weight * said.get(value, 0.0)
            for value in dict.fromkeys([*known, *said])
        }

    def _values(self, name: str, ranking: Ranking) -> tuple[TagValue, ...]:
        best = sorted(ranking.items(), key=lambda item: (-item[1], item[0]))[:MAX_VALUES]
        return tuple(
            TagValue(value, self._taxonomy.label(name, value), rounded)
            for value, score in best
            if (rounded := _rounded(score)) > 0
        )

    def _top(self, name: str, ranking: Ranking) -> TagValue | None:
        return next(iter(self._values(name, ranking)), None)

    # ---- words alone --------------------------------------------------------------------------------------------

    def _worded(self, words: _Words, *, has_title: bool, was_read: bool) -> Decision:
        """A size: the surest mention, others after it with what is left of 1."""
        values = _surest(words.all)
        status = _status(values, SIZE_THRESHOLD)
        top = values[0].value if values else None
        return Decision(
            status=status,
            values=values,
            consistency="text_only" if status == "accepted" else "unknown",
            without_images=None,
            without_text=next(iter(_surest(words.ocr)), None) if has_title else None,
            without_ocr=next(iter(_surest(words.written)), None) if was_read else None,
            evidence=tuple(mention.span for mention in words.all if mention.value == top)[:_MAX_EVIDENCE],
        )

    # ---- scenes -------------------------------------------------------------------------------------------------

    def _scene(self, scores: Vector | None, regions: tuple[ImageRegion, ...]) -> Decision:
        if scores is None:
            return _decision("abstained", (), "unknown")
        threshold = self._labels.thresholds.get("scene", _NEVER)
        values = self._values("scene", self._ranking("scene", scores))
        status = _status(values, threshold.fused)
        is_sure = status == "accepted"
        return Decision(
            status, values, "image_only" if is_sure else "unknown", None, None, None, regions if is_sure else ()
        )


def _decision(status: Status, values: tuple[TagValue, ...], consistency: Consistency) -> Decision:
    return Decision(status, values, consistency, None, None, None, ())


def _words_of(mentions: Sequence[Mention], name: str) -> _Words:
    own = [mention for mention in mentions if mention.attribute == name]
    title, description, ocr = (
        tuple(mention for mention in own if mention.span.kind == kind) for kind in ("title", "description", "ocr")
    )
    return _Words(title, description, ocr)


def _spread(mentions: Sequence[Mention]) -> Ranking:
    """Mentions as shares that sum to 1: each value counts by its surest mention."""
    surest: Ranking = {}
    for mention in mentions:
        surest[mention.value] = max(surest.get(mention.value, 0.0), _WEIGHTS[mention.span.kind] * mention.score)
    total = sum(surest.values()) or 1.0
    return {value: score / total for value, score in surest.items()}


def _surest(mentions: Sequence[Mention]) -> tuple[TagValue, ...]:
    """Values by their surest mention, scaled so that they sum to at most 1."""
    best: dict[str, Mention] = {}
    for mention in mentions:
        if mention.value not in best or mention.score > best[mention.value].score:
            best[mention.value] = mention
    ordered = sorted(best.values(), key=lambda mention: -mention.score)[:MAX_VALUES]
    left = 1.0
    values = []
    for mention in ordered:
        score = _rounded(min(mention.score, left))
        left -= score
        if score > 0:
            values.append(TagValue(mention.value, mention.label, score))
    return tuple(sorted(values, key=lambda value: -value.score))


def _status(values: tuple[TagValue, ...], threshold: float | None) -> Status:
    score = values[0].score if values else 0.0
    if threshold is not None and score >= min(threshold, 1 - 10**-_DIGITS):
        return "accepted"
    return "suggested" if score >= SUGGESTED else "abstained"


def _consistency(image: Ranking, text: Ranking, threshold: Threshold, said: Sequence[Mention]) -> Consistency:
    """Do picture and title say the same? Words stated outright count as the title being sure."""
    seen = _sure_top(image, threshold.image)
    read = _sure_top(text, threshold.text)
    if read is None and said and len({mention.value for mention in said}) == 1:
        read = said[0].value
    if seen is not None and read is not None:
        return "agree" if seen == read else "conflict"
    if seen is not None:
        return "image_only"
    return "text_only" if read is not None else "unknown"


def _sure_top(ranking: Ranking, threshold: float | None) -> str | None:
    if not ranking or threshold is None:
        return None
    value, score = max(ranking.items(), key=lambda item: item[1])
    return value if score >= threshold else None


def _evidence(
    values: tuple[TagValue, ...],
    words: _Words,
    image: Mapping[str, float],
    threshold: Threshold,
    regions: tuple[ImageRegion, ...],
) -> tuple[Span | ImageRegion, ...]:
    """Words that state the top value, and the pictures where the picture alone is sure of it."""
    if not values:
        return ()
    top = values[0].value
    spans: tuple[Span | ImageRegion, ...] = tuple(mention.span for mention in words.all if mention.value == top)
    pictures = regions if _sure_top(dict(image), threshold.image) == top else ()
    return (spans + pictures)[:_MAX_EVIDENCE]


def _colored(decision: Decision, prediction: Prediction) -> Decision:
    """Colour values with the hex and the share of the foreground that has them."""
    areas = {area.value: area for area in prediction.colors if area.value != "clear"}
    values = tuple(
        TagValue(one.value, one.label, one.score, area.hex, area.share) if (area := areas.get(one.value)) else one
        for one in decision.values
    )
    return Decision(
        decision.status, values, decision.consistency, decision.without_images, decision.without_text,
        decision.without_ocr, decision.evidence,
    )  # fmt: skip


def _rounded(score: float) -> float:
    """Down, so that a rounded sum stays at or below 1."""
    return float(np.floor(min(max(score, 0.0), 1.0) * 10**_DIGITS) / 10**_DIGITS)
