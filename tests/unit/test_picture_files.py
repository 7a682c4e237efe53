"""What training sees of a picture is what a worker sees; what it keeps is of that picture; what is bad is named."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from model.errors import ModelError
from model.geometry import FITS, Framing
from model.measuring.label_noise import thumbnails
from model.training.dataset import Row
from model.training.features import weights_of
from model.training.ground_data import grounds_of
from model.training.kept import kept
from model.training.picture_files import digests_of, load_pixels, load_upright
from worker.decode import DecodePolicy
from worker.decoding.jail import decode

FRAMING = Framing(64)


def motif(size: tuple[int, int] = (90, 60)) -> Image.Image:
    """Something with an upper left, and texture."""
    image = Image.merge("RGB", [Image.effect_noise(size, 70) for _ in range(3)])
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 3, size[1] // 3), (200, 30, 40))
    return image


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


def cut_out(size: tuple[int, int] = (90, 60)) -> Image.Image:
    """What is transparent is black beneath."""
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).ellipse((20, 10, 70, 50), 255)
    image = Image.composite(motif(size), Image.new("RGB", size), mask)
    image.putalpha(mask)
    return image


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@pytest.fixture
def odd_pictures(tmp_path: Path) -> list[Path]:
    """Those of which plain decoding gives other pixels, and a JPEG that a worker decodes at a half."""
    grey = Image.fromarray((np.asarray(motif().convert("L"), np.uint16) * 257).astype(np.uint16))
    return [
        saved(tmp_path / "turned.jpg", motif(), exif=turned()),
        saved(tmp_path / "cut.png", cut_out()),
        saved(tmp_path / "cut.webp", cut_out(), lossless=True),
        saved(tmp_path / "grey16.png", grey),
        saved(tmp_path / "palette.png", cut_out().quantize(64)),
        saved(tmp_path / "large.jpg", motif((3600, 900))),
    ]


def test_training_sees_what_a_worker_sees(odd_pictures: list[Path]) -> None:
    """Turned, cut out, of a palette, of 16 bits, large: pixel by pixel the same as from a decoder process."""
    limits = DecodePolicy(framing=FRAMING).limits
    for path in odd_pictures:
        worker = np.asarray(decode(path.read_bytes(), limits).model)
        assert np.array_equal(load_pixels(path, FRAMING), worker), path.name
        with Image.open(path) as image:
            before = np.asarray(FRAMING.square(image.convert("RGB")))
        assert not np.array_equal(before, worker), path.name


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("name", ["plain.jpg", "grey.jpg", "progressive.jpg", "plain.png"])
def test_plain_pictures_are_seen_as_they_are(tmp_path: Path, name: str, fit: str) -> None:
    """Features of the shipped checkpoint's training pictures stay what they were: decoded, brought to size, no more."""
    image = motif((500, 331)).convert("L" if name.startswith("grey") else "RGB")
    path = saved(tmp_path / name, image, **({"progressive": True} if name.startswith("prog") else {}))
    framing = Framing(64, fit, 0.8)
    with Image.open(path) as opened:
        plain = opened.convert("RGB")
    assert np.array_equal(load_pixels(path, framing), np.asarray(framing.square(plain)))
    assert np.array_equal(np.asarray(load_upright(path, framing)), np.asarray(plain))


def test_thumbnails_show_cut_out_things_on_white(tmp_path: Path) -> None:
    """A cut-out and the same thing on white are twins, though one file is black where nothing is."""
    white = Image.new("RGB", (90, 60), (255, 255, 255))
    white.paste(cut := cut_out(), mask=cut.getchannel("A"))
    pictures = [saved(tmp_path / "cut.png", cut), saved(tmp_path / "white.png", white)]
    one, other = thumbnails(pictures).astype(np.int16)
    assert np.array_equal(one, other)


def test_what_is_kept_of_a_picture_is_not_given_for_another(tmp_path: Path) -> None:
    """Another seller's file of the same name, and a picture that took the place of another, are measured anew."""
    rows = []
    for seller in ("a", "b"):
        (tmp_path / seller / "photos").mkdir(parents=True)
        path = saved(tmp_path / seller / "photos" / "1.png", motif())
        rows.append(Row(path, "", {}, "train", "catalogue", seller))
    cache = tmp_path / "cache"
    first, second = (grounds_of([row], FRAMING, cache, lambda _: None).measures for row in rows)
    assert not np.array_equal(first, second)
    rows[1].image.write_bytes(rows[0].image.read_bytes())
    assert np.array_equal(grounds_of([rows[1]], FRAMING, cache, lambda _: None).measures, first)
    assert len(list(cache.iterdir())) == 2  # the same picture under another name is not measured again


def test_towers_that_differ_in_one_late_weight_or_statistic_are_told_apart() -> None:
    """Their features must not be taken for each other's."""
    last, norm = torch.nn.Linear(40, 40), torch.nn.BatchNorm1d(40)
    tower = torch.nn.Sequential(last, norm).eval()
    found = {weights_of(tower)}
    with torch.no_grad():
        last.weight[39, 39] += 1
        found.add(weights_of(tower))
        norm.get_buffer("running_mean")[0] = 3
        found.add(weights_of(tower))
    assert len(found) == 3


def jpeg(size: tuple[int, int] = (90, 60)) -> bytes:
    body = io.BytesIO()
    motif(size).save(body, "JPEG")
    return body.getvalue()


def test_pictures_that_a_worker_would_refuse_are_named_before_any_work(tmp_path: Path) -> None:
    """All of them at once, each with its file, what is wrong and what to do; nothing is decoded for it."""
    Image.new("1", (15_000, 15_000)).save(tmp_path / "bomb.png")
    (tmp_path / "cut.jpg").write_bytes(jpeg()[:900])
    (tmp_path / "page.jpg").write_text("<html>not found</html>")
    Image.new("RGB", (9, 9)).save(tmp_path / "old.tiff")
    (tmp_path / "good.jpg").write_bytes(jpeg())
    names = ("bomb.png", "cut.jpg", "good.jpg", "page.jpg", "old.tiff", "gone.jpg", "cut.jpg")
    with pytest.raises(ModelError) as caught:
        digests_of([tmp_path / name for name in names])
    first, *lines = str(caught.value).split("\n  ")
    assert first == "5 pictures cannot be used:"
    told = (
        "225,000,000 pixels, the limit is 24,000,000",
        "save it again",
        "put a picture",
        "serve it as JPEG",
        "No such",
    )
    for line, name, words in zip(lines, [*names[:2], *names[3:6]], told, strict=True):
        assert line.startswith(str(tmp_path / name)) and words in line


def test_a_picture_that_is_broken_inside_is_named_when_it_is_decoded(tmp_path: Path) -> None:
    """Its header and its end are sound."""
    body = io.BytesIO()
    motif().save(body, "PNG")
    broken = bytearray(body.getvalue())
    broken[len(broken) // 2] ^= 255
    (tmp_path / "a.png").write_bytes(bytes(broken))
    assert digests_of([tmp_path / "a.png"])
    with pytest.raises(ModelError, match=r"a\.png: PNG of .* bytes: .*; save it again, or leave its listing out"):
        load_pixels(tmp_path / "a.png", FRAMING)


def test_kept_files_are_as_readable_as_others(tmp_path: Path) -> None:
    """A cache that several users share is of use to all of them."""
    before = os.umask(0o022)
    try:
        kept(tmp_path / "a.safetensors", lambda: {"a": torch.zeros(3)})
    finally:
        os.umask(before)
    assert (tmp_path / "a.safetensors").stat().st_mode & 0o777 == 0o644
