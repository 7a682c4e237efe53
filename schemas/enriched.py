"""The three events that go out for each listing: its attributes, its scenes, the texts read in its pictures.

Output is closed: every field of the published version is there, and no other. Where a picture could not be had, its
place in ``images`` is kept, with an ``error`` and without results, so that positions in ``images`` are those of the
listing's ``image_urls`` and every ``image`` index in evidence and prices points there. A picture without ``error``
worked.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import ConfigDict, Field, Strict, model_validator

from schemas.base import Event, Part, UtcTime
from schemas.deadletter import Reason

MAX_TAG_VALUES = 5

Score = Annotated[float, Field(ge=0, le=1)]
Index = Annotated[int, Field(ge=0)]
Corner = Annotated[tuple[Score, ...], Strict(False), Field(min_length=2, max_length=2)]
Polygon = Annotated[tuple[Corner, ...], Strict(False), Field(min_length=4, max_length=4)]
Decimal = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)?$")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
HexColor = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]
EventId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
ReasonName = Annotated[Reason, Strict(False)]

Status = Literal["accepted", "suggested", "abstained", "not_applicable"]
Consistency = Literal["agree", "conflict", "image_only", "text_only", "unknown"]
Role = Literal["title", "description", "price", "brand", "size", "other"]


class ModelRef(Part):
    """Which model said so; ``revision`` is a hash of all that can change a result."""

    name: str
    revision: str


class Source(Part):
    """Where the original record stood, also after a redrive."""

    topic: str
    partition: Index
    offset: Index


class ImageCounts(Part):
    """How many of the listing's pictures could be used, and how many could not."""

    fetched: Index
    failed: Index


class Inputs(Part):
    """Which modalities were there."""

    title: bool
    description: bool
    images: ImageCounts


class TagValue(Part):
    """One value, with its calibrated probability."""

    value: str
    label: str
    score: Score


class ColorValue(TagValue):
    """A colour: its sRGB and its share of the foreground, null without a picture and for ``clear``."""

    hex: HexColor | None
    share: Score | None


class Candidate(Part):
    """What a tag would have been."""

    value: str
    score: Score


class Without(Part):
    """What the tag would have been without one modality; null where that was missing anyway."""

    images: Candidate | None
    text: Candidate | None
    ocr: Candidate | None


class TextEvidence(Part):
    """Code points ``[start, end)`` of the listing's title or description."""

    kind: Literal["title", "description"]
    start: Index
    end: Index


class OcrEvidence(Part):
    """A line of text in a picture."""

    kind: Literal["ocr"]
    image: Index
    line: Index


class ImageEvidence(Part):
    """A region of a picture."""

    kind: Literal["image"]
    image: Index
    polygon: Polygon


Evidence = TextEvidence | OcrEvidence | ImageEvidence


class _Decided(Part):
    """What every tag says beside its values. ``consistency``: do words and pictures, each alone, say the same; a
    ``conflict`` where pictures are sure of another value than the words', or all but rule theirs out.
    """

    status: Status
    consistency: Consistency
    without: Without
    evidence: Annotated[tuple[Evidence, ...], Strict(False)]


class Tag(_Decided):
    """The answer for one attribute, values best first; none when it is not applicable."""

    values: Annotated[tuple[TagValue, ...], Strict(False), Field(max_length=MAX_TAG_VALUES)]

    @model_validator(mode="after")
    def _check_applicable(self) -> Self:
        _refuse_values_where_not_applicable(self.status, len(self.values))
        return self


class ColorTag(_Decided):
    """The answer for ``color``: a tag whose values also say how the colour looks."""

    values: Annotated[tuple[ColorValue, ...], Strict(False), Field(max_length=MAX_TAG_VALUES)]

    @model_validator(mode="after")
    def _check_applicable(self) -> Self:
        _refuse_values_where_not_applicable(self.status, len(self.values))
        return self


def _refuse_values_where_not_applicable(status: Status, num_values: int) -> None:
    if status == "not_applicable" and num_values:
        raise ValueError(f"a tag that is not_applicable has no values, this one has {num_values}")


class Attributes(Part):
    """Every declared attribute. A checkpoint may declare more; each is a ``Tag``."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, Tag]

    product_type: Tag
    color: ColorTag
    material: Tag
    size: Tag


class Association(Part):
    """Do pictures and title belong together? Null unless both are there."""

    score: Score | None


class ImageError(Part):
    """Why a picture could not be used."""

    reason: ReasonName
    detail: str


class Enriched(Event):
    """What all three events say."""

    event_id: EventId
    listing_id: str
    occurred_at: UtcTime
    model: ModelRef
    source: Source | None
    inputs: Inputs


class AttributesTagged(Enriched):
    """What the listing offers."""

    event_type: ClassVar[str] = "listing.attributes.v1"

    category: Tag
    attributes: Attributes
    association: Association


class SceneImage(Part):
    """Where one picture was taken; width and height in pixels, upright."""

    url: str
    sha256: Sha256
    width: Annotated[int, Field(ge=1)]
    height: Annotated[int, Field(ge=1)]
    scene: Tag


class FailedSceneImage(Part):
    """A picture that could not be had: the same fields, null, and why."""

    url: str
    sha256: None = None
    width: None = None
    height: None = None
    scene: None = None
    error: ImageError


class SceneTagged(Enriched):
    """Where the listing's pictures were taken."""

    event_type: ClassVar[str] = "listing.scenes.v1"

    scene: Tag
    images: Annotated[tuple[SceneImage | FailedSceneImage, ...], Strict(False)]


class Line(Part):
    """One line of text in a picture; corners clockwise from the text's top left."""

    text: str
    score: Score
    polygon: Polygon
    role: Role


class TextImage(Part):
    """The text of one picture; ``truncated`` when there was more than the limits let through."""

    url: str
    truncated: bool
    lines: Annotated[tuple[Line, ...], Strict(False)]


class FailedTextImage(Part):
    """A picture that could not be had: no lines, and why."""

    url: str
    truncated: Literal[False] = False
    lines: Annotated[tuple[Line, ...], Strict(False), Field(max_length=0)] = ()
    error: ImageError


class PriceAlternative(Part):
    """Another reading of the same price."""

    amount: Decimal
    currency: Currency | None
    score: Score


class PriceRead(Part):
    """One price read in a picture: a plain decimal as text, and an ISO 4217 code or null."""

    amount: Decimal
    currency: Currency | None
    currency_inferred: bool
    kind: Literal["regular", "sale", "unit"]
    per: str | None
    struck_out: bool
    image: Index
    line: Index
    score: Score
    alternatives: Annotated[tuple[PriceAlternative, ...], Strict(False)]


class TextRead(Enriched):
    """What stands in the listing's pictures."""

    event_type: ClassVar[str] = "listing.texts.v1"

    images: Annotated[tuple[TextImage | FailedTextImage, ...], Strict(False)]
    prices: Annotated[tuple[PriceRead, ...], Strict(False)]
    title: str | None
    description: str | None
