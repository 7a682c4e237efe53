"""A team's own listings as rows: where they stand, what their labels are called, what is wrong with the file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from model.errors import ModelError
from model.training.catalogue import load_catalogue, rows_of
from model.training.dataset import Row
from model.training.trained_on import load_trained_on, save_trained_on
from tests.unit.tiny_catalogue import picture


def catalogue(folder: Path, listings: Sequence[Mapping[str, str]]) -> Path:
    """A file of listings; a picture that is not there yet is made, each another one."""
    for place, listing in enumerate(listings):
        path = folder / listing["image"]
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            picture("chair", "red", place).save(path)
    data = folder / "own.jsonl"
    data.write_text("\n".join(map(json.dumps, listings)) + "\n", encoding="utf-8")
    return data


def sides_by_picture(rows: Sequence[Row]) -> dict[bytes, set[str]]:
    found: dict[bytes, set[str]] = {}
    for row in rows:
        found.setdefault(row.image.read_bytes(), set()).add(row.split)
    return found


def test_untitled_listings_are_no_family_because_their_pictures_are_called_alike(tmp_path: Path) -> None:
    """A folder per listing, each with a `main.jpg`: neither all to train nor all to test on."""
    rows = load_catalogue(catalogue(tmp_path, [{"image": f"sku{index}/main.jpg"} for index in range(60)]))
    assert len({row.family for row in rows}) == 60
    assert {row.split for row in rows} == {"train", "test"}


def test_a_path_that_stands_for_a_family_is_remembered_of_no_checkpoint(tmp_path: Path) -> None:
    """Another catalogue has a `sku1/main.jpg` too; a family that the file names is remembered."""
    listings = [{"image": "sku1/main.jpg", "split": "train"}, {"image": "b.jpg", "split": "train", "family": "ours"}]
    save_trained_on(tmp_path, load_catalogue(catalogue(tmp_path, listings)))
    trained = load_trained_on(tmp_path)
    assert trained is not None and len(trained.families) == 1


@pytest.mark.parametrize("is_copied", [False, True], ids=["one file", "a copy each"])
def test_listings_with_one_picture_stand_on_one_side(tmp_path: Path, is_copied: bool) -> None:
    """Whatever their titles begin with: what training has seen is not tested on."""
    listings = [
        {"image": f"{place}{'b' * is_copied * variant}.jpg", "title": f"{chr(97 + place % 26) * (2 + variant)} shoe"}
        for place in range(40)
        for variant in range(2)
    ]
    for listing in listings:
        picture("shoes", "blue", int(listing["image"].split(".")[0].strip("b"))).save(tmp_path / listing["image"])
    told: list[str] = []
    rows = load_catalogue(catalogue(tmp_path, listings), warn=told.append)
    assert {row.split for row in rows} == {"train", "test"}
    assert all(len(sides) == 1 for sides in sides_by_picture(rows).values())
    assert not told


def test_a_picture_that_the_file_puts_on_both_sides_is_told(tmp_path: Path) -> None:
    """Not refused, as some may want it so; a third listing without a split is trained on."""
    listings = [
        {"image": "a.jpg", "title": "one chair", "split": "train"},
        {"image": "a.jpg", "title": "another chair", "split": "test"},
        {"image": "a.jpg", "title": "that chair"},
    ]
    told: list[str] = []
    rows = load_catalogue(catalogue(tmp_path, listings), warn=told.append)
    assert [row.split for row in rows] == ["train", "test", "train"]
    assert len(told) == 1 and told[0].startswith("own.jsonl: 1 picture stands in listings to train and to test on")


def test_a_placeholder_ties_no_listings_together(tmp_path: Path) -> None:
    """One picture in half of all listings shows no one thing: there are rows to test on, and it is told."""
    words = [f"{chr(97 + place // 26)}{chr(97 + place % 26)} thing" for place in range(100)]
    listings = [
        {"image": "none.jpg" if place % 2 else f"{place}.jpg", "title": title} for place, title in enumerate(words)
    ]
    told: list[str] = []
    rows = load_catalogue(catalogue(tmp_path, listings), warn=told.append)
    assert 3 <= sum(row.split == "test" for row in rows) <= 30
    assert len(told) == 1 and "1 picture stands" in told[0]


def test_labels_that_the_taxonomy_writes_otherwise_are_told_before_training(tmp_path: Path) -> None:
    """They are values all the same; a team's own words are not spoken of."""
    labels = [("Chair", "rot"), ("chair", "red"), ("our thing", "red"), ("chair", "teal")]
    listings = [
        {"image": f"{place}.jpg", "product_type": kind, "color": color} for place, (kind, color) in enumerate(labels)
    ]
    told: list[str] = []
    rows = rows_of(catalogue(tmp_path, listings), told.append)
    assert [row.labels["color"] for row in rows] == ["rot", "red", "red", "teal"]
    assert len(told) == 3
    assert told[0].startswith("own.jsonl: product_type: 'Chair' (1) and 'chair' (2); labels that differ only")
    assert told[1].startswith("own.jsonl: product_type: 'Chair' (1) is 'chair' in the taxonomy; such labels")
    assert "color: 'rot' (1) is 'red' in the taxonomy; 'teal' (1) is 'blue' in the taxonomy; such labels" in told[2]


def test_listings_that_stand_there_twice_are_told_before_training(tmp_path: Path) -> None:
    """As they are before measuring."""
    listing = {"image": "a.jpg", "title": "a chair", "product_type": "chair"}
    told: list[str] = []
    rows_of(catalogue(tmp_path, [listing, listing]), told.append)
    assert len(told) == 1 and "count twice: line 2" in told[0]


def test_what_programs_write_for_nothing_is_no_label(tmp_path: Path) -> None:
    """`NULL` of a database, `nan` of a data frame; a title may be called so."""
    picture("chair", "red", 0).save(tmp_path / "a.jpg")
    data = tmp_path / "own.csv"
    data.write_text("image,title,product_type,color,material,family\na.jpg,None,chair,NULL,n/a,nan\n", encoding="utf-8")
    (row,) = load_catalogue(data)
    assert (row.title, dict(row.labels), row.family) == ("None", {"product_type": "chair"}, "none")


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("own.csv", "a.jpg,a chair\n", r"line 1: no column 'image' among 'a.jpg', 'a chair'; the first line names"),
        ("own.csv", "image|title\na.jpg|a chair\n", r"no column 'image' among 'image\|title'.*apart by commas"),
        ("own.txt", "image,title\na.jpg,a chair\n", r"own.txt is read as JSON lines.*name it .csv or .tsv"),
        ("own.json", "[]\n", r"line 1: a list; write one JSON object per line"),
        ("own.jsonl", '{"image": "photos\\\\a.jpg"}\n', r"is no file beside own.jsonl; write / between folders"),
        ("own.jsonl", '{"image": "https://x/a.jpg"}\n', r"is no file beside own.jsonl; download it, and give its path"),
        (
            "own.jsonl",
            '{"image": "a.jpg", "brand": "x", "price": "1"}\n',
            r"unknown field 'brand' and 1 more; the fields",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_the_remedy(tmp_path: Path, name: str, text: str, told: str) -> None:
    """Also where nothing but the first line, the name or the paths are."""
    picture("chair", "red", 0).save(tmp_path / "a.jpg")
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=told):
        load_catalogue(tmp_path / name)


def test_a_folder_of_own_listings_is_told_to_name_the_file(tmp_path: Path) -> None:
    """`--data` takes a folder only where it is laid out like the shipped checkpoint's data."""
    catalogue(tmp_path, [{"image": "a.jpg"}])
    with pytest.raises(ModelError, match=r"listings.csv is missing.*give the file: --data .*own.jsonl"):
        rows_of(tmp_path)
