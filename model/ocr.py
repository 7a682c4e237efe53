"""Reading text in pictures: find lines, cut them out, turn them upright, read them, say what role each plays."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from model.reading.beside import PlacedLine, with_lone_signs
from model.reading.close_look import CLOSE_VERSION, closer_look, with_prices, worth_reading
from model.reading.detect import Corners, Detector, TextBox
from model.reading.engine import bundled_files, files_digest
from model.reading.frame import Frame
from model.reading.join import halves, joined
from model.reading.memory import telling_memory
from model.reading.networks import OcrEngine, choose_engine, open_networks
from model.reading.recognise import ReadLine, Recogniser, crop_of
from model.reading.roles import ROLES_VERSION, assign_roles
from model.reading.scout import SCOUT_VERSION, Scout, thresholds_of
from model.reading.second_look import LOOK_VERSION, look_again, stripped
from model.types import Pixels, ReadText, TextLine
from model.wording.price_forms import find_forms, has_price

SIDE = 480  # shorter side at which text is looked for; 736 finds the same on product photos and takes twice as long
MAX_SIDE = 1536
_MIN_SCORE = 0.5
_BAD, _DOUBTED = ((0.8, 0.95), (0.6, 0.98)), (0.95, 0.97)  # scores of the worse and the better half of a line
_NEAREST = 3  # lines further on, in reading order, among which the lower half of one is looked for
_LEAST_WHOLE = 0.7  # score of the whole; and that of the halves, if they are not bad: lines mixed are read worse
_CUT_OFF = re.compile(r"[$€£₹¥]\s?\d[\d.,]*[.,]\d\s*$")
_BARE = re.compile(r"\s*(?:\d{1,3}(?:[., '’]?\d{3})*[.,]\d{2}|\d{3,5}|\d{1,4}\s?[-–]\s?\d{2,4})\s*")
_BEYOND = 0.9  # of a line's height: where its last digit or its sign may be
_MAX_FAINT = 6  # boxes of a picture
_WIDE, _LEAST_HEIGHT = 1.5, 10  # of a faint one: heights, and pixels
_SURE = 0.8  # score of a price read in it
_FOR_A_PRICE = 0.15  # score by which the way up that states a price may be less sure


@dataclass(frozen=True, slots=True)
class _Crop:
    """One line cut out of a picture."""

    picture: int
    pixels: Pixels
    corners: Corners
    is_faint: bool = False


class RapidReader:
    """PP-OCRv6. See `model.types.TextReader`; ``engine`` says what its networks run on."""

    def __init__(
        self, detector: Detector, recogniser: Recogniser, revision: str, max_lines: int, engine: str = ""
    ) -> None:
        self._detector = detector
        self._recogniser = recogniser
        self._max_lines = max_lines
        self.revision = revision
        self.engine = engine

    @telling_memory()
    def read(self, pictures: Sequence[Pixels]) -> list[ReadText]:
        """See `model.types.TextReader`. Crops of all pictures are read together."""
        crops: list[_Crop] = []
        truncated = []
        for index, picture in enumerate(pictures):
            boxes = _promising(joined(self._detector.find(picture, SIDE, MAX_SIDE))) if picture.size else []
            if len(boxes) > self._max_lines:
                boxes = [box for box in boxes if not box.is_faint]
            truncated.append(len(boxes) > self._max_lines)
            kept = boxes[: self._max_lines]
            crops += (_Crop(index, *crop_of(picture, box.corners), box.is_faint) for box in kept)
        placed = self._with_closer_look(self._read(crops, pictures), pictures)
        lines = [_kept(with_lone_signs(found), picture) for found, picture in zip(placed, pictures, strict=True)]
        return [ReadText(assign_roles(found), cut) for found, cut in zip(lines, truncated, strict=True)]

    def _with_closer_look(
        self, placed: list[list[PlacedLine]], pictures: Sequence[Pixels]
    ) -> Sequence[Sequence[PlacedLine]]:
        """The lines of each picture, and prices that are found where they hint at some. Most hint at none."""
        crops: list[_Crop] = []
        for index, (lines, picture) in enumerate(zip(placed, pictures, strict=True)):
            room, (height, width) = self._max_lines - len(lines), picture.shape[:2]
            look = closer_look(lines, height, width, SIDE, MAX_SIDE) if room > 0 else None
            if look is not None:
                boxes = joined(self._detector.find_in(picture, look.places, look.side, MAX_SIDE))
                crops += (_Crop(index, *crop_of(picture, box.corners)) for box in worth_reading(boxes, lines)[:room])
        if not crops:
            return placed
        found = self._read(crops, pictures)
        return [with_prices(lines, more) for lines, more in zip(placed, found, strict=True)]

    def _read(self, crops: Sequence[_Crop], pictures: Sequence[Pixels]) -> list[list[PlacedLine]]:
        upright, found = self._whole(*self._upright(crops), pictures)
        self._widen(upright, found, pictures)
        seen = look_again([crop.pixels for crop in upright], found, self._recogniser.read)
        placed: list[list[PlacedLine]] = [[] for _ in pictures]
        for crop, line in zip(upright, map(stripped, seen), strict=True):
            placed[crop.picture].append(PlacedLine(line, crop.corners))
        return placed

    def _whole(
        self, crops: list[_Crop], found: list[ReadLine], pictures: Sequence[Pixels]
    ) -> tuple[list[_Crop], list[ReadLine]]:
        """Halves of lines made whole, where that states a price. Only lines that were read badly are tried."""
        pairs = []
        for index, upper in enumerate(crops):
            for other in range(index + 1, min(index + 1 + _NEAREST, len(crops))):
                lower = crops[other]
                if upper.picture == lower.picture and _may_be_halves(found[index], found[other]):
                    corners = halves(upper.corners, lower.corners)
                    if corners is not None:
                        pairs.append((index, other, _Crop(upper.picture, *crop_of(pictures[upper.picture], corners))))
        gone: set[int] = set()
        read = self._recogniser.read([crop.pixels for *_, crop in pairs]) if pairs else []
        for (index, other, crop), line in zip(pairs, read, strict=True):
            worse, better = sorted((found[index].score, found[other].score))
            is_bad = _are_below(worse, better, *_BAD) or _digits(found[index]) == _digits(found[other])
            least = _LEAST_WHOLE if is_bad else max(_LEAST_WHOLE, better)
            if not {index, other} & gone and line.score >= least and has_price(line.text):
                crops[index], found[index] = crop, line
                gone.add(other)
        kept = [
            index
            for index, (crop, line) in enumerate(zip(crops, found, strict=True))
            if index not in gone and (not crop.is_faint or _is_price(line))
        ]
        return [crops[index] for index in kept], [found[index] for index in kept]

    def _widen(self, crops: list[_Crop], found: list[ReadLine], pictures: Sequence[Pixels]) -> None:
        """Prices of which the detector may have cut off the last digit or the sign are read to their ends."""
        wide: dict[int, _Crop] = {}
        for index, (crop, line) in enumerate(zip(crops, found, strict=True)):
            is_bare = bool(_BARE.fullmatch(line.text))
            frame = Frame.of(crop.corners) if is_bare or _CUT_OFF.search(line.text) else None
            if frame is not None:
                beyond = _BEYOND * frame.height
                corners = frame.box(-beyond if is_bare else 0, frame.width + beyond, frame.height)
                wide[index] = _Crop(crop.picture, *crop_of(pictures[crop.picture], corners))
        read = self._recogniser.read([crop.pixels for crop in wide.values()]) if wide else []
        for (index, crop), line in zip(wide.items(), read, strict=True):
            if line.score >= _LEAST_WHOLE and _is_more(line.text, found[index].text):
                crops[index], found[index] = crop, line

    def _upright(self, crops: Sequence[_Crop]) -> tuple[list[_Crop], list[ReadLine]]:
        """Crops the right way up and what they say. What seems to stand on its head is read both ways."""
        turned = self._recogniser.upside_down([crop.pixels for crop in crops])
        doubtful = [index for index, is_turned in enumerate(turned) if is_turned]
        chosen = [*crops, *(_turn(crops[index]) for index in doubtful)]
        found = self._recogniser.read([crop.pixels for crop in chosen])
        for place, index in enumerate(doubtful, start=len(crops)):
            if _is_better(found[place], found[index]):
                chosen[index], found[index] = chosen[place], found[place]
        return chosen[: len(crops)], found[: len(crops)]


def open_reader(
    *, num_threads: int = 1, max_lines: int = 200, engine: OcrEngine = "auto", looks_everywhere: bool = False
) -> RapidReader:
    """Load the networks inside the rapidocr wheel, and the scout unless the reader is to look everywhere.

    Raises CheckpointError when they, or the engine, are not there.
    """
    files = bundled_files(with_scout=not looks_everywhere)
    thresholds = thresholds_of(files.scout) if files.scout is not None else None
    chosen = choose_engine(engine)
    cv2.setNumThreads(num_threads)  # it would take every core it sees, beside the networks
    networks = open_networks(files, chosen, num_threads)
    recogniser = Recogniser(networks.recogniser, networks.classifier, networks.alphabet, num_threads)
    versions = f"{ROLES_VERSION} {LOOK_VERSION} {CLOSE_VERSION} {SCOUT_VERSION}"
    rules = f"{files_digest(files)} {SIDE} {MAX_SIDE} {_MIN_SCORE} {max_lines} {versions} {chosen}"
    revision = hashlib.sha256(rules.encode()).hexdigest()[:16]
    scout = Scout(networks.scout, thresholds) if networks.scout is not None and thresholds is not None else None
    return RapidReader(Detector(networks.detector, scout), recogniser, revision, max_lines, chosen)


def _promising(boxes: Sequence[TextBox]) -> list[TextBox]:
    """The boxes in their order, of faint ones only those that are as wide as a price, and no more than a few."""
    faint = sorted((box for box in boxes if box.is_faint and _is_wide(box)), key=lambda box: -box.score)[:_MAX_FAINT]
    return [box for box in boxes if not box.is_faint or any(box is one for one in faint)]


def _is_wide(box: TextBox) -> bool:
    frame = Frame.of(box.corners)
    return frame is not None and frame.width >= _WIDE * frame.height >= _WIDE * _LEAST_HEIGHT


def _is_price(line: ReadLine) -> bool:
    """Is it surely a price? Faint text that is none is mostly texture."""
    return line.score >= _SURE and _is_signed(line.text)


def _is_signed(text: str) -> bool:
    return any(form.currencies for form in find_forms(text))


def _is_more(wide: str, text: str) -> bool:
    """Is ``wide`` the same with one more digit behind a sign's amount, or with a sign?"""
    wide, text = "".join(wide.split()), "".join(text.split())
    if _BARE.fullmatch(text):
        return wide != text and (wide[1:] == text or wide[:-1] == text) and _is_signed(wide)
    return wide[:-1] == text and wide[-1:].isdigit()


def _may_be_halves(*halves_read: ReadLine) -> bool:
    """Could these be halves of one price? Half digits are read as others, and not surely."""
    worse, better = sorted(line.score for line in halves_read)
    digits = set(map(_digits, halves_read))
    if len(digits) == 1:  # the same price, found twice
        return bool(digits.pop())
    if all(map(_is_price, halves_read)):
        return False
    return any(digits) and _are_below(worse, better, *_BAD, _DOUBTED)


def _digits(line: ReadLine) -> str:
    return "".join(character for character in line.text if character.isdigit())


def _are_below(worse: float, better: float, *bounds: tuple[float, float]) -> bool:
    return any(worse < low and better < high for low, high in bounds)


def _kept(lines: Sequence[PlacedLine], picture: Pixels) -> list[TextLine]:
    """The lines that are sure enough. Single characters are mostly texture or a logo."""
    return [
        TextLine(one.line.text, round(one.line.score, 4), _shares(one.corners, picture), struck=one.line.struck)
        for one in lines
        if len(one.line.text) > 1 and one.line.score >= _MIN_SCORE
    ]


def _is_better(turned: ReadLine, line: ReadLine) -> bool:
    """Prices are not read out of letters upside down, but ``$78.99`` with a line through it is surely ``66-8L$``."""
    handicap = _FOR_A_PRICE * (has_price(line.text) - has_price(turned.text))
    return turned.score >= line.score + handicap


def _turn(crop: _Crop) -> _Crop:
    pixels = np.ascontiguousarray(np.rot90(crop.pixels, 2), np.uint8)
    return _Crop(crop.picture, pixels, np.roll(crop.corners, 2, axis=0))


def _shares(corners: Corners, picture: Pixels) -> tuple[tuple[float, float], ...]:
    height, width = picture.shape[:2]
    clipped = np.clip(corners / np.array([width, height], np.float32), 0.0, 1.0)
    return tuple((round(float(x), 4), round(float(y), 4)) for x, y in clipped)
