"""Listings for the suites: seeded, small real pictures from a local host, repeated keys."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from schemas.deadletter import Reason

NUM_PICTURES = 64
_WORDS = ("red", "oak", "leather", "shirt", "lamp", "table", "blue", "cotton", "ring", "rug", "steel", "mug", "size 42")


@dataclass(frozen=True, slots=True)
class Letter:
    """One input record, and the dead letter's reason it should get; None: it should be tagged."""

    key: str
    value: bytes | None
    expects: Reason | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


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
        yield Letter(key, listing(key, " ".join(choose.choices(_WORDS, k=3)), urls))


def mixed(good: Iterator[Letter], bad: Sequence[Letter], choose: random.Random) -> list[Letter]:
    """Both, the bad ones anywhere."""
    everything = [*good, *bad]
    choose.shuffle(everything)
    return everything


def listing(key: str, title: str, urls: Sequence[str]) -> bytes:
    """One input value."""
    return json.dumps({"listing_id": key, "title": title, "image_urls": list(urls)}).encode()
