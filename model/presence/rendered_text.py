"""Pictures with text in them, made from pictures: what sellers write over their goods, and what a gate must not miss.

The training photos hold little text, and hardly any overlaid prices, titles or badges. So titles and prices are drawn
on photos, at sizes down to what OCR can just read, in Pillow's own font. The same seed gives the same pictures.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from model.training.dataset import Row

_LEAST_SHARE, _MOST_SHARE = 0.03, 0.16  # height of a line, as a share of the picture's
_SIDES = (256, 320, 480, 640, 800)
_INKS = ((0, 0, 0), (255, 255, 255), (200, 20, 30), (20, 40, 160), (20, 110, 50), (240, 200, 0))
_CURRENCIES = ("${}", "EUR {}", "{} kr", "CHF {}", "USD {}")  # the font is ASCII
_BADGES = ("SALE", "NEW", "-{}%", "2 for 1", "FREE SHIPPING", "100% cotton", "EST. 19{}", "No. {}")


def write_rendered(rows: Sequence[Row], folder: Path, seed: int = 0) -> list[Row]:
    """One picture with text for each of ``rows``, as JPEG in ``folder``; its row has no title and no labels.

    Pictures that are there already are not made again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number, row in enumerate(rows):
        path = folder / f"{seed}-{number:05d}-{row.image.stem[:40]}.jpg"
        if not path.is_file():
            _render(row, random.Random(f"{seed}/{row.image.name}")).save(path, quality=85)  # noqa: S311  # repeatable
        made.append(replace(row, image=path, title="", labels={}))
    return made


def _render(row: Row, choose: random.Random) -> Image.Image:
    with Image.open(row.image) as photo:
        image = photo.convert("RGB")
    scale = choose.choice(_SIDES) / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    image = image.resize(size, Image.Resampling.BICUBIC)
    for _ in range(choose.choice((1, 1, 1, 2, 3, 5))):
        _draw(image, _words(row.title, choose), choose)
    return image


def _draw(image: Image.Image, words: str, choose: random.Random) -> None:
    """One line at a random place: ink of another brightness than what lies under it, or on a plate of its own."""
    share = _LEAST_SHARE * (_MOST_SHARE / _LEAST_SHARE) ** choose.random()
    font = ImageFont.load_default(max(9.0, share * image.height))
    width, height = (round(side) for side in font.getbbox(words)[2:])
    left, top = (choose.randint(0, max(0, side - used)) for side, used in zip(image.size, (width, height), strict=True))
    box = (left, top, min(image.width, left + width), min(image.height, top + height))
    draw = ImageDraw.Draw(image)
    if choose.random() < 0.3:
        plate = choose.choice(_INKS)
        draw.rectangle((box[0] - 4, box[1] - 2, box[2] + 4, box[3] + 4), fill=plate)
        light = sum(plate) / 3
    else:
        light = sum(image.crop(box).resize((1, 1)).tobytes()) / 3
    inks = [ink for ink in _INKS if abs(sum(ink) / 3 - light) > 70]
    draw.text((left, top), words, fill=choose.choice(inks), font=font)


def _words(title: str, choose: random.Random) -> str:
    number = choose.randint(10, 99)
    kind = choose.random()
    if kind < 0.4:
        return choose.choice(_CURRENCIES).format(f"{choose.randint(1, 499)}.{choose.choice(('99', '50', '00', '95'))}")
    if kind < 0.6 or not _legible(title):
        return choose.choice(_BADGES).format(number)
    words = _legible(title)
    first = choose.randrange(len(words))
    return " ".join(words[first : first + choose.randint(1, 4)])[:30]


def _legible(title: str) -> list[str]:
    return [word for word in title.split() if len(word) > 2 and word.isascii()]
