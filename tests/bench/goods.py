"""Pictures for the benches: photos as a shop serves them, and posters full of text."""

from __future__ import annotations

import random

from PIL import Image, ImageDraw, ImageFont

from worker.demo.photos import enlarged
from worker.demo.samples import load_pictures

_WORDS = (
    "summer sale", "organic cotton", "free shipping", "best price", "new arrival", "total", "subtotal", "VAT 19%",
    "thank you", "open daily", "premium leather", "machine washable", "made in Portugal", "oak table", "blue lamp",
    "receipt no. 48213", "cash", "card", "change", "one size", "limited offer", "while stocks last",
)  # fmt: skip


def photos(side: int) -> dict[str, bytes]:
    """The demo's photos, without its cards of text, at this size: JPEG."""
    return {name: enlarged(body, side) for name, body in load_pictures().items() if not name.startswith("card-")}


def poster(seed: int) -> tuple[Image.Image, list[str]]:
    """A poster or receipt, 640 by 900, and its lines from top to bottom."""
    choose = random.Random(seed)
    paper, ink = choose.choice((("white", "black"), ("#f4e9d0", "#402010"), ("#103060", "white"), ("#c02020", "white")))
    image = Image.new("RGB", (640, 900), paper)
    draw = ImageDraw.Draw(image)
    top, lines = 24.0, []
    while top < 830:
        size = choose.choice((20, 22, 24, 28, 36, 48))
        words = f"{choose.choice(_WORDS)} {choose.randint(1, 99)}.{choose.choice((95, 99, 50))}"
        font = ImageFont.load_default(size)
        if font.getlength(words) < 600:
            draw.text((choose.randint(16, 30), top), words, fill=ink, font=font)
            lines.append(words)
            top += size * 1.6
    return image, lines


def labelled(photo: Image.Image, seed: int) -> tuple[Image.Image, list[str]]:
    """A photo with a title over it and a price under it, as sellers write them, and the two lines."""
    choose = random.Random(seed)
    image = photo.copy()
    draw = ImageDraw.Draw(image)
    lines = [
        choose.choice(_WORDS),
        f"{choose.choice(('$', 'EUR ', 'CHF '))}{choose.randint(5, 499)}.{choose.choice((95, 99, 50))}",
    ]
    for place, words in enumerate(lines):
        font = ImageFont.load_default(size := image.height * choose.uniform(0.05, 0.14))
        while font.getlength(words) > image.width - 12:
            font = ImageFont.load_default(size := size * 0.9)
        _, _, width, height = (round(side) for side in font.getbbox(words))
        left = choose.randint(4, max(4, image.width - width - 6))
        top = 4 if place == 0 else image.height - height - 8
        plate, ink = choose.choice(
            (("white", "black"), ("#c02020", "white"), ("#103060", "white"), ("white", "#c02020"))
        )
        draw.rectangle((left - 3, top - 1, left + width + 3, top + height + 3), fill=plate)
        draw.text((left, top), words, fill=ink, font=font)
    return image, lines
