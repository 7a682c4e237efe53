"""Makes the demo's sample set out of the training data's held-out listings. Run by hand; its output is committed.

    python -m worker.demo.make_samples DATA_DIR [--font NotoSansCJK-Bold.ttc]

Writes ``worker/demo/data/samples.jsonl`` and ``worker/demo/data/pictures/*.jpg``. Only validation rows are taken, so
that the shipped model has seen none of them. Text is rendered with Noto Sans CJK (OFL 1.1; Debian: fonts-noto-cjk).
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from worker.demo import sample_table as table

CARD_SIDE = 560  # pixels of a rendered card
MAX_TOTAL_BYTES = 3_000_000
OUT = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Maker:
    """Copies and renders pictures; ``titles`` are those of the held-out ABO listings, by picture name."""

    source: Path
    out: Path
    font: Path
    titles: dict[str, str] = field(default_factory=dict)

    def copy(self, picture: str) -> str:
        """Copy ``abo/…``, ``clothing/…`` or ``grocery/…`` as it is; gives the name it has in the sample set."""
        origin = self.source / picture
        if picture.startswith("abo/"):
            origin = self.source / "abo" / "images" / origin.name
        name = f"{picture.split('/')[0]}-{origin.stem[:28].lower()}.jpg"
        shutil.copyfile(origin, self.out / name)
        return name

    def close_up(self, picture: str) -> str:
        """A second view of the same goods: the middle of the picture, enlarged."""
        name = self.copy(picture).replace(".jpg", "-close.jpg")
        origin = self._open(picture)
        width, height = origin.size
        box = (width // 5, height // 5, width * 4 // 5, height * 4 // 5)
        origin.crop(box).resize((width, height), Image.Resampling.LANCZOS).save(self.out / name, quality=80)
        return name

    def card(self, card: table.Card) -> str:
        """A picture with text around it, as sellers make them."""
        canvas = Image.new("RGB", (CARD_SIDE, CARD_SIDE), card.paper)
        photo = self._open(card.picture)
        photo.thumbnail((330, 330), Image.Resampling.LANCZOS)
        scale = 330 / max(photo.size)
        photo = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.LANCZOS)
        canvas.paste(photo, ((CARD_SIDE - photo.width) // 2, 108))
        draw = ImageDraw.Draw(canvas)
        self._text(draw, (CARD_SIDE // 2, 46), card.title, 34, card.ink, "mm")
        if card.line:
            self._text(draw, (CARD_SIDE // 2, 90), card.line, 20, card.ink, "mm")
        self._prices(draw, card)
        name = f"card-{card.name}.jpg"
        canvas.save(self.out / name, quality=78, optimize=True)
        return name

    def _prices(self, draw: ImageDraw.ImageDraw, card: table.Card) -> None:
        x = CARD_SIDE // 2 if not card.old_price else CARD_SIDE * 2 // 3
        self._text(draw, (x, 500), card.price, 54, card.price_ink, "mm")
        if card.old_price:
            left, top, right, bottom = self._text(draw, (CARD_SIDE // 4, 504), card.old_price, 32, card.ink, "mm")
            middle = (top + bottom) / 2
            draw.line((left - 4, middle, right + 4, middle), fill=card.ink, width=4)

    def _text(
        self, draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, ink: str, anchor: str
    ) -> tuple[float, float, float, float]:
        font = ImageFont.truetype(str(self.font), size, index=2)  # 2: the simplified Chinese face of the collection
        while font.getlength(text) > CARD_SIDE - 24:
            size -= 2
            font = ImageFont.truetype(str(self.font), size, index=2)
        draw.text(at, text, fill=ink, font=font, anchor=anchor)
        return draw.textbbox(at, text, font=font, anchor=anchor)

    def _open(self, picture: str) -> Image.Image:
        folder = self.source / "abo" / "images" if picture.startswith("abo/") else self.source
        return Image.open(folder / picture.removeprefix("abo/")).convert("RGB")


def held_out_titles(source: Path) -> dict[str, str]:
    """Titles of the ABO validation rows, by picture."""
    with (source / "abo" / "listings.csv").open(encoding="utf-8", newline="") as rows:
        return {f"abo/{row['image']}": row["title"] for row in csv.DictReader(rows) if row["split"] == "val"}


def check_held_out(source: Path, picture: str, titles: dict[str, str]) -> None:
    """Refuse a picture that the model may have been trained on."""
    folder, _, rest = picture.partition("/")
    if folder == "abo":
        held_out = picture in titles
    else:
        with (source / f"{folder}.csv").open(encoding="utf-8", newline="") as rows:
            held_out = any(row["image"] == rest and row["split"] != "train" for row in csv.DictReader(rows))
    if not held_out:
        raise SystemExit(f"{picture} is not a validation picture: choose another")


def good_samples(maker: Maker) -> Iterator[dict[str, Any]]:
    """Listings that must end in results."""
    cards = {card.name: maker.card(card) for card in table.CARDS}
    for number, good in enumerate(table.GOOD, start=1):
        names = [_picture_name(maker, cards, picture) for picture in good.pictures]
        title = maker.titles[good.pictures[0]] if good.title is None else good.title
        value: dict[str, Any] = {"listing_id": f"demo-{number:03d}", "title": title}
        value["image_urls"] = [f"{{host}}/{name}" for name in names]
        yield {"key": value["listing_id"], "value": value | good.more, "expects": good.expects, "note": good.note}


def _picture_name(maker: Maker, cards: dict[str, str], picture: str) -> str:
    kind, _, rest = picture.partition(":")
    if kind == "card":
        return "pictures/" + cards[rest]
    if kind == "close":
        return "pictures/" + maker.close_up(rest)
    if kind == "broken":
        return "broken/" + rest
    return "pictures/" + maker.copy(picture)


def main() -> None:
    """Write the sample set; fails when it grows too big."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with abo/, clothing/ and grocery/")
    parser.add_argument("--font", type=Path, default=Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc"))
    arguments = parser.parse_args()
    pictures = OUT / "pictures"
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir(parents=True)
    titles = held_out_titles(arguments.data)
    for picture in table.photos():
        check_held_out(arguments.data, picture, titles)
    samples = [*good_samples(Maker(arguments.data, pictures, arguments.font, titles)), *table.BROKEN]
    random.Random(64).shuffle(samples)  # noqa: S311 - an order, not a secret
    lines = "".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples)
    (OUT / "samples.jsonl").write_text(lines, encoding="utf-8")
    total = sum(path.stat().st_size for path in OUT.rglob("*") if path.is_file())
    if total > MAX_TOTAL_BYTES:
        raise SystemExit(f"the sample set takes {total} bytes, allowed are {MAX_TOTAL_BYTES}: drop some pictures")


if __name__ == "__main__":
    main()
