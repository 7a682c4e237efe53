"""Array and result types of the model. Plain records: no framework types cross this line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from model.labels import Labels

STATED_IN_FULL = 0.95  # score of a mention in a title, to which weights of stated values refer

Pixels = npt.NDArray[np.uint8]
Vector = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ListingInput:
    """One listing as the model sees it. ``title`` may be empty, ``images`` may be empty, never both."""

    title: str
    images: tuple[Pixels, ...] = ()  # each (S, S, 3) uint8 sRGB
    title_vector: Vector | None = None  # (D,), from the cache; None: compute it


@dataclass(frozen=True, slots=True)
class Scores:
    """Calibrated probabilities of one attribute's values, in the order of its vocabulary.

    ``fused`` uses all there is; ``image`` and ``text`` are what that side says alone, None where it was missing.
    ``when_stated``: the same, weighted for a listing whose words state a value outright; None: no other weights.
    """

    fused: Vector  # (V,)
    image: Vector | None
    text: Vector | None
    when_stated: Scores | None = None


@dataclass(frozen=True, slots=True)
class ColorArea:
    """A colour of the foreground: ``value`` from the colour vocabulary, sRGB ``hex``, ``share`` of the foreground
    0-1.
    """

    value: str
    hex: str
    share: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one listing."""

    attributes: Mapping[str, Scores]  # "category", "product_type", "color", "material"
    scene: Vector | None  # (num_scenes,) mean over pictures; None without pictures
    image_scenes: tuple[Vector, ...]  # one (num_scenes,) per picture, in order
    association: float | None  # 0-1, None unless picture and title are both there
    colors: tuple[ColorArea, ...]  # foreground colours over all pictures, largest share first
    title_vector: Vector | None  # (D,), whether given or computed; None without a title
    text_presence: tuple[float, ...] = ()  # 0-1 per picture: does it hold text; () when the model cannot tell
    strangeness: tuple[float, ...] = ()  # 0-1 per picture: unlike those of training; () when the model cannot tell


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the worker needs to know of a loaded model."""

    name: str
    revision: str  # hash of weights, engine, precision, thresholds, taxonomy, extraction rules
    text_revision: str  # hash of the text tower alone: part of the cache key
    text_dim: int
    image_side: int
    device: str
    engine: str
    text_threshold: float = 0.0  # a picture whose ``text_presence`` lies below holds no text worth reading
    buckets: tuple[int, ...] = ()  # numbers of pictures to which batches are filled up; (): they run as they are


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds that the last ``predict`` spent, by part."""

    seconds: Mapping[str, float] = field(default_factory=dict)


class Predictor(Protocol):
    """The resident model. Every method runs on the one thread that owns the device."""

    info: ModelInfo
    labels: Labels

    def warm_up(self) -> None:
        """Run each batch shape once, so that the first listing is not the slow one."""
        ...

    def predict(self, listings: Sequence[ListingInput]) -> list[Prediction]:
        """One prediction per listing, in order. Raises OutOfMemoryError when a smaller batch may work."""
        ...


Role = Literal["title", "description", "price", "brand", "size", "other"]


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text in a picture. ``polygon``: four (x, y) corners, clockwise from the text's top left, in 0-1.

    Cents that stand raised are written so (``$299⁹⁰``). ``struck``: code points ``[start, end)`` with a line through.
    """

    text: str
    score: float
    polygon: tuple[tuple[float, float], ...]
    role: Role = "other"
    struck: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ReadText:
    """All that was read in one picture. ``truncated``: more text was there than the limits let through."""

    lines: tuple[TextLine, ...] = ()
    truncated: bool = False


class TextReader(Protocol):
    """The OCR engine. Every method runs on the one thread that owns it."""

    revision: str
    engine: str  # what its networks run on

    def read(self, pictures: Sequence[Pixels]) -> list[ReadText]:
        """One result per picture, in order; pictures are (H, W, 3) uint8 sRGB of any size. Raises OutOfMemoryError when
        it may work another time; anything else is these pictures' fault, or the engine's.
        """
        ...


@dataclass(frozen=True, slots=True)
class Span:
    """Where a value stands in words: code points ``[start, end)`` of title or description, or a line of a picture."""

    kind: Literal["title", "description", "ocr"]
    start: int = 0
    end: int = 0
    image: int = 0
    line: int = 0


@dataclass(frozen=True, slots=True)
class Mention:
    """A value that words state outright. ``is_named``: a description does, for the thing itself (``colour: grey``)."""

    attribute: str  # "size", "material", "color", ...
    value: str
    label: str
    score: float
    span: Span
    is_named: bool = False


@dataclass(frozen=True, slots=True)
class PriceAlternative:
    """Another reading of the same price."""

    amount: str
    currency: str | None
    score: float


@dataclass(frozen=True, slots=True)
class Price:
    """One price read from a picture. ``amount`` is a plain decimal; ``currency`` is ISO 4217 or None."""

    amount: str
    currency: str | None
    currency_inferred: bool
    kind: Literal["regular", "sale", "unit"]
    per: str | None
    struck_out: bool
    image: int
    line: int
    score: float
    alternatives: tuple[PriceAlternative, ...] = ()


Status = Literal["accepted", "suggested", "abstained", "not_applicable"]
Consistency = Literal["agree", "conflict", "image_only", "text_only", "unknown"]


@dataclass(frozen=True, slots=True)
class TagValue:
    """One value of a tag; ``hex`` and ``share`` only on colours, None without a picture and for ``clear``."""

    value: str
    label: str
    score: float
    hex: str | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class ImageRegion:
    """A region of a picture that speaks for a value, corners in 0-1."""

    image: int
    polygon: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for one attribute, as the contract's ``Tag``."""

    status: Status
    values: tuple[TagValue, ...]
    consistency: Consistency
    without_images: TagValue | None
    without_text: TagValue | None
    without_ocr: TagValue | None
    evidence: tuple[Span | ImageRegion, ...]


@dataclass(frozen=True, slots=True)
class ListingTags:
    """Every declared attribute decided, for one listing."""

    category: Decision
    attributes: Mapping[str, Decision]
    scene: Decision
    image_scenes: tuple[Decision, ...]
    association: float | None
