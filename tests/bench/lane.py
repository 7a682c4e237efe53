"""The OCR lane against plain RapidOCR, one picture at a time: rate and recalled text, one thread each.

The lane is what the worker does: the model says in which pictures there is text, those are read eight at a time. The
model's own cost is not in it, as the worker has paid it anyway. Text-heavy pictures are posters drawn here, of which is
known what they say. Of the product photos, eleven in forty have a title and a price written over them, as many as hold
text in the project's notes, and recall is taken on those two lines. What RapidOCR reads in untouched photos is mostly
texture taken for a letter; how much of its lines of three characters and more the lane reads too is printed beside.
"""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from model.geometry import fit_square
from model.ocr import RapidReader, open_reader
from model.predictor import TorchPredictor, load_predictor
from model.presence.text_labels import choose
from model.training.dataset import load_rows
from model.types import ListingInput, Pixels, ReadText
from tests.bench.figure import Bench, Figure, median_of
from tests.bench.goods import labelled, photos, poster

TITLE = "OCR lane against plain RapidOCR, one thread"
_TOGETHER = 8
_WRITTEN = (0, 3, 7, 11, 14, 18, 22, 25, 29, 33, 37)  # of forty photos, eleven

Texts = list[list[str]]  # by picture, its lines
Lane = Callable[[Sequence[Pixels]], Texts]


async def run(bench: Bench) -> list[Figure]:
    """See the module."""
    plain, reader, predictor = _plain(), open_reader(), load_predictor("", "cpu")
    goods, written = _goods(bench)
    drawn = [poster(seed) for seed in range(bench.size(short=8, full=24))]
    posters = [np.asarray(image, np.uint8) for image, _ in drawn]

    def lane(pictures: Sequence[Pixels], texts: Sequence[float]) -> Texts:
        return _lane(reader, pictures, texts, predictor.info.text_threshold)

    seen, seen_posters = _presence(predictor, goods), _presence(predictor, posters)
    num_pairs = bench.size(short=3, full=5)
    rates, theirs, ours = _pairs(plain, lambda pictures: lane(pictures, seen), goods, num_pairs)
    dense, plain_posters, our_posters = _pairs(plain, lambda pictures: lane(pictures, seen_posters), posters, num_pairs)
    skipped = sum(one < predictor.info.text_threshold for one in seen) / len(seen)
    truth = [lines for _, lines in drawn]
    where = "training data's test photos" if bench.data else "demo's photos"
    known = [place for place, lines in enumerate(written) if lines]
    found = _recall([ours[place] for place in known], [written[place] for place in known])
    base = _recall([theirs[place] for place in known], [written[place] for place in known])
    untouched = [place for place, lines in enumerate(written) if not lines]
    agreed = _recall([ours[place] for place in untouched], [_longer(theirs[place]) for place in untouched])
    posters_recall = _recall(our_posters, truth) / _recall(plain_posters, truth)
    return [
        median_of("lane ÷ RapidOCR, product photos", "×", rates, (">=", 5), f"CPU time, {len(goods)} of the {where}"),
        Figure(
            "recalled text, product photos",
            round(found / base, 4),
            "",
            (">=", 0.99),
            f"of what RapidOCR recalls of {len(known)} titles and prices ({base:.4f} of the truth)",
        ),
        Figure(
            "agreement on untouched photos", round(agreed, 4), "", None, "of RapidOCR's lines of 3 characters and more"
        ),
        Figure("photos passed by", round(skipped, 3), "", None, f"the model sees no text, engine {reader.engine}"),
        median_of("lane ÷ RapidOCR, posters", "×", dense, (">=", 1.5), f"CPU time, {len(posters)} posters"),
        Figure(
            "recalled text, posters", round(posters_recall, 4), "", (">=", 0.99), "share of truth, against RapidOCR's"
        ),
    ]


def _pairs(plain: Lane, lane: Lane, pictures: Sequence[Pixels], num_pairs: int) -> tuple[list[float], Texts, Texts]:
    """Ratios of processor time, in turns, and what each side read."""
    plain(pictures[:2])
    lane(pictures)
    ratios, theirs, ours = [], [], []
    for _ in range(num_pairs):
        began = time.process_time()
        theirs = plain(pictures)
        middle = time.process_time()
        ours = lane(pictures)
        ratios.append((middle - began) / (time.process_time() - middle))
    return ratios, theirs, ours


def _plain() -> Lane:
    from rapidocr import RapidOCR

    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    engine: Any = RapidOCR(
        params={
            "Global.log_level": "error",
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )

    def read(pictures: Sequence[Pixels]) -> Texts:
        found = (engine(np.ascontiguousarray(picture[:, :, ::-1])) for picture in pictures)
        return [list(one.txts or ()) for one in found]

    return read


def _lane(reader: RapidReader, pictures: Sequence[Pixels], texts: Sequence[float], threshold: float) -> Texts:
    wanted = [place for place, chance in enumerate(texts) if chance >= threshold]
    found: Texts = [[] for _ in pictures]
    for start in range(0, len(wanted), _TOGETHER):
        some = wanted[start : start + _TOGETHER]
        read: list[ReadText] = reader.read([pictures[place] for place in some])
        for place, one in zip(some, read, strict=True):
            found[place] = [line.text for line in one.lines]
    return found


def _presence(predictor: TorchPredictor, pictures: Sequence[Pixels]) -> list[float]:
    squares = [np.asarray(fit_square(Image.fromarray(picture), 224), np.uint8) for picture in pictures]
    found = [predictor.predict([ListingInput("", (square,))])[0] for square in squares]
    return [one.text_presence[0] if one.text_presence else 1.0 for one in found]


def _recall(found: Texts, wanted: Texts) -> float:
    """Share of the wanted characters found, picture by picture, whatever the order of lines."""
    matched = sum(_matched(" ".join(sorted(a)), " ".join(sorted(b))) for a, b in zip(found, wanted, strict=True))
    return matched / max(1, sum(len(" ".join(lines)) for lines in wanted))


def _matched(found: str, wanted: str) -> int:
    blocks = SequenceMatcher(None, found.casefold(), wanted.casefold(), autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size > 1)


def _longer(lines: list[str]) -> list[str]:
    return [line for line in lines if len(line.strip()) > 2]


def _goods(bench: Bench) -> tuple[list[Pixels], Texts]:
    """Product photos, and what was written on each: nothing on most."""
    plain = _photos(bench)
    drawn = [
        labelled(Image.fromarray(one), place) if place % 40 in _WRITTEN else None for place, one in enumerate(plain)
    ]
    pixels = [np.asarray(one[0], np.uint8) if one else photo for one, photo in zip(drawn, plain, strict=True)]
    return pixels, [one[1] if one else [] for one in drawn]


def _photos(bench: Bench) -> list[Pixels]:
    if bench.data is None:
        return [_pixels(io.BytesIO(body)) for body in photos(256).values()]
    rows = choose(
        [row for row in load_rows(bench.data) if row.split == "test" and row.title], 240 if bench.is_full else 80
    )
    return [_pixels(row.image) for row in rows]


def _pixels(source: Path | io.BytesIO) -> Pixels:
    with Image.open(source) as image:
        return np.asarray(image.convert("RGB"), np.uint8)
