"""Values that words state outright."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.extract import Extractor
from model.taxonomy import load_taxonomy
from model.types import Mention, ReadText, TextLine

BOX = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
EXTRACTOR = Extractor(load_taxonomy())
PIECES = st.sampled_from(
    [
        "black",
        "Navy Blue",
        "leather",
        "faux ",
        "-look",
        " ",
        "İ",
        "ſilver",
        "黑色",
        "木",
        "7 UK",
        "30x40 cm",
        "olive oil",
        "é",
        "no ",
        "&uuml;",
        "&nbsp;",
        "&red;",
        "\u0301",
        "\u00ad",
        "\u3000",
        "ＢＬＡＣＫ",
        "5㎝",
        "95% ",
    ]
)


def stated(text: str, attribute: str) -> list[str]:
    return [mention.value for mention in EXTRACTOR.extract(text, "", ()) if mention.attribute == attribute]


def read(*lines: str, score: float = 1.0) -> ReadText:
    return ReadText(tuple(TextLine(line, score, BOX) for line in lines))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("chair, Black", ["black"]),
        ("Stuhl, schwarz", ["black"]),
        ("chaise noire", ["black"]),
        ("silla roja", ["red"]),
        ("黑色椅子", ["black"]),
        ("navy blue coat", ["navy"]),
        ("rose gold ring", ["rose gold"]),
        ("SİLVER ſILVER", ["silver"]),
        ("14k white gold ring", []),
        ("olive oil", []),
        ("blackboard", []),
        ("sterling silver", []),
        ("Hemd, dunkelblau", ["blue"]),
        ("goldfarbener Rahmen", ["gold"]),
        ("mattschwarze Lampe", ["black"]),
        ("Brot", []),
        ("Rotwein", []),
        ("Schwarzer Tee", []),
        ("vin rouge", []),
        ("poivre noir", []),
        ("té negro", []),
        ("jus d'orange", []),
        ("灰黑色背包", ["grey", "black"]),
        ("浅紫色", ["purple"]),
        ("墨绿", ["green"]),
        ("红茶", []),
        ("黑巧克力", []),
    ],
)
def test_a_color_is_found_in_several_languages(text: str, values: list[str]) -> None:
    """Whole words of the taxonomy state a colour, the longest one first; phrases that only hold one do not."""
    assert stated(text, "color") == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("100% cotton T-shirt", ["cotton"]),
        ("Stiefel aus Leder", ["leather"]),
        ("stainless steel pan", ["stainless steel"]),
        ("faux leather sofa", ["faux leather"]),
        ("leather-look bag", []),
        ("wood effect tiles", []),
        ("faux suede boot", []),
        ("imitation leather", ["faux leather"]),
        ("ohne Leder", []),
        ("latex-free, rubber-free", []),
        ("wine glass rack", []),
        ("实木桌子", ["wood"]),
        ("Lederstiefel", ["leather"]),
        ("Lederoptik-Leggings", []),
        ("Lederpflege", []),
        ("Baumwollbettwäsche", ["cotton"]),
        ("Regal aus Kiefernholz", ["wood"]),
        ("colle à bois", []),
        ("baume pour cuir", []),
        ("cola para madera", []),
        ("marble and brass floor lamp", ["marble/stone", "metal"]),
        ("hook, antique brass", []),
        ("hook, copper", []),
        ("TV stand, walnut brown", []),
        ("solid walnut table", ["wood"]),
        ("PU皮椅", ["faux leather"]),
        ("棉花糖", []),
    ],
)
def test_a_material_is_found_unless_it_is_imitated_or_denied(text: str, values: list[str]) -> None:
    """What only looks like a material, or is said not to be in it, is not stated."""
    assert stated(text, "material") == values


def test_a_finish_is_a_color_and_no_material() -> None:
    """A walnut finish says how it looks, not what it is made of."""
    assert stated("shelf, black finish, oak finish", "color") == ["black"]
    assert stated("shelf, black finish, oak finish", "material") == []


def test_title_is_surer_than_description_and_description_than_print() -> None:
    """The same words count by where they stand; OCR also by how well it was read."""
    found = EXTRACTOR.extract("black", "black", (read("black"), read("black", score=0.5)))
    scores = [mention.score for mention in found]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 4


def test_ocr_mentions_name_picture_and_line() -> None:
    """A mention in a picture points to the picture's place, those not read included, and to the line."""
    (mention,) = EXTRACTOR.extract("", "", (None, read("SALE", "100% cotton")))
    assert (mention.span.kind, mention.span.image, mention.span.line) == ("ocr", 1, 1)
    assert mention.value == "cotton"


def test_a_label_can_be_read() -> None:
    """Mentions carry the taxonomy's label."""
    (mention,) = EXTRACTOR.extract("sterling silver", "", ())
    assert (mention.value, mention.label) == ("silver (metal)", "Silver (metal)")


def test_there_is_a_limit_to_what_is_reported() -> None:
    """A description that repeats itself does not make an event without end."""
    assert len(EXTRACTOR.extract("", "black " * 3_000, ())) <= 200


def test_there_is_a_limit_to_what_is_looked_at_in_pictures() -> None:
    """Of all pictures together as many characters as of a description; what stands before the limit counts as ever."""
    small_print = ReadText((TextLine("z" * 100, 1.0, BOX),) * 100)
    colors = ReadText((TextLine("black" + "z" * 94, 1.0, BOX), TextLine("black", 1.0, BOX)))
    inside = EXTRACTOR.extract("", "", (small_print, None, colors))
    assert [(one.value, one.span.image, one.span.line) for one in inside] == [("black", 2, 1)]
    assert EXTRACTOR.extract("", "", (small_print, small_print, colors)) == []


def test_the_revision_follows_the_taxonomy() -> None:
    """The same rules and taxonomy have the same revision."""
    assert EXTRACTOR.revision == Extractor(load_taxonomy()).revision


def source(mention: Mention, title: str, description: str) -> str:
    text = title if mention.span.kind == "title" else description
    return text[mention.span.start : mention.span.end]


@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=200), st.lists(PIECES, max_size=30).map("".join))
def test_spans_hold_exactly_the_words_that_state_the_value(title: str, description: str) -> None:
    """Reading a span alone states the same value again."""
    for mention in EXTRACTOR.extract(title, description, ()):
        words = source(mention, title, description)
        assert words and words == words.strip()
        assert mention.attribute == "size" or mention.value in stated(words, mention.attribute)
        assert 0 < mention.score <= 1


@pytest.mark.parametrize(
    "piece",
    [
        *("black ", "faux ", "no ", "sterling ", "a", "黑", "navy", "-", "leather look "),
        *("real ", "no real leather ", "of the ", "shoes for ", "table de ", "5% cotton ", "沙发套", "不含真皮"),
        *("&uuml;", "&#1", "&", "e\u0301", "\u0301", "\u3000", " \n"),
        *("ก", "เก้าอี้", "\u0e31", "कुर्सी ", "\u093e", "\u200d", "\u200c", "ﷺ", "ﾊﾟ", "\u1100\u1161", "شָׁ", "rayas "),
    ],
)
def test_hostile_text_costs_no_more_than_its_length(piece: str) -> None:
    """The longest description allowed, made to provoke backtracking, is read in well under two seconds."""
    text = (piece * 20_000)[:20_000]
    began = time.process_time()
    EXTRACTOR.extract("", text, ())
    assert time.process_time() - began < 2
