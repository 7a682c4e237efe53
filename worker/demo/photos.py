"""The demo's photos at other sizes: what decoding costs depends on how many pixels a camera made."""

from __future__ import annotations

import io

from PIL import Image


def enlarged(body: bytes, side: int) -> bytes:
    """A picture with its longer side brought to ``side`` pixels and some grain, as a camera's would weigh: JPEG.

    One that is as large already keeps its size.
    """
    image = Image.open(io.BytesIO(body)).convert("RGB")
    if side > max(image.size):
        scale = side / max(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
        image = Image.blend(image, Image.effect_noise(image.size, 60).convert("RGB"), 0.06)
    again = io.BytesIO()
    image.save(again, "JPEG", quality=85)
    return again.getvalue()
