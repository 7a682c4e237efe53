"""Open fonts that this machine has, kept apart for development and test. Nothing is installed here.

A list names families by the files of Debian's packages; what is missing is left out, and whoever uses fonts says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

Part = Literal["development", "test"]

_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
PACKAGES = (
    "fonts-dejavu", "fonts-noto-core", "fonts-roboto-unhinted", "fonts-open-sans", "fonts-inter", "fonts-wqy-zenhei",
    "fonts-cabin", "fonts-roboto-slab", "fonts-liberation", "fonts-lato", "fonts-freefont-ttf", "fonts-noto-cjk",
    "fonts-urw-base35", "fonts-karla", "fonts-manrope", "fonts-quicksand", "fonts-play", "fonts-cantarell",
    "fonts-comic-neue", "fonts-league-spartan", "fonts-comfortaa", "fonts-crosextra-carlito",
)  # fmt: skip
_FILES = {
    "development": (
        "DejaVuSans", "DejaVuSans-Bold", "DejaVuSansCondensed-Bold", "DejaVuSerif", "DejaVuSerif-Bold", "Roboto-Regular",
        "Roboto-Bold", "RobotoCondensed-Bold", "RobotoSlab-Bold", "NotoSans-Regular", "NotoSans-Bold", "NotoSerif-Regular",
        "OpenSans-Semibold", "Inter-Medium", "Inter-ExtraBold", "Cabin-Bold", "wqy-zenhei", "wqy-microhei", "Dosis-SemiBold",
        "Cantarell-Bold", "ComicNeue-Bold", "LeagueSpartan-Bold", "Comfortaa-Bold", "Carlito-Bold",
    ),
    "test": (
        "LiberationSans-Regular", "LiberationSans-Bold", "LiberationSansNarrow-Bold", "LiberationSerif-Regular",
        "LiberationSerif-Bold", "Lato-Regular", "Lato-Bold", "Lato-Black", "FreeSans", "FreeSansBold", "FreeSerifBold",
        "NotoSansCJK-Regular", "NotoSansCJK-Bold", "NotoSerifCJK-Bold", "URWGothic-Demi", "P052-Bold", "Karla-Bold",
        "Manrope-Bold", "Quicksand-Bold", "Play-Bold",
    ),
}  # fmt: skip
_ABSENT = "\U000fffff"  # no font has it: what is drawn instead


def fonts_of(part: Part) -> tuple[Path, ...]:
    """The part's fonts that are here, in the list's order."""
    found = {path.stem: path for folder in _FOLDERS for path in sorted(folder.rglob("*.?t?")) if path.is_file()}
    return tuple(found[name] for name in _FILES[part] if name in found)


def able(fonts: Sequence[Path], characters: frozenset[str]) -> tuple[Path, ...]:
    """The fonts that have all of ``characters``."""
    return tuple(font for font in fonts if all(_has(font, character) for character in characters))


@lru_cache(maxsize=4096)
def _has(font: Path, character: str) -> bool:
    if character.isspace():
        return True
    face = ImageFont.truetype(font, 40)
    return _drawn(face, character) != _drawn(face, _ABSENT)


def _drawn(face: ImageFont.FreeTypeFont, character: str) -> bytes:
    image = Image.new("L", (120, 80))
    ImageDraw.Draw(image).text((20, 10), character, 255, face)
    return image.tobytes()
