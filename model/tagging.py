"""Scores and words to decided tags: the contract's ``Tag`` for every declared attribute.

What words state outright is one more expert in the pool (see `model.pool`): a stated value's score is multiplied by
``exp(weight * sureness)``, the weight as the checkpoint fitted it, the sureness that of where it stands. Only the best
place counts: title, else description, else OCR; what the others say is evidence. A value that the heads cannot
name counts as their best guess before it is raised: they do not know it. Nor do they know its category from it. Sizes
come from words alone: the surest mention wins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import exp, floor
from operator import itemgetter
from typing import Literal

from model.honesty import honest, honest_leader
from model.labels import FOUND_IN_TITLES, STRANGE, Labels, Side, Threshold
from model.mentions import SILENT, Reading, Words, sureness, words_by_attribute
from model.ranking import Leader, Ranking, best_of, first_of, leader_of
from model.taxonomy import Taxonomy
from model.types import (
    STATED_IN_FULL,
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
_SCALE: int = 10**_DIGITS
_BELONGS = 0.05  # probability that picture and title belong together; below, neither proves anything of the listing
_RULED_OUT = 0.5  # probability of categories to which an attribute does not apply
_WHOLE_PICTURE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
_NEVER = Threshold(None, None, None)


@dataclass(frozen=True, slots=True)
class _Given:
    """What there was to decide from: the pictures as regions, the title as a span, and whether OCR looked."""

    regions: tuple[ImageRegion, ...]
    title: tuple[Span, ...]
    has_images: bool
    was_read: bool
    belongs: bool  # picture and title, as far as anybody can say
    categories: tuple[TagValue, ...]  # the likeliest, once they are known


class Tagging:
    """Decides, with a checkpoint's vocabularies and thresholds and the taxonomy's names and rules."""

    def __init__(self, labels: Labels, taxonomy: Taxonomy) -> None:
        self._labels = labels
        self._taxonomy = taxonomy
        self._applies = cache(taxonomy.applies)
        self._label = cache(taxonomy.label)  # of a few hundred values, asked forty times per listing
        self._places = {name: _first_places(values) for name, values in labels.values.items()}

    def resolve(
        self,
        prediction: Prediction,
        reading: Reading,
        title: str,
        *,
        was_read: bool,
        image_indices: Sequence[int] = (),
    ) -> ListingTags:
        """All tags of one listing. ``was_read``: OCR looked at a picture; ``image_indices``: the decoded pictures'
        places among the listing's pictures.
        """
        words = words_by_attribute(reading)
        given = _Given(
            regions=tuple(ImageRegion(index, _WHOLE_PICTURE) for index in image_indices),
            title=(Span("title", 0, len(title)),) if title.strip() else (),
            has_images=bool(prediction.image_scenes),
            was_read=was_read,
            belongs=prediction.association is None or prediction.association >= _BELONGS,
            categories=(),
        )
        category = self._scored("category", prediction.attributes["category"], self._of_category(words), given)
        ruled_by = category.values[0].value if category.status == "accepted" else None
        given = replace(given, categories=category.values)
        return ListingTags(
            category=category,
            attributes={
                name: _decision("not_applicable", (), "unknown")
                if ruled_by is not None and not self._applies(name, ruled_by)
                else self._attribute(name, prediction, words.get(name, SILENT), given)
                for name in self._taxonomy.attributes
            },
            scene=self._scene(prediction.scene, given.regions, reading.pages, prediction.strangeness),
            image_scenes=tuple(
                self._scene(scores, given.regions[at : at + 1], reading.pages, prediction.strangeness[at : at + 1])
                for at, scores in enumerate(prediction.image_scenes)
            ),
            association=prediction.association,
        )

    def _of_category(self, words: Mapping[str, Words]) -> Words:
        """What words state of it; of a type that the heads cannot name they do not know the category either."""
        types = {one.value for one in words.get("product_type", SILENT).best}
        beyond = self._taxonomy.categories_of(types - self._places["product_type"].keys())
        return replace(words.get("category", SILENT), beyond=beyond)

    def _attribute(self, name: str, prediction: Prediction, words: Words, given: _Given) -> Decision:
        if name not in prediction.attributes:
            return self._worded(words, given)
        decided = self._scored(name, prediction.attributes[name], words, given)
        return self._colored(decided, prediction) if name == "color" and given.has_images else decided

    # ---- scores and words ---------------------------------------------------------------------------------------

    def _scored(self, name: str, scores: Scores, words: Words, given: _Given) -> Decision:
        threshold = self._labels.thresholds.get(name, _NEVER)
        scores = self._heard(name, scores, words)
        values = self._values(name, self._pooled(name, scores, words))
        status = _status(values, _bar(scores, words, threshold, values))
        if status == "accepted" and not (given.belongs and self._is_likely_to_apply(name, given.categories)):
            status = "suggested"
        image, text = self._alone(name, scores.image, "image"), self._alone(name, scores.text, "text")
        is_written = scores.text is not None or bool(words.written)
        return Decision(
            status=status,
            values=values,
            consistency=self._consistency(name, scores.image, image, text, words, threshold),
            without_images=self._without_images(name, scores, words, text) if given.has_images else None,
            without_text=self._without_text(name, scores, words, image) if is_written else None,
            without_ocr=self._without_ocr(name, scores, words, values) if given.was_read else None,
            evidence=_evidence(values, status, words, image, text, given),
        )

    def _heard(self, name: str, scores: Scores, words: Words) -> Scores:
        """Without the title's experts where the words themselves know better. The experts tell what listings with such
        titles usually are: of black pepper mills and silver polish that they are black and silver; of a winter coat
        that it is black, although its description names another colour; and, as all of their training titles state a
        material, some material of anything.
        """
        if scores.text is None:
            return scores
        is_named = not words.title and any(one.is_named for one in words.description)
        is_unsaid = name in FOUND_IN_TITLES and not (words.all or words.is_hinted)
        leader = leader_of(self._labels.values[name], scores.text) if words.silenced else None
        is_misread = leader is not None and leader[0] in words.silenced
        if not (is_named or is_unsaid or is_misread):
            return scores
        return _only(scores, "image") or Scores(scores.fused, None, None)

    def _is_likely_to_apply(self, name: str, categories: Iterable[TagValue]) -> bool:
        return sum(one.score for one in categories if not self._applies(name, one.value)) < _RULED_OUT

    def _alone(self, name: str, scores: Vector | None, side: Literal["image", "text"]) -> Leader | None:
        """What one side says by itself, words that state something left aside; None where it is missing."""
        if scores is None:
            return None
        leader = leader_of(self._labels.values[name], scores)
        return leader and honest_leader(leader, self._labels.curve(name, side, stated=False))

    def _without_images(self, name: str, scores: Scores, words: Words, text: Leader | None) -> TagValue | None:
        if words.written:
            return self._first(name, _only(scores, "text"), words.only_written)
        return self._value(name, text)

    def _without_text(self, name: str, scores: Scores, words: Words, image: Leader | None) -> TagValue | None:
        if words.ocr:
            return self._first(name, _only(scores, "image"), words.only_read)
        return self._value(name, image)

    def _without_ocr(self, name: str, scores: Scores, words: Words, values: tuple[TagValue, ...]) -> TagValue | None:
        return self._first(name, scores, words.only_written) if words.ocr else next(iter(values), None)

    def _pooled(self, name: str, scores: Scores | None, words: Words, *, leads: bool = False) -> Ranking:
        """Scores and words in one ranking; without scores, the words for what they are worth. ``leads``: only what may
        come first is in it, else as much as can be published.
        """
        said = sureness(words.best)
        if scores is None or (scores.image is None and scores.text is None):
            total = max(1.0, sum(said.values()))
            told = {value: sure * STATED_IN_FULL / total for value, sure in said.items()}
            return honest(told, self._labels.curve_of_words(name))
        ranking = self._raised(name, scores, said, words.beyond, leads=leads)
        return {value: score for value, score in ranking.items() if value not in words.denied}

    def _raised(self, name: str, scores: Scores, said: Ranking, beyond: frozenset[str], *, leads: bool) -> Ranking:
        """Scores, with those of what is ``said`` raised."""
        side, names = _side(scores), self._labels.values[name]
        curve = self._labels.curve(name, side, stated=bool(said))
        own = (scores.when_stated or scores) if said else scores
        # Beside what is said, which words may lift from any place, the best of the rest.
        best = best_of(names, own.fused, 1 if leads else MAX_VALUES + len(said))
        if not said:
            return honest(best, curve)
        weight = self._labels.stated_weight(name, side)
        taught = self._places[name]
        # In the vocabulary's order, as `model.ranking` has ties.
        said = dict(sorted(said.items(), key=lambda one: taught.get(one[0], len(taught))))
        known = self._scores_of(name, own.fused, said)
        before = sum(known[value] for value in said if value in taught)
        known |= dict.fromkeys(beyond & said.keys(), self._labels.beyond * float(own.fused.max(initial=0.0)))
        raised = {value: known[value] * exp(weight * sure) for value, sure in said.items()}
        total = 1.0 + sum(raised.values()) - before
        return honest({value: score / total for value, score in {**best, **raised}.items()}, curve)

    def _scores_of(self, name: str, scores: Vector, wanted: Iterable[str]) -> Ranking:
        """The scores of some values; a value the heads do not know has their best."""
        places = self._places[name]
        return {value: float(scores[places[value]] if value in places else scores.max(initial=0.0)) for value in wanted}

    def _values(self, name: str, ranking: Ranking) -> tuple[TagValue, ...]:
        best = sorted(ranking.items(), key=itemgetter(1), reverse=True)[:MAX_VALUES]
        return tuple([value for leader in best if (value := self._value(name, leader)) is not None])

    def _value(self, name: str, leader: Leader | None) -> TagValue | None:
        if leader is None:
            return None
        score = _rounded(leader[1])
        return TagValue(leader[0], self._label(name, leader[0]), score) if score > 0 else None

    def _first(self, name: str, scores: Scores | None, words: Words) -> TagValue | None:
        """The first of ``_values``."""
        return self._value(name, first_of(self._pooled(name, scores, words, leads=True)))

    def _consistency(
        self, name: str, scores: Vector | None, image: Leader | None, text: Leader | None, words: Words,
        threshold: Threshold,
    ) -> Consistency:  # fmt: skip
        """Do pictures and seller's words say the same? One value stated outright counts as the words being sure.

        They conflict where the pictures alone all but rule out what is said, or are sure of something else.
        """
        stated = {mention.value for mention in words.title or words.description}
        said = stated.pop() if len(stated) == 1 else _sure(text, threshold.text)
        sure = _sure(image, threshold.image)
        if said is None:
            return "image_only" if sure is not None else "unknown"
        if scores is None or image is None or said not in self._places[name]:
            return "text_only"
        if image[0] == said:
            return "agree"
        is_doubted = self._scores_of(name, scores, (said,))[said] < self._labels.doubt(name)
        return "conflict" if is_doubted or sure is not None else "text_only"

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
            return TagValue(value.value, value.label, value.score, dominant.hex if dominant else None, share)
        area = areas.get(value.value)
        code, share = (area.hex, area.share) if area else (self._taxonomy.hex(value.value), 0.0)
        return TagValue(value.value, value.label, value.score, code, share)

    # ---- words alone --------------------------------------------------------------------------------------------

    def _worded(self, words: Words, given: _Given) -> Decision:
        """A size: the surest mention in the best place that has any, others after it with what is left of 1."""
        values = _surest(words)
        status = _status(values, SIZE_THRESHOLD)
        is_written = bool(given.title or words.written)
        return Decision(
            status=status,
            values=values,
            consistency="text_only" if status == "accepted" and words.written else "unknown",
            without_images=next(iter(_surest(words.only_written)), None) if given.has_images else None,
            without_text=next(iter(_surest(words.only_read)), None) if is_written else None,
            without_ocr=next(iter(_surest(words.only_written)), None) if given.was_read else None,
            evidence=_spans(words, values[0].value) if values else (),
        )

    # ---- scenes -------------------------------------------------------------------------------------------------

    def _scene(
        self, scores: Vector | None, regions: tuple[ImageRegion, ...], pages: frozenset[int], strange: Sequence[float]
    ) -> Decision:
        """A page of print shows no place, whatever it looks like; of strange pictures no threshold was bought."""
        if scores is None:
            return _decision("abstained", (), "unknown")
        threshold = self._labels.thresholds.get("scene", _NEVER)
        values = self._values("scene", best_of(self._labels.values["scene"], scores, MAX_VALUES))
        is_proven = not values or values[0].value not in self._labels.unproven_scenes
        is_printed = bool(regions) and all(one.image in pages for one in regions)
        is_strange = sum(strange) > STRANGE * len(strange)
        status = _status(values, threshold.fused if is_proven and not is_printed and not is_strange else None)
        is_sure = status == "accepted"
        return Decision(
            status, values, "image_only" if is_sure else "unknown", None, None, None, regions if is_sure else ()
        )


def _decision(status: Status, values: tuple[TagValue, ...], consistency: Consistency) -> Decision:
    return Decision(status, values, consistency, None, None, None, ())


def _first_places(values: Sequence[str]) -> dict[str, int]:
    return {value: place for place, value in reversed(list(enumerate(values)))}


def _surest(words: Words) -> tuple[TagValue, ...]:
    """Values by their surest mention in the best place that has them, scaled so that they sum to at most 1."""
    best: dict[str, Mention] = {}
    for place in (words.title, words.description, words.ocr):
        for mention in sorted(place, key=lambda mention: -mention.score):
            best.setdefault(mention.value, mention)
    ordered = list(best.values())[:MAX_VALUES]
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


def _side(scores: Scores) -> Side:
    """Which side the fused scores are: a side that stands alone is all there is."""
    if scores.text is None:
        return "image"
    return "text" if scores.image is None else "fused"


def _only(scores: Scores | None, side: Literal["image", "text"]) -> Scores | None:
    """What there would be without the other side; None without this one."""
    one: Vector | None = getattr(scores, side) if scores is not None else None
    if scores is None or one is None:
        return None
    image, text = (one, None) if side == "image" else (None, one)
    return Scores(one, image, text, _only(scores.when_stated, side))


def _bar(scores: Scores, words: Words, threshold: Threshold, values: Sequence[TagValue]) -> float | None:
    """The threshold for what there was: one side alone must reach its own, or the precision bought is not had. Nor is
    it where words state something else than what comes first.
    """
    if scores.image is None and scores.text is None:
        return threshold.words and _rounded(threshold.words)
    is_stated = bool(values) and any(mention.value == values[0].value for mention in words.best)
    chosen = (threshold.when_stated or threshold) if is_stated else threshold
    return {"fused": chosen.fused, "image": chosen.image, "text": chosen.text}[_side(scores)]


def _sure(leader: Leader | None, threshold: float | None) -> str | None:
    return leader[0] if leader is not None and threshold is not None and leader[1] >= threshold else None


def _evidence(
    values: tuple[TagValue, ...], status: Status, words: Words, image: Leader | None, text: Leader | None,
    given: _Given,
) -> tuple[Span | ImageRegion, ...]:  # fmt: skip
    """Words that state the top value. For an accepted one also title and pictures whose own top value it is."""
    if not values:
        return ()
    top = values[0].value
    spans = _spans(words, top)
    if status != "accepted":
        return spans
    title = given.title if not spans and text is not None and text[0] == top else ()
    pictures = given.regions if image is not None and image[0] == top else ()
    return (*spans, *title, *pictures)


def _spans(words: Words, value: str) -> tuple[Span, ...]:
    return tuple(mention.span for mention in words.all if mention.value == value)[:_MAX_SPANS]


def _rounded(score: float) -> float:
    """Down, so that a rounded sum stays at or below 1."""
    inside = score if 0.0 <= score <= 1.0 else min(max(score, 0.0), 1.0)
    return floor(inside * _SCALE) / _SCALE
