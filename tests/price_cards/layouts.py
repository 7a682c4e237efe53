"""Where words stand on a photo: on a plate, a band, a tag, a sticker, or bare. Development and test share none."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from tests.price_cards.fonts import Part

Ink = tuple[int, int, int]
Size = tuple[int, int]
_CLEAR = (0, 0, 0, 0)
_DARK: tuple[Ink, ...] = ((0, 0, 0), (40, 40, 40), (120, 10, 20), (10, 30, 100), (10, 80, 40))
_LIGHT: tuple[Ink, ...] = ((255, 255, 255), (255, 240, 200), (255, 225, 60), (245, 245, 245))
_RED: tuple[Ink, ...] = ((200, 20, 30), (220, 40, 20), (180, 0, 60))


@dataclass(frozen=True, slots=True)
class Ground:
    """What lies under the words. ``layer``: RGBA, larger than the words by ``margin`` on each side."""

    layer: Image.Image
    margin: Size
    ink: Ink
    outline: Ink | None = None
    has_shadow: bool = False
    rim: float = 0.0  # of a letter's height; 0: the shadow is soft
    angle: float = 0.0
    place: str = "anywhere"  # or "top", "bottom"


Layout = Callable[[Size, Size, random.Random], Ground]


def _pair(choose: random.Random) -> tuple[Ink, Ink]:
    """Paper and ink."""
    if choose.random() < 0.5:
        return choose.choice(_LIGHT), choose.choice(_DARK + _RED)
    return choose.choice(_DARK + _RED), choose.choice(_LIGHT)


def plate(words: Size, _: Size, choose: random.Random) -> Ground:
    """A rectangle with a border."""
    paper, ink = _pair(choose)
    margin = (words[1] // 4 + 6, words[1] // 5 + 5)
    layer = Image.new("RGBA", (words[0] + 2 * margin[0], words[1] + 2 * margin[1]), (*paper, 255))
    ImageDraw.Draw(layer).rectangle((2, 2, layer.width - 3, layer.height - 3), outline=(*ink, 255), width=2)
    return Ground(layer, margin, ink)


def top_band(words: Size, picture: Size, choose: random.Random) -> Ground:
    """A band across the picture's top."""
    paper, ink = _pair(choose)
    margin = ((picture[0] - words[0]) // 2, words[1] // 6 + 6)
    return Ground(Image.new("RGBA", (picture[0], words[1] + 2 * margin[1]), (*paper, 255)), margin, ink, place="top")


def tilted_plate(words: Size, _: Size, choose: random.Random) -> Ground:
    """A rectangle laid down askew."""
    paper, ink = _pair(choose)
    margin = (words[1] // 6 + 5, words[1] // 7 + 4)
    layer = Image.new("RGBA", (words[0] + 2 * margin[0], words[1] + 2 * margin[1]), (*paper, 255))
    return Ground(layer, margin, ink, angle=choose.uniform(2, 10) * choose.choice((-1, 1)))


def veil(words: Size, _: Size, choose: random.Random) -> Ground:
    """A rectangle through which the photo shows, paler to one side."""
    paper, ink = _pair(choose)
    margin = (words[1] // 3 + 6, words[1] // 5 + 5)
    size = (words[0] + 2 * margin[0], words[1] + 2 * margin[1])
    fade = Image.linear_gradient("L").rotate(choose.choice((0, 90, 180, 270))).resize(size)
    least = choose.randint(120, 170)
    layer = Image.new("RGBA", size, (*paper, 0))
    layer.putalpha(fade.point([least + one // 4 for one in range(256)]))
    return Ground(layer, margin, ink)


def rimmed(words: Size, _: Size, choose: random.Random) -> Ground:
    """Bare letters with a hard rim, that lies a little to one side."""
    is_light = choose.random() < 0.6
    inks = (_LIGHT, (*_DARK, *_RED)) if is_light else ((*_DARK, *_RED), _LIGHT)
    margin = (words[1] // 4 + 6, words[1] // 5 + 6)
    layer = Image.new("RGBA", (words[0] + 2 * margin[0], words[1] + 2 * margin[1]), _CLEAR)
    ink, edge, rim = choose.choice(inks[0]), choose.choice(inks[1]), choose.uniform(0.03, 0.09)
    return Ground(layer, margin, ink, edge, has_shadow=True, rim=rim, angle=choose.choice((0.0, choose.uniform(-6, 6))))


def edged_plate(words: Size, _: Size, choose: random.Random) -> Ground:
    """Letters with an edge of another colour on a plain ground: a line through them hides more than its own width."""
    paper, ink = _pair(choose)
    if choose.random() < 0.5:
        paper = choose.choice(((120, 150, 140), (170, 140, 120), (140, 140, 170), (190, 190, 150)))
    edge = choose.choice((*_DARK, *_RED) if sum(ink) > 380 else _LIGHT)
    margin = (words[1] // 4 + 6, words[1] // 5 + 6)
    size = (words[0] + 2 * margin[0], words[1] + 2 * margin[1])
    return Ground(Image.new("RGBA", size, (*paper, 255)), margin, ink, edge)


def edged_glass(words: Size, _: Size, choose: random.Random) -> Ground:
    """Letters with an edge on tinted glass: the photo shows between them and the line through them."""
    paper, ink = _pair(choose)
    edge = choose.choice((*_DARK, *_RED) if sum(ink) > 380 else _LIGHT)
    margin = (words[1] // 5 + 6, words[1] // 6 + 5)
    size = (words[0] + 2 * margin[0], words[1] + 2 * margin[1])
    layer = Image.new("RGBA", size, (*paper, choose.randint(50, 130)))
    return Ground(layer, margin, ink, edge, angle=choose.choice((0.0, choose.uniform(-5, 5))))


def shadowed(words: Size, _: Size, choose: random.Random) -> Ground:
    """Nothing but a soft shadow or glow."""
    is_light = choose.random() < 0.5
    margin = (words[1] // 5 + 4, words[1] // 6 + 4)
    layer = Image.new("RGBA", (words[0] + 2 * margin[0], words[1] + 2 * margin[1]), _CLEAR)
    return Ground(
        layer, margin, choose.choice(_LIGHT if is_light else _DARK), (0, 0, 0) if is_light else (255, 255, 255), True
    )


def hang_tag(words: Size, _: Size, choose: random.Random) -> Ground:
    """A tag with cut corners and a hole, hanging a little askew."""
    paper, ink = choose.choice(_LIGHT), choose.choice(_DARK + _RED)
    margin = (words[1] // 3 + 14, words[1] // 4 + 8)
    width, height = words[0] + 2 * margin[0], words[1] + 2 * margin[1]
    cut = margin[0] // 2
    layer = Image.new("RGBA", (width, height), _CLEAR)
    draw = ImageDraw.Draw(layer)
    outline = [(cut, 0), (width - 1, 0), (width - 1, height - 1), (cut, height - 1), (0, height - cut), (0, cut)]
    draw.polygon(outline, fill=(*paper, 255), outline=(90, 90, 90, 255))
    hole = margin[0] // 4
    draw.ellipse((hole, height // 2 - hole // 2, 2 * hole, height // 2 + hole // 2), fill=_CLEAR, outline=(90, 90, 90))
    return Ground(layer, margin, ink, angle=choose.uniform(-8, 8))


def round_sticker(words: Size, _: Size, choose: random.Random) -> Ground:
    """An ellipse, turned a little."""
    paper, ink = _pair(choose)
    margin = (round(words[0] * 0.22) + 6, round(words[1] * 0.35) + 6)
    layer = Image.new("RGBA", (words[0] + 2 * margin[0], words[1] + 2 * margin[1]), _CLEAR)
    ImageDraw.Draw(layer).ellipse((0, 0, layer.width - 1, layer.height - 1), fill=(*paper, 255))
    return Ground(layer, margin, ink, angle=choose.uniform(-10, 10))


def translucent_band(words: Size, picture: Size, choose: random.Random) -> Ground:
    """A band through which the photo shows, across the bottom."""
    paper, ink = ((15, 15, 15), choose.choice(_LIGHT)) if choose.random() < 0.6 else ((255, 255, 255), (30, 30, 30))
    margin = ((picture[0] - words[0]) // 2, words[1] // 7 + 5)
    layer = Image.new("RGBA", (picture[0], words[1] + 2 * margin[1]), (*paper, choose.randint(150, 215)))
    return Ground(layer, margin, ink, place="bottom")


def outlined(words: Size, _: Size, choose: random.Random) -> Ground:
    """Letters with a hard outline, straight on the photo."""
    is_light = choose.random() < 0.6
    margin = (words[1] // 5 + 4, words[1] // 6 + 4)
    layer = Image.new("RGBA", (words[0] + 2 * margin[0], words[1] + 2 * margin[1]), _CLEAR)
    inks = (_LIGHT, (0, 0, 0)) if is_light else (_DARK + _RED, (255, 255, 255))
    return Ground(layer, margin, choose.choice(inks[0]), inks[1])


LAYOUTS: dict[Part, tuple[Layout, ...]] = {
    "development": (plate, top_band, shadowed, tilted_plate, veil, rimmed, edged_plate, edged_glass),
    "test": (hang_tag, round_sticker, translucent_band, outlined),
}


def soft(layer: Image.Image, glow: Ink, radius: float) -> Image.Image:
    """The words of ``layer`` on a blurred shadow of themselves."""
    shadow = Image.new("RGBA", layer.size, (*glow, 0))
    shadow.putalpha(
        layer.getchannel("A").filter(ImageFilter.GaussianBlur(radius)).point([min(255, 3 * one) for one in range(256)])
    )
    return Image.alpha_composite(shadow, layer)


def hard(layer: Image.Image, edge: Ink, width: float) -> Image.Image:
    """The words of ``layer`` on a copy of themselves that is wider by ``width`` pixels, and half of that lower."""
    wide = layer.getchannel("A").filter(ImageFilter.MaxFilter(2 * max(1, round(width)) + 1))
    rim = Image.new("RGBA", layer.size, (*edge, 0))
    rim.putalpha(ImageChops.offset(wide, 0, round(width / 2)))
    return Image.alpha_composite(rim, layer)
