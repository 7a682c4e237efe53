"""Decoding: what is a picture, what is not, and that a bad one costs nobody else."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from schemas.deadletter import Reason
from worker.decode import DecodePolicy, Decoder
from worker.errors import RejectedError
from worker.item import FetchedImage
from worker.jail import BadPictureError, JailLimits, decode
from worker.metrics import Metrics

LIMITS = JailLimits(1 << 30, 10.0, 1_000_000, 500_000, 32, 64)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_both_copies_have_the_sizes_wanted() -> None:
    """A wide picture comes back letterboxed for the model and scaled for reading; its own size is kept."""
    found = decode(encoded(Image.new("RGB", (200, 100), (255, 0, 0))), LIMITS)
    assert (found.width, found.height) == (200, 100)
    assert found.pixels.shape == (32, 32, 3)
    assert found.reading_pixels.shape == (32, 64, 3)
    assert (found.pixels[0] == 255).all()  # the bar above the picture is white
    assert found.pixels[16, 16, 1] < 20  # the middle is red


def test_turned_picture_stands_upright() -> None:
    """EXIF orientation is applied to pixels and size."""
    exif = Image.Exif()
    exif[0x0112] = 6
    found = decode(encoded(Image.new("RGB", (200, 100)), exif=exif), LIMITS)
    assert (found.width, found.height) == (100, 200)


def test_transparency_lies_on_white() -> None:
    """What is transparent is seen as white."""
    found = decode(encoded(Image.new("RGBA", (40, 40), (0, 0, 0, 0)), "PNG"), LIMITS)
    assert (found.reading_pixels == 255).all()


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    """Grey, palette, print and 16-bit pictures all come out as three channels."""
    kind = "JPEG" if mode == "CMYK" else "PNG"
    assert decode(encoded(Image.new(mode, (40, 30)), kind), LIMITS).reading_pixels.shape == (30, 40, 3)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", "not_an_image"),
        (b"", "not_an_image"),
        (b"II*\x00" + bytes(20), "unsupported_format"),
        (b"\xff\xd8\xff" + bytes(50), "corrupt_image"),
        (encoded(Image.effect_noise((100, 100), 50))[:900], "corrupt_image"),
        (encoded(Image.new("RGB", (1100, 1000))), "too_many_pixels"),
        (encoded(Image.new("RGB", (1000, 600)), "PNG"), "too_many_pixels"),
    ],
)
def test_bad_pictures_are_named(body: bytes, reason: str) -> None:
    """Each kind of bad picture has its reason."""
    with pytest.raises(BadPictureError) as caught:
        decode(body, LIMITS)
    assert caught.value.reason == reason


def test_same_bytes_give_same_pixels() -> None:
    """Decoding is deterministic."""
    body = encoded(Image.effect_noise((300, 200), 80).convert("RGB"))
    assert np.array_equal(decode(body, LIMITS).pixels, decode(body, LIMITS).pixels)


async def test_pool_answers_good_and_bad() -> None:
    """Real processes decode a good picture after a bad one."""
    decoder = Decoder(DecodePolicy(model_side=32, reading_side=64), Metrics())
    await decoder.start()
    try:
        with pytest.raises(RejectedError) as caught:
            await decoder.decode(FetchedImage("u", b"nothing", "0"))
        assert caught.value.reason is Reason.NOT_AN_IMAGE
        found = await decoder.decode(FetchedImage("u", encoded(Image.new("RGB", (50, 50))), "1"))
        assert found.pixels.shape == (32, 32, 3)
    finally:
        await decoder.close()


async def test_hanging_picture_costs_one_process() -> None:
    """A picture that is not done in time fails alone; the next is decoded by a fresh process."""
    metrics = Metrics()
    decoder = Decoder(DecodePolicy(seconds=0.0, model_side=32, reading_side=64), metrics)
    await decoder.start()
    try:
        with pytest.raises(RejectedError) as caught:
            await decoder.decode(FetchedImage("u", encoded(Image.new("RGB", (900, 900))), "1"))
        assert caught.value.reason is Reason.DECODE_FAILED
        assert metrics.snapshot()["decoder_restarts"] == 1
    finally:
        await decoder.close()
