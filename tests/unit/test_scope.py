"""What counts of a listing's words: by what it sells, by its language and by company; German heads; joins by a sign."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from model.extract import Extractor
from model.taxonomy import load_taxonomy
from model.taxonomy_checks import TaxonomyError
from model.types import ReadText, TextLine

TAXONOMY = load_taxonomy()
EXTRACTOR = Extractor(TAXONOMY)
FILE = Path(__file__).parents[2] / "model" / "taxonomy.json"


def stated(attribute: str, title: str, description: str = "", language: str | None = None) -> list[str]:
    found = EXTRACTOR.extract(title, description, (), language)
    return [one.value for one in found if one.attribute == attribute]


@pytest.mark.parametrize(
    ("attribute", "title", "values"),
    [
        ("color", "Green Zone DVD", []),
        ("color", "DVD player black", ["black"]),
        ("color", "Scarlet paperback", []),
        ("color", "Red ale craft beer 0,5 l", []),
        ("color", "Beer mug, red", ["red"]),
        ("color", "Rote Äpfel 1 kg", []),
        ("material", "Oak seedling", []),
        ("material", "Wooden table", ["wood"]),
    ],
)
def test_what_a_title_sells_silences_an_attribute(attribute: str, title: str, values: list[str]) -> None:
    """A film has no colour, a rack for films has one."""
    assert stated(attribute, title) == values


@pytest.mark.parametrize(
    ("title", "values"),
    [
        ("Red or blue? Pick your colour: phone lanyard", []),
        ("Handyhülle, verschiedene Farben: rot, blau", []),
        ("Red phone lanyard", ["red"]),
    ],
)
def test_a_value_left_to_the_buyer_is_none_of_the_listings(title: str, values: list[str]) -> None:
    """Whatever is sold."""
    assert stated("color", title) == values


@pytest.mark.parametrize("title", ["Brown's English dictionary", "Gold’s Gym belt", "Wood's guide"])
def test_who_owns_the_thing_states_nothing(title: str) -> None:
    """A word with an apostrophe and an s is a name."""
    assert not stated("color", title) + stated("material", title)
    assert stated("color", "Polo black S") == ["black"]


@pytest.mark.parametrize(
    ("title", "color", "material"),
    [
        ("Casaco de lã preto", ["black"], ["wool"]),
        ("Kinderfiets roze met houten mand", ["pink"], ["wood"]),
        ("Sukienka bawełniana czerwona", ["red"], ["cotton"]),
        ("Scarpe bianche in camoscio", ["white"], ["suede"]),
        ("Bianchi road bike", [], []),
    ],
)
def test_words_are_bent_as_their_language_bends_them(title: str, color: list[str], material: list[str]) -> None:
    """Dutch, Italian, Portuguese and Polish too; a surname is no colour."""
    assert (stated("color", title), stated("material", title)) == (color, material)


def test_a_silent_title_silences_the_description_and_not_the_other_way_round() -> None:
    """A description names other things as well."""
    assert not stated("color", "Green Zone DVD", "black box")
    assert stated("color", "black shelf", "for every DVD you own") == ["black"]


@pytest.mark.parametrize(
    ("title", "language", "values"),
    [
        ("Root rot fungus", None, []),
        ("Root rot fungus", "en", []),
        ("Kissen rot", None, ["red"]),
        ("rot", "de-AT", ["red"]),
        ("rosa", "en", []),
        ("rosa", "es", ["pink"]),
        ("Chaise rouge", "en", ["red"]),  # sellers name the wrong language as well
        ("red chair", "de", ["red"]),
    ],
)
def test_a_word_of_one_language_counts_in_it(title: str, language: str | None, values: list[str]) -> None:
    """By the seller's language or the title's words."""
    assert stated("color", title, language=language) == values


def test_a_title_is_looked_through_once_for_all_lines_of_its_pictures() -> None:
    """Each line asks what the title says of its language; the event loop waits for all of them."""
    line = TextLine("rot rayas", 1.0, ((0, 0), (1, 0), (1, 1), (0, 1)))
    texts = [ReadText((line,) * 200)] * 8
    seconds = []
    for title in ("thing", "thing " * 3_000):
        began = time.process_time()
        EXTRACTOR.extract(title, "", texts)
        seconds.append(time.process_time() - began)
    assert seconds[1] < 10 * seconds[0] + 0.5


@pytest.mark.parametrize(
    ("title", "values"),
    [
        ("LED Streifen 5m", []),
        ("Hemd Streifen blau", ["striped"]),
        ("Carreaux salle de bain 20x20", []),
        ("Nappe carreaux", ["checked"]),
        ("striped shirt", ["striped"]),
    ],
)
def test_a_bare_noun_needs_company(title: str, values: list[str]) -> None:
    """A strip of lights is no pattern, a shirt with strips has one."""
    assert stated("pattern", title) == values


@pytest.mark.parametrize(
    ("title", "values"),
    [
        ("Kleiderschrank", ["cabinet"]),
        ("Wanderschuhe", ["shoes"]),
        ("Eckschreibtisch", ["desk"]),
        ("Wohnzimmertisch", ["table"]),
        ("Lederhandschuhe", ["accessory"]),
        ("praktisch und elastisch", []),
        ("Kühlschrank", ["refrigerator"]),
        ("Serverschrank", []),
    ],
)
def test_the_end_of_a_german_word_is_the_thing(title: str, values: list[str]) -> None:
    """But for exceptions, among them ends of words that are no things."""
    assert stated("product_type", title) == values


def test_a_word_known_as_a_whole_is_looked_into_as_well() -> None:
    """For what the whole does not say."""
    assert (stated("product_type", "Ledersofa"), stated("material", "Ledersofa")) == (["sofa"], ["leather"])


@pytest.mark.parametrize("title", ["Black & Decker drill", "Black&Decker drill", "BLACK+DECKER drill"])
def test_a_name_may_be_joined_by_a_sign(title: str) -> None:
    """As brands are."""
    assert not stated("color", title)


def test_every_phrase_of_the_file_finds_itself() -> None:
    """Words that state values state them; those that are ignored state nothing."""
    for name in TAXONOMY.attributes:
        for value, words in TAXONOMY.synonyms(name).items():
            for word in words:
                given = next((one for one in TAXONOMY.only_in.get(name, {}).get(word, ())), None)
                company = " shirt 衬衫" if name != "product_type" else ""
                assert value in stated(name, word + company, language=given), (name, word)
        for phrase in TAXONOMY.wording(name).ignored:
            assert not stated(name, phrase), (name, phrase)


@pytest.mark.parametrize(
    ("path", "to", "told"),
    [
        (("ignored", "color"), ["black / decker"], "'black / decker' would never be found"),
        (("ignored", "color"), ["off-white"], "'off-white' hides the synonym 'off white'; keep one"),
        (("silenced_by", "colour"), {"words": []}, "silenced_by names 'colour', which has no synonyms"),
        (("silenced_by", "color"), {"word": []}, "silenced_by.color has 'word'; it takes words, unless"),
        (("silenced_by", "color"), {"words": ["DVD"]}, "silenced_by.color.words: 'DVD' must be in lower case"),
        (("needs_company", "pattern"), {"words": ["dvd"]}, "names 'dvd', which states no value; add it"),
        (("needs_company", "pattern"), {"words": [], "types": ["x"]}, "types names 'x', a product type without words"),
        (("languages", "markers", "German"), ["und"], "languages names 'German'; write the code"),
        (("languages", "only", "color", "sv"), ["rot"], "names 'sv', which has no markers; add them"),
        (("languages", "only", "color", "de"), ["xyz"], "names 'xyz', which states no value; add it"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(tmp_path: Path, path: tuple[str, ...], to: object, told: str) -> None:
    """The message names entry and value, and the remedy."""
    found: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
    place = found
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = to
    (tmp_path / "taxonomy.json").write_text(json.dumps(found), "utf-8")
    with pytest.raises(TaxonomyError, match=told):
        load_taxonomy(tmp_path / "taxonomy.json")


@pytest.mark.parametrize("entry", ["silenced_by", "needs_company", "languages"])
def test_the_entries_may_be_missing(tmp_path: Path, entry: str) -> None:
    """Then words count everywhere."""
    found = json.loads(FILE.read_text("utf-8"))
    del found[entry]
    (tmp_path / "taxonomy.json").write_text(json.dumps(found), "utf-8")
    assert Extractor(load_taxonomy(tmp_path / "taxonomy.json")).extract("red chair", "", ())
