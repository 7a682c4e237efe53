"""What pictures look like once they are decoded: colours in the right places."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms, ImageDraw, ImageFilter

from model.geometry import FITS, Framing
from worker.decoding.jail import JailLimits, decode

LIMITS = JailLimits(1 << 30, 10.0, 50_000_000, 24_000_000, 32, 64)
LARGE = JailLimits(1 << 30, 10.0, 50_000_000, 24_000_000, 224, 1536)
RED, GREEN, BLUE, YELLOW = (220, 30, 40), (30, 160, 60), (30, 50, 200), (240, 220, 40)


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The picture as a file's bytes."""
    body = io.BytesIO()
    image.save(body, kind, **options)
    return body.getvalue()


def looks(body: bytes, limits: JailLimits = LIMITS) -> npt.NDArray[np.int16]:
    """The reading copy, (H, W, 3)."""
    reading = decode(body, limits).reading
    assert reading is not None
    return np.asarray(reading, np.int16)


def quarters() -> Image.Image:
    """60 x 40: red and green above, blue and yellow below."""
    image = Image.new("RGB", (60, 40), RED)
    draw = ImageDraw.Draw(image)
    draw.rectangle((30, 0, 59, 19), GREEN)
    draw.rectangle((0, 20, 29, 39), BLUE)
    draw.rectangle((30, 20, 59, 39), YELLOW)
    return image


def assert_quarters(found: npt.NDArray[np.int16], *colors: tuple[int, int, int], within: int = 12) -> None:
    """The middle of each quarter has its colour: upper left, upper right, lower left, lower right."""
    rows, columns = found.shape[:2]
    for index, color in enumerate(colors):
        at = rows * (1 + 2 * (index // 2)) // 4, columns * (1 + 2 * (index % 2)) // 4
        assert np.abs(found[at] - color).max() <= within, (index, found[at], color)


_STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_stands_upright(kind: str, orientation: int) -> None:
    """However the camera was held, both copies and the size are what a viewer shows."""
    turn = _STORED[orientation]
    stored = quarters().transpose(turn) if turn is not None else quarters()
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = saved(
        stored, kind, exif=exif, **({"quality": 95, "subsampling": 0} if kind == "JPEG" else {"lossless": True})
    )
    found = decode(body, LIMITS)
    assert (found.width, found.height) == (60, 40)
    assert_quarters(looks(body), RED, GREEN, BLUE, YELLOW)
    model = np.asarray(found.model, np.int16)
    assert_quarters(model[6:26], RED, GREEN, BLUE, YELLOW)
    assert (model[:4] == 255).all() and (model[-4:] == 255).all()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")  # as in the process
@pytest.mark.parametrize(
    "exif", [b"Exif\x00\x00garbage", b"Exif\x00\x00II*\x00\xff\xff\xff\xff", b"Exif\x00\x00" + bytes(40)]
)
def test_a_broken_exif_costs_nothing(exif: bytes) -> None:
    """Orientation is a courtesy; the picture is there all the same."""
    assert_quarters(looks(saved(quarters(), "JPEG", exif=exif, quality=95)), RED, GREEN, BLUE, YELLOW, within=30)


def test_print_colours() -> None:
    """CMYK as Adobe writes it, inverted, comes out in the colours it was made of."""
    inks = Image.new("CMYK", (60, 40), (0, 255, 255, 0))
    draw = ImageDraw.Draw(inks)
    draw.rectangle((30, 0, 59, 19), (255, 0, 255, 0))
    draw.rectangle((0, 20, 29, 39), (255, 255, 0, 0))
    draw.rectangle((30, 20, 59, 39), (0, 0, 0, 255))
    body = saved(inks, "JPEG", quality=95)
    assert b"Adobe" in body
    assert_quarters(looks(body), (255, 0, 0), (0, 255, 0), (0, 0, 255), (0, 0, 0))


def test_print_colours_in_adobes_other_coding() -> None:
    """YCCK, Adobe's transform 2: the same inks, stored as luma and chroma."""
    plain = Image.new("CMYK", (48, 48), (0, 255, 255, 0))
    body = saved(plain, "JPEG", quality=95)
    at = body.index(b"Adobe") + 11
    assert body[at] == 0
    as_luma = Image.merge(
        "CMYK", (*Image.new("RGB", (48, 48), (0, 255, 255)).convert("YCbCr").split(), Image.new("L", (48, 48), 255))
    )
    stored = bytearray(saved(Image.eval(as_luma, lambda value: 255 - value), "JPEG", quality=95, subsampling=0))
    stored[stored.index(b"Adobe") + 11] = 2
    assert np.abs(looks(bytes(stored))[24, 24] - (255, 0, 0)).max() <= 12


@pytest.mark.parametrize("low", [0, 30_000])
def test_16_bits_keep_their_brightness(low: int) -> None:
    """Grey of 16 bits is scaled by what the type can hold: fog stays fog, and is not stretched to black and white."""
    values = np.full((20, 20), low, np.uint16)
    values[:, 10:] = low + 5_000
    found = looks(saved(Image.fromarray(values)))
    assert np.abs(found[10, 2] - low // 257).max() <= 1
    assert np.abs(found[10, 17] - (low + 5_000) // 257).max() <= 1


def test_16_bits_with_a_transparent_grey() -> None:
    """One grey of 16 bits may stand for nothing; nothing is white."""
    values = np.full((20, 20), 20_000, np.uint16)
    values[:, 10:] = 40_000
    body = saved(Image.fromarray(values))
    key = b"tRNS" + struct.pack(">H", 40_000)
    at = body.index(b"IDAT") - 4
    found = looks(body[:at] + struct.pack(">I", 2) + key + struct.pack(">I", zlib.crc32(key)) + body[at:])
    assert np.abs(found[10, 2] - 77).max() <= 1
    assert (found[10, 17] == 255).all()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes(bits: int) -> None:
    """Colours by number, at every depth that PNG has."""
    image = Image.new("P", (60, 40), 0)
    image.putpalette([*RED, *GREEN])
    ImageDraw.Draw(image).rectangle((30, 0, 59, 39), 1)
    assert_quarters(looks(saved(image, bits=bits)), RED, GREEN, RED, GREEN, within=1)


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_palette_entry_is_white(kind: str) -> None:
    """Cut-outs from shop pages lie on white, not on whatever colour the hole has."""
    image = Image.new("P", (60, 40), 0)
    image.putpalette([*RED, *GREEN, 0, 0, 0])
    ImageDraw.Draw(image).rectangle((30, 0, 59, 39), 2)
    found = looks(saved(image, kind, transparency=2))
    assert_quarters(found, RED, (255, 255, 255), RED, (255, 255, 255), within=1)


@pytest.mark.parametrize(("mode", "kind"), [("RGBA", "PNG"), ("RGBA", "WEBP"), ("LA", "PNG"), ("PA", "PNG")])
def test_transparency_lies_on_white(mode: str, kind: str) -> None:
    """Opaque, half and nothing: the colour, its mean with white, white."""
    layer = Image.new("RGBA", (60, 40), (0, 0, 0, 255))
    layer.paste((0, 0, 0, 0), (30, 0, 60, 40))
    layer.paste((0, 0, 0, 128), (0, 20, 30, 40))
    image = layer.convert("LA" if mode == "LA" else "RGBA")
    if mode == "PA":
        image = layer.quantize(8)
    found = looks(saved(image, kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert_quarters(found, (0, 0, 0), (255, 255, 255), (127, 127, 127), (255, 255, 255), within=2)


def test_transparent_colour_of_an_rgb_picture() -> None:
    """PNG can name one colour that is meant as nothing."""
    found = looks(saved(quarters(), transparency=GREEN))
    assert_quarters(found, RED, (255, 255, 255), BLUE, YELLOW, within=1)


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_is_grey(mode: str) -> None:
    """Black stays black, white stays white."""
    image = Image.new(mode, (60, 40), 0)
    ImageDraw.Draw(image).rectangle((30, 0, 59, 39), 255)
    assert_quarters(looks(saved(image)), (0, 0, 0), (255,) * 3, (0, 0, 0), (255,) * 3, within=1)


def curve(gamma: float) -> bytes:
    """An ICC ``curv`` element of one exponent."""
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)


def profile(primaries: tuple[tuple[float, float, float], ...], gamma: float) -> bytes:
    """A matrix profile, made here: XYZ of red, green and blue under D50, one exponent."""

    def xyz(values: tuple[float, ...]) -> bytes:
        return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(value * 65536) for value in values))

    elements = [(b"wtpt", xyz((0.9642, 1.0, 0.8249)))]
    elements += [(name, xyz(value)) for name, value in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)]
    elements += [(name, curve(gamma)) for name in (b"rTRC", b"gTRC", b"bTRC")]
    elements.append((b"desc", b"desc" + bytes(4) + struct.pack(">I", 5) + b"made\x00" + bytes(79)))
    table, data, at = b"", b"", 128 + 4 + 12 * len(elements)
    for name, content in elements:
        table += name + struct.pack(">II", at + len(data), len(content))
        data += content + bytes(-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s", at + len(data), b"\0\0\0\0", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(elements)) + table + data


DISPLAY_P3 = profile(((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407)), 2.2)
SRGB = profile(((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141)), 2.2)


def test_a_wide_profile_is_converted() -> None:
    """Colours stored for Display P3 are more vivid in sRGB; white and grey stay."""
    image = Image.new("RGB", (60, 40), (180, 90, 60))
    ImageDraw.Draw(image).rectangle((30, 0, 59, 19), (90, 160, 90))
    ImageDraw.Draw(image).rectangle((0, 20, 29, 39), (128, 128, 128))
    ImageDraw.Draw(image).rectangle((30, 20, 59, 39), (255, 255, 255))
    expected = ((195, 83, 47), (59, 164, 80), (128,) * 3, (255,) * 3)  # by hand, with matrices
    assert_quarters(looks(saved(image, icc_profile=DISPLAY_P3)), *expected, within=6)
    assert_quarters(looks(saved(image, "WEBP", lossless=True, icc_profile=DISPLAY_P3)), *expected, within=6)
    assert_quarters(looks(saved(image, "JPEG", quality=95, icc_profile=DISPLAY_P3)), *expected, within=12)


@pytest.mark.parametrize("own", [SRGB, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()])
def test_srgb_under_any_name_changes_nothing(own: bytes) -> None:
    """The usual profile costs no conversion, hence no rounding."""
    body = saved(quarters(), icc_profile=own)
    plain = saved(quarters())
    assert np.abs(looks(body) - looks(plain)).max() <= 4


@pytest.mark.parametrize("broken", [b"not a profile", DISPLAY_P3[:200], DISPLAY_P3[:128] + bytes(400), bytes(2 << 20)])
def test_a_broken_profile_costs_nothing(broken: bytes) -> None:
    """The picture is shown as if it had none."""
    assert_quarters(
        looks(saved(quarters(), "WEBP", lossless=True, icc_profile=broken)), RED, GREEN, BLUE, YELLOW, within=1
    )


def test_grey_with_a_profile_meant_for_colours() -> None:
    """A profile that does not fit the picture is as good as none."""
    assert (looks(saved(Image.new("L", (20, 20), 90), icc_profile=DISPLAY_P3)) == 90).all()


def photo(size: tuple[int, int]) -> Image.Image:
    """Something like a photograph: large shapes, edges, texture."""
    rng = np.random.default_rng(7)
    small = Image.fromarray(rng.integers(0, 255, (12, 16, 3), np.uint8).astype(np.uint8))
    image = small.resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(60):
        x, y, side = rng.integers(0, size[0]), rng.integers(0, size[1]), rng.integers(20, size[1] // 3)
        draw.ellipse((int(x), int(y), int(x + side), int(y + side)), tuple(rng.integers(0, 255, 3).tolist()))
    noise = Image.effect_noise(size, 20).filter(ImageFilter.GaussianBlur(1))
    return Image.blend(image, noise.convert("RGB"), 0.1)


@pytest.mark.parametrize("size", [(2400, 1800), (4000, 3000), (6400, 4200), (9000, 1600)])
def test_scaled_decoding_is_close_to_full(size: tuple[int, int]) -> None:
    """A large JPEG is decoded at a half, a quarter or an eighth; the model sees the same to within a level or two."""
    body = saved(photo(size), "JPEG", quality=88)
    found = decode(body, LARGE)
    whole = Image.open(io.BytesIO(body))
    scale = 224 / max(size)
    small = whole.convert("RGB").resize(
        (round(size[0] * scale), round(size[1] * scale)), Image.Resampling.BICUBIC, reducing_gap=3.0
    )
    top, left = (224 - small.height) // 2, (224 - small.width) // 2
    model = np.asarray(found.model, np.int16)[top : top + small.height, left : left + small.width]
    differences = np.abs(model - np.asarray(small, np.int16))
    assert differences.mean() < 1.0
    assert np.percentile(differences, 99) <= 6
    assert found.reading is not None and max(found.reading.size) == 1536


def test_scaled_decoding_happens() -> None:
    """The test above compares two ways, not one with itself: less than full size is decoded."""
    image = photo((6400, 4200))
    assert decode(saved(image, "JPEG"), LARGE).width == 6400
    body = io.BytesIO(saved(image, "JPEG"))
    drafted = Image.open(body)
    drafted.draft("RGB", (1536, 1008))
    assert drafted.size == (1600, 1050)


@pytest.mark.parametrize("fit", FITS)
def test_the_decoder_frames_pictures_as_training_does(fit: str) -> None:
    """What a checkpoint's tower was trained on is what it is shown, to within the codec's levels."""
    image = quarters().resize((180, 120), Image.Resampling.BICUBIC)
    limits = replace(LIMITS, fit=fit, crop_share=0.8, interpolation="bilinear")
    wanted = Framing(32, fit, 0.8, "bilinear").square(image)
    found = decode(saved(image), limits).model
    assert np.abs(np.asarray(found, np.int16) - np.asarray(wanted, np.int16)).max() <= 1
    assert (found.getpixel((0, 0)) == (255, 255, 255)) == (fit == "letterbox")


def test_a_crop_of_a_long_strip_costs_no_more_than_its_middle() -> None:
    """Scaled as a whole it would be a million pixels wide."""
    strip = Image.new("RGB", (60_000, 2), RED)
    strip.paste(GREEN, (29_999, 0, 30_001, 2))
    found = np.asarray(Framing(32, "crop").square(strip), np.int16)
    assert found.shape == (32, 32, 3)
    assert np.abs(found[16, 16] - GREEN).max() <= 40  # enlarged sixteen times, colours shoot over
