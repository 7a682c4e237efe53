"""Scores and words to decided tags: the contract's ``Tag`` for every declared attribute.

Words join scores as a linear opinion pool (Stone 1961): ``(1 - w) * scores + w * words``, where ``w`` is how sure the
mention is times the weight of the place it stands in. Only the best place counts: title, else description, else OCR;
what the others say is evidence. The title's weight was fitted on calibration rows (colour: accuracy 0.78 without it and
0.85 with it; precision at the same threshold 0.96 and 0.98). Those of description and OCR are set by judgement, since
the training data has neither. Both parts sum to at most 1, so the pool does. Sizes come from words alone: the surest
mention wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor

import numpy as np

from model.labels import Labels, Threshold
from model.taxonomy import Taxonomy
from model.types import (
    ColorArea,
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
)

SUGGESTED = 0.3
SIZE_THRESHOLD = 0.7
MAX_VALUES = 5
_MAX_SPANS = 8
_DIGITS = 4
_WEIGHTS = {"title": 0.65, "description": 0.5, "ocr": 0.4}
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
        """What the seller wrote."""
        return self.title + self.description

    @property
    def all(self) -> tuple[Mention, ...]:
        return self.written + self.ocr

    @property
    def only_written(self) -> _Words:
        """Without what OCR read."""
        return _Words(self.title, self.description, ())

    @property
    def only_read(self) -> _Words:
        """Without what the seller wrote."""
        return _Words((), (), self.ocr)

    @property
    def best(self) -> tuple[Mention, ...]:
        """Those in the most reliable place that has any."""
        return self.title or self.description or self.ocr


_NO_WORDS = _Words((), (), ())


@dataclass(frozen=True, slots=True)
class _Given:
    """What there was to decide from: the pictures as regions, the title as a span, and whether OCR looked."""

    regions: tuple[ImageRegion, ...]
    title: tuple[Span, ...]
    has_images: bool
    was_read: bool


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
        given = _Given(
            regions=tuple(ImageRegion(index, _WHOLE_PICTURE) for index in image_indices),
            title=(Span("title", 0, len(title)),) if title.strip() else (),
            has_images=bool(prediction.image_scenes),
            was_read=was_read,
        )
        category = self._scored("category", prediction.attributes["category"], _NO_WORDS, given)
        ruled_by = category.values[0].value if category.status == "accepted" else None
        return ListingTags(
            category=category,
            attributes={
                name: _decision("not_applicable", (), "unknown")
                if ruled_by is not None and not self._taxonomy.applies(name, ruled_by)
                else self._attribute(name, prediction, words[name], given)
                for name in self._taxonomy.attributes
            },
            scene=self._scene(prediction.scene, given.regions),
            image_scenes=tuple(
                self._scene(scores, given.regions[place : place + 1])
                for place, scores in enumerate(prediction.image_scenes)
            ),
            association=prediction.association,
        )

    def _attribute(self, name: str, prediction: Prediction, words: _Words, given: _Given) -> Decision:
        if name not in prediction.attributes:
            return self._worded(words, given)
        decided = self._scored(name, prediction.attributes[name], words, given)
        return self._colored(decided, prediction) if name == "color" and given.has_images else decided

    # ---- scores and words ---------------------------------------------------------------------------------------

    def _scored(self, name: str, scores: Scores, words: _Words, given: _Given) -> Decision:
        threshold = self._labels.thresholds.get(name, _NEVER)
        values = self._values(name, self._pool(name, scores.fused, words))
        status = _status(values, _bar(scores, threshold))
        image, text = self._ranking(name, scores.image), self._ranking(name, scores.text)
        is_written = scores.text is not None or bool(words.written)
        return Decision(
            status=status,
            values=values,
            consistency=_consistency(image, text, threshold, words),
            without_images=self._top(name, scores.text, words.only_written) if given.has_images else None,
            without_text=self._top(name, scores.image, words.only_read) if is_written else None,
            without_ocr=self._top(name, scores.fused, words.only_written) if given.was_read else None,
            evidence=_evidence(values, status, words, image, text, given),
        )

    def _ranking(self, name: str, scores: Vector | None) -> Ranking:
        """The best values; more than can be published, so that words may still lift one."""
        if scores is None:
            return {}
        best = np.argsort(-scores, kind="stable")[: 4 * MAX_VALUES]
        values = self._labels.values[name]
        return dict(zip([values[index] for index in best.tolist()], scores[best].tolist(), strict=True))

    def _pool(self, name: str, scores: Vector | None, words: _Words) -> Ranking:
        """Scores and words in one ranking; without scores, the words for what they are worth."""
        known = self._ranking(name, scores)
        if not words.best:
            return known
        said = _spread(words.best)
        surest = max(mention.score for mention in words.best)
        weight = surest * (_WEIGHTS[words.best[0].span.kind] if known else 1.0)
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

    def _top(self, name: str, scores: Vector | None, words: _Words) -> TagValue | None:
        return next(iter(self._values(name, self._pool(name, scores, words))), None)

    def _colored(self, decision: Decision, prediction: Prediction) -> Decision:
        """Colour values with share and look in the foreground; a colour that is not there has its usual look."""
        areas = {area.value: area for area in prediction.colors}
        return replace(decision, values=tuple(self._look(value, areas) for value in decision.values))

    def _look(self, value: TagValue, areas: Mapping[str, ColorArea]) -> TagValue:
        if value.value == "clear":
            return value
        if value.value == "multicolor":
            dominant = max(areas.values(), key=lambda area: area.share, default=None)
            share = min(1.0, sum(area.share for area in areas.values()))
            return replace(value, hex=dominant.hex if dominant else None, share=share)
        area = areas.get(value.value)
        return replace(
            value, hex=area.hex if area else self._taxonomy.hex(value.value), share=area.share if area else 0.0
        )

    # ---- words alone --------------------------------------------------------------------------------------------

    def _worded(self, words: _Words, given: _Given) -> Decision:
        """A size: the surest mention, others after it with what is left of 1."""
        values = _surest(words.all)
        status = _status(values, SIZE_THRESHOLD)
        is_written = bool(given.title or words.written)
        return Decision(
            status=status,
            values=values,
            consistency="text_only" if status == "accepted" and words.written else "unknown",
            without_images=next(iter(_surest(words.written)), None) if given.has_images else None,
            without_text=next(iter(_surest(words.ocr)), None) if is_written else None,
            without_ocr=next(iter(_surest(words.written)), None) if given.was_read else None,
            evidence=_spans(words, values[0].value) if values else (),
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
    """Mentions of one place as shares that sum to 1: each value counts by its surest mention."""
    surest: Ranking = {}
    for mention in mentions:
        surest[mention.value] = max(surest.get(mention.value, 0.0), mention.score)
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


def _bar(scores: Scores, threshold: Threshold) -> float | None:
    """The threshold for what there was: one side alone must reach its own, or the precision bought is not had."""
    if scores.image is not None and scores.text is not None:
        return threshold.fused
    return threshold.image if scores.image is not None else threshold.text


def _consistency(image: Ranking, text: Ranking, threshold: Threshold, words: _Words) -> Consistency:
    """Do picture and seller's words say the same? One value stated outright counts as the words being sure."""
    stated = {mention.value for mention in words.title or words.description}
    seen = _sure_top(image, threshold.image)
    said = stated.pop() if len(stated) == 1 else _sure_top(text, threshold.text)
    if seen is not None and said is not None:
        return "agree" if seen == said else "conflict"
    if seen is not None:
        return "image_only"
    return "text_only" if said is not None else "unknown"


def _sure_top(ranking: Ranking, threshold: float | None) -> str | None:
    top = _top_of(ranking)
    return top if top is not None and threshold is not None and ranking[top] >= threshold else None


def _top_of(ranking: Ranking) -> str | None:
    return max(ranking, key=ranking.__getitem__, default=None)


def _evidence(
    values: tuple[TagValue, ...], status: Status, words: _Words, image: Ranking, text: Ranking, given: _Given
) -> tuple[Span | ImageRegion, ...]:
    """Words that state the top value. For an accepted one also title and pictures whose own top value it is."""
    if not values:
        return ()
    top = values[0].value
    spans = _spans(words, top)
    if status != "accepted":
        return spans
    title = given.title if not spans and _top_of(text) == top else ()
    pictures = given.regions if _top_of(image) == top else ()
    return (*spans, *title, *pictures)


def _spans(words: _Words, value: str) -> tuple[Span, ...]:
    return tuple(mention.span for mention in words.all if mention.value == value)[:_MAX_SPANS]


def _rounded(score: float) -> float:
    """Down, so that a rounded sum stays at or below 1."""
    return float(floor(min(max(score, 0.0), 1.0) * 10**_DIGITS) / 10**_DIGITS)
