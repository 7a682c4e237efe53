"""The whole of training and measuring, on a catalogue small enough for a test."""

from __future__ import annotations

import shutil
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.errors import ModelError
from model.evaluate import evaluate
from model.fusions.registry import FUSIONS
from model.measuring.ablation import ablate
from model.measuring.ablation_figures import ablation_tables
from model.measuring.held_out import held_out_tables, hold_out, scenes_of_two_sources
from model.measuring.precision import learn_int8_of
from model.measuring.report import figures_tables, write_report
from model.predictor import load_predictor
from model.runtime.quantise import FILE
from model.train import TrainReport, train
from model.training.dataset import Row, Source, load_rows
from model.training.preset import load_preset
from model.types import ListingInput
from model.weights import load, seal, verify
from tests.unit.tiny_catalogue import listings, picture, write_csv

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("few_ranges")]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder's layout is that of the real data."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("abo/images", "clothing", "grocery/train/Fruit"):
        (folder / name).mkdir(parents=True)
    rows = list(listings(folder / "abo/images"))
    write_csv(folder / "abo/listings.csv", rows)
    shown = ["indoor" if index % 4 == 1 else "studio_white" for index in range(len(rows))]
    scenes = [{"image": row["image"], "scene": one, "how": ""} for row, one in zip(rows, shown, strict=True)]
    write_csv(folder / "abo/scene.csv", scenes)
    photos = [("clothing", f"{index}.jpg") for index in range(12)] + [
        ("grocery", f"train/Fruit/{i}.jpg") for i in range(12)
    ]
    for number, (source, name) in enumerate(photos):
        noise = np.random.default_rng(number).integers(0, 255, (64, 64, 3), np.uint8)
        Image.fromarray(noise).save(folder / source / name)
    clothes = [{"image": f"{i}.jpg", "label": "dress", "split": "train" if i < 9 else "validation"} for i in range(12)]
    fruit = [
        {
            "image": f"train/Fruit/{i}.jpg",
            "label": f"Apple-{i // 3}",
            "coarse_label": "Apple",
            "split": "train",
            "description": "",
        }
        for i in range(12)
    ]
    write_csv(folder / "clothing.csv", clothes)
    write_csv(folder / "grocery.csv", fruit)
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainReport:
    """A checkpoint of that catalogue."""
    folder = tmp_path_factory.mktemp("trained")
    return train(data, folder / "one", epochs=4, cache=folder / "cache")


def test_a_trained_checkpoint_knows_its_catalogue(trained: TrainReport) -> None:
    """Types and colours of held-out listings, by picture and title; figures say on how many rows."""
    for name in ("product_type", "color"):
        assert trained.figures[name]["fused"]["rows"] == 24
        assert trained.figures[name]["fused"]["accuracy"] > 0.95
    assert trained.figures["association"]["auroc_random"] > 0.8  # one stranger in twelve looks the same
    assert "| color |" in figures_tables(trained.figures)


def test_evaluate_prints_what_train_found(data: Path, trained: TrainReport) -> None:
    """Read back from its folder, in fp16 as it ships, the checkpoint has the very figures of its card."""
    again = evaluate(trained.folder, data, cache=trained.folder.parent / "cache")
    assert again.pop("measured")["rows"] == sum(row.split == "test" for row in load_rows(data))
    assert again == trained.figures


def test_the_report_is_a_page_with_curves_and_errors(trained: TrainReport, tmp_path: Path) -> None:
    """Three files; words of listings are escaped."""
    figures = {**trained.figures, "details": {"color": {**trained.figures["details"]["color"]}}}
    figures["details"]["color"]["errors"] = [["<script>x</script>", "red", "blue", 0.9]]
    write_report(tmp_path, figures, "mine")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 2
    assert "<script>" not in page
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "report.md", "report.html"}


def test_an_expert_that_answers_one_attribute_alone_has_a_column(trained: TrainReport) -> None:
    """As the one on the image tower's classes, which knows no colours."""
    figures = deepcopy(trained.figures)
    figures["experts"]["accuracy"]["product_type"]["classes"] = 0.512
    rows = [[cell.strip() for cell in line.split("|")] for line in figures_tables(figures).splitlines()]
    header = next(row for row in rows if "classes" in row)
    said = {row[1]: row[header.index("classes")] for row in rows if len(row) == len(header)}
    assert (said["product_type"], said["color"]) == ("0.512", "–")


def test_a_checkpoint_remembers_what_it_was_trained_on(data: Path, trained: TrainReport) -> None:
    """Each training row of which an answer is known, photos too."""
    answered = {"product_type", "color", "material"}
    known = [row for row in load_rows(data) if row.split == "train" and answered & set(row.labels)]
    loaded = load(trained.folder)
    assert loaded.config.memory_rows == len(known)
    assert "memory" in loaded.fusion.experts("color")


def test_same_seed_same_checkpoint_also_of_a_killed_run_that_goes_on_where_it_was(
    data: Path, trained: TrainReport
) -> None:
    """Killed in its second fold and started again, training fits two folds of three; killed when what is fitted is
    measured, none. So every part is fitted a second time, and the checkpoint is the same byte for byte: digests of all
    files are equal, and nothing unfinished is left.
    """
    out, cache = trained.folder.parent / "killed", trained.folder.parent / "cache"

    def dies(line: str) -> None:
        if line == "fold 2 of 3":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(data, out, epochs=4, cache=cache, log=dies)
    lines: list[str] = []

    def dies_late(line: str) -> None:
        lines.append(line)
        if line.startswith("int8: "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(data, out, epochs=4, cache=cache, log=dies_late)
    assert [line for line in lines if line.startswith("fold ")] == ["fold 2 of 3", "fold 3 of 3"]
    lines.clear()
    again = train(data, out, epochs=4, cache=cache, log=lines.append)
    assert [line for line in lines if line.startswith("fold ")] == []
    assert (again.folder / "digests.json").read_bytes() == (trained.folder / "digests.json").read_bytes()


def test_every_fusion_is_trained_stopped_early_and_served(data: Path, trained: TrainReport) -> None:
    """One checkpoint with all of them: the pool takes what experts there are, regions and tokens included, and training
    stops by what is held out of the training rows.
    """
    lines: list[str] = []
    steps: list[tuple[int, int]] = []
    preset = replace(load_preset("all"), epochs=4, patience=1)
    done = train(
        data,
        trained.folder.parent / "all",
        preset=preset,
        cache=trained.folder.parent / "cache",
        log=lines.append,
        progress=lambda now, total, _: steps.append((now, total)),
    )
    assert any("held-out loss is least after" in line for line in lines)
    assert steps[-1][0] == steps[-1][1]
    experts = done.figures["experts"]["accuracy"]["color"]
    assert set(FUSIONS) < set(experts)
    assert done.figures["color"]["fused"]["accuracy"] > 0.9
    predictor = load_predictor(str(done.folder), "cpu")
    pixels = np.asarray(picture("rug", "red", 1).resize((224, 224)))
    known, unseen, untitled = predictor.predict(
        [
            ListingInput("maker 3 rug model 3, red", (pixels,)),
            ListingInput("maker 3 rug model 3, red", ()),
            ListingInput("", (pixels, pixels)),
        ]
    )
    colors = predictor.labels.values["color"]
    for one in (known, unseen, untitled):
        assert colors[int(one.attributes["color"].fused.argmax())] == "red"


def test_an_ablation_compares_every_fusion_with_the_single_sides(data: Path, trained: TrainReport) -> None:
    """From the cached features, with two seeds: rows, intervals and paired gains stand beside every figure."""
    found = ablate(data, num_seeds=2, epochs=3, cache=trained.folder.parent / "cache", checkpoint=trained.folder)
    lines = {(one["who"], one["title"]): one for one in found["figures"]["color"]}
    for name in FUSIONS:
        for how in ("in the pool", "alone"):
            one = lines[f"{name}, {how}", "as it is"]
            assert (one["rows"], len(one["by_seed"])) == (24, 2)
            assert one["interval_95"][0] <= one["accuracy"] <= one["interval_95"][1]
            assert one["gain_95"][0] <= one["gain"] <= one["gain_95"][1]
        assert (f"{name}, alone, picture missing", "as it is") in lines
        assert (f"{name}, alone, title missing", "missing") in lines
    assert lines["title only", "masked"]["accuracy"] < lines["title only", "as it is"]["accuracy"]
    assert lines["stacking, no joint expert", "as it is"]["over"] in ("picture only", "title only")
    table = ablation_tables(found)
    assert "| gated, in the pool | masked | 24 |" in table
    assert "## product_type" in table


def test_brands_left_out_stand_beside_the_same_rows_with_their_families_left_out(
    data: Path, trained: TrainReport
) -> None:
    """The tiny catalogue has one brand, and photos of clothes indoors, where some listings are as well."""
    found = hold_out(data, epochs=3, cache=trained.folder.parent / "cache", checkpoint=trained.folder)
    color = found["families"]["color"]["fused"]
    assert color["interval_95"][0] <= color["accuracy"] <= color["interval_95"][1]
    (maker,) = found["brands"]
    assert (maker["brand"], maker["families"]["color"]["fused"]["rows"]) == ("maker", 96)
    assert maker["without"]["color"]["fused"]["rows"] == 96
    page = held_out_tables(found)
    assert f"| every family, a third at a time | its families | {color['rows']} |" in page
    assert "| maker | the brand | 96 |" in page
    scenes = [(one["source"], one["scene"], one["rows"]) for one in found["scenes"]]
    assert scenes == [("abo", "indoor", 24), ("clothing", "indoor", 9)]
    assert "| clothing | indoor | 9 |" in page
    assert "of a fit of 3 passes and then" in page


def test_a_scene_with_too_few_rows_to_be_taught_is_not_asked_for(tmp_path: Path) -> None:
    """Two sources may show it: no head has an output for it."""
    sources: tuple[Source, ...] = ("abo", "clothing")
    rows = [
        Row(tmp_path, "", {"scene": one}, "train", source, "") for source in sources for one in ("studio", "indoor")
    ]
    every = np.ones(4, np.bool_)
    asked = [(source, scene) for source, scene, *_ in scenes_of_two_sources(rows, every, ("studio",))]
    assert asked == [("abo", "studio"), ("clothing", "studio")]


def test_a_trained_checkpoint_serves(trained: TrainReport) -> None:
    """A listing of its catalogue, and one in a language it never saw: then only the picture counts."""
    predictor = load_predictor(str(trained.folder), "cpu")
    pixels = np.asarray(picture("rug", "red", 1).resize((224, 224)))
    known, foreign = predictor.predict(
        [ListingInput("maker 3 rug model 3, red", (pixels,)), ListingInput("红色地毯", (pixels,))]
    )
    colors = predictor.labels.values["color"]
    assert colors[int(known.attributes["color"].fused.argmax())] == "red"
    assert known.association is not None
    assert foreign.attributes["color"].text is None
    assert foreign.association is None
    assert foreign.title_vector is not None


def test_other_towers_are_trained_on_by_the_same_command(data: Path, trained: TrainReport) -> None:
    """A timm model and an LSTM of the catalogue's own titles: measured, served, and named in the card. Of more listings
    than the memory has room for it remembers so many.
    """
    usual = load_preset("gated")
    found = train(
        data,
        trained.folder.parent / "other",
        preset=replace(usual, model=replace(usual.model, memory_rows=10)),
        epochs=4,
        cache=trained.folder.parent / "cache",
        image_tower="timm:test_vit=random,fit=letterbox,side=64",
        text_tower="lstm,dim=64,epochs=4",
    )
    assert found.figures["product_type"]["fused"]["accuracy"] > 0.9
    card = (found.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "| image tower | timm, random, frozen, 64 pixels, letterbox |" in card
    assert "| text tower | lstm, 96 training titles" in card
    predictor = load_predictor(str(found.folder), "cpu")
    assert (predictor.info.image_side, predictor.info.text_dim) == (64, 64)
    assert load(found.folder).config.memory_rows == 10
    pixels = np.asarray(picture("rug", "red", 1).resize((64, 64)))
    (known,) = predictor.predict([ListingInput("maker 3 rug model 3, red", (pixels,))])
    types = predictor.labels.values["product_type"]
    assert types[int(known.attributes["product_type"].fused.argmax())] == "rug"


def test_training_measures_int8(data: Path, trained: TrainReport, tmp_path: Path) -> None:
    """A checkpoint knows its ranges and what they change; one that lacks them gets the same later, measured
    anew, and is whole.
    """
    first = load(trained.folder).quantisation
    assert first is not None and {"category fused", "color image"} <= set(first.changes)
    older = tmp_path / "older"
    shutil.copytree(trained.folder, older)
    (older / FILE).unlink()
    seal(older)
    assert load(older).quantisation is None
    learn_int8_of(older, data, tmp_path / "empty", lambda _: None)
    again = load(older).quantisation
    assert again is not None and again.changes == first.changes
    assert verify(older) == verify(trained.folder)


def test_an_engine_is_measured_against_torch(data: Path, trained: TrainReport) -> None:
    """Torch changes nothing against itself, and every attribute is named."""
    cache = trained.folder.parent / "cache"
    figures = evaluate(trained.folder, data, cache=cache, engine=("torch", "fp32"))
    assert figures["engine"]["name"] == "torch fp32"
    assert set(figures["engine"]["points_changed"]) >= {"category fused", "color image", "scene image"}
    assert set(figures["engine"]["points_changed"].values()) == {0.0}
    assert "Points of accuracy changed" in figures_tables(figures)


def test_missing_data_is_named(tmp_path: Path) -> None:
    """The message says which file and which option."""
    with pytest.raises(ModelError, match=r"abo/listings.csv is missing; --data"):
        train(tmp_path, tmp_path / "out")
