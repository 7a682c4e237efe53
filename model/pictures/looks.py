"""From what a codec gives to what both lanes want: upright, sRGB, on white, brought to size."""

from __future__ import annotations

import io
from dataclasses import dataclass

from PIL import Image, ImageCms

from model.geometry import Framing, fit_within, on_square

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_MAX_PROFILE_BYTES = 1 << 20
_SAME = 2  # levels of 255: a profile that moves no colour further than this is sRGB under another name
_PROBE_STEPS = (0, 64, 128, 192, 255)


@dataclass(frozen=True, slots=True)
class Looks:
    """A picture at full size on its way: ``image`` is RGB, L or CMYK, in its own colours and as it was stored."""

    image: Image.Image
    orientation: int  # as EXIF counts: 1 is upright
    profile: ImageCms.ImageCmsTransform | None  # to sRGB; None: the colours are sRGB already

    @property
    def is_turned(self) -> bool:
        """Upright, width and height change places."""
        return self.orientation >= 5

    def on_square(self, framing: Framing) -> Image.Image:
        """As the model wants it, whole inside a white square unless it was told otherwise: RGB."""
        return on_square(self._finish(framing.scaled(self.image)), framing.side)

    def within(self, max_side: int) -> Image.Image:
        """At most so large: RGB."""
        return self._finish(fit_within(self.image, max_side))

    def upright(self) -> Image.Image:
        """At the size that was decoded: RGB."""
        return self._finish(self.image)

    def stretched(self, side: int) -> Image.Image:
        """A thumbnail of ``side`` × ``side`` pixels, each the mean of what it stands for: RGB."""
        return self._finish(self.image.resize((side, side), Image.Resampling.BOX))

    def _finish(self, image: Image.Image) -> Image.Image:
        """What is dear on a large picture and the same on a small one comes last."""
        turn = _TURNS.get(self.orientation)
        if turn is not None:
            image = image.transpose(turn)
        if self.profile is not None:
            return ImageCms.applyTransform(image, self.profile) or image
        return image.convert("RGB") if image.mode != "RGB" else image


def look_at(image: Image.Image) -> Looks:
    """A loaded picture's looks. Raises what a codec raises on bytes that promised more than they hold."""
    orientation = _orientation(image)
    flat = _flat(image)
    return Looks(flat, orientation, _profile(image.info.get("icc_profile"), flat.mode))


def _orientation(image: Image.Image) -> int:
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # EXIF is a courtesy of the sender; the picture counts
        return 1
    return found if found in _TURNS else 1


def _flat(image: Image.Image) -> Image.Image:
    """One of RGB, L and CMYK: 16 bits by the type's range, what is transparent on white."""
    if image.mode.startswith("I"):
        return _from_16_bits(image)
    if image.mode in ("P", "PA", "LA", "RGBA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGB", layer.size, (255, 255, 255))
        white.paste(layer, mask=layer.getchannel("A"))
        return white
    return image if image.mode in ("RGB", "L", "CMYK") else image.convert("RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits as L. Stretching to the values found would show fog as a picture, each at another brightness."""
    table = [value >> 8 for value in range(1 << 16)]
    transparent = image.info.get("transparency")
    if isinstance(transparent, int) and 0 <= transparent < len(table):
        table[transparent] = 255
    return (image if image.mode == "I" else image.convert("I")).point(table, "L")


def _profile(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The way from an embedded profile's colours to sRGB. A broken one is no reason to refuse the picture."""
    if not profile or len(profile) > _MAX_PROFILE_BYTES:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
        return None if mode == "RGB" and _changes_nothing(transform) else transform
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Most embedded profiles are sRGB itself; asking 125 colours is cheaper than converting millions."""
    colors = bytes(level for r in _PROBE_STEPS for g in _PROBE_STEPS for b in _PROBE_STEPS for level in (r, g, b))
    probe = Image.frombytes("RGB", (len(colors) // 3, 1), colors)
    found = ImageCms.applyTransform(probe, transform)
    return found is not None and all(abs(a - b) <= _SAME for a, b in zip(colors, found.tobytes(), strict=True))
