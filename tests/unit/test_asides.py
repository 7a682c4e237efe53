"""What a description says of something else is not said of the thing for sale."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.extract import Extractor
from model.taxonomy import load_taxonomy
from model.wording.asides import without_asides
from model.wording.units import lowered

EXTRACTOR = Extractor(load_taxonomy())


def found(title: str, description: str, attribute: str) -> list[str]:
    """Values in the order of their mentions."""
    return [one.value for one in EXTRACTOR.extract(title, description, ()) if one.attribute == attribute]


@pytest.mark.parametrize(
    "aside",
    [
        "Model wears size M, blue jeans.", "El modelo mide 1,80 m y lleva la talla M.", "模特身高170,穿M码",
        "Brauner Teppich und roter Tisch auf dem Foto gehören nicht dazu.", "Red laces not included",
        "lacci rossi non inclusi", "Also available in blue and green.",
        "Schaut auch meine anderen Anzeigen an: Schuhe Gr. 38, Lederjacken, Silberschmuck.",
        "Mes autres annonces : bottes cuir, jeans rouges.", "Smoke-free home, one black cat",
        "Envoi en colis Mondial Relay jusqu'à 2 kg, carton blanc.", "Casa senza fumo, con gatto nero.",
        "Buyer pays postage, brown cardboard box 3 kg",
        "Comes from the glass cabinet in our living room.",
        "Wash at 30, do not wash with black items.", "Handwäsche, nicht mit schwarzer Wäsche waschen.",
        "Comes in a red velvet box.", "Black bag sold separately.", "Passt gut zum grauen Sofa 180 cm.",
        "Our black cat sat on them.", "Livrée avec un sac rouge en coton.", "Vendo anche stivali neri 28.",
        "请勿与黑色衣物同洗", "附赠红色布袋",
    ],
)  # fmt: skip
def test_asides_state_nothing(aside: str) -> None:
    """Who wears it, what else there is, how it is sent, whose home it comes from: before and behind what is said."""
    for description in (f"Colour: white, leather. {aside}", f"{aside}\nColour: white, leather"):
        assert found("shoes", description, "color") == ["white"], description
        assert found("shoes", description, "material") == ["leather"], description
        assert found("shoes", description, "size") == [], description


@pytest.mark.parametrize(
    "description",
    ["Was brown, painted it green.", "War braun, habe ich grün gestrichen."],
)
def test_what_a_thing_was_it_is_no_more(description: str) -> None:
    """But a thing that was bought somewhere has the colour that the sentence names."""
    assert found("bench", description, "color") == ["green"]
    assert found("bench", "It was bought last year, green", "color") == ["green"]


def test_a_colour_by_name_is_as_sure_as_a_titles() -> None:
    """``Colour: grey`` speaks of the thing itself; a sentence may speak of anything."""
    named, said = (EXTRACTOR.extract("coat", text, ())[-1] for text in ("Colour: dark grey", "A lovely grey one"))
    (title,) = EXTRACTOR.extract("grey", "", ())
    assert named.score == title.score > said.score
    assert [one.is_named for one in (named, said, title)] == [True, False, False]


@pytest.mark.parametrize(
    ("text", "values"),
    [("swimsuit red with white dots", ["red"]), ("Sofa grau mit schwarzen Füßen", ["grey"]), ("blue chair", ["blue"])],
)
def test_a_parts_colour_is_less_sure(text: str, values: list[str]) -> None:
    """The first one is the thing's; one alone is whatever stands before it."""
    mentions = [one for one in EXTRACTOR.extract(text, "", ()) if one.attribute == "color"]
    assert [one.value for one in mentions if one.score == mentions[0].score] == values
    assert found("chair with black legs", "", "color") in (["black"], [])


@pytest.mark.parametrize(
    ("description", "values"),
    [
        ("Black bag for a 15 inch laptop, with white zips", ["black", "white"]),
        ("Red jacket comes with a black belt, white buttons. Blue hood", ["red", "blue"]),
        ("It comes in navy leather", ["navy"]),
        ("Se vende mesa blanca", ["white"]),
    ],
)
def test_what_stands_before_an_aside_is_of_the_thing(description: str, values: list[str]) -> None:
    """Only what comes with it or goes with it is another's."""
    assert found("thing", description, "color") == values


def test_a_later_sentence_of_a_description_says_less() -> None:
    """What a thing is stands before what its cable is, but for what is named."""
    own, part = EXTRACTOR.extract("lamp", "Gold, tall. Cable black.", ())[-2:]
    assert (own.value, part.value) == ("gold", "black")
    assert own.score > part.score
    named = EXTRACTOR.extract("lamp", "A gold one. Colour: black", ())[-1]
    assert named.score > own.score


@given(st.text(max_size=200))
def test_what_is_left_stands_where_it_stood(text: str) -> None:
    """Blanks take the place of what goes, so positions stay."""
    left = without_asides(text, lowered(text))
    assert len(left) == len(text)
    assert all(one in (own, " ") for one, own in zip(left, text, strict=True))


@pytest.mark.parametrize("text", ["a." * 10_000, "modell " * 3_000, "a, " * 7_000, "." * 20_000, "was, " * 4_000])
def test_long_texts_take_linear_time(text: str) -> None:
    """They end; a form that looked back and forth would not."""
    assert len(without_asides(text, text)) == len(text)
