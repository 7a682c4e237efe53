"""Made-up listings and model results that the tests of events share."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import numpy as np

from model import types as results
from schemas.deadletter import Reason, Stage
from schemas.listing import ListingCreated
from schemas.topics import Topics
from worker.item import DecodedImage, FailedImage, Headers, Item, Origin, Record

NOW = datetime(2025, 1, 31, 12, 0, 0, 250_000, tzinfo=UTC)
ORIGIN = Origin("listings.created", 3, 41, 1_738_324_800_123, epoch=7)
INFO = results.ModelInfo("hangtag-base", "rev1", "text1", 384, 224, "cpu", "torch")
TOPICS = Topics()
NO_PIXELS = np.zeros((1, 1, 3), dtype=np.uint8)
BOX = ((0.1, 0.2), (0.9, 0.2), (0.9, 0.3), (0.1, 0.3))


def record(
    origin: Origin | None = ORIGIN, headers: Headers = (), value: bytes | None = b'{"listing_id":"L1"}'
) -> Record:
    """An input record."""
    return Record(b"L1", value, headers, origin)


def decoded(url: str = "https://img.test/a.jpg") -> DecodedImage:
    """A picture that worked."""
    return DecodedImage(url, hashlib.sha256(url.encode()).hexdigest(), 800, 600, NO_PIXELS, NO_PIXELS)


def failed(url: str = "https://img.test/gone.jpg") -> FailedImage:
    """A picture that did not."""
    return FailedImage(url, Reason.HTTP_ERROR, Stage.FETCH, "the server said 404")


def item(*images: DecodedImage | FailedImage, of: Record | None = None, listing: ListingCreated | None = None) -> Item:
    """A listing in flight."""
    return Item(of or record(), listing or ListingCreated(listing_id="L1", title="Oak chair"), images)


def decision(
    *values: results.TagValue,
    status: results.Status = "accepted",
    evidence: tuple[results.Span | results.ImageRegion, ...] = (),
    without_images: results.TagValue | None = None,
) -> results.Decision:
    """A decision with one modality left out at most."""
    return results.Decision(status, values, "agree", without_images, None, None, evidence)


def value(name: str, score: float = 0.5) -> results.TagValue:
    """A value that is its own label."""
    return results.TagValue(name, name.title(), score)


def tags(num_scenes: int = 0, **changed: results.Decision) -> results.ListingTags:
    """Every declared attribute decided; ``changed`` by attribute name."""
    red = results.TagValue("red", "Red", 0.75, hex="#C02020", share=0.5)
    attributes = {
        "product_type": decision(value("CHAIR", 0.9), value("STOOL", 0.05)),
        "color": decision(red, results.TagValue("clear", "Clear", 0.1)),
        "material": decision(value("wood", 0.6), evidence=(results.Span("title", 0, 3),)),
        "size": decision(status="not_applicable"),
        **changed,
    }
    return results.ListingTags(
        category=decision(value("Furniture > Chairs", 0.97), without_images=value("Furniture", 0.4)),
        attributes=attributes,
        scene=decision(value("studio", 0.8)),
        image_scenes=tuple(decision(value("studio", 0.5 + place / 10)) for place in range(num_scenes)),
        association=0.9,
    )


def read_text(*lines: tuple[str, results.Role], truncated: bool = False) -> results.ReadText:
    """Text as (text, role) lines."""
    return results.ReadText(tuple(results.TextLine(text, 0.9, BOX, role) for text, role in lines), truncated)


def price() -> results.Price:
    """A sale price with another reading."""
    other = results.PriceAlternative("2990", None, 0.2)
    return results.Price("29.90", "USD", True, "sale", None, False, 0, 1, 0.8, (other,))
