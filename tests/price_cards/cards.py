"""Cards drawn: a wording in a font and a layout over a photo, and what a camera and a shop's JPEG make of it."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from model.types import Pixels
from tests.price_cards.fonts import Part, able, fonts_of
from tests.price_cards.layouts import LAYOUTS, Ground, hard, soft
from tests.price_cards.notations import NOTATIONS
from tests.price_cards.numbers import no_price, number_line
from tests.price_cards.wording import Wording, Words, plain

_SIDES = (480, 560, 640, 720, 800, 900)
_LEAST_SHARE, _MOST_SHARE = 0.045, 0.16  # a line's font size, of the picture's height
_LEAST_SIZE = 22.0  # pixels
_BESIDE = ("New", "Sale", "Best price", "Only today", "Free shipping", "Top quality", "Limited offer", "In stock")
_STRIKE_RED = (215, 20, 30)


@dataclass(frozen=True, slots=True)
class Card:
    """A picture, what stands on it, and how it was made."""

    pixels: Pixels
    wording: Wording
    font: str
    layout: str


class CardMaker:
    """Makes the cards of one part. ``number`` decides all of a card; photos are taken in turn."""

    def __init__(self, part: Part, photos: Sequence[Path], seed: int = 0) -> None:
        self._part = part
        self._photos = photos
        self._seed = seed
        self._fonts = fonts_of(part)

    @property
    def fonts(self) -> tuple[str, ...]:
        """Names of the fonts that are here."""
        return tuple(font.stem for font in self._fonts)

    def priced(self, number: int) -> Card:
        """A card with a price, notations in turn."""
        choose = random.Random(f"{self._seed}/{self._part}/priced/{number}")
        wording = NOTATIONS[number % len(NOTATIONS)](choose)
        beside = choose.random()
        rows = wording.rows
        if beside < 0.25:
            rows = ((plain(choose.choice(_BESIDE), 0.6),), *rows)
        elif beside < 0.4:
            rows = (*rows, (plain(number_line(choose), 0.6),))
        return self._draw(Wording(wording.notation, rows, wording.truths), number, choose)

    def unpriced(self, number: int) -> Card:
        """A card with numbers that are no prices."""
        choose = random.Random(f"{self._seed}/{self._part}/unpriced/{number}")
        return self._draw(no_price(choose), number, choose)

    def _draw(self, wording: Wording, number: int, choose: random.Random) -> Card:
        fonts = able(self._fonts, wording.characters)
        if not fonts:
            raise LookupError(
                f"no font has all of {''.join(sorted(wording.characters))!r} among {', '.join(self.fonts) or 'none'}; "
                "install open fonts that have, such as fonts-freefont-ttf and fonts-noto-cjk"
            )
        font, layout = choose.choice(fonts), choose.choice(LAYOUTS[self._part])
        photo = _photo(self._photos[number % len(self._photos)], choose)
        block = Block(wording, font, photo.size, choose)
        ground = layout(block.size, photo.size, choose)
        layer = block.on(ground, choose)
        _paste(photo, layer, ground, choose)
        return Card(_jpeg(photo, choose.randint(72, 93)), wording, font.stem, layout.__name__)


class Block:
    """The words set: sizes and places, before ink and ground."""

    def __init__(self, wording: Wording, font: Path, picture: tuple[int, int], choose: random.Random) -> None:
        self._rows = wording.rows
        self._font = font
        share = _LEAST_SHARE * (_MOST_SHARE / _LEAST_SHARE) ** choose.random()
        self._em = max(_LEAST_SIZE, share * picture[1])
        while self._em > 12 and not (self.size[0] < 0.76 * picture[0] and self.size[1] < 0.55 * picture[1]):
            self._em *= 0.94

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of all rows."""
        widths = [sum(map(self._width, row)) + round(self._gap) * (len(row) - 1) for row in self._rows]
        return max(widths), round(
            sum(self._height(row) for row in self._rows) + 0.25 * self._em * (len(self._rows) - 1)
        )

    @property
    def _gap(self) -> float:
        return float(self._em * 0.9)

    def on(self, ground: Ground, choose: random.Random) -> Image.Image:
        """The ground with the words on it."""
        layer = Image.new("RGBA", ground.layer.size)
        top = float(ground.margin[1])
        strike_ink = _STRIKE_RED if choose.random() < 0.4 and sum(ground.ink) < 300 else ground.ink
        for row in self._rows:
            left = ground.margin[0] + choose.choice((0.0, 0.5)) * (self.size[0] - sum(map(self._width, row)))
            for words in row:
                self._write(layer, words, (left, top + 0.8 * self._height(row)), ground, strike_ink, choose)
                left += self._width(words) + self._gap
            top += self._height(row) + 0.25 * self._em
        if ground.rim and ground.outline:
            layer = hard(layer, ground.outline, self._em * ground.rim)
        elif ground.has_shadow and ground.outline:
            layer = soft(layer, ground.outline, self._em / 14)
        return Image.alpha_composite(ground.layer, layer)

    def _write(
        self, layer: Image.Image, words: Words, start: tuple[float, float], ground: Ground,
        strike_ink: tuple[int, int, int], choose: random.Random,
    ) -> None:  # fmt: skip
        draw = ImageDraw.Draw(layer)
        stroke = max(1, round(self._em / 20)) if ground.outline and not ground.has_shadow else 0
        digits = self._digit_height(words.scale)
        left, baseline = start
        for piece in words.pieces:
            scale = words.scale * piece.scale
            font = self._face(scale)
            rise = digits - self._digit_height(scale) if piece.is_raised else 0.0
            place = (left, baseline - rise)
            draw.text(place, piece.text, ground.ink, font, "ls", stroke_width=stroke, stroke_fill=ground.outline)
            left += font.getlength(piece.text)
        if words.strike:
            ends = {"level": (0.5, 0.5), "rising": (0.05, 0.95), "falling": (0.95, 0.05)}[words.strike]
            extra = digits * choose.uniform(0.05, 0.25)
            line = [(start[0] - extra, baseline - ends[0] * digits), (left + extra, baseline - ends[1] * digits)]
            width = max(2, round(digits * choose.uniform(0.07, 0.13)))
            if stroke:
                draw.line(line, ground.outline, width + 2 * stroke)
            draw.line(line, strike_ink, width)

    def _width(self, words: Words) -> int:
        return round(sum(self._face(words.scale * piece.scale).getlength(piece.text) for piece in words.pieces))

    def _height(self, row: Sequence[Words]) -> float:
        return float(self._em * max(words.scale for words in row))

    def _digit_height(self, scale: float) -> float:
        return -self._face(scale).getbbox("0", anchor="ls")[1]

    def _face(self, scale: float) -> ImageFont.FreeTypeFont:
        return ImageFont.truetype(self._font, self._em * scale)


def _photo(path: Path, choose: random.Random) -> Image.Image:
    with Image.open(path) as image:
        photo = image.convert("RGB")
    scale = choose.choice(_SIDES) / max(photo.size)
    return photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.BICUBIC)


def _paste(photo: Image.Image, layer: Image.Image, ground: Ground, choose: random.Random) -> None:
    if ground.angle:
        layer = layer.rotate(ground.angle, Image.Resampling.BICUBIC, expand=True)
    room = [max(0, side - used) for side, used in zip(photo.size, layer.size, strict=True)]
    top = {"top": 0, "bottom": room[1]}.get(ground.place, choose.randint(0, room[1]))
    photo.paste(layer, (choose.randint(0, room[0]), top), layer)


def _jpeg(photo: Image.Image, quality: int) -> Pixels:
    data = io.BytesIO()
    photo.save(data, "JPEG", quality=quality)
    with Image.open(data) as image:
        return np.asarray(image.convert("RGB"), np.uint8)
