"""Words of further languages, each in a file beside the taxonomy's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from model.extract import Extractor
from model.taxonomy import load_taxonomy
from model.taxonomy_shape import TaxonomyError

FILE = Path(__file__).parents[2] / "model" / "taxonomy.json"
GERMAN_SWISS: dict[str, Any] = {
    "synonyms": {"product_type": {"sofa": ["kanapee"], "bed": ["bettstatt"]}, "color": {"red": ["krebsrotes"]}},
    "languages": {"markers": ["chuchichäschtli"], "only": {"product_type": ["bettstatt"]}},
}


def taxonomy_with(folder: Path, **words: object) -> Path:
    """The shipped taxonomy beside these languages alone."""
    shutil.copy(FILE, folder / "taxonomy.json")
    (folder / "words").mkdir()
    for language, own in words.items():
        text = own if isinstance(own, str) else json.dumps(own, ensure_ascii=False)
        (folder / "words" / f"{language}.json").write_text(text, encoding="utf-8")
    return folder / "taxonomy.json"


def types(extractor: Extractor, title: str, language: str | None = None) -> list[str]:
    return [one.value for one in extractor.extract(title, "", (), language) if one.attribute == "product_type"]


def test_a_file_adds_a_language_and_taking_it_away_takes_it_away(tmp_path: Path) -> None:
    """Words, and revisions that tell results before and after apart."""
    path = taxonomy_with(tmp_path, gsw=GERMAN_SWISS)
    with_it = load_taxonomy(path)
    assert types(Extractor(with_it), "Kanapee") == ["sofa"]
    (tmp_path / "words" / "gsw.json").unlink()
    without = load_taxonomy(path)
    assert types(Extractor(without), "Kanapee") == []
    assert with_it.revision != without.revision


def test_a_word_of_its_language_alone_counts_where_that_is_named_or_seen(tmp_path: Path) -> None:
    """By the listing's language, or by a marker in the title."""
    extractor = Extractor(load_taxonomy(taxonomy_with(tmp_path, gsw=GERMAN_SWISS)))
    assert types(extractor, "Bettstatt") == []
    assert types(extractor, "Bettstatt", "gsw-CH") == ["bed"]
    assert types(extractor, "Bettstatt mit Chuchichäschtli") == ["bed"]


@pytest.mark.parametrize("code", ["sr", "nb", "ms"])
def test_a_language_that_reads_anothers_words_may_have_its_own_as_well(tmp_path: Path, code: str) -> None:
    """A file of that name counts for listings of that code, beside the other language's."""
    extractor = Extractor(load_taxonomy(taxonomy_with(tmp_path, **{code: GERMAN_SWISS})))
    assert types(extractor, "Bettstatt", code) == ["bed"]


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ("{", "words/xx.json is no JSON"),
        ("[" * 100_000, "words/xx.json is no JSON that can be read: maximum recursion"),
        ("[]", "words/xx.json holds no object"),
        ({"prompts": {}}, "words/xx.json: unknown entry 'prompts'; it takes synonyms, ignored"),
        ({"languages": []}, "words/xx.json: languages takes 'markers', a list, and 'only'"),
        ({"languages": {"marker": []}}, "words/xx.json: languages takes 'markers'"),
        (
            {"synonyms": {"color": {"red": ["ROUGH"]}}},
            "words/xx.json: synonyms.color.red: 'ROUGH' must be in lower case",
        ),
        ({"synonyms": {"color": {"red": ["a  b"]}}}, "words/xx.json: synonyms.color.red: 'a  b' would never be found"),
        ({"synonyms": {"color": {"red": ["a "]}}}, "words/xx.json: synonyms.color.red: 'a ' holds no word, or spaces"),
        ({"synonyms": {"color": {"red": ["椅%"]}}}, "would never be found"),
        ({"synonyms": {"color": {"red": ["a & & b"]}}}, "synonyms.color.red: 'a & & b' would never be found"),
        ({"synonyms": {"color": {"red": ["ab", "& b"]}}}, "synonyms.color.red: '& b' would never be found"),
        ({"synonyms": {"color": {"red": ["a&", "bc"]}}}, "synonyms.color.red: 'a&' would never be found"),
        ({"synonyms": {"color": {"red": "rot"}}}, "words/xx.json: synonyms.color.red is 'rot'; write a list"),
        ({"synonyms": {"color": {"red": ["rot", 1]}}}, "color.red holds 1; write words in quotes"),
        ({"synonyms": {"color": {"red": ["rood\nroda"]}}}, "would never be found"),
        ({"synonyms": {"color": {"redd": ["rood"]}}}, "xx.json: synonyms.color names 'redd', which is no value"),
        ({"synonyms": {"size": {"M": ["middels"]}}}, "words/xx.json: synonyms.size names 'M', which is no value in"),
        (
            {"languages": {"markers": ["og"], "only": {"color": {"red": ["rot"]}}}},
            "words/xx.json: languages.only.color.xx is {'red': .'rot'.}; write a list of words",
        ),
        ({"compounds": {"color": {"ends": {"red": ["ый"]}}}}, "words/xx.json: .*'ый' has 2 letters, and at least 3"),
        ({"context": {"befor": {}}}, "words/xx.json: context has 'befor'"),
        ({"synonyms": {"color": []}}, "words/xx.json: .*compare with another language's file"),
        ({"synonyms": {"color": {"red": ["blue"]}}}, "color: 'blue' stands for 'blue' and 'red'; keep one"),
        ({"synonyms": {"colour": {"red": ["blå"]}}}, "synonyms names 'colour', which is not in attributes"),
        ({"synonyms": {"product_type": {"sofaa": ["soffa"]}}}, "names 'sofaa', which is in no category"),
        ({"ignored": {"color": ["blue"]}}, "ignored.color: 'blue' hides the synonym 'blue'"),
        ({"languages": {"markers": [], "only": {"color": ["blue"]}}}, "names 'xx', which has no markers"),
    ],
)
def test_a_mistake_is_named_with_its_file_or_entry(tmp_path: Path, own: object, told: str) -> None:
    """And with what to do; no word of it is used."""
    with pytest.raises(TaxonomyError, match=told):
        load_taxonomy(taxonomy_with(tmp_path, xx=own))


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    """A folder named as a language's file would be passed over, and its words be missed."""
    path = taxonomy_with(tmp_path)
    (tmp_path / "words" / "xx.json").mkdir()
    with pytest.raises(TaxonomyError, match=r"xx.json cannot be read: Is a directory; it must be a file"):
        load_taxonomy(path)


def test_two_languages_that_disagree_are_told(tmp_path: Path) -> None:
    """A word states one value, whatever the language."""
    path = taxonomy_with(
        tmp_path,
        aa={"synonyms": {"product_type": {"chair": ["stol"]}}},
        bb={"synonyms": {"product_type": {"table": ["stol"]}}},
    )
    told = "^words/aa.json and words/bb.json: product_type: 'stol' stands for 'chair' and 'table'; keep one"
    with pytest.raises(TaxonomyError, match=told):
        load_taxonomy(path)


def test_a_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    """With what to do."""
    path = taxonomy_with(tmp_path, xx=GERMAN_SWISS)
    (tmp_path / "words" / "xx.json").write_bytes('{"synonyms": {"color": {"red": ["röd"]}}}'.encode("latin-1"))
    with pytest.raises(TaxonomyError, match=r"words/xx.json is not in UTF-8: .*; save it as UTF-8"):
        load_taxonomy(path)


@pytest.mark.parametrize("name", [".gsw.json", "._gsw.json", ".#gsw.json", "gsw.json~", ".gsw.json.swp", "#gsw.json#"])
def test_what_editors_leave_beside_a_file_is_not_read(tmp_path: Path, name: str) -> None:
    """Nor the empty folder that is left when a language is taken away."""
    path = taxonomy_with(tmp_path)
    revision = load_taxonomy(path).revision
    (tmp_path / "words" / name).write_text("no JSON", encoding="utf-8")
    assert load_taxonomy(path).revision == revision


def test_words_are_found_however_sellers_write_them(tmp_path: Path) -> None:
    """Folded on both sides: the file has what people write, titles what they write in haste."""
    own = {
        "synonyms": {"product_type": {"sofa": ["καναπές"], "dress": ["ışıklı", "о’платье"]}, "color": {"red": ["чёрт"]}}
    }
    extractor = Extractor(load_taxonomy(taxonomy_with(tmp_path, xx=own)))
    assert [types(extractor, title) for title in ("ΚΑΝΑΠΕΣ", "IŞIKLI", "О'ПЛАТЬЕ")] == [["sofa"], ["dress"], ["dress"]]
    assert [one.value for one in extractor.extract("черт", "", ()) if one.attribute == "color"] == ["red"]
