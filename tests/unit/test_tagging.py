"""From scores and words to decided tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.extract import Extractor
from model.honesty import Curve
from model.labels import Labels, Threshold
from model.mentions import NOTHING_SAID
from model.tagging import Tagging
from model.taxonomy import load_taxonomy
from model.types import (
    ColorArea,
    Decision,
    ImageRegion,
    ListingTags,
    ModelInfo,
    Prediction,
    ReadText,
    Scores,
    Span,
    TextLine,
    Vector,
)
from schemas.listing import ListingCreated
from tests.unit.enrich_samples import decoded, item
from worker.enrich import build_tag_line

BOX = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
TAXONOMY = load_taxonomy()
EXTRACTOR = Extractor(TAXONOMY)
VALUES = {
    "category": ("Furniture > Chairs", "Grocery > Food", "Shoes > Shoes"),
    "product_type": ("chair", "grocery", "shoes"),
    "color": ("black", "clear", "multicolor", "navy", "red", "white"),
    "material": ("cotton", "leather", "wood"),
    "scene": ("indoor", "studio"),
}
LABELS = Labels(VALUES, {name: Threshold(0.8, 0.7, 0.7) for name in VALUES})
TAGGING = Tagging(LABELS, TAXONOMY)
_CURVE = Curve(1.3, 0.7, -0.2)
BENT = Tagging(
    replace(
        LABELS,
        values={**VALUES, "color": ("red", "white", "black", "navy", "multicolor", "clear")},
        curves={"color": {"fused": _CURVE, "image": _CURVE, "text": _CURVE, "fused_stated": Curve(0.8, 1.2, 0.1)}},
    ),
    TAXONOMY,
)


def vector(name: str, top: str, score: float) -> Vector:
    """``score`` for ``top``, the rest shared by the other values."""
    values = VALUES[name]
    rest = (1 - score) / (len(values) - 1)
    return np.array([score if value == top else rest for value in values], np.float32)


def scores(
    name: str, top: str, fused: float, image: tuple[str, float] | None, text: tuple[str, float] | None
) -> Scores:
    seen, said = (None if side is None else vector(name, *side) for side in (image, text))
    return Scores(vector(name, top, fused), seen, said)


def unsure(name: str, *, image: bool = True, text: bool = True) -> Scores:
    flat = np.full(len(VALUES[name]), 1 / len(VALUES[name]), np.float32)
    return Scores(flat, flat if image else None, flat if text else None)


def prediction(
    *, images: int = 1, title: bool = True, colors: tuple[ColorArea, ...] = (), **given: Scores
) -> Prediction:
    """Unsure of everything but the studio and what is given."""
    return predicted(given, images, title, colors)


def predicted(known: Mapping[str, Scores], images: int, title: bool, colors: tuple[ColorArea, ...] = ()) -> Prediction:
    attributes = {
        name: known.get(name, unsure(name, image=images > 0, text=title)) for name in VALUES if name != "scene"
    }
    scene = vector("scene", "studio", 0.9)
    return Prediction(attributes, scene if images else None, (scene,) * images, None, colors, None)


def read(*lines: str) -> ReadText:
    return ReadText(tuple(TextLine(line, 1.0, BOX) for line in lines))


def tag(
    seen: Prediction,
    title: str = "thing",
    description: str = "",
    texts: tuple[ReadText | None, ...] = (),
    tagging: Tagging = TAGGING,
) -> ListingTags:
    """Extract and resolve as the pipeline does; every picture worked."""
    said = EXTRACTOR.read(title, description, texts)
    places = tuple(range(len(seen.image_scenes)))
    was_read = any(text is not None for text in texts)
    return tagging.resolve(seen, said, title, was_read=was_read, image_indices=places)


def tops(decision: Decision) -> list[str]:
    return [value.value for value in decision.values]


# ---- status


@pytest.mark.parametrize(
    ("score", "status"), [(0.95, "accepted"), (0.8125, "accepted"), (0.75, "suggested"), (0.34375, "suggested")]
)
def test_the_top_score_decides_the_status(score: float, status: str) -> None:
    """Accepted from the threshold on, suggested from 0.3 on."""
    found = tag(prediction(product_type=scores("product_type", "chair", score, ("chair", 0.5), ("chair", 0.5))))
    assert found.attributes["product_type"].status == status
    assert tops(found.attributes["product_type"])[0] == "chair"


def test_a_low_score_abstains_and_keeps_its_values() -> None:
    """Below 0.3 nothing is claimed, but what came closest can be seen."""
    found = tag(prediction()).attributes["color"]
    assert found.status == "abstained"
    assert len(found.values) == 5


def test_without_a_threshold_nothing_is_accepted() -> None:
    """A precision target that cannot be reached accepts no score, however high."""
    strict = Tagging(Labels(VALUES, {}), TAXONOMY)
    sure = prediction(product_type=scores("product_type", "chair", 1.0, ("chair", 1.0), None))
    found = strict.resolve(sure, NOTHING_SAID, "chair", was_read=False)
    assert found.attributes["product_type"].status == "suggested"


def test_an_accepted_category_rules_attributes_out() -> None:
    """Food has no colour: the tag is there, says so, and holds no value, whatever the words say."""
    food = prediction(category=scores("category", "Grocery > Food", 0.95, None, ("Grocery > Food", 0.95)))
    found = tag(food, "black beans, 500 g")
    assert found.category.status == "accepted"
    assert found.attributes["color"].status == "not_applicable"
    assert found.attributes["color"].values == ()
    assert tops(found.attributes["size"]) == ["500g"]


def test_a_category_that_is_only_suggested_rules_nothing_out() -> None:
    """Not sure that it is food: its colour is still answered."""
    maybe = prediction(category=scores("category", "Grocery > Food", 0.6, None, None))
    assert tag(maybe, "black beans").attributes["color"].status != "not_applicable"


@pytest.mark.parametrize(("images", "status"), [(1, "suggested"), (0, "accepted")])
def test_one_side_alone_must_reach_its_own_threshold(images: int, status: str) -> None:
    """A picture alone is held to the picture's threshold, which no score may reach; a title alone to the title's."""
    labels = Labels(VALUES, {name: Threshold(0.6, None, 0.7) for name in VALUES})
    side = ("red", 0.75)
    color = scores("color", "red", 0.75, side if images else None, None if images else side)
    found = Tagging(labels, TAXONOMY).resolve(
        prediction(images=images, title=not images, color=color), NOTHING_SAID, "", was_read=False
    )
    assert found.attributes["color"].status == status


# ---- words


SURE_OF_BLACK = ("black", 0.9)


@pytest.mark.parametrize("title", ["black pepper mill", "no black chair", "Black Velvet Blu-ray"])
def test_what_words_take_away_is_not_believed_of_the_titles_experts(title: str) -> None:
    """They know that such titles are usually of black things, and not what the words mean."""
    found = tag(prediction(images=0, color=scores("color", "black", 0.9, None, SURE_OF_BLACK)), title)
    assert "black" not in tops(found.attributes["color"])


def test_pictures_are_believed_all_the_same_unless_the_words_deny_it() -> None:
    """A pepper mill may be black; what is not leather may look as if it were."""
    mill = prediction(color=scores("color", "black", 0.9, ("black", 0.8), SURE_OF_BLACK))
    assert tops(tag(mill, "black pepper mill").attributes["color"])[0] == "black"
    bag = prediction(material=scores("material", "leather", 0.9, ("leather", 0.8), ("leather", 0.9)))
    assert "leather" not in tops(tag(bag, "bag, no leather").attributes["material"])


def test_a_colour_that_the_description_names_outweighs_what_such_titles_usually_are() -> None:
    """Winter coats are mostly black; this one is not, as its description says by name."""
    coat = prediction(images=0, color=scores("color", "black", 0.9, None, SURE_OF_BLACK))
    named = tag(coat, "winter coat", "Colour: red").attributes["color"]
    assert (tops(named), named.consistency) == (["red"], "text_only")
    assert tops(tag(coat, "winter coat", "A good one for red carpets").attributes["color"])[0] == "black"


@pytest.mark.parametrize(("images", "expected"), [(0, []), (1, ["wood"])])
def test_a_material_that_nobody_states_is_the_pictures_alone(images: int, expected: list[str]) -> None:
    """All titles of training state one, so their experts see one in any."""
    image = ("wood", 0.6) if images else None
    seen = prediction(images=images, material=scores("material", "glass", 0.9, image, ("glass", 0.9)))
    assert tops(tag(seen, "wonder thing").attributes["material"])[:1] == expected


def test_a_titles_size_comes_before_a_descriptions() -> None:
    """However explicit the latter: it may be another thing's."""
    size = tag(prediction(), "curtain 140x260", "size M").attributes["size"]
    assert tops(size) == ["140x260", "M"]


def test_words_lift_what_they_state_and_sums_stay_within_one() -> None:
    """A colour in the title raises its score above what the model alone said."""
    alone = scores("color", "red", 0.5, ("red", 0.5), ("red", 0.5))
    found = tag(prediction(color=alone), "chair, black").attributes["color"]
    assert tops(found)[:2] == ["black", "red"]
    assert sum(value.score for value in found.values) <= 1 + 1e-9


def test_title_and_scores_together_are_accepted() -> None:
    """Neither the model's 0.6 nor the title's word would do alone."""
    alone = scores("material", "leather", 0.6, ("leather", 0.6), ("leather", 0.6))
    assert tag(prediction(material=alone), "thing").attributes["material"].status == "suggested"
    assert tag(prediction(material=alone), "leather thing").attributes["material"].status == "accepted"


def test_the_title_outranks_what_the_description_mentions() -> None:
    """A description that names other colours does not thin out the title's."""
    by_title = tag(prediction(), "black chair").attributes["color"]
    with_more = tag(prediction(), "black chair", "also in red, white and navy").attributes["color"]
    assert by_title.values == with_more.values


BLIND = prediction(images=0, title=False)  # no picture, and a title in words that the model cannot read


@pytest.mark.parametrize(("words", "status"), [(None, "suggested"), (0.87654321, "accepted")])
def test_words_alone_are_believed_as_far_as_was_measured(words: float | None, status: str) -> None:
    """Where towers see nothing, a stated value has the score that titles like it earned, and its own threshold."""
    measured = Curve(1.0, 1.0, -1.0)
    bars = replace(LABELS.thresholds["color"], words=words and measured.at(0.95, "red"))
    labels = replace(LABELS, thresholds={**LABELS.thresholds, "color": bars}, curves={"color": {"words": measured}})
    found = tag(BLIND, "Stuhl, rot", tagging=Tagging(labels, TAXONOMY)).attributes["color"]
    assert tops(found) == ["red"]
    assert found.values[0].score == pytest.approx(measured.at(0.95, "red"), abs=1e-4)
    assert found.status == status


def test_of_what_nobody_can_read_nothing_is_said() -> None:
    """Neither a picture nor a title that the model knows, nor a word that states something: no guess."""
    found = tag(BLIND, "Qwertz Asdf Yxcv")
    for decision in (found.category, *found.attributes.values()):
        assert (decision.status, decision.values) == ("abstained", ())


@pytest.mark.parametrize(("association", "status"), [(0.02, "suggested"), (0.4, "accepted"), (None, "accepted")])
def test_what_does_not_belong_together_proves_nothing(association: float | None, status: str) -> None:
    """A red dress before a blue chair: whatever each side is sure of, one of them is of something else."""
    sure = scores("color", "red", 0.95, ("red", 0.9), ("red", 0.9))
    found = tag(replace(prediction(color=sure), association=association))
    assert found.attributes["color"].status == status


def test_what_words_do_not_state_has_to_reach_the_higher_bar() -> None:
    """The lower one was bought for values that words state, and cotton states no leather."""
    bars = Threshold(0.9, None, None, Threshold(0.4, None, None))
    thresholds = {**LABELS.thresholds, "material": bars}
    labels = replace(LABELS, thresholds=thresholds, stated={"material": {"fused": 0.5}})
    sure = scores("material", "leather", 0.9, ("leather", 0.9), ("leather", 0.9))
    found = tag(prediction(material=sure), "cotton jacket", tagging=Tagging(labels, TAXONOMY))
    assert found.attributes["material"].values[0].value == "leather"
    assert found.attributes["material"].values[0].score > 0.4
    assert found.attributes["material"].status == "suggested"
    stating = tag(prediction(material=sure), "leather jacket", tagging=Tagging(labels, TAXONOMY))
    assert stating.attributes["material"].status == "accepted"


def test_what_is_likely_ruled_out_is_only_suggested() -> None:
    """Probably food, though not surely: what looks like its colour is nothing to rely on."""
    red = scores("color", "red", 0.95, ("red", 0.9), ("red", 0.9))
    maybe = scores("category", "Grocery > Food", 0.6, ("Grocery > Food", 0.6), ("Grocery > Food", 0.6))
    assert tag(prediction(color=red)).attributes["color"].status == "accepted"
    found = tag(prediction(color=red, category=maybe))
    assert found.category.status == "suggested"
    assert found.attributes["color"].status == "suggested"


def test_a_value_that_the_model_does_not_know_can_be_stated() -> None:
    """Jute is in the taxonomy, not in the vocabulary of the head."""
    assert tops(tag(prediction(), "jute rug").attributes["material"])[0] == "jute"


def test_a_type_that_the_model_does_not_know_states_its_category() -> None:
    """Of a bar stool the heads know as little what it is as where it belongs, and guess at shoes."""
    little = dict.fromkeys(("fused", "image", "text"), 0.5)
    slow = Tagging(replace(LABELS, stated={"category": little, "product_type": little}), TAXONOMY)
    shoes = prediction(category=scores("category", "Shoes > Shoes", 0.6, ("Shoes > Shoes", 0.6), None))
    assert tops(tag(shoes, "chair", tagging=slow).category)[0] == "Shoes > Shoes"
    found = tag(shoes, "barhocker", tagging=slow)
    assert tops(found.category)[0] == "Furniture > Chairs"
    assert tops(found.attributes["product_type"])[0] == "stool_seating"


def test_size_comes_from_words() -> None:
    """An explicit size is accepted with its span as evidence; a vague one is suggested."""
    stated = tag(prediction(), "sneaker, 8 uk").attributes["size"]
    assert (stated.status, tops(stated), stated.evidence) == ("accepted", ["UK 8"], (Span("title", 9, 13),))
    assert tag(prediction(), "large bag").attributes["size"].status == "suggested"
    none = tag(prediction(), "bag").attributes["size"]
    assert (none.status, none.values, none.evidence) == ("abstained", (), ())


# ---- consistency


@pytest.mark.parametrize(
    ("image", "text", "consistency"),
    [
        (("red", 0.9), ("red", 0.9), "agree"),
        (("red", 0.9), ("navy", 0.9), "conflict"),
        (("red", 0.9), ("navy", 0.6), "image_only"),
        (("red", 0.6), ("navy", 0.9), "text_only"),
        (("red", 0.6), ("navy", 0.6), "unknown"),
        (("red", 0.9), None, "image_only"),
        (None, ("navy", 0.9), "text_only"),
        (None, None, "unknown"),
    ],
)
def test_both_sides_are_compared(
    image: tuple[str, float] | None, text: tuple[str, float] | None, consistency: str
) -> None:
    """Each side counts from its own threshold on."""
    color = scores("color", "red", 0.5, image, text)
    assert tag(prediction(color=color)).attributes["color"].consistency == consistency


def test_a_stated_word_counts_as_the_text_being_sure() -> None:
    """The title says red, the picture navy: a conflict, though the text head was not sure."""
    color = scores("color", "navy", 0.9, ("navy", 0.95), ("navy", 0.5))
    assert tag(prediction(color=color), "red chair").attributes["color"].consistency == "conflict"
    assert tag(prediction(color=color), "red, white chair").attributes["color"].consistency == "image_only"


# ---- without


def test_each_tag_says_what_it_would_have_been_without_a_side() -> None:
    """Leaving pictures out leaves title and description; leaving text out leaves pictures and OCR."""
    color = scores("color", "red", 0.6, ("red", 0.9), ("navy", 0.9))
    found = tag(prediction(color=color), texts=(read("white"),)).attributes["color"]
    assert found.without_images and found.without_images.value == "navy"
    assert found.without_text and found.without_text.value == "red"
    assert found.without_ocr and found.without_ocr.value == "red"
    assert found.without_ocr.score == pytest.approx(0.6, abs=1e-3)


SIDES = st.lists(st.sampled_from((0.0, 0.1, 0.2, 0.7)), min_size=6, max_size=6).filter(any).map(
    lambda parts: (np.array(parts) / sum(parts)).astype(np.float32)
)  # fmt: skip


@given(
    SIDES, SIDES, SIDES,
    st.sampled_from(("", "red", "navy and red", "white, red and black thing", "jute")),
    st.sampled_from(("", "white", "NAVY or RED")),
)  # fmt: skip
def test_what_a_tag_would_be_without_a_side_is_what_it_is_without_it(
    fused: Vector, image: Vector, text: Vector, title: str, read_words: str
) -> None:
    """Ties included, and in a vocabulary of any order: a first value alone is found by another way than all that are
    published.
    """
    texts = (read(read_words),) if read_words else (ReadText(),)
    both = prediction(color=Scores(fused, image, text))
    found = tag(both, title or "thing", texts=texts, tagging=BENT).attributes["color"]
    unread = tag(both, title or "thing", texts=(ReadText(),), tagging=BENT)
    untold = tag(prediction(color=Scores(image, image, None), title=False), "", texts=texts, tagging=BENT)
    unseen = tag(prediction(color=Scores(text, None, text), images=0), title or "thing", tagging=BENT)
    for without, alone in (
        (found.without_ocr, unread), (found.without_text, untold), (found.without_images, unseen)
    ):  # fmt: skip
        first = alone.attributes["color"].values[0]
        assert without and (without.value, without.score) == (first.value, first.score)


def test_a_size_read_in_a_picture_is_gone_without_it() -> None:
    """OCR is part of the pictures."""
    found = tag(prediction(), "sneaker", texts=(read("EU 42"),)).attributes["size"]
    assert tops(found) == ["EU 42"]
    assert found.without_images is None
    assert found.without_ocr is None
    assert found.without_text and found.without_text.value == "EU 42"


def test_what_was_missing_anyway_is_null() -> None:
    """No picture: nothing to leave out. No words: likewise."""
    only_title = tag(prediction(images=0), "red chair").attributes["color"]
    assert (only_title.without_images, only_title.without_ocr) == (None, None)
    assert only_title.without_text is None or only_title.without_text.value != "red"
    only_picture = tag(prediction(title=False), "").attributes["color"]
    assert only_picture.without_text is None


# ---- evidence


def test_evidence_is_the_words_that_state_the_value() -> None:
    """Spans of title, description and OCR that state the top value, and of no other."""
    seen = prediction(color=scores("color", "red", 0.3, ("red", 0.3), ("red", 0.3)))
    found = tag(seen, "Black chair", "black back, red seat", (None, read("SALE", "BLACK"))).attributes["color"]
    assert found.evidence == (Span("title", 0, 5), Span("description", 0, 5), Span("ocr", 0, 5, 1, 1))


def test_pictures_speak_for_what_they_alone_would_say() -> None:
    """Pictures and title are evidence for an accepted value that is their own top value."""
    both = scores("product_type", "chair", 0.95, ("chair", 0.9), ("chair", 0.9))
    title_only = scores("product_type", "chair", 0.95, ("shoes", 0.5), ("chair", 0.9))
    whole = ImageRegion(0, BOX)
    assert tag(prediction(product_type=both)).attributes["product_type"].evidence == (Span("title", 0, 5), whole)
    assert tag(prediction(product_type=title_only)).attributes["product_type"].evidence == (Span("title", 0, 5),)


def test_a_picture_is_named_by_its_place_among_all_pictures() -> None:
    """The first of two pictures failed: evidence points to the second."""
    sure = prediction(product_type=scores("product_type", "chair", 0.95, ("chair", 0.9), None))
    found = TAGGING.resolve(sure, NOTHING_SAID, "", was_read=False, image_indices=(1,))
    assert found.attributes["product_type"].evidence == (ImageRegion(1, BOX),)
    assert found.image_scenes[0].evidence == (ImageRegion(1, BOX),)


# ---- colours and scenes


def test_a_color_says_how_it_looks() -> None:
    """Hex and share come from the picture; a colour that is not there has its usual look; clear has none."""
    areas = (ColorArea("red", "#c01010", 0.6), ColorArea("navy", "#101040", 0.25))
    found = {value.value: value for value in tag(prediction(colors=areas)).attributes["color"].values}
    assert (found["red"].hex, found["red"].share) == ("#c01010", 0.6)
    assert (found["black"].hex, found["black"].share) == (TAXONOMY.hex("black"), 0.0)
    assert (found["multicolor"].hex, found["multicolor"].share) == ("#c01010", 0.85)
    assert (found["clear"].hex, found["clear"].share) == (None, None)


def test_without_a_picture_a_color_has_no_look() -> None:
    """Words give no hex."""
    values = tag(prediction(images=0), "red chair").attributes["color"].values
    assert {(value.hex, value.share) for value in values} == {(None, None)}


def test_scenes_are_decided_per_picture_and_for_the_listing() -> None:
    """One decision for each picture; none without pictures."""
    found = tag(prediction(images=2))
    assert (found.scene.status, tops(found.scene)[0], found.scene.consistency) == ("accepted", "studio", "image_only")
    assert [one.evidence for one in found.image_scenes] == [(ImageRegion(0, BOX),), (ImageRegion(1, BOX),)]
    bare = tag(prediction(images=0))
    assert (bare.scene.status, bare.scene.values, bare.image_scenes) == ("abstained", (), ())


def test_a_page_of_print_is_no_scene() -> None:
    """A leaflet's is at most suggested; a package with as much text as packages have, and a picture beside it, are as
    ever.
    """
    leaflet, package = (read(*["1.99"] * count) for count in (30, 20))
    found = tag(prediction(images=2), texts=(leaflet, package))
    assert [one.status for one in found.image_scenes] == ["suggested", "accepted"]
    assert found.scene.status == "accepted"
    assert tag(prediction(), texts=(leaflet,)).scene.status == "suggested"


def test_a_scene_of_strange_pictures_is_at_most_suggested() -> None:
    """Of two pictures one may be strange, as long as they are not so together."""
    found = [
        tag(replace(prediction(images=2), strangeness=strange)) for strange in ((), (0.9, 0.0), (0.9, 0.3), (0.9, 0.9))
    ]
    assert [one.scene.status for one in found] == ["accepted", "accepted", "suggested", "suggested"]
    assert [one.status for one in found[1].image_scenes] == ["suggested", "accepted"]
    assert {tops(one.scene)[0] for one in found} == {"studio"}


def test_a_scene_that_no_calibration_row_showed_is_never_accepted() -> None:
    """However sure the model is; the others are as ever."""
    tagging = Tagging(replace(LABELS, unproven_scenes=frozenset({"studio"})), TAXONOMY)
    found = tagging.resolve(prediction(), NOTHING_SAID, "thing", was_read=False, image_indices=(0,))
    assert (found.scene.status, tops(found.scene)[0]) == ("suggested", "studio")
    assert found.image_scenes[0].status == "suggested"
    proven = Tagging(replace(LABELS, unproven_scenes=frozenset({"indoor"})), TAXONOMY)
    assert (
        proven.resolve(prediction(), NOTHING_SAID, "thing", was_read=False, image_indices=(0,)).scene.status
        == "accepted"
    )


# ---- whatever the scores


@st.composite
def any_scores(draw: st.DrawFn, name: str, *, image: bool, text: bool) -> Scores:
    """Any three distributions over the values."""

    def side() -> Vector:
        raw = draw(st.lists(st.floats(0, 1, width=32), min_size=len(VALUES[name]), max_size=len(VALUES[name])))
        return (np.array(raw, np.float32) + 1e-6) / np.float32(sum(raw) + 1e-6 * len(raw))

    return Scores(side(), side() if image else None, side() if text else None)


@settings(deadline=None)
@given(st.data(), st.integers(0, 2), st.lists(st.sampled_from(
    ["red", "navy blue", "leather", "faux leather", "7 UK", "30x40 cm", "large", "chair", "jute", "14k", "M,"]
), max_size=8).map(" ".join), st.sampled_from(["", "black cotton, 500 ml", "red red leather wood"]))  # fmt: skip
def test_any_scores_and_words_make_events_that_hold_to_the_schema(
    data: st.DataObject, images: int, title: str, description: str
) -> None:
    """At most five values, best first, summing to at most one; spans inside their texts; the schema accepts it all."""
    has_title = bool(title) or not images
    title = title or ("" if images else "thing")
    given_scores = {
        name: data.draw(any_scores(name, image=images > 0, text=has_title)) for name in VALUES if name != "scene"
    }
    texts = tuple(read("red", "EU 42") if data.draw(st.booleans()) else None for _ in range(images))
    found = tag(predicted(given_scores, images, has_title), title, description, texts)
    for decision in (found.category, *found.attributes.values(), found.scene, *found.image_scenes):
        check(decision, title, description)
    assert set(found.attributes) == set(TAXONOMY.attributes)
    pictures = [decoded(f"https://img.test/{place}.jpg") for place in range(images)]
    listing = ListingCreated(listing_id="L1", title=title, description=description)
    info = ModelInfo("m", "r", "t", 384, 224, "cpu", "torch")
    line = build_tag_line(
        item(*pictures, listing=listing), found, texts, (), info, now=datetime(2025, 1, 1, tzinfo=UTC)
    )
    assert set(line["attributes"]["attributes"]) == set(TAXONOMY.attributes)


def check(decision: Decision, title: str, description: str) -> None:
    points = [value.score for value in decision.values]
    assert len(points) <= 5
    assert points == sorted(points, reverse=True)
    assert sum(points) <= 1 + 1e-9
    assert len({value.value for value in decision.values}) == len(points)
    for found in decision.evidence:
        if isinstance(found, Span) and found.kind != "ocr":
            text = title if found.kind == "title" else description
            assert 0 <= found.start < found.end <= len(text)
