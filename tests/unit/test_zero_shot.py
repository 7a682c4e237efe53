"""Attributes declared by prompts alone, answered by a small pair that learned in a minute what colours are called."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from jsonschema import Draft202012Validator
from PIL import Image
from torch.nn.functional import cross_entropy
from transformers import AutoImageProcessor, PreTrainedModel

from model.config import ModelConfig
from model.errors import CheckpointError, ModelError
from model.extract import Extractor
from model.measuring.recalibrate import recalibrate
from model.mentions import NOTHING_SAID
from model.predictor import TorchPredictor
from model.prompts import read_prompts
from model.runtime.engines import EngineChoice
from model.tagging import Tagging
from model.taxonomy import Taxonomy, load_taxonomy
from model.taxonomy_checks import TaxonomyError
from model.towers.add_pair import add_pair
from model.towers.pair import bring_pair, open_pair
from model.towers.spec import parse_source
from model.training.dataset import Row
from model.types import Decision, ListingInput, Pixels
from model.weights import SHIPPED, Checkpoint, load
from schemas.listing import ListingCreated
from tests.deploy_files import ROOT
from tests.unit.tower_sources import clip_folder, photo, siglip_folder, tokenizer
from worker.enrich import build_tag_line
from worker.item import DecodedImage, Item, Record

pytestmark = pytest.mark.long

COLORS = {"red": (200, 30, 30), "green": (30, 160, 40), "blue": (30, 50, 200), "yellow": (235, 215, 40)}
TINT = {"template": "a photo of a {} square", "values": list(COLORS)}
TORCH = EngineChoice("torch", "fp32")
RELEASED = ROOT / "schemas" / "released" / "v1" / "listing.attributes.v1.schema.json"


def square(color: str, seed: int) -> Pixels:
    """A square of the colour, of some shade, somewhere on white; (224, 224, 3)."""
    generator = np.random.default_rng(seed)
    pixels = np.full((224, 224, 3), 255, np.uint8)
    side, shade = int(generator.integers(90, 180)), generator.normal(0, 12, 3)
    top, left = generator.integers(0, 224 - side, 2)
    pixels[top : top + side, left : left + side] = np.clip(np.array(COLORS[color]) + shade, 0, 255)
    return pixels


def learn(model: Any, pictures: torch.nn.Module) -> None:
    """Squares and their captions, each batch one of every colour."""
    captions = tokenizer()([f"a photo of a {color} square" for color in COLORS], return_tensors="pt")
    captions.pop("token_type_ids", None)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    model.train()
    for step in range(150):
        shown = torch.from_numpy(np.stack([square(color, 1000 * step + at) for at, color in enumerate(COLORS)]))
        told = torch.nn.functional.normalize(model.get_text_features(**captions).pooler_output, dim=1)
        scores = model.logit_scale.exp() * pictures(shown) @ told.T
        own = torch.arange(len(COLORS))
        optimiser.zero_grad()
        (cross_entropy(scores, own) + cross_entropy(scores.T, own)).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    model.eval()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped one with the pair beside it."""
    folder = tmp_path_factory.mktemp("pair")
    clip_folder(folder / "clip", shortest=32)
    settings = bring_pair(parse_source(str(folder / "clip")), folder / "raw")
    model, pair = open_pair(folder / "raw", settings, 224)
    learn(model, pair.images)
    cast(Any, model).save_pretrained(folder / "clip")
    return add_pair(SHIPPED, str(folder / "clip"), folder / "checkpoint")


@pytest.fixture(scope="module")
def loaded(checkpoint: Path) -> Checkpoint:
    """That checkpoint, read once."""
    return load(checkpoint)


def declared(folder: Path, tint: dict[str, Any], words: dict[str, list[str]] | None = None) -> Taxonomy:
    """The taxonomy with an attribute ``tint`` that nothing but its prompts answers, and words if there are any."""
    found = json.loads((ROOT / "model" / "taxonomy.json").read_text(encoding="utf-8"))
    found["attributes"].append("tint")
    found["prompts"] = {"tint": tint}
    if words:
        found["synonyms"]["tint"] = words
    path = folder / "taxonomy.json"
    path.write_text(json.dumps(found), encoding="utf-8")
    return load_taxonomy(path)


def decided(predictor: TorchPredictor, taxonomy: Taxonomy, title: str, *images: Pixels) -> Decision:
    """What a listing's tint is."""
    return decided_each(predictor, taxonomy, [ListingInput(title, images)])[0]


def decided_each(predictor: TorchPredictor, taxonomy: Taxonomy, listings: list[ListingInput]) -> list[Decision]:
    """What the tint of each is, asked in one batch."""
    extractor, tagging = Extractor(taxonomy), Tagging(predictor.labels, taxonomy)
    found = []
    for listing, prediction in zip(listings, predictor.predict(listings), strict=True):
        said = extractor.read(listing.title, "", [])
        seen = range(len(listing.images))
        tags = tagging.resolve(prediction, said, listing.title, was_read=False, image_indices=seen)
        found.append(tags.attributes["tint"])
    return found


def test_prompts_alone_answer_for_pictures_never_seen(loaded: Checkpoint, tmp_path: Path) -> None:
    """Nearly always rightly, yet only suggested: nobody has measured how far the scores are to be trusted."""
    taxonomy = declared(tmp_path, TINT)
    predictor = TorchPredictor(loaded, torch.device("cpu"), {}, TORCH, taxonomy)
    colors = list(COLORS) * 10
    shown = [ListingInput("a thing", (square(color, 10**6 + at // len(COLORS)),)) for at, color in enumerate(colors)]
    tags = decided_each(predictor, taxonomy, shown)
    assert sum(tag.values[0].value == color for tag, color in zip(tags, colors, strict=True)) >= 0.9 * len(shown)
    assert {tag.status for tag in tags} <= {"suggested", "abstained"}
    two = predictor.predict([ListingInput("", (square("red", 1), square("blue", 2)))])[0].attributes["tint"]
    one, other = (
        predictor.predict([ListingInput("", (square(c, s),))])[0].attributes["tint"]
        for c, s in (("red", 1), ("blue", 2))
    )
    np.testing.assert_allclose(two.fused, (one.fused + other.fused) / 2, atol=1e-4)
    assert two.text is None


def test_a_pair_that_learned_nothing_answers_by_chance(tmp_path: Path) -> None:
    """What the test above shows was learned, not built in."""
    model: Any = clip_folder(tmp_path / "clip", shortest=32)
    settings = bring_pair(parse_source(str(tmp_path / "clip")), tmp_path / "raw")
    _, pair = open_pair(tmp_path / "raw", settings, 224)
    pair.images._model.load_state_dict(model.state_dict())
    told = pair.read([f"a photo of a {color} square" for color in COLORS])
    with torch.inference_mode():
        shown = pair.images(torch.from_numpy(np.stack([square(c, s) for s in range(10) for c in COLORS])))
    right = (shown @ told.T).argmax(dim=1) == torch.arange(len(COLORS)).repeat(10)
    assert float(right.float().mean()) < 0.7


def test_a_declared_threshold_accepts_with_the_picture_as_evidence(loaded: Checkpoint, tmp_path: Path) -> None:
    """And the event is one that readers of the released schema take."""
    taxonomy = declared(tmp_path, {**TINT, "threshold": 0.5})
    predictor = TorchPredictor(loaded, torch.device("cpu"), {}, TORCH, taxonomy)
    pixels = square("green", 5)
    tag = decided(predictor, taxonomy, "a thing", pixels)
    assert (tag.status, tag.values[0].value, tag.consistency) == ("accepted", "green", "image_only")
    assert [one.image for one in tag.evidence if hasattr(one, "polygon")] == [0]
    assert tag.without_images is None
    (prediction,) = predictor.predict([ListingInput("a thing", (pixels,))])
    tags = Tagging(predictor.labels, taxonomy).resolve(
        prediction, NOTHING_SAID, "a thing", was_read=False, image_indices=(0,)
    )
    image = DecodedImage("https://example.com/1.jpg", "0" * 64, 224, 224, pixels, pixels[:0])
    listing = ListingCreated(listing_id="one", title="a thing", image_urls=("https://example.com/1.jpg",))
    item = replace(Item(Record(None, b"{}", (), None), listing), images=(image,))
    line = build_tag_line(item, tags, [None], [], predictor.info, now=datetime.now(UTC))
    Draft202012Validator(json.loads(RELEASED.read_text())).validate(line["attributes"])
    assert line["attributes"]["attributes"]["tint"]["values"][0]["value"] == "green"


def test_words_state_a_prompted_value_too(loaded: Checkpoint, tmp_path: Path) -> None:
    """With a picture or without one: a word and prompts answer together, the word as it does alone."""
    taxonomy = declared(tmp_path, TINT, {"red": ["crimsonish"], "blue": ["azurish"]})
    predictor = TorchPredictor(loaded, torch.device("cpu"), {}, TORCH, taxonomy)
    seen = decided(predictor, taxonomy, "crimsonish thing", square("red", 7))
    said = decided(predictor, taxonomy, "crimsonish thing")
    for tag in (seen, said):
        assert (tag.status, tag.values[0].value) == ("accepted", "red")
        assert tag.evidence
    assert decided(predictor, taxonomy, "a thing").values == ()


def test_what_is_none_of_the_values_takes_score_away(loaded: Checkpoint, tmp_path: Path) -> None:
    """A blue square is not the likelier red for blue not being declared."""
    closed = declared(tmp_path, {**TINT, "values": ["red", "green"]})
    told = declared(tmp_path, {**TINT, "values": ["red", "green"], "otherwise": ["blue", "yellow"]})
    sure, doubted = (
        TorchPredictor(loaded, torch.device("cpu"), {}, TORCH, one).predict([ListingInput("", (square("blue", 3),))])[0]
        for one in (closed, told)
    )
    assert sure.attributes["tint"].fused.sum() == pytest.approx(1, abs=1e-5)
    assert doubted.attributes["tint"].fused.max() < 0.3


def labelled(folder: Path, count: int) -> list[Row]:
    """Pictures that a team labelled, one in forty wrongly."""
    rows = []
    for index in range(count):
        color = list(COLORS)[index % len(COLORS)]
        path = folder / f"{index}.png"
        Image.fromarray(square(color, 5 * 10**6 + index)).save(path)
        said = "red" if index % 40 == 1 else color
        rows.append(Row(path, "", {"tint": said}, "test", "catalogue", f"family {index}"))
    return rows


def test_outcomes_buy_a_threshold_for_these_very_prompts(
    checkpoint: Path, loaded: Checkpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Calibrated on labelled pictures it is accepted; with other prompts it is not, and that is said."""
    taxonomy = declared(tmp_path, TINT)
    none: Any = None  # features: no trained attribute is labelled
    rows = labelled(tmp_path, 240)
    done = recalibrate(checkpoint, loaded, none, rows, tmp_path / "new", taxonomy.prompts)
    assert done.attributes == ("tint",)
    again = load(done.folder)
    predictor = TorchPredictor(again, torch.device("cpu"), {"tint": 0.9}, TORCH, taxonomy)
    assert decided(predictor, taxonomy, "a thing", square("green", 5)).status == "accepted"
    strict = TorchPredictor(again, torch.device("cpu"), {"tint": 0.999}, TORCH, taxonomy)
    assert decided(strict, taxonomy, "a thing", square("green", 5)).status == "suggested"
    other = declared(tmp_path, {**TINT, "template": "{} square"})
    changed = TorchPredictor(again, torch.device("cpu"), {"tint": 0.9}, TORCH, other)
    assert decided(changed, other, "a thing", square("green", 5)).status != "accepted"
    assert "prompts of 'tint' are not those" in caplog.text
    with pytest.raises(ModelError, match="no attribute has 200"):
        recalibrate(checkpoint, loaded, none, rows[:100], tmp_path / "few", taxonomy.prompts)


@pytest.mark.parametrize("make", [lambda folder: clip_folder(folder, shortest=32), siglip_folder])
def test_a_pair_says_what_transformers_would(make: Callable[[Path], PreTrainedModel], tmp_path: Path) -> None:
    """The library's image processor, tokeniser, padding and temperature: the same probabilities."""
    model: Any = make(tmp_path / "source")
    settings = bring_pair(parse_source(str(tmp_path / "source")), tmp_path / "out")
    filled, pair = open_pair(tmp_path / "out", settings, 96)
    filled.load_state_dict(model.state_dict())
    sentences = ["a photo of a red square", "lamp", "black shoe of maker"]
    width = {"padding": "max_length", "max_length": 16} if settings["full_width"] else {"padding": True}
    tokens = tokenizer()(sentences, return_tensors="pt", **width)
    tokens.pop("token_type_ids", None)
    if settings["full_width"]:
        tokens.pop("attention_mask")
    processor = AutoImageProcessor.from_pretrained(tmp_path / "source")  # type: ignore[no-untyped-call]
    pixels = processor(photo(96, 96), return_tensors="pt")
    with torch.inference_mode():
        theirs = model(**tokens, **pixels).logits_per_image.softmax(dim=1)
        shown = pair.images(torch.from_numpy(np.asarray(photo(96, 96)).copy())[None])
        ours = torch.softmax(pair.scale * shown @ pair.read(sentences).T, dim=1)
    torch.testing.assert_close(ours, theirs, atol=5e-3, rtol=0)


def test_prompts_and_pair_are_part_of_the_revision(loaded: Checkpoint, tmp_path: Path) -> None:
    """Other prompts, or none, never pass for these; title vectors in the cache stay valid."""
    infos = [
        TorchPredictor(loaded, torch.device("cpu"), {}, TORCH, one).info
        for one in (load_taxonomy(), declared(tmp_path, TINT), declared(tmp_path, {**TINT, "template": "{}"}))
    ]
    assert len({info.revision for info in infos}) == 3
    assert len({info.text_revision for info in infos}) == 1


def test_prompts_without_a_pair_are_refused(tmp_path: Path) -> None:
    """By name, with the command that helps."""
    with pytest.raises(CheckpointError, match=r"'tint' by prompts.*no pair.*add-pair"):
        TorchPredictor(load(SHIPPED), torch.device("cpu"), {}, TORCH, declared(tmp_path, TINT))


def test_a_pair_is_added_to_a_copy_alone(checkpoint: Path, tmp_path: Path) -> None:
    """Heads and thresholds are the same files; a folder that is there, or a source that is no pair, leaves nothing."""
    assert (checkpoint / "heads.safetensors").read_bytes() == (SHIPPED / "heads.safetensors").read_bytes()
    assert ModelConfig.load(checkpoint / "config.json").pair["side"] == 32
    with pytest.raises(ModelError, match="exists"):
        add_pair(SHIPPED, "./nowhere", checkpoint)
    with pytest.raises(CheckpointError, match="pinned commit"):
        add_pair(SHIPPED, "google/siglip2-base-patch16-256@main", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"color": TINT}, r"'color' is answered by a trained head"),
        ({"hue": TINT}, r"prompts\.hue is not in attributes"),
        ({"tint": {"values": ["red"]}}, "needs two values, or one and otherwise"),
        ({"tint": {"values": {"red": [], "blue": ["blue"]}}}, r"values\.red has no prompt"),
        ({"tint": {**TINT, "template": "a photo"}}, r"template is 'a photo'; it holds \{\} once"),
        ({"tint": {**TINT, "threshold": 2}}, "threshold is 2; it is a score above 0, at most 1"),
        ({"tint": {**TINT, "colour": 1}}, "must be an object with values and any of otherwise, template, threshold"),
        ({"tint": {"values": {"red": ["warm"], "blue": ["warm"]}}}, "'warm' stands there twice"),
        ({"tint": {"values": "red"}}, "must be a list of values, or an object"),
        ([], "prompts must be an object"),
    ],
)
def test_a_wrong_declaration_is_named(entry: Any, words: str) -> None:
    """The entry, what is wrong with it, what it could be."""
    with pytest.raises(ValueError, match=words):
        read_prompts(entry, ("color", "tint"))


def test_the_taxonomy_says_so_too(tmp_path: Path) -> None:
    """A wrong declaration stops the program with the file's name."""
    with pytest.raises(TaxonomyError, match=r"taxonomy\.json.*prompts\.tint"):
        declared(tmp_path, {"values": []})


def test_what_is_not_used_is_not_imported() -> None:
    """A program that only serves the shipped towers loads no adapter, no timm, no transformers when it starts."""
    code = "import sys, model.predictor, model.weights; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=True)
    for name in ("transformers", "timm", "torchvision", "model.towers.pair", "model.towers.transformers_images"):
        assert f"'{name}'" not in done.stdout
