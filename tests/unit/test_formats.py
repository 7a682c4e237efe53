"""Telling formats by their bytes."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from model.pictures.decode import BadPictureError
from model.pictures.formats import remedy, sniff, webp_size
from worker.decoding.jail import JailLimits, decode

LIMITS = JailLimits(1 << 30, 10.0, 1_000_000, 500_000, 32, 64)


def saved(kind: str, size: tuple[int, int] = (20, 10), **options: object) -> bytes:
    """A picture in a format that Pillow writes."""
    body = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(body, kind, **options)
    return body.getvalue()


def with_segment(jpeg: bytes, marker: int, content: bytes) -> bytes:
    """A JPEG with a segment more, before all others."""
    return jpeg[:2] + bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content + jpeg[2:]


FOREIGN = {
    "MPO": saved("MPO", save_all=True, append_images=[Image.new("RGB", (20, 10))]),
    "TIFF": saved("TIFF"),
    "BMP": saved("BMP"),
    "EPS": saved("EPS"),
    "PDF": b"%PDF-1.7\n",
    "ICO": saved("ICO", size=(32, 32)),
    "JPEG 2000": saved("JPEG2000"),
    "AVIF": saved("AVIF"),
    "HEIC": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(20),
    "SVG": b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "PSD": b"8BPS\x00\x01" + bytes(20),
    "JPEG XL": b"\xff\x0a" + bytes(20),
    "BigTIFF": b"II+\x00" + bytes(20),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_formats_are_refused_by_name(name: str) -> None:
    """The refusal says which format it was and what to do."""
    with pytest.raises(BadPictureError) as caught:
        decode(FOREIGN[name], LIMITS)
    assert caught.value.reason == "unsupported_format"
    assert caught.value.detail == f"{name} is not decoded; {remedy(name)}"
    assert "JPEG" in caught.value.detail


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_accepted_formats_are_decoded(kind: str) -> None:
    """The allow-list is open."""
    body = saved(kind)
    assert sniff(body) == kind
    assert decode(body, LIMITS).width == 20


def test_avif_is_for_whoever_asks() -> None:
    """Off, it is refused with the setting's name; on, it is a picture like any other."""
    with pytest.raises(BadPictureError, match=r"decode\.avif = true"):
        decode(FOREIGN["AVIF"], LIMITS)
    limits = JailLimits(1 << 30, 10.0, 1_000_000, 500_000, 32, 64, avif=True)
    assert decode(FOREIGN["AVIF"], limits).width == 20


def test_gif_is_its_first_frame() -> None:
    """What comes after the first frame is not looked at."""
    body = io.BytesIO()
    Image.new("RGB", (20, 10), (255, 0, 0)).save(
        body, "GIF", save_all=True, append_images=[Image.new("RGB", (20, 10), (0, 0, 255))] * 3
    )
    reading = decode(body.getvalue(), LIMITS).reading
    assert reading is not None and reading.getpixel((10, 5)) == (255, 0, 0)


def test_a_gain_map_makes_no_other_format() -> None:
    """An Ultra HDR picture is a JPEG with an index for those who use the map."""
    index = with_segment(saved("JPEG"), 0xE2, b"MPF\x00" + bytes(30))
    assert sniff(index) == "MPO"
    assert sniff(with_segment(index, 0xE1, b'http://ns.adobe.com/xap/1.0/\x00<x hdrgm:Version="1.0"/>')) == "JPEG"


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xd8", b"<html><svg></svg></html>", b"<?xml version='1.0'?><Error/>", b"RIFF\x00\x00\x00\x00WAVE",
     b"\x00\x00\x00\x18ftypmp42" + bytes(20), b"hello"],
)  # fmt: skip
def test_what_is_no_picture(body: bytes) -> None:
    """Text, sound, film and nothing."""
    assert sniff(body) is None
    with pytest.raises(BadPictureError) as caught:
        decode(body, LIMITS)
    assert caught.value.reason == "not_an_image"


@pytest.mark.parametrize("options", [{"lossless": True}, {"quality": 80}, {"quality": 80, "exif": b"Exif\x00\x00"}])
def test_webp_size_stands_in_the_header(options: dict[str, object]) -> None:
    """All three kinds of WebP say their size before anything is allocated."""
    assert webp_size(saved("WEBP", (123, 45), **options)) == (123, 45)


def test_webp_canvas_is_refused_before_it_is_allocated() -> None:
    """A header can claim 268 million pixels in thirty bytes."""
    body = bytearray(saved("WEBP", exif=b"Exif\x00\x00"))
    body[24:30] = b"\xff\x3f\x00" * 2
    with pytest.raises(BadPictureError) as caught:
        decode(bytes(body), LIMITS)
    assert caught.value.reason == "too_many_pixels"


def test_endless_headers_end() -> None:
    """A JPEG of headers alone is looked through once."""
    assert sniff(b"\xff\xd8" + b"\xff\xe1\x00\x02" * 500_000) == "JPEG"
    assert sniff(b"\xff\xd8" + b"\xff" * 2_000_000) == "JPEG"
