"""The shipped taxonomy, and what a broken one is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model.taxonomy import load_taxonomy
from model.taxonomy_checks import TaxonomyError


def shipped() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(__file__).parents[2] / "model" / "taxonomy.json").read_text("utf-8"))
    return found


def write(folder: Path, found: dict[str, Any]) -> Path:
    path = folder / "taxonomy.json"
    path.write_text(json.dumps(found), "utf-8")
    return path


def test_every_category_is_a_path_of_two_levels_in_order() -> None:
    """Category paths read ``Top > Below`` and are sorted."""
    categories = load_taxonomy().categories
    assert list(categories) == sorted(categories)
    assert all(len(path.split(" > ")) == 2 for path in categories)


@pytest.mark.parametrize(
    ("product_type", "category"),
    [
        ("chair", "Furniture > Chairs"),
        ("shoes", "Shoes > Shoes"),
        ("cellular_phone_case", "Electronics > Phone Accessories"),
        ("wine", "Grocery > Beverages"),
        ("no such type", None),
    ],
)
def test_a_product_type_has_its_place(product_type: str, category: str | None) -> None:
    """Known types have a category, unknown ones none."""
    assert load_taxonomy().category_of(product_type) == category


def test_labels_can_be_read() -> None:
    """A label is a name for people, not an identifier."""
    taxonomy = load_taxonomy()
    assert taxonomy.label("product_type", "cellular_phone_case") == "Cellular phone case"
    assert taxonomy.label("product_type", "fineearring") == "Fine earring"
    assert taxonomy.label("color", "navy") == "Navy"
    assert taxonomy.label("category", "Furniture > Chairs") == "Furniture > Chairs"


def test_food_has_no_color_and_a_chair_has() -> None:
    """An attribute is ruled out for a whole branch, and only there."""
    taxonomy = load_taxonomy()
    assert not taxonomy.applies("color", "Grocery > Food")
    assert taxonomy.applies("size", "Grocery > Food")
    assert taxonomy.applies("color", "Furniture > Chairs")


def test_every_color_word_belongs_to_a_color_that_has_a_look() -> None:
    """Colours have a typical sRGB, but for those that have no one look."""
    taxonomy = load_taxonomy()
    without = {color for color in taxonomy.synonyms("color") if taxonomy.hex(color) is None}
    assert without == {"clear", "multicolor"}


def test_the_revision_changes_with_the_file(tmp_path: Path) -> None:
    """Any edit gives another revision."""
    found = shipped()
    found["labels"]["product_type"]["biss"] = "Something else"
    assert load_taxonomy(write(tmp_path, found)).revision != load_taxonomy().revision


def test_a_type_in_two_places_is_refused(tmp_path: Path) -> None:
    """The message names the type and both places."""
    found = shipped()
    found["categories"]["Furniture > Desks"].append("chair")
    with pytest.raises(TaxonomyError, match=r"'chair'.*Furniture > Chairs.*Furniture > Desks"):
        load_taxonomy(write(tmp_path, found))


def test_a_word_for_two_values_is_refused(tmp_path: Path) -> None:
    """One word cannot state two colours."""
    found = shipped()
    found["synonyms"]["color"]["red"].append("black")
    with pytest.raises(TaxonomyError, match="'black' stands for 'black' and 'red'"):
        load_taxonomy(write(tmp_path, found))


def test_a_word_in_capitals_is_refused(tmp_path: Path) -> None:
    """It would never be found."""
    found = shipped()
    found["synonyms"]["color"]["red"].append("Crimson")
    with pytest.raises(TaxonomyError, match="lower case"):
        load_taxonomy(write(tmp_path, found))


@pytest.mark.parametrize(("attribute", "path"), [("colour", "Grocery"), ("color", "Groceries")])
def test_a_rule_about_nothing_is_refused(tmp_path: Path, attribute: str, path: str) -> None:
    """A rule must name a declared attribute and a category that exists."""
    found = shipped()
    found["not_applicable"][attribute] = [path]
    with pytest.raises(TaxonomyError, match=f"{attribute}.*|{path}"):
        load_taxonomy(write(tmp_path, found))


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    """What cannot be read says which file it is."""
    path = tmp_path / "taxonomy.json"
    path.write_text(text, "utf-8")
    with pytest.raises(TaxonomyError, match=r"taxonomy\.json"):
        load_taxonomy(path)


def broken(found: dict[str, Any], *path: str, to: object) -> dict[str, Any]:
    """The file with one entry replaced."""
    *way, last = path
    place = found
    for name in way:
        place = place.setdefault(name, {})
    place[last] = to
    return found


@pytest.mark.parametrize(
    ("path", "to", "told"),
    [
        (("colours",), {}, "unknown entry 'colours'.*the entries are"),
        (("attributes",), ["color", "color"], "names 'color' twice; keep one"),
        (("synonyms", "colour"), {}, "synonyms names 'colour', which is not in attributes; add it"),
        (("synonyms", "product_type", "chaise"), ["chaise longue"], "'chaise', which is in no category; add it"),
        (("synonyms", "color", "red"), "rot", "synonyms.color.red is 'rot'; write a list"),
        (("synonyms", "color", "red"), ["-"], "'-' holds no word"),
        (("ignored", "color"), ["Red wine"], "ignored.color: 'Red wine' must be in lower case"),
        (("hex", "crimson"), "#dc143c", "hex names the colour 'crimson', which has no synonyms; add them"),
        (("hex", "red"), "red", "hex.red is 'red'; write #rrggbb"),
        (("looks", "material"), ["nickel"], "looks.material names 'nickel', which states no value; add it"),
        (("looks", "size"), ["large"], "looks names 'size', which has no synonyms"),
        (("context", "after", "colour"), ["tea"], "context.after names 'colour', which has no synonyms"),
        (("compounds", "color", "endings"), [], "compounds.color has 'endings'; it takes beginnings"),
        (("compounds", "color", "parts"), ["rot"], "compounds.color.parts must be lists by value"),
        (("compounds", "color", "parts"), {"crimson": ["karmin"]}, "'crimson', which is no value of color; add it"),
        (("compounds", "color", "modifiers"), ["ab"], "'ab' has 2 letters, and at least 3 are needed"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(tmp_path: Path, path: tuple[str, ...], to: object, told: str) -> None:
    """The message names entry and value, and the remedy."""
    with pytest.raises(TaxonomyError, match=told):
        load_taxonomy(write(tmp_path, broken(shipped(), *path, to=to)))


@pytest.mark.parametrize("entry", ["context", "looks", "compounds"])
def test_how_words_are_read_need_not_be_said(tmp_path: Path, entry: str) -> None:
    """A file without these entries only knows whole words."""
    found = shipped()
    del found[entry]
    assert load_taxonomy(write(tmp_path, found)).synonyms("color")


def test_every_product_type_of_the_synonyms_has_a_category() -> None:
    """A word that states a type states its category as well."""
    taxonomy = load_taxonomy()
    assert all(taxonomy.category_of(name) for name in taxonomy.synonyms("product_type"))


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("labels.color", {"red": 3}, "labels.color.red is 3; write a name for people"),
        ("labels.colour", {"red": "Red"}, "labels names 'colour', which is not in attributes"),
        ("scenes", "studio", "scenes is 'studio'; write a list of words"),
        ("scenes", ["studio", "studio"], "scenes names 'studio' twice"),
        ("attributes", ["product_type", "category"], "attributes names 'category', which every event has beside them"),
        ("attributes", ["product_type", " "], "attributes holds an empty name"),
        ("categories.New > Thing", "newthing", "categories.New > Thing is 'newthing'; write a list of words"),
        ("categories.New>Thing", ["newthing"], "categories names 'New>Thing'; a path is written 'Furniture > Chairs'"),
        ("not_applicable.size", "Furniture", "not_applicable.size is 'Furniture'; write a list of words"),
        ("synonyms.color.red", None, "synonyms.color.red is None; write a list of words"),
        ("synonyms.color.", ["xyz"], "synonyms.color has a value without a name"),
        ("hex", ["#ffffff"], r"hex is \['#ffffff'\]; write an object"),
    ],
)
def test_an_entry_of_another_form_is_named(tmp_path: Path, path: str, value: object, told: str) -> None:
    """Where a list is wanted a string would be read letter by letter, and a number for a label break every event."""
    found = shipped()
    *outer, last = path.split(".")
    place = found
    for name in outer:
        place = place[name]
    place[last] = value
    with pytest.raises(TaxonomyError, match=told):
        load_taxonomy(write(tmp_path, found))


def test_an_entry_that_stands_there_twice_is_refused(tmp_path: Path) -> None:
    """Of two lists of words for one value the first would be gone without a word."""
    text = json.dumps(shipped()).replace('"color": {"beige": [', '"color": {"beige": ["sandy"], "beige": [', 1)
    (tmp_path / "taxonomy.json").write_text(text, "utf-8")
    with pytest.raises(TaxonomyError, match=r"entry 'beige' stands there twice"):
        load_taxonomy(tmp_path / "taxonomy.json")
