"""Listings for the suites: seeded, small real pictures from a local host, repeated keys, bad ones of every kind."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from schemas.deadletter import Reason

NUM_PICTURES = 64
_WORDS = ("red", "oak", "leather", "shirt", "lamp", "table", "blue", "cotton", "ring", "rug", "steel", "mug", "size 42")
# What a fetch can come back with from the hosts that the suites run; the rest needs the network to fail.
_BAD_URLS: Mapping[Reason, str] = {
    Reason.URL_REFUSED: "http://169.254.169.254/latest/meta-data/",
    Reason.DNS_FAILED: "http://no-such-host.invalid/a.jpg",
    Reason.HTTP_ERROR: "{base}/pictures/none.jpg",
    Reason.NOT_AN_IMAGE: "{base}/broken/page.jpg",
    Reason.CORRUPT_IMAGE: "{base}/broken/truncated.jpg",
    Reason.TOO_MANY_PIXELS: "{base}/broken/giant.png",
    Reason.BODY_TOO_LARGE: "{base}/broken/heavy.jpg",
}


@dataclass(frozen=True, slots=True)
class Letter:
    """One input record, and the dead letter's reason it should get; None: it should be tagged."""

    key: str
    value: bytes | None
    expects: Reason | None = None


def pictures(side: int = 96) -> dict[str, bytes]:
    """Small JPEGs, all different, by file name."""
    made = {}
    for number in range(NUM_PICTURES):
        pixels = np.random.default_rng(number).integers(0, 255, (side // 8, side // 8, 3), np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).resize((side, side)).save(buffer, "JPEG", quality=80)
        made[f"{number}.jpg"] = buffer.getvalue()
    return made


def listings(count: int, bases: Sequence[str], choose: random.Random, *, keys: int | None) -> Iterator[Letter]:
    """Good listings: a title of a few words, no, one or two pictures from one of ``bases``.

    ``keys``: how many different listing ids; None: each has its own.
    """
    for number in range(count):
        key = f"listing-{number if keys is None else choose.randrange(keys)}"
        base = choose.choice(bases)
        num_pictures = choose.choice((0, 1, 1, 1, 2))
        urls = [f"{base}/pictures/{choose.randrange(NUM_PICTURES)}.jpg" for _ in range(num_pictures)]
        yield Letter(key, _value(key, " ".join(choose.choices(_WORDS, k=3)), urls))


def bad_ones(count: int, base: str, choose: random.Random, reasons: Sequence[Reason]) -> Iterator[Letter]:
    """Bad listings, the reasons in turn."""
    for number in range(count):
        reason = reasons[number % len(reasons)]
        key = f"bad-{number}-{choose.randrange(10**6)}"
        yield Letter(key, _bad_value(key, reason, base), reason)


def mixed(good: Iterator[Letter], bad: Sequence[Letter], choose: random.Random) -> list[Letter]:
    """Both, the bad ones anywhere."""
    everything = [*good, *bad]
    choose.shuffle(everything)
    return everything


FETCH_REASONS = tuple(_BAD_URLS)
PARSE_REASONS = (
    Reason.NOT_JSON,
    Reason.SCHEMA_VIOLATION,
    Reason.TOMBSTONE,
    Reason.NO_USABLE_INPUT,
)


def _bad_value(key: str, reason: Reason, base: str) -> bytes | None:
    if reason in _BAD_URLS:
        return _value(key, "", [_BAD_URLS[reason].format(base=base)])
    if reason is Reason.MODEL_FAILED:
        return _value(key, "told to fail", [])
    if reason is Reason.WORKER_CRASHED:
        return _value(key, "told to kill", [])
    plain: dict[Reason, bytes | None] = {
        Reason.NOT_JSON: b'{"listing_id": "cut off',
        Reason.SCHEMA_VIOLATION: json.dumps({"listing_id": 7, "title": "a number for a name"}).encode(),
        Reason.TOMBSTONE: None,
        Reason.NO_USABLE_INPUT: _value(key, "\u200b \u200b", []),
    }
    return plain[reason]


def _value(key: str, title: str, urls: Sequence[str]) -> bytes:
    return json.dumps({"listing_id": key, "title": title, "image_urls": list(urls)}).encode()
