"""The whole of training and measuring, on a catalogue small enough for a test."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.ablation import ablate
from model.ablation_figures import ablation_tables
from model.catalogue import load_catalogue
from model.errors import ModelError
from model.evaluate import evaluate, features_of, measured_rows
from model.fusions.registry import FUSIONS
from model.held_out import held_out_tables, hold_out
from model.precision import learn_int8_of
from model.predictor import load_predictor
from model.preset import load_preset
from model.quantise import FILE
from model.recalibrate import recalibrate
from model.report import figures_tables, write_report
from model.train import TrainReport, train
from model.types import ListingInput
from model.weights import load, seal, verify

TYPES = {"chair": (8, 90), "rug": (90, 30), "shoes": (40, 40)}  # height and width of what is shown
COLORS = {"red": (190, 30, 30), "blue": (30, 50, 180), "black": (15, 15, 15), "green": (30, 140, 50)}


def picture(kind: str, color: str, seed: int) -> Image.Image:
    """A rectangle on white; its form tells the type."""
    pixels = np.full((96, 96, 3), 255, np.uint8)
    height, width = TYPES[kind]
    noise = np.random.default_rng(seed).normal(0, 6, (height, width, 3))
    pixels[2 : 2 + height, 3 : 3 + width] = np.clip(np.array(COLORS[color]) + noise, 0, 255)
    return Image.fromarray(pixels)


def write_csv(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def listings(folder: Path) -> Iterator[Mapping[str, str]]:
    for index in range(120):
        kind, color = list(TYPES)[index % 3], list(COLORS)[index // 3 % 4]
        picture(kind, color, index).save(folder / f"{index}.jpg")
        yield {
            "image": f"{index}.jpg",
            "title": f"maker {index // 12} {kind} model {index // 12}, {color}",
            "product_type": kind,
            "color_raw": color,
            "color": color,
            "material_from_title": "wood" if kind == "chair" else "cotton",
            "size_from_title": "",
            "split": "val" if index % 5 == 0 else "train",
        }


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder's layout is that of the real data."""
    folder = tmp_path_factory.mktemp("data")
    for name in ("abo/images", "clothing", "grocery/train/Fruit"):
        (folder / name).mkdir(parents=True)
    rows = list(listings(folder / "abo/images"))
    write_csv(folder / "abo/listings.csv", rows)
    write_csv(folder / "abo/scene.csv", [{"image": row["image"], "scene": "studio_white", "how": ""} for row in rows])
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


def test_same_seed_same_checkpoint(data: Path, trained: TrainReport) -> None:
    """Byte for byte: digests of all files are equal."""
    again = train(data, trained.folder.parent / "two", epochs=4, cache=trained.folder.parent / "cache")
    assert (again.folder / "digests.json").read_bytes() == (trained.folder / "digests.json").read_bytes()


def test_a_killed_run_goes_on_where_it_was(data: Path, trained: TrainReport) -> None:
    """Killed in its second fold and started again, training fits two folds of three and ends in the same checkpoint."""
    out, cache = trained.folder.parent / "killed", trained.folder.parent / "cache"

    def dies(line: str) -> None:
        if line == "fold 2 of 3":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(data, out, epochs=4, cache=cache, log=dies)
    lines: list[str] = []
    again = train(data, out, epochs=4, cache=cache, log=lines.append)
    assert [line for line in lines if line.startswith("fold ")] == ["fold 2 of 3", "fold 3 of 3"]
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
    """The tiny catalogue has one brand; a source with a scene that another has is left out as a whole."""
    found = hold_out(data, epochs=3, cache=trained.folder.parent / "cache", checkpoint=trained.folder)
    color = found["families"]["color"]["fused"]
    assert color["interval_95"][0] <= color["accuracy"] <= color["interval_95"][1]
    for one in found["brands"]:
        assert one["without"]["color"]["fused"]["rows"] == one["families"]["color"]["fused"]["rows"]
    page = held_out_tables(found)
    assert f"| every family, a third at a time | its families | {color['rows']} |" in page
    for brand in (one["brand"] for one in found["brands"]):
        assert f"| {brand} | the brand |" in page


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
    """A timm model and an LSTM of the catalogue's own titles: measured, served, and named in the card."""
    found = train(
        data,
        trained.folder.parent / "other",
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
    pixels = np.asarray(picture("rug", "red", 1).resize((64, 64)))
    (known,) = predictor.predict([ListingInput("maker 3 rug model 3, red", (pixels,))])
    types = predictor.labels.values["product_type"]
    assert types[int(known.attributes["product_type"].fused.argmax())] == "rug"


def test_training_measures_int8(data: Path, trained: TrainReport, tmp_path: Path) -> None:
    """A checkpoint knows its ranges and what they change; one that lacks them gets the same later, and is whole."""
    first = load(trained.folder).quantisation
    assert first is not None and {"category fused", "color image"} <= set(first.changes)
    older = tmp_path / "older"
    shutil.copytree(trained.folder, older)
    (older / FILE).unlink()
    seal(older)
    assert load(older).quantisation is None
    again = learn_int8_of(older, data, trained.folder.parent / "cache", lambda _: None)
    assert again.changes == first.changes
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


# ---- a team's own file


def own_file(path: Path, count: int, *, colors: Sequence[str] = tuple(COLORS)) -> Path:
    """Listings as a team labels them: half of the words of colour are wrong."""
    lines = []
    for index in range(count):
        color = colors[index % len(colors)]
        name = f"own{index}.jpg"
        picture("chair", color, index).save(path.parent / name)
        said = color if index % 2 else colors[(index + 1) % len(colors)]
        lines.append(
            json.dumps(
                {"image": name, "title": f"{chr(97 + index % 26)}{chr(97 + index // 26)} chair, {said}", "color": color}
            )
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_own_listings_are_measured_by_what_is_labelled(trained: TrainReport, tmp_path: Path) -> None:
    """Only colours are known: only they have figures, and the tables can be shown."""
    found = evaluate(trained.folder, own_file(tmp_path / "own.jsonl", 40), cache=tmp_path)
    assert found["color"]["fused"]["rows"] == 40
    assert "product_type" not in found
    assert "| color |" in figures_tables(found)


def test_recalibration_learns_how_far_words_are_to_be_trusted(trained: TrainReport, tmp_path: Path) -> None:
    """Where every second title names a wrong colour, pictures decide afterwards; the experts are the same files."""
    data = own_file(tmp_path / "own.jsonl", 240)
    before = evaluate(trained.folder, data, cache=tmp_path / "cache")["color"]["fused"]["accuracy"]
    checkpoint, rows = load(trained.folder), measured_rows(data)
    features = features_of(checkpoint, rows, "cpu", tmp_path / "cache")
    done = recalibrate(trained.folder, checkpoint, features, rows, tmp_path / "new")
    after = evaluate(done.folder, data, cache=tmp_path / "cache")["color"]["fused"]["accuracy"]
    assert done.attributes == ("color",)
    assert after > before + 0.2
    assert (done.folder / "heads.safetensors").read_bytes() == (trained.folder / "heads.safetensors").read_bytes()
    with pytest.raises(ModelError, match="exists; name a new folder"):
        recalibrate(trained.folder, checkpoint, features, rows, tmp_path / "new")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON"),
        ('{"image": "a.jpg", "colour": "red"}', "line 2: unknown field 'colour'; the fields are color, family"),
        ('{"image": "none.jpg"}', "line 2: image 'none.jpg' is no file"),
        ('{"image": "own0.jpg", "split": "val"}', "line 2: split 'val' is none; write train or test"),
        ('{"image": 3}', "line 2: write one object whose values are strings"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    """The file's name, the line and what is wrong with it."""
    path = own_file(tmp_path / "own.jsonl", 1)
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        load_catalogue(path)


def test_csv_and_json_lines_say_the_same(tmp_path: Path) -> None:
    """Two spellings of one catalogue."""
    path = own_file(tmp_path / "own.jsonl", 6)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    write_csv(tmp_path / "own.csv", lines)
    assert load_catalogue(tmp_path / "own.csv") == load_catalogue(path)
