"""Made-up outputs of one listing, valid against the published schemas, for the demo's tests."""

from __future__ import annotations

import json
from typing import Any

from schemas.topics import Topics
from worker.demo.endings import OutputEvent

TOPICS = Topics()
SQUARE = [[0.1, 0.1], [0.6, 0.1], [0.6, 0.2], [0.1, 0.2]]
NO_WITHOUT = {"images": None, "text": None, "ocr": None}


def tag(
    *values: tuple[str, float],
    status: str = "accepted",
    consistency: str = "agree",
    evidence: tuple[dict[str, Any], ...] = (),
    without: dict[str, Any] | None = None,
    colour: str | None = None,
) -> dict[str, Any]:
    """A tag; ``colour`` makes its values colour values."""
    more = {} if colour is None else {"hex": colour, "share": 0.61}
    return {
        "status": status,
        "values": [{"value": value, "label": value.title(), "score": score} | more for value, score in values],
        "consistency": consistency,
        "without": NO_WITHOUT | (without or {}),
        "evidence": list(evidence),
    }


def results(listing: dict[str, Any], number: int = 0, failed: tuple[str, ...] = ()) -> list[OutputEvent]:
    """The three events of ``listing``; pictures whose URL is in ``failed`` carry an error."""
    listing_id, urls = listing["listing_id"], listing.get("image_urls", [])
    common = {
        "listing_id": listing_id,
        "occurred_at": "2026-01-02T03:04:05.000Z",
        "model": {"name": "hangtag-base", "revision": "0" * 12},
        "source": {"topic": TOPICS.input, "partition": 0, "offset": number},
        "inputs": {
            "title": bool(listing.get("title")),
            "description": False,
            "images": {"fetched": len(urls) - len(failed), "failed": len(failed)},
        },
    }
    bodies = {
        TOPICS.attributes: _attributes(listing, bool(urls)),
        TOPICS.scenes: {"scene": tag(("studio", 0.97)), "images": [_scene(url, url in failed) for url in urls]},
        TOPICS.texts: _texts(urls, failed),
    }
    return [
        OutputEvent(topic, listing_id, {"event_id": _event_id(number, kind), **common, **body}, {"ce_id": "x"})
        for kind, (topic, body) in enumerate(bodies.items())
    ]


def dead_letter(key: str, reason: str, detail: str, offset: int = 0, value: Any = None) -> OutputEvent:
    """A dead letter with the headers that the report reads."""
    headers = {
        "__dlq.errors.topic": TOPICS.input,
        "__dlq.errors.partition": "0",
        "__dlq.errors.offset": str(offset),
        "__dlq.errors.message": detail,
        "hangtag.dlq.reason": reason,
        "hangtag.dlq.stage": "fetch",
    }
    return OutputEvent(TOPICS.dead_letter, key, value, headers)


def as_bytes(event: OutputEvent) -> tuple[bytes, bytes, list[tuple[str, str | bytes | None]]]:
    """Key, value and headers as they go to Kafka."""
    return (
        event.key.encode(),
        json.dumps(event.value).encode(),
        [(name, text.encode()) for name, text in event.headers.items()],
    )


def _event_id(number: int, kind: int) -> str:
    return f"00000000-0000-5000-8000-{number:010d}{kind:02d}"


def _attributes(listing: dict[str, Any], has_pictures: bool) -> dict[str, Any]:
    title = listing.get("title", "")
    words = [{"kind": "title", "start": 0, "end": min(5, len(title))}] if title else []
    ocr = [{"kind": "ocr", "image": 0, "line": 1}] if has_pictures else []
    side = {
        "images": {"value": "red", "score": 0.52} if has_pictures else None,
        "text": {"value": "blue", "score": 0.71},
    }
    return {
        "category": tag(("Home > Tools", 0.98)),
        "attributes": {
            "product_type": tag(("can_opener", 0.91), ("kitchen", 0.05), ("home", 0.02)),
            "color": tag(("red", 0.88), ("silver", 0.1), colour="#b3202c", consistency="conflict", without=side),
            "material": tag(("stainless_steel", 0.41), status="suggested", consistency="text_only", evidence=(*words,)),
            "size": tag(("M", 0.2), status="abstained", consistency="unknown", evidence=(*ocr,)),
        },
        "association": {"score": 0.83 if title and has_pictures else None},
    }


def _scene(url: str, is_failed: bool) -> dict[str, Any]:
    if is_failed:
        error = {"reason": "http_error", "detail": "the host answered 404 for picture 2; expected 200"}
        return {"url": url, "sha256": None, "width": None, "height": None, "scene": None, "error": error}
    return {"url": url, "sha256": "0" * 64, "width": 256, "height": 256, "scene": tag(("studio", 0.97))}


def _texts(urls: list[str], failed: tuple[str, ...]) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    for url in urls:
        lines = [
            {"text": "红色 <b>电动</b>", "score": 0.93, "polygon": SQUARE, "role": "title"},
            {"text": "$19.99", "score": 0.88, "polygon": [[x, y + 0.3] for x, y in SQUARE], "role": "price"},
        ]
        image: dict[str, Any] = {"url": url, "truncated": False, "lines": [] if url in failed else lines}
        if url in failed:
            image["error"] = {"reason": "http_error", "detail": "404"}
        images.append(image)
    price = {"amount": "19.99", "currency": "USD", "currency_inferred": True, "kind": "sale", "per": None}
    price |= {"struck_out": False, "image": 0, "line": 1, "score": 0.88, "alternatives": []}
    return {"images": images, "prices": [price] if urls else [], "title": None, "description": None}
