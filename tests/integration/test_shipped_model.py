"""The model that ships: what it says of real listings, alone or in company, with either side missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import worker.demo
from model.errors import CheckpointError
from model.geometry import fit_square
from model.predictor import TorchPredictor, choose_device, load_predictor
from model.training.backdrops import before_backdrop
from model.types import ListingInput, Pixels, Prediction
from model.weights import REQUIRED, SHIPPED, load, seal
from tests.unit.scene_samples import street

PICTURES = Path(worker.demo.__file__).parent / "data" / "pictures"
ATTRIBUTES = ("category", "product_type", "color", "material")
SIDE = 224

OFFLINE = """
import sys

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "pickle.find_class"):
        raise RuntimeError(f"the model tried {event} {arguments}")

sys.addaudithook(refuse)
from model.predictor import load_predictor
from model.types import ListingInput
(found,) = load_predictor("", "cpu").predict([ListingInput("a brass table lamp")])
print(len(found.attributes["color"].fused))
"""


@pytest.fixture(scope="module")
def predictor() -> TorchPredictor:
    """The shipped model on the CPU."""
    return load_predictor("", "cpu")


@pytest.fixture(scope="module")
def several() -> list[ListingInput]:
    """Listings of all kinds: one picture, two, none; title long, short, none."""
    return [
        ListingInput("amazonbasics fixed zoom/compact system camera case", (picture("abo-78c24e86"),)),
        ListingInput("two views of a bag", (picture("abo-a58d6f4b"), picture("abo-a58d6f4b-close"))),
        ListingInput("women's wool cardigan, navy blue, size L, " + "very soft and warm " * 40),
        ListingInput("", (picture("grocery-lime_003"),)),
        ListingInput("lamp", (picture("card-lamp"),)),
    ]


def picture(name: str) -> Pixels:
    """A sample photo of the demo, as the decoder would give it."""
    with Image.open(PICTURES / f"{name}.jpg") as image:
        return np.asarray(fit_square(image.convert("RGB"), SIDE), np.uint8)


def best(predictor: TorchPredictor, found: Prediction, attribute: str) -> str:
    """The value with the top score."""
    return predictor.labels.values[attribute][int(found.attributes[attribute].fused.argmax())]


def assert_same(left: Prediction, right: Prediction, within: float = 1e-3) -> None:
    """Both say the same of a listing."""
    for name in ATTRIBUTES:
        one, other = left.attributes[name], right.attributes[name]
        for mine, theirs in ((one.fused, other.fused), (one.image, other.image), (one.text, other.text)):
            assert (mine is None) == (theirs is None)
            if mine is not None and theirs is not None:
                np.testing.assert_allclose(mine, theirs, atol=within)
    assert left.association == pytest.approx(right.association, abs=within)
    for mine, theirs in zip(left.image_scenes, right.image_scenes, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=within)
    assert left.colors == right.colors


def test_scores_are_probabilities_in_the_order_of_the_labels(
    predictor: TorchPredictor, several: list[ListingInput]
) -> None:
    """Each value has a score in 0-1, and the scores of one attribute sum to at most 1, for each side that is there."""
    for found in predictor.predict(several):
        assert set(found.attributes) == set(ATTRIBUTES)
        for name, scores in found.attributes.items():
            for side in (scores.fused, scores.image, scores.text):
                if side is not None:
                    assert side.shape == (len(predictor.labels.values[name]),)
                    assert side.min() >= 0
                    assert side.sum() <= 1 + 1e-5
        for scene in found.image_scenes:
            assert scene.sum() == pytest.approx(1, abs=1e-5)


def test_neighbours_in_a_batch_change_nothing(predictor: TorchPredictor, several: list[ListingInput]) -> None:
    """A listing gets the same scores alone, in company, and in another order, however long its neighbours' titles."""
    together = predictor.predict(several)
    backwards = predictor.predict(several[::-1])[::-1]
    for listing, one, other in zip(several, together, backwards, strict=True):
        assert_same(one, other)
        assert_same(one, predictor.predict([listing])[0])


def test_more_pictures_than_one_pass_holds(predictor: TorchPredictor) -> None:
    """Pictures beyond one pass of the tower still belong to their own listing."""
    shown = (picture("abo-78c24e86"), picture("grocery-lime_003"))
    listings = [ListingInput("x", (shown[index % 2],) * (1 + index % 8)) for index in range(10)]
    assert sum(len(one.images) for one in listings) > 32
    alone = [predictor.predict([ListingInput("x", (one,))])[0] for one in shown]
    for index, found in enumerate(predictor.predict(listings)):
        assert len(found.image_scenes) == len(listings[index].images)
        np.testing.assert_allclose(
            found.attributes["product_type"].fused, alone[index % 2].attributes["product_type"].fused, atol=1e-3
        )


def test_side_that_is_missing_has_no_scores(predictor: TorchPredictor) -> None:
    """Without pictures nothing is said of pictures, without a title nothing of the title; the other side decides."""
    only_title, only_picture = predictor.predict(
        [ListingInput("solid oak dining table"), ListingInput("", (picture("abo-78c24e86"),))]
    )
    assert (only_title.scene, only_title.image_scenes, only_title.colors) == (None, (), ())
    assert only_picture.title_vector is None
    assert only_title.association is None
    assert only_picture.association is None
    for name in ATTRIBUTES:
        assert only_title.attributes[name].image is None
        assert only_picture.attributes[name].text is None
        np.testing.assert_array_equal(only_title.attributes[name].fused, only_title.attributes[name].text)
        np.testing.assert_array_equal(only_picture.attributes[name].fused, only_picture.attributes[name].image)


def test_cached_vector_gives_the_scores_of_the_title(predictor: TorchPredictor) -> None:
    """A title's vector, handed back as the cache keeps it (fp16), gives bit for bit the scores of the title itself."""
    listing = ListingInput("aluminium cabin suitcase, red", (picture("abo-1115aec6"),))
    (computed,) = predictor.predict([listing])
    assert computed.title_vector is not None
    kept = computed.title_vector.astype(np.float16).astype(np.float32)
    (recalled,) = predictor.predict([ListingInput(listing.title, listing.images, kept)])
    assert_same(computed, recalled, within=0)


def test_given_vector_counts_in_place_of_the_title(predictor: TorchPredictor) -> None:
    """A vector that was recalled is used, not computed again: that is what the cache is for. Its n-grams are read."""
    (bag,) = predictor.predict([ListingInput("leather handbag for women")])
    (recalled,) = predictor.predict([ListingInput("leather handbag for women", (), bag.title_vector)])
    assert_same(bag, recalled)
    (sheets,) = predictor.predict([ListingInput("cotton bed sheets")])
    (mixed,) = predictor.predict([ListingInput("leather handbag for women", (), sheets.title_vector)])
    bags = predictor.labels.values["product_type"].index("handbag")
    assert mixed.title_vector is not None and sheets.title_vector is not None
    assert np.array_equal(mixed.title_vector, sheets.title_vector)
    assert mixed.attributes["product_type"].fused[bags] < bag.attributes["product_type"].fused[bags] - 0.1


def test_no_listings_get_no_predictions(predictor: TorchPredictor) -> None:
    """An empty batch is answered, not refused."""
    assert predictor.predict([]) == []


@pytest.mark.parametrize(
    ("name", "title", "attribute", "value"),
    [
        ("abo-420278f1", 'hardshell spinner - 20" cabin size, navy blue', "product_type", "suitcase"),
        ("abo-420278f1", 'hardshell spinner - 20" cabin size, navy blue', "color", "navy"),
        ("abo-5a0c08bc", "men's black thong sandals", "color", "black"),
        ("abo-af171f71", "waverly large coffee table with shelf", "product_type", "table"),
        ("abo-05cab9f8", "men's two color dot silk tie, brown", "material", "silk/satin"),
    ],
)
def test_plain_listings_get_their_tag(
    predictor: TorchPredictor, name: str, title: str, attribute: str, value: str
) -> None:
    """What anybody would say of a plain listing, the model says first."""
    (found,) = predictor.predict([ListingInput(title, (picture(name),))])
    assert best(predictor, found, attribute) == value


@pytest.mark.parametrize(
    ("title", "attribute", "truth"),
    [
        ("franklin tailored men's two color dot silk tie, brown", "color", "brown"),
        ("tri-ply stainless steel wok", "material", "stainless steel"),
    ],
)
def test_known_misreading_is_not_accepted(predictor: TorchPredictor, title: str, attribute: str, truth: str) -> None:
    """Where this model misses a word that the title states, its score stays below the threshold."""
    (found,) = predictor.predict([ListingInput(title)])
    threshold = predictor.labels.thresholds[attribute].text
    is_accepted = threshold is not None and found.attributes[attribute].fused.max() >= threshold
    assert best(predictor, found, attribute) == truth or not is_accepted


@pytest.mark.parametrize(
    ("name", "scene"),
    [("abo-78c24e86", "studio"), ("grocery-carrots_004", "shop_interior"), ("abo-e636c2ed", "texture_swatch")],
)
def test_scene_comes_from_the_picture(predictor: TorchPredictor, name: str, scene: str) -> None:
    """A studio shot, a shop shelf and a swatch are told apart without any title."""
    (found,) = predictor.predict([ListingInput("", (picture(name),))])
    assert found.scene is not None
    assert predictor.labels.values["scene"][int(found.scene.argmax())] == scene


def scenes_of(predictor: TorchPredictor, shown: list[Pixels]) -> list[str]:
    """The likeliest scene of each picture."""
    found = predictor.predict([ListingInput("", (one,)) for one in shown])
    values = predictor.labels.values["scene"]
    return [values[int(scenes.argmax())] for one in found for scenes in one.image_scenes]


def test_another_shops_backdrop_is_a_studio_too(predictor: TorchPredictor) -> None:
    """The shipped model saw white ones alone; of products before grey, coloured and uneven walls most are known."""
    products = [picture(f"abo-{name}") for name in ("78c24e86", "420278f1", "5a0c08bc", "af171f71", "05cab9f8")]
    shown = [before_backdrop(one, seed) for one in products for seed in range(8)]
    assert scenes_of(predictor, shown).count("studio") > 0.75 * len(shown)


def test_what_is_not_even_is_no_studio(predictor: TorchPredictor) -> None:
    """Nor a swatch: blocks up to the edges resemble nothing that training saw. They have a camera's grain: flat ones
    are graphics, which are taken for anything.
    """
    shown = []
    for seed in range(20):
        drawn = np.asarray(Image.fromarray(street(seed)).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        grain = np.random.default_rng(seed).normal(0, 8, (SIDE, SIDE, 1))
        shown.append(np.clip(drawn + grain, 0, 255).astype(np.uint8))
    found = scenes_of(predictor, shown)
    assert not {"studio", "texture_swatch"} & set(found)


def test_what_no_photo_taught_is_never_accepted(predictor: TorchPredictor) -> None:
    """The towers' classes know what is outdoors; how often that is right nobody measured."""
    assert predictor.labels.values["scene"][-1] == "outdoor"
    assert predictor.labels.unproven_scenes == {"outdoor"}


def test_title_of_other_goods_belongs_less(predictor: TorchPredictor) -> None:
    """A suitcase's picture goes with a suitcase's title rather than with one of bed sheets."""
    shown = (picture("abo-420278f1"),)
    own, other = predictor.predict(
        [ListingInput("hardshell spinner suitcase, navy blue", shown), ListingInput("fitted cotton bed sheet", shown)]
    )
    assert own.association is not None
    assert other.association is not None
    assert own.association > 0.5 > other.association


def test_loading_and_predicting_needs_no_network() -> None:
    """A fresh process that may neither look up a name, connect nor unpickle loads the model and answers."""
    done = subprocess.run([sys.executable, "-c", OFFLINE], capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10


def test_target_moves_threshold_and_revision(predictor: TorchPredictor) -> None:
    """Another precision target needs no training, and no result of it passes for one of the old target."""
    eager = load_predictor("", "cpu", {"color": 0.7})
    mine, theirs = (one.labels.thresholds["color"].when_stated for one in (predictor, eager))
    assert mine is not None
    assert theirs is not None
    assert theirs.fused is not None
    assert mine.fused is not None
    assert theirs.fused < mine.fused
    assert eager.info.revision != predictor.info.revision
    assert eager.info.text_revision == predictor.info.text_revision


@pytest.mark.parametrize("name", REQUIRED)
def test_file_without_digest_is_not_read(tmp_path: Path, name: str) -> None:
    """Taking a file off the list of digests does not get it in unverified."""
    for file in REQUIRED:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        if file != name:
            (tmp_path / file).write_bytes(b"any")
    seal(tmp_path)
    (tmp_path / name).write_bytes(b"unverified")
    with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
        load(tmp_path)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    """A sealed folder whose parts do not fit each other is named, not loaded half."""
    folder = tmp_path / "checkpoint"
    shutil.copytree(SHIPPED, folder)
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('"hidden_dim": 512', '"hidden_dim": 64'))
    seal(folder)
    with pytest.raises(CheckpointError, match="does not fit"):
        load(folder)


@pytest.mark.parametrize("device", ["gpu", "", "meta", "cuda:x", "cuda:99"])
def test_unknown_device_is_refused_by_name(device: str) -> None:
    """A device that is none, or that this machine lacks, is named with the setting that holds it."""
    with pytest.raises(CheckpointError, match=r"model\.device"):
        choose_device(device)
