"""What docs/taxonomy.md promises to whoever edits the taxonomy."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from model.extract import Extractor
from model.stand_in import StandInPredictor
from model.tagging import Tagging
from model.taxonomy import Taxonomy, load_taxonomy
from model.types import ListingInput, ListingTags
from schemas.listing import ListingCreated
from tests.deploy_files import ROOT
from worker.enrich import build_tag_line
from worker.item import Item, Record

FILE = ROOT / "model" / "taxonomy.json"
RELEASED = ROOT / "schemas" / "released" / "v1" / "listing.attributes.v1.schema.json"


def edited(folder: Path, edit: Callable[[dict[str, Any]], None]) -> Taxonomy:
    """The taxonomy after an edit."""
    found = json.loads(FILE.read_text(encoding="utf-8"))
    edit(found)
    path = folder / FILE.name
    path.write_text(json.dumps(found), encoding="utf-8")
    return load_taxonomy(path)


def tagged(taxonomy: Taxonomy, title: str) -> ListingTags:
    """What a listing with this title is said to be."""
    predictor = StandInPredictor(taxonomy=taxonomy)
    (prediction,) = predictor.predict([ListingInput(title)])
    said = Extractor(taxonomy).read(title, "", [])
    return Tagging(predictor.labels, taxonomy).resolve(prediction, said, title, was_read=False)


def test_a_new_attribute_is_answered_and_breaks_no_reader(tmp_path: Path) -> None:
    """Declared, it is in every event, abstained; and the released schema takes the event."""
    taxonomy = edited(tmp_path, lambda found: found["attributes"].append("finish"))
    tags = tagged(taxonomy, "a shirt")
    assert (tags.attributes["finish"].status, tags.attributes["finish"].values) == ("abstained", ())
    item = Item(Record(None, b"{}", (), None), ListingCreated(listing_id="one", title="a shirt"))
    line = build_tag_line(item, tags, [], [], StandInPredictor().info, now=datetime.now(UTC))
    Draft202012Validator(json.loads(RELEASED.read_text())).validate(line["attributes"])
    assert "finish" in line["attributes"]["attributes"]


def test_a_new_word_states_its_value(tmp_path: Path) -> None:
    """Before the edit the word says nothing; after it, the value is there with the title as evidence."""
    before = {value.value for value in tagged(load_taxonomy(), "aubergine thing").attributes["color"].values[:1]}
    taxonomy = edited(tmp_path, lambda found: found["synonyms"]["color"]["purple"].append("aubergine"))
    mentions = Extractor(taxonomy).extract("aubergine thing", "", [])
    assert [(one.attribute, one.value) for one in mentions] == [("color", "purple")]
    assert not Extractor(load_taxonomy()).extract("aubergine thing", "", [])
    assert tagged(taxonomy, "aubergine thing").attributes["color"].values[0].value == "purple"
    assert before != {"purple"}


def test_an_edit_changes_the_revision(tmp_path: Path) -> None:
    """Results before and after can be told apart."""
    taxonomy = edited(tmp_path, lambda found: found["ignored"]["color"].append("black forest"))
    assert taxonomy.revision != load_taxonomy().revision
    assert Extractor(taxonomy).revision != Extractor(load_taxonomy()).revision


def test_a_category_that_an_attribute_does_not_fit(tmp_path: Path) -> None:
    """Everything below the path is ruled out as well."""
    taxonomy = edited(tmp_path, lambda found: found["not_applicable"]["size"].append("Grocery"))
    below = next(path for path in taxonomy.categories if path.startswith("Grocery > "))
    assert not taxonomy.applies("size", below)
    assert load_taxonomy().applies("size", below)


def test_an_attribute_with_words_is_found_in_titles(tmp_path: Path) -> None:
    """Name and words in the file, and nothing else: accepted, with the words as evidence."""

    def declare(found: dict[str, Any]) -> None:
        found["attributes"].append("finish")
        found["synonyms"]["finish"] = {"glossy": ["glossy", "hochglanz"], "matte": ["matte", "matt"]}

    found = tagged(edited(tmp_path, declare), "Hochglanz shelf").attributes["finish"]
    assert (found.status, found.values[0].value, len(found.evidence)) == ("accepted", "glossy", 1)
