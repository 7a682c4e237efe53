"""Scenes: what corrects the head that photo collections taught."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from model.config import ModelConfig
from model.fusion import FusionModel
from model.labels import UNTAUGHT
from model.measuring.asked import Asked
from model.scenes.ground import NUM_MEASURES
from model.scenes.image_classes import NUM_KEPT, classes_of, scenes_of_classes, untaught_scenes
from model.scenes.surroundings import PLAIN, ScenePictures, Surroundings
from model.taxonomy import load_taxonomy
from model.train import with_untaught
from model.training.dataset import Row
from model.training.features import Features, GroundFeatures
from model.training.out_of_fold import OutOfFold, scene_outcomes
from model.weights import SHIPPED, load
from tests.unit.scene_samples import CONFIG, SCENES, measures_of, product, street, taught, weave

STUDIO, OUTDOOR = SCENES.index("studio"), SCENES.index("outdoor")


@pytest.fixture(scope="module")
def surroundings() -> Surroundings:
    """They know grounds, and three classes: one outdoors, one indoors, one that stands anywhere."""
    found = taught()
    found.know_classes(10 * torch.eye(3, 4), torch.zeros(3), [OUTDOOR, SCENES.index("indoor"), -1])
    return found


def ask(surroundings: Surroundings, head: tuple[float, ...], feature: int, pixels: np.ndarray) -> str:
    """The scene of one picture, of which the head thinks so and the classifier takes for the class ``feature``."""
    measures = torch.from_numpy(measures_of(pixels))[None]
    scores = surroundings(torch.tensor([head]), torch.eye(4)[feature][None], measures)
    return SCENES[int(scores.argmax())]


def test_a_street_is_no_studio_whatever_the_head_believes(surroundings: Surroundings) -> None:
    """An uneven border outweighs a head that is quite sure; the class says which place it is."""
    sure_of_studio = (0.0, 2.0, -4.0)
    assert ask(surroundings, sure_of_studio, 0, street(1001)) == "outdoor"
    assert ask(surroundings, sure_of_studio, 1, street(1001)) == "indoor"


def test_what_stands_outdoors_may_be_sold(surroundings: Surroundings) -> None:
    """A park bench before a backdrop is in a studio."""
    assert ask(surroundings, (0.0, 2.0, -4.0), 0, product(1001)) == "studio"


def test_a_place_that_says_nothing_is_the_heads(surroundings: Surroundings) -> None:
    """A class that stands anywhere does not make a place outdoors."""
    assert ask(surroundings, (1.0, 0.0, -4.0), 2, street(1002)) == "indoor"


def test_a_weave_fills_its_picture(surroundings: Surroundings) -> None:
    """Even borders alone make no studio."""
    assert ask(surroundings, (0.0, 1.0, 1.0), 2, weave(1003)) == "texture_swatch"


def test_without_classes_no_other_scene_is_told() -> None:
    """A tower of one's own: the head's values, corrected by the ground alone."""
    config = ModelConfig(image_dim=4, ground_dim=NUM_MEASURES)
    plain = Surroundings(config, 3)
    known = taught().state_dict()
    plain.load_state_dict(plain.state_dict() | {name: one for name, one in known.items() if name.startswith("ground_")})
    plain.value_grounds.copy_(torch.tensor([2, 0, 1]))
    measures = torch.from_numpy(np.stack([measures_of(street(5)), measures_of(product(5))]))
    scores = plain(torch.zeros(2, 3), torch.zeros(2, 4), measures)
    assert scores.shape == (2, 3)
    assert [SCENES[place] for place in scores.argmax(dim=1).tolist()] == ["indoor", "studio"]


def test_classes_that_tell_no_scene_say_nothing() -> None:
    """They leave the head's order as it is, and every score a number."""
    silent = Surroundings(CONFIG, len(SCENES))
    scores = silent(torch.tensor([[1.0, 2.0, 0.0]]), torch.eye(4)[:1], torch.zeros(1, NUM_MEASURES))
    assert torch.isfinite(scores).all()
    assert int(scores.argmax()) == STUDIO


def test_a_checkpoint_from_before_asks_its_head_alone() -> None:
    """Without measures in the configuration scenes are what they were, and nobody has to measure anything."""
    fusion = FusionModel(ModelConfig(image_dim=4), {"product_type": 2, "color": 2, "material": 2, "scene": 3}).eval()
    images = torch.randn(5, 4)
    with torch.inference_mode():
        assert torch.equal(fusion.scenes(images, torch.zeros(5, 0)), fusion.taught_scenes(images))


def test_only_known_scenes_teach_and_studios_teach_twice() -> None:
    """As they are, and before another backdrop, as a source of its own."""
    measures = torch.arange(4.0)[:, None].repeat(1, NUM_MEASURES)
    pictures = ScenePictures(measures, measures + 100, ("a", "a", "b", "b"), ("indoor", "studio"))
    found = pictures.grounds(torch.tensor([3, 1, 0]), torch.tensor([0, 1, -1]))
    assert found.measures[:, 0].tolist() == [3, 1, 101]
    assert found.grounds.tolist()[1:] == [PLAIN, PLAIN]
    assert list(found.groups) == ["b", "a", "a before backdrops"]


def test_the_table_of_classes_names_legal_scenes() -> None:
    """Each class once, among ImageNet's thousand, none of a breed that is left out."""
    found = scenes_of_classes()
    assert set(found.values()) == {"outdoor", "indoor", "shop_interior"}
    assert set(found.values()) <= set(load_taxonomy().scenes)
    assert all(0 <= one < 1000 and one not in range(151, 269) for one in found)


def test_the_towers_own_classes_come_from_its_package() -> None:
    """Those of another tower nobody knows."""
    found = classes_of("tf_efficientnet_lite0")
    assert found is not None
    assert (found.weights.shape, found.bias.shape, len(found.scenes)) == ((NUM_KEPT, 1280), (NUM_KEPT,), NUM_KEPT)
    assert sum(bool(scene) for scene in found.scenes) == len(scenes_of_classes())
    assert classes_of("torchvision:resnet50") is None


@pytest.mark.parametrize(
    ("own", "others"),
    [
        (("indoor", "studio"), ("outdoor", "shop_interior")),
        (("indoor", "outdoor"), ("shop_interior",)),
        (("studio", "texture_swatch"), ()),  # no place to compare one with
        (("",), ()),
    ],
)
def test_scenes_that_classes_alone_tell(own: tuple[str, ...], others: tuple[str, ...]) -> None:
    """Legal ones, which no training photo shows, beside places that some show."""
    assert untaught_scenes(own, load_taxonomy().scenes) == others
    assert untaught_scenes(own, ()) == ()


def test_learning_is_the_same_each_time() -> None:
    """Same pictures, same numbers."""
    one, other = taught().state_dict(), taught().state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_is_never_accepted_counts_as_such_in_figures() -> None:
    """A seashore is called outdoors by the shipped model, and covers nothing at any target."""
    shipped = load(SHIPPED)
    assert shipped.fusion.surroundings is not None
    seashore = 978 - 118  # dogs' breeds are left out before it
    look = shipped.fusion.surroundings.class_weights[seashore : seashore + 1] * 3
    images = torch.cat([look, torch.zeros(1, shipped.config.detail_dim)], dim=1).numpy()
    none = np.zeros((1, 1), np.float32)
    measures = measures_of(street(2))[None]
    features = Features(images, none, none, none, ("",), grounds=GroundFeatures(measures, measures))
    row = Row(Path("seashore.jpg"), "", {"scene": "outdoor"}, "test", "abo", "")
    with torch.inference_mode():
        asked = Asked(shipped.fusion, shipped.vocabulary, features, [row])
        found = asked.scene(np.zeros(1, np.int64), shipped.outcomes["scene"])["scene"]["fused"]
    assert (found["rows"], found["accuracy"], found["coverage_at_target"]) == (1, 1.0, 0.0)


@pytest.mark.parametrize(
    ("scenes", "num_classes", "others"),
    [
        (("studio", "texture_swatch"), 0, ()),  # of neither there is a class
        (("indoor", "studio"), NUM_KEPT, ("outdoor", "shop_interior")),
        (UNTAUGHT, 0, ()),
    ],
)
def test_classes_are_asked_where_they_tell_a_scene(
    scenes: tuple[str, ...], num_classes: int, others: tuple[str, ...]
) -> None:
    """A catalogue without places does without them, and its scores are numbers all the same."""
    config = ModelConfig(image_dim=4, ground_dim=NUM_MEASURES, image_classes=NUM_KEPT)
    values, found = with_untaught({"scene": scenes}, config)
    assert (found.image_classes, found.untaught_scenes) == (num_classes, others)
    assert values["scene"] == (*scenes, *others)
    asked = Surroundings(found, len(values["scene"]))
    scores = asked(torch.zeros(1, len(scenes)), torch.zeros(1, 4), torch.zeros(1, NUM_MEASURES))
    assert torch.isfinite(scores).all()


def test_no_ground_is_ever_ruled_out(surroundings: Surroundings) -> None:
    """However strange a picture's measures: it may be one that training had none of."""
    strange = torch.full((1, NUM_MEASURES), 1e3)
    assert surroundings.by_ground(strange).exp().min() > 0.01


def test_an_untaught_top_buys_no_threshold() -> None:
    """Tagging never accepts it, so it neither counts as wrong nor as covered."""
    none: dict[str, dict[str, torch.Tensor]] = {}
    sure = torch.tensor([[9.0, 0, 0], [0, 9.0, 0], [0, 0, 9.0]]).repeat(30, 1)
    found = OutOfFold(torch.zeros(0), none, none, (torch.zeros(0), torch.zeros(0)), torch.arange(90), sure)
    truth = torch.tensor([0, 1, 0]).repeat(30)  # every third one is taken for the untaught value
    _, outcomes = scene_outcomes(found, truth, num_taught=2)
    by_picture = outcomes["scene"]["fused"]
    assert (len(by_picture.scores), bool(by_picture.right.all())) == (60, True)
