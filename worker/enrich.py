"""Pure: a listing and what the model said of it, as the three events of the contract.

No clock, no randomness, no I/O: the same record under the same model gives the same bytes.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError

from model import types as results
from schemas import enriched as wire
from schemas.base import describe_errors
from schemas.cloudevents import CloudEvent, trace_headers
from schemas.deadletter import Reason, SourcePosition, Stage, time_of
from schemas.topics import Topics
from worker.deadletter import first_seen
from worker.errors import RejectedError
from worker.item import DecodedImage, FailedImage, Item, OutputRecord, Record, UnreadText

EVENT_ID_NAMESPACE = uuid.UUID("5b1f6a0e-6f0c-5f0e-9d57-8c1d0f8f2a41")
POLYGON_DIGITS = 4
_NAMESPACE_BYTES = EVENT_ID_NAMESPACE.bytes
_VERSION_BITS, _VERSION_5 = 0xF000 << 64 | 0xC000 << 48, 0x5000 << 64 | 0x8000 << 48  # RFC 9562: version, variant
SCORE_SLACK = 1e-6  # float32 sums and products stray this far past 0 and 1; further is a fault of the model's

Texts = Sequence[results.ReadText | UnreadText | None]  # one per picture; None where nothing was read
Enriched = tuple[wire.AttributesTagged, wire.SceneTagged, wire.TextRead]
Fields = dict[str, Any]  # of a part of an event, as its schema has them


class _Facts:
    """What all three events of a listing say."""

    def __init__(
        self, item: Item, source: SourcePosition | None, occurred_at: datetime, info: results.ModelInfo
    ) -> None:
        self.item = item
        self._source = source
        self._revision = info.revision
        self._shared: Fields = {
            "listing_id": item.listing.listing_id,
            "occurred_at": occurred_at,
            "model": {"name": info.name, "revision": info.revision},
            "source": source and {"topic": source.topic, "partition": source.partition, "offset": source.offset},
            "inputs": _inputs(item),
        }

    def of(self, event_type: str) -> Fields:
        return {"event_id": event_id(event_type, self.item, self._source, self._revision), **self._shared}


def build_events(
    item: Item,
    tags: results.ListingTags,
    texts: Texts,
    prices: Sequence[results.Price],
    info: results.ModelInfo,
    topics: Topics,
    *,
    now: datetime,
) -> tuple[OutputRecord, OutputRecord, OutputRecord]:
    """The records for attributes, scenes and texts, in this order; their sizes are not checked here.

    ``texts`` has one entry per entry of ``item.images``, None where nothing was read; ``tags.image_scenes`` has one per
    decoded picture. Every image index, in evidence and prices, is a position in ``item.images``. ``now`` (aware) stands
    in for the time of a record that has none. Raises RejectedError (``model_failed``) when results break the schema.
    """
    events = _enrich(item, tags, texts, prices, info, now)
    destinations = (topics.attributes, topics.scenes, topics.texts)
    attributes, scenes, read = (
        _to_record(event, topic, item.record) for event, topic in zip(events, destinations, strict=True)
    )
    return attributes, scenes, read


def build_text_event(
    item: Item,
    texts: Texts,
    prices: Sequence[results.Price],
    info: results.ModelInfo,
    topics: Topics,
    *,
    now: datetime,
) -> OutputRecord:
    """The texts event alone, for a listing that the device has not seen: the same as ``build_events`` gives."""
    _check_read(item, texts)
    source = source_of(item.record)
    try:
        event = _texts(_Facts(item, source, _occurred_at(item, source, now), info), texts, prices)
    except ValidationError as error:
        raise _broken_schema(error) from error
    return _to_record(event, topics.texts, item.record)


def build_tag_line(
    item: Item,
    tags: results.ListingTags,
    texts: Texts,
    prices: Sequence[results.Price],
    info: results.ModelInfo,
    *,
    now: datetime,
) -> dict[str, Any]:
    """One line of ``hangtag tag`` as JSON-ready values. Arguments and errors as for ``build_events``."""
    attributes, scenes, read = (
        event.model_dump(mode="json") for event in _enrich(item, tags, texts, prices, info, now)
    )
    return {"listing_id": item.listing.listing_id, "attributes": attributes, "scenes": scenes, "texts": read}


def build_error_line(listing_id: str | None, error: RejectedError) -> dict[str, Any]:
    """The line of ``hangtag tag`` for a listing that was rejected; ``listing_id`` is None when it cannot be read."""
    told = {"stage": error.stage.value, "reason": error.reason.value, "detail": error.detail}
    return {"listing_id": listing_id, "error": told}


def check_sizes(outputs: Sequence[OutputRecord], limits: Mapping[str, int]) -> None:
    """Raise RejectedError (``output_too_large``) if one is larger than its topic takes: bytes by topic."""
    for output in outputs:
        if output.num_bytes > (most := limits[output.topic]):
            detail = f"the event for {output.topic} is {output.num_bytes:,} bytes, the limit is {most:,}"
            remedy = "raise max.message.bytes there, and kafka.max_record_bytes if it is set to less"
            raise RejectedError(Reason.OUTPUT_TOO_LARGE, Stage.ENRICH, f"{detail}; {remedy}")


def source_of(record: Record) -> SourcePosition | None:
    """Where the original record stood: where this one stands, unless it comes again after a redrive."""
    return None if record.origin is None else first_seen(record.origin, record.headers)[0]


def event_id(event_type: str, item: Item, source: SourcePosition | None, model_revision: str) -> str:
    """UUIDv5 of event type, original position and model revision; without a position, of the listing's own content."""
    if source is None:
        content = hashlib.sha256(item.record.value or b"").hexdigest()
        name = f"{event_type}\n{item.listing.listing_id}\n{content}\n{model_revision}"
    else:
        name = f"{event_type}\n{source.topic}\n{source.partition}\n{source.offset}\n{model_revision}"
    # As uuid.uuid5 makes it, without the object around it: three are made per listing.
    digest = hashlib.sha1(_NAMESPACE_BYTES + name.encode(), usedforsecurity=False).digest()
    number = int.from_bytes(digest[:16], "big") & ~_VERSION_BITS | _VERSION_5
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _enrich(
    item: Item,
    tags: results.ListingTags,
    texts: Texts,
    prices: Sequence[results.Price],
    info: results.ModelInfo,
    now: datetime,
) -> Enriched:
    _check_aligned(item, tags, texts)
    source = source_of(item.record)
    facts = _Facts(item, source, _occurred_at(item, source, now), info)
    try:
        return _attributes(facts, tags), _scenes(facts, tags), _texts(facts, texts, prices)
    except ValidationError as error:
        raise _broken_schema(error) from error


def _broken_schema(error: ValidationError) -> RejectedError:
    detail = f"the model's results break the event schema: {describe_errors(error)}"
    return RejectedError(Reason.MODEL_FAILED, Stage.ENRICH, detail)


def _check_aligned(item: Item, tags: results.ListingTags, texts: Texts) -> None:
    num_decoded = sum(isinstance(image, DecodedImage) for image in item.images)
    if len(tags.image_scenes) != num_decoded:
        raise ValueError(f"{len(tags.image_scenes)} scenes for {num_decoded} decoded pictures; they must be one each")
    _check_read(item, texts)


def _check_read(item: Item, texts: Texts) -> None:
    if len(texts) != len(item.images):
        raise ValueError(f"{len(texts)} texts for {len(item.images)} pictures; they must be one each")


def _occurred_at(item: Item, source: SourcePosition | None, now: datetime) -> datetime:
    """The original record's timestamp; a redrive that lost it leaves this record's own."""
    origin = item.record.origin
    told = time_of(source.timestamp_ms) if source else None
    own = time_of(origin.timestamp_ms) if origin else None
    return told or own or item.listing.created_at or now


def _inputs(item: Item) -> Fields:
    failed = sum([isinstance(image, FailedImage) for image in item.images])
    return {
        "title": bool(item.listing.title.strip()),
        "description": bool((item.listing.description or "").strip()),
        "images": {"fetched": len(item.images) - failed, "failed": failed},
    }


def _to_record(event: wire.Enriched, topic: str, record: Record) -> OutputRecord:
    source = _uri_of(event.source.topic) if event.source else "/hangtag"
    cloud = CloudEvent(id=event.event_id, source=source, type=event.event_type, time=event.occurred_at)
    headers = (*cloud.to_headers(), *trace_headers(record.headers))
    return OutputRecord(topic, event.listing_id.encode(), event.to_bytes(), headers)


@lru_cache(maxsize=64)
def _uri_of(topic: str) -> str:
    return f"/hangtag/{quote(topic)}"


# The attributes event


def _attributes(facts: _Facts, tags: results.ListingTags) -> wire.AttributesTagged:
    """Checked once, as a whole: the schema's compiled check costs a fraction of as many objects checked one by one."""
    decided = {
        name: _color_tag(decision) if name == "color" else _tag(decision) for name, decision in tags.attributes.items()
    }
    fields = facts.of(wire.AttributesTagged.event_type)
    fields["category"] = _tag(tags.category)
    fields["attributes"] = decided
    fields["association"] = {"score": None if tags.association is None else _score(tags.association)}
    return wire.AttributesTagged.model_validate(fields)


def _tag(decision: results.Decision) -> Fields:
    tag = _decided(decision)
    tag["values"] = [{"value": v.value, "label": v.label, "score": _score(v.score)} for v in decision.values]
    return tag


def _color_tag(decision: results.Decision) -> Fields:
    tag = _decided(decision)
    tag["values"] = [_color(value) for value in decision.values]
    return tag


def _color(value: results.TagValue) -> Fields:
    share = None if value.share is None else _score(value.share)
    code = None if value.hex is None else value.hex.lower()
    return {"value": value.value, "label": value.label, "score": _score(value.score), "hex": code, "share": share}


def _decided(decision: results.Decision) -> Fields:
    return {
        "status": decision.status,
        "consistency": decision.consistency,
        "without": {
            "images": _candidate(decision.without_images),
            "text": _candidate(decision.without_text),
            "ocr": _candidate(decision.without_ocr),
        },
        "evidence": [_evidence(found) for found in decision.evidence],
    }


def _candidate(value: results.TagValue | None) -> Fields | None:
    return None if value is None else {"value": value.value, "score": _score(value.score)}


def _evidence(found: results.Span | results.ImageRegion) -> wire.Evidence:
    if isinstance(found, results.ImageRegion):
        return wire.ImageEvidence(kind="image", image=found.image, polygon=_polygon(found.polygon))
    if found.kind == "ocr":
        return wire.OcrEvidence(kind="ocr", image=found.image, line=found.line)
    return wire.TextEvidence(kind=found.kind, start=found.start, end=found.end)


# The scenes event


def _scenes(facts: _Facts, tags: results.ListingTags) -> wire.SceneTagged:
    images = facts.item.images
    decoded = [position for position, image in enumerate(images) if isinstance(image, DecodedImage)]
    by_position = dict(zip(decoded, tags.image_scenes, strict=True))
    fields = facts.of(wire.SceneTagged.event_type)
    fields["scene"] = _tag(tags.scene)
    fields["images"] = [_scene_image(image, by_position, position) for position, image in enumerate(images)]
    return wire.SceneTagged.model_validate(fields)


def _scene_image(
    image: DecodedImage | FailedImage, scenes: Mapping[int, results.Decision], position: int
) -> Fields | wire.FailedSceneImage:
    if isinstance(image, FailedImage):
        return wire.FailedSceneImage(url=image.url, error=_image_error(image))
    size = {"width": image.width, "height": image.height}
    return {"url": image.url, "sha256": image.sha256, "scene": _tag(scenes[position]), **size}


def _image_error(failed: FailedImage | UnreadText) -> wire.ImageError:
    return wire.ImageError(reason=failed.reason, detail=failed.detail)


# The texts event


def _texts(facts: _Facts, texts: Texts, prices: Sequence[results.Price]) -> wire.TextRead:
    pairs = zip(facts.item.images, texts, strict=True)
    fields = facts.of(wire.TextRead.event_type)
    fields["images"] = [_text_image(image, text) for image, text in pairs]
    fields["prices"] = [_price(price) for price in prices]
    fields["title"] = _joined(texts, "title", " ")
    fields["description"] = _joined(texts, "description", "\n")
    return wire.TextRead.model_validate(fields)


def _text_image(
    image: DecodedImage | FailedImage, text: results.ReadText | UnreadText | None
) -> Fields | wire.FailedTextImage:
    if isinstance(image, FailedImage):
        return wire.FailedTextImage(url=image.url, error=_image_error(image))
    if isinstance(text, UnreadText):
        return wire.FailedTextImage(url=image.url, error=_image_error(text))
    read = text or results.ReadText()
    return {"url": image.url, "truncated": read.truncated, "lines": [_line(line) for line in read.lines]}


def _line(line: results.TextLine) -> Fields:
    return {"text": line.text, "score": _score(line.score), "polygon": _polygon(line.polygon), "role": line.role}


def _joined(texts: Texts, role: results.Role, separator: str) -> str | None:
    lines = [
        line.text for text in texts if isinstance(text, results.ReadText) for line in text.lines if line.role == role
    ]
    return separator.join(lines) if lines else None


def _price(price: results.Price) -> wire.PriceRead:
    return wire.PriceRead(
        amount=price.amount,
        currency=price.currency,
        currency_inferred=price.currency_inferred,
        kind=price.kind,
        per=price.per,
        struck_out=price.struck_out,
        image=price.image,
        line=price.line,
        score=_score(price.score),
        alternatives=tuple(_alternative(other) for other in price.alternatives),
    )


def _alternative(other: results.PriceAlternative) -> wire.PriceAlternative:
    return wire.PriceAlternative(amount=other.amount, currency=other.currency, score=_score(other.score))


# Numbers


def _score(score: float) -> float:
    """A plain float, with the rounding of float32 arithmetic taken off at both ends."""
    plain = float(score)
    if 0.0 <= plain <= 1.0:
        return plain
    if -SCORE_SLACK <= plain <= 1 + SCORE_SLACK:
        return min(max(plain, 0.0), 1.0)
    return plain


def _polygon(corners: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Corners in 0-1; those of a slanted line may lie outside the picture and move to its edge."""
    return tuple((_inside(x), _inside(y)) for x, y in corners)


def _inside(share: float) -> float:
    return round(min(max(float(share), 0.0), 1.0), POLYGON_DIGITS)
