"""A team's own listings: read, trained on, measured, calibrated on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.errors import ModelError
from model.evaluate import evaluate
from model.extract import Extractor
from model.measuring.asked import Asked, features_of, measured_rows
from model.measuring.chosen_rows import choose_rows, rows_to_calibrate
from model.measuring.recalibrate import recalibrate
from model.measuring.report import figures_tables, write_report
from model.predictor import TorchPredictor, load_predictor
from model.runtime.engines import EngineChoice
from model.tagging import Tagging
from model.taxonomy import load_taxonomy
from model.train import TrainReport, train, vocabularies
from model.training.catalogue import MAX_FAULTS, load_catalogue
from model.training.dataset import Row
from model.training.features import Features
from model.types import ListingInput
from model.weights import load
from tests.unit.tiny_catalogue import COLORS, TYPES, own_file, picture, write_csv

pytestmark = pytest.mark.usefixtures("few_ranges")


@pytest.fixture(scope="module")
def own_trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainReport]:
    """The file of a team that knows types and colours, neither materials nor scenes; and a checkpoint of it."""
    folder = tmp_path_factory.mktemp("own")
    lines = []
    for index in range(78):
        kind, color = list(TYPES)[index % 3], list(COLORS)[index // 3 % 4]
        picture(kind, color, index).save(folder / f"{index}.jpg")
        title = f"{chr(97 + index % 26)}{chr(97 + index // 26)} {kind} of cotton, {color}"
        split = "test" if index >= 66 else "train"
        labels = {"product_type": kind, "color": color, "split": split, "family": str(index)}
        lines.append(json.dumps({"image": f"{index}.jpg", "title": title, **labels}))
    data = folder / "own.jsonl"
    data.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return data, train(data, folder / "out", epochs=12, cache=folder / "cache")


@pytest.fixture(scope="module")
def trained(own_trained: tuple[Path, TrainReport]) -> TrainReport:
    """That checkpoint."""
    return own_trained[1]


@pytest.fixture(scope="module")
def labelled(trained: TrainReport, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row], Features]:
    """Listings to calibrate on: their file, and what the checkpoint's towers see in them."""
    folder = tmp_path_factory.mktemp("labelled")
    data = own_file(folder / "own.jsonl", 240)
    rows = measured_rows(data)
    return data, rows, features_of(load(trained.folder), rows, "cpu", folder / "cache")


Labelled = tuple[Path, list[Row], Features]


def test_what_a_team_has_no_labels_of_is_not_answered(own_trained: tuple[Path, TrainReport]) -> None:
    """Training, figures and card do without it; a worker gives no value of it, whatever the title states."""
    data, done = own_trained
    assert done.figures["color"]["fused"]["rows"] == 12
    assert not {"material", "scene"} & set(done.figures)
    card = (done.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Never answered, as too few training rows are labelled with it: material, scene." in card
    assert card.startswith("# hangtag-own\n")
    assert "Listings of `own.jsonl` (SHA-256 " in card and "**12 titled test rows, fewer than 200" in card
    notice = (done.folder / "LICENSES" / "data.txt").read_text(encoding="utf-8")
    assert not any(told in card + notice for told in ("Amazon", "groceries", "fresh food", "73 %"))
    again = evaluate(done.folder, data, cache=data.parent / "cache", engine=("torch", "fp32"))
    assert again["color"]["fused"]["rows"] == 12
    predictor = load_predictor(str(done.folder), "cpu")
    assert (predictor.labels.values["material"], predictor.labels.values["scene"]) == ((), ())
    assert not {"material", "scene"} & set(predictor.labels.thresholds)
    title, pixels = "aa rug of cotton, red", np.asarray(picture("rug", "red", 1).resize((224, 224)))
    (prediction,) = predictor.predict([ListingInput(title, (pixels,))])
    assert prediction.association is not None and 0 <= prediction.association <= 1
    said = Extractor(load_taxonomy()).read(title, "", ())
    assert any(mention.attribute == "material" for mention in said.mentions)
    tags = Tagging(predictor.labels, load_taxonomy()).resolve(prediction, said, title, was_read=False)
    assert tags.attributes["color"].values[0].value == "red"
    for nothing in (tags.attributes["material"], tags.scene, *tags.image_scenes):
        assert (nothing.status, nothing.values) == ("abstained", ())


def test_types_that_the_taxonomy_places_nowhere_have_no_category(trained: TrainReport) -> None:
    """A team's own words are answered as they are; a category that a title states contradicts no picture."""
    found = load(trained.folder)
    names = tuple(f"our {name}" for name in found.vocabulary.values["product_type"])
    values = {**found.vocabulary.values, "product_type": names}
    own = replace(found, vocabulary=replace(found.vocabulary, values=values, published_types=names))
    predictor = TorchPredictor(own, torch.device("cpu"), {}, EngineChoice("torch", "fp32"))
    assert predictor.labels.values["category"] == ()
    title, pixels = "aa chair, red", np.asarray(picture("rug", "red", 1).resize((224, 224)))
    (prediction,) = predictor.predict([ListingInput(title, (pixels,))])
    said = Extractor(load_taxonomy()).read(title, "", ())
    tags = Tagging(predictor.labels, load_taxonomy()).resolve(prediction, said, title, was_read=False)
    assert (tags.category.status, tags.category.values, tags.category.consistency) == ("abstained", (), "text_only")


def own_rows(kinds: Sequence[str], titles: int) -> list[Row]:
    return [
        Row(Path(f"{index}.jpg"), "a thing" if index < titles else "", {"product_type": kind}, "train", "catalogue", "")
        for index, kind in enumerate(kinds)
    ]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (own_rows(["chair"] * 19 + ["rug"] * 12, 31), "no value has 20 training listings, the commonest has 19"),
        ([replace(row, labels={}) for row in own_rows(["chair"] * 30, 30)], "the commonest has 0; label more"),
        (own_rows(["chair"] * 30, 5), "5 training listings have a title; at least 20"),
    ],
)
def test_too_little_to_train_on_is_said_before_any_work(rows: list[Row], told: str) -> None:
    """How many there are, how many there must be, and what to do."""
    with pytest.raises(ModelError, match=told):
        vocabularies(rows)


def test_listings_of_one_family_train_nothing(tmp_path: Path) -> None:
    """Nothing of it could be asked about rows whose family was not seen: the field to mend is named."""
    path = own_file(tmp_path / "own.jsonl", 24)
    lines = [json.loads(line) | {"product_type": "chair", "family": "one"} for line in path.read_text().splitlines()]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    with pytest.raises(ModelError, match=r"parts that share no family and no picture.*field family"):
        train(path, tmp_path / "out", epochs=1, cache=tmp_path / "cache")


def test_own_listings_are_measured_by_what_is_labelled(trained: TrainReport, tmp_path: Path) -> None:
    """Only colours are known: only they have figures, and the tables can be shown."""
    found = evaluate(trained.folder, own_file(tmp_path / "own.jsonl", 40), cache=tmp_path)
    assert found["color"]["fused"]["rows"] == 40
    assert "product_type" not in found
    assert "| color |" in figures_tables(found)


def test_recalibration_learns_how_far_words_are_to_be_trusted(
    trained: TrainReport, labelled: Labelled, tmp_path: Path
) -> None:
    """Where every second title names a wrong colour, stated values count for less; the experts are the same files."""
    data, rows, features = labelled
    before = evaluate(trained.folder, data, cache=data.parent / "cache")["color"]["fused"]["accuracy"]
    checkpoint = load(trained.folder)
    done = recalibrate(trained.folder, checkpoint, features, rows, tmp_path / "new")
    after = evaluate(done.folder, data, cache=data.parent / "cache")["color"]["fused"]["accuracy"]
    assert done.attributes == ("color",)
    was, now = (load(one).vocabulary.pools["color"].stated["fused"].stated for one in (trained.folder, done.folder))
    assert now < was / 2, (was, now)
    assert after >= before > 0.9, "pictures decide"
    assert (done.folder / "heads.safetensors").read_bytes() == (trained.folder / "heads.safetensors").read_bytes()
    with pytest.raises(ModelError, match="exists; name a new folder"):
        recalibrate(trained.folder, checkpoint, features, rows, tmp_path / "new")
    assert all(change.attribute == "color" and not change.is_kept for change in done.changes)
    card = (done.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.startswith((trained.folder / "MODEL_CARD.md").read_text(encoding="utf-8"))
    assert "| color | yes | 240 |" in card.split("## Calibrated anew")[1]


def test_pools_that_are_fitted_anew_change_what_follows_from_them(
    trained: TrainReport, labelled: Labelled, tmp_path: Path
) -> None:
    """What counts as a conflict, and whether picture and title belong together, are measured by the new pools."""
    _, rows, features = labelled
    before = load(trained.folder)
    recalibrate(trained.folder, before, features, rows, tmp_path / "new")
    old, new = before.vocabulary, load(tmp_path / "new").vocabulary
    assert new.doubts["color"] != old.doubts["color"]
    assert new.doubts["product_type"] == old.doubts["product_type"]
    assert new.association != old.association
    every = np.arange(len(rows))
    with torch.inference_mode():
        stale, fresh = (
            Asked(before.fusion, replace(new, association=weights), features, rows).association(every)["auroc_random"]
            for weights in (old.association, new.association)
        )
    assert fresh >= stale


def test_labels_in_a_teams_own_words_calibrate_nothing(
    trained: TrainReport, labelled: Labelled, tmp_path: Path
) -> None:
    """They are named; colours keep the outcomes that their thresholds are bought with."""
    _, rows, features = labelled
    before = load(trained.folder)
    strange = [replace(row, labels={"color": f"our {row.labels['color']}"}) for row in rows]
    with pytest.raises(ModelError, match=r"color of 240 listings is none of the checkpoint's values \('our .*, …"):
        recalibrate(trained.folder, before, features, strange, tmp_path / "none")
    assert not (tmp_path / "none").exists()
    known = [replace(row, labels={**row.labels, "product_type": "chair"}) for row in strange]
    done = recalibrate(trained.folder, before, features, known, tmp_path / "new")
    assert done.attributes == ("product_type", "category")
    assert done.rows == {"product_type": 240, "category": 240}
    assert len(done.notes) == 1 and "color of 240 listings" in done.notes[0]
    after = load(done.folder)
    assert after.outcomes["color"].keys() == before.outcomes["color"].keys()
    assert after.vocabulary.pools["color"] == before.vocabulary.pools["color"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON"),
        ('{"image": "a.jpg", "colour": "red"}', "line 2: unknown field 'colour'; the fields are color, family"),
        ('{"image": "none.jpg"}', "line 2: image 'none.jpg' is no file"),
        ('{"image": "own0.jpg", "split": "val"}', "line 2: split 'val' is none; write train or test"),
        ('{"image": 3}', "line 2: field 'image' is a number; write one string, or null"),
        ('["own0.jpg"]', "line 2: a list; write one JSON object per line"),
        ("[" * 100_000, "line 2: not JSON of a listing: nested too deep"),
        ('{"image": "../own/own0.jpg"}', "line 2: image '../own/own0.jpg' leads out of the folder"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    """The file's name, the line and what is wrong with it."""
    path = own_file(tmp_path / "own.jsonl", 1)
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        load_catalogue(path)


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    """Each with its line, a column once, and no more than a person reads."""
    path = own_file(tmp_path / "own.jsonl", 1)
    bad = ["{", '{"image": "own0.jpg", "colour": "red"}'] + ['{"image": "none.jpg", "colour": "red"}'] * 30
    path.write_text("\n".join(bad) + "\n", encoding="utf-8")
    with pytest.raises(ModelError) as raised:
        load_catalogue(path)
    told = str(raised.value).splitlines()
    assert len(told) == MAX_FAULTS + 1 and told[-1] == "… and more"
    assert ["line 1: not JSON" in told[0], "'colour'" in told[1], "line 3: image" in told[2]] == [True] * 3


@pytest.mark.parametrize("how", ["commas", "semicolons and a mark", "tabs", "null and an id"])
def test_all_spellings_of_a_catalogue_say_the_same(tmp_path: Path, how: str) -> None:
    """As a spreadsheet or a program writes them; titles of blanks are none."""
    path = own_file(tmp_path / "own.jsonl", 6)
    lines = [{**json.loads(line), "scene": ""} for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [{**line, "title": line["title"].replace(",", "")} for line in lines]
    lines[2]["title"] = "  "
    other = tmp_path / {"tabs": "own.tsv", "null and an id": "own2.jsonl"}.get(how, "own.CSV")
    if other.suffix == ".jsonl":
        other.write_text("\n".join(json.dumps({**line, "id": 7, "scene": None}) for line in lines), encoding="utf-8")
    else:
        write_csv(other, lines)
        apart = {"commas": ",", "tabs": "\t"}.get(how, ";")
        told = other.read_text(encoding="utf-8").replace(",", apart)
        other.write_text(told, encoding="utf-8-sig" if "mark" in how else "utf-8")
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    found = load_catalogue(other)
    assert found == load_catalogue(path)
    assert [row.title for row in found].count("") == 1


def test_what_is_not_utf_8_is_named_with_the_remedy(tmp_path: Path) -> None:
    """The line and the byte, or the encoding where it says so itself."""
    path = tmp_path / "own.csv"
    path.write_bytes("image,title\na.jpg,Stuhl grün\n".encode("latin-1"))
    with pytest.raises(ModelError, match=r"own.csv, line 2: byte 0xfc is no UTF-8; save the file as UTF-8"):
        load_catalogue(path)
    path.write_text("image,title\n", encoding="utf-16")
    with pytest.raises(ModelError, match=r"UTF-16; save it as UTF-8"):
        load_catalogue(path)


def test_lines_of_cells_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    """A title of three lines moves the next listing on."""
    path = tmp_path / "own.csv"
    picture("chair", "red", 0).save(tmp_path / "a.jpg")
    path.write_text('image,title\na.jpg,"one\ntwo\nthree"\nnone.jpg,x\n', encoding="utf-8")
    with pytest.raises(ModelError, match=r"line 5: image 'none.jpg' is no file"):
        load_catalogue(path)


def test_variants_stay_on_one_side(tmp_path: Path) -> None:
    """A family on both is refused; a row that says no side stands with its family."""
    path = own_file(tmp_path / "own.jsonl", 3)
    rows = [json.loads(line) | {"family": "one"} for line in path.read_text(encoding="utf-8").splitlines()]
    rows[0]["split"] = "test"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert [row.split for row in load_catalogue(path)] == ["test"] * 3
    rows[2]["split"] = "train"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with pytest.raises(ModelError, match=r"line 3: family 'one' is train here and test in line 1"):
        load_catalogue(path)


def test_listings_that_stand_there_twice_are_told(tmp_path: Path) -> None:
    """With the same labels, and with others."""
    path = own_file(tmp_path / "own.jsonl", 2)
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines, lines[0], lines[1].replace('"blue"', '"red"')]), encoding="utf-8")
    told: list[str] = []
    assert len(load_catalogue(path, warn=told.append)) == 4
    assert ["count twice: line 3" in told[0], "other labels the second time: line 4" in told[1]] == [True, True]


def test_rows_that_a_checkpoint_was_trained_on_are_left_out(
    own_trained: tuple[Path, TrainReport], tmp_path: Path
) -> None:
    """Where the file says no split, the training that was is remembered: what stays is what its card measured. What
    was left out is said; ``--all-rows`` measures it all the same; to calibrate only rows that are neither are taken.
    """
    data, done = own_trained
    own = data.parent / "no_split.jsonl"
    lines = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
    own.write_text("\n".join(json.dumps({k: v for k, v in one.items() if k != "split"}) for one in lines), "utf-8")
    told: list[str] = []
    found = evaluate(done.folder, own, cache=data.parent / "cache", warn=told.append)
    asked = ("color", "product_type", "experts", "association", "details", "rows")
    assert {key: found[key] for key in asked} == {key: done.figures[key] for key in asked}
    assert any("12 of 78 rows; left out 66: the checkpoint was trained on them" in line for line in told)
    assert len(choose_rows(own, done.folder, all_rows=True).rows) == 78
    assert len(choose_rows(data, done.folder).rows) == 12
    assert len(rows_to_calibrate(own, done.folder)) == 12
    with pytest.raises(ModelError, match=r"12 are kept for the test"):
        rows_to_calibrate(data, done.folder)
    own.write_text("\n".join(map(json.dumps, lines[:66])), encoding="utf-8")
    with pytest.raises(ModelError, match=r"0 of 66 rows; left out 66: split says train; .*--all-rows"):
        evaluate(done.folder, own, cache=data.parent / "cache")


def test_labels_that_are_no_values_are_counted_and_shown(trained: TrainReport, tmp_path: Path) -> None:
    """In the figures, in the report and on the way, with the value that was meant."""
    data = own_file(tmp_path / "own.jsonl", 40)
    data.write_text(data.read_text(encoding="utf-8").replace('"color": "red"', '"color": "Red"'), encoding="utf-8")
    told: list[str] = []
    found = evaluate(trained.folder, data, cache=tmp_path, targets={"color": 0.8}, warn=told.append)
    labels = {"labelled": 40, "measured": 30, "no_value": 10, "examples": [["Red", 10, "red"]]}
    assert found["measured"]["labels"] == {"color": labels}
    assert found["color"]["fused"]["rows"] == 30
    assert found["color"]["fused"]["target"] == 0.8
    assert any("10 of 40 labels are no value" in line and "'Red' (10, nearest: red)" in line for line in told)
    write_report(tmp_path / "report", found, "mine")
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    for shown in ("figures on 40 rows of own.jsonl", found["measured"]["digest"], "0.8 color", "nearest: red"):
        assert shown in page


def test_listings_without_a_title_are_measured_by_their_pictures(trained: TrainReport, tmp_path: Path) -> None:
    """Beside those that have one; where nothing is labelled, that is said."""
    data = own_file(tmp_path / "own.jsonl", 40)
    lines = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
    untitled = [{**line, "title": " " if index < 30 else line["title"]} for index, line in enumerate(lines)]
    data.write_text("\n".join(map(json.dumps, untitled)), encoding="utf-8")
    found = evaluate(trained.folder, data, cache=tmp_path)
    assert found["untitled"]["color"]["image"]["rows"] == 30
    assert found["color"]["fused"]["rows"] == 10
    assert "| color, rows without a title | picture | 30 |" in figures_tables(found)
    data.write_text("\n".join(json.dumps({"image": line["image"]}) for line in lines), encoding="utf-8")
    told: list[str] = []
    assert "untitled" not in evaluate(trained.folder, data, cache=tmp_path, warn=told.append)
    assert "so nothing is measured; label product_type, color" in told[-1]
