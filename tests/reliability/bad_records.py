"""Records that must end as dead letters: one recipe per reason of the contract."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from schemas.deadletter import Reason
from schemas.listing import MAX_IMAGES, MAX_VALUE_BYTES
from tests.reliability.traffic import Letter, listing

NOBODY = "127.0.0.1:1"  # where nobody listens
FAILING_TITLE = "told to fail"
KILLING_TITLE = "told to kill"
MAX_RECORD_BYTES = 16_000  # what `OUTPUT_TOO_LARGE` goes beyond
DECODER_BYTES = 256 << 20  # what `DECODE_FAILED` goes beyond
_VAST = "vast.png"
_URLS: Mapping[Reason, str] = {
    Reason.URL_REFUSED: "http://169.254.169.254/latest/meta-data/",
    Reason.DNS_FAILED: "http://no-such-host.invalid/a.jpg",
    Reason.CONNECT_FAILED: f"http://{NOBODY}/a.jpg",
    Reason.HTTP_ERROR: "{plain}/pictures/none.jpg",
    Reason.FETCH_TIMEOUT: "{hanging}/pictures/1.jpg",
    Reason.BODY_TOO_LARGE: "{plain}/broken/heavy.jpg",
    Reason.NOT_AN_IMAGE: "{plain}/broken/page.jpg",
    Reason.UNSUPPORTED_FORMAT: "{odd}/odd/picture.tiff",
    Reason.TOO_MANY_PIXELS: "{plain}/broken/giant.png",
    Reason.CORRUPT_IMAGE: "{plain}/broken/truncated.jpg",
    Reason.DECODE_FAILED: f"{{odd}}/pictures/{_VAST}",
}
# All but `WORKER_CRASHED`, which takes a process with it each time.
REASONS = tuple(reason for reason in Reason if reason is not Reason.WORKER_CRASHED)
# Those that need no host to fail.
PARSE_REASONS = (Reason.NOT_JSON, Reason.SCHEMA_VIOLATION, Reason.TOMBSTONE, Reason.NO_USABLE_INPUT)


@dataclass(frozen=True, slots=True)
class Places:
    """Base URLs of the hosts: ``plain`` is an `ImageHost`, ``odd`` and ``hanging`` are `OddHost`s."""

    plain: str
    odd: str
    hanging: str


def vast_picture() -> Mapping[str, bytes]:
    """What the odd host serves for `DECODE_FAILED`: within the limit of pixels, beyond a small decoder's memory."""
    buffer = io.BytesIO()
    Image.new("RGBA", (4800, 4800)).save(buffer, "PNG", compress_level=1)
    return {_VAST: buffer.getvalue()}


def bad_ones(count: int, places: Places, choose: random.Random, reasons: Sequence[Reason]) -> Iterator[Letter]:
    """Bad listings, the reasons in turn."""
    for number in range(count):
        yield _letter(f"bad-{number}-{choose.randrange(10**6)}", reasons[number % len(reasons)], places)


def _letter(key: str, reason: Reason, places: Places) -> Letter:
    if reason in _URLS:
        url = _URLS[reason].format(plain=places.plain, odd=places.odd, hanging=places.hanging)
        return Letter(key, listing(key, "", [url]), reason)
    if reason is Reason.UNSUPPORTED_VERSION:
        return Letter(key, listing(key, "lamp", []), reason, headers=(("ce_type", b"listing.created.v9"),))
    return Letter(key, _value(key, reason, places), reason)


def _value(key: str, reason: Reason, places: Places) -> bytes | None:
    match reason:
        case Reason.NOT_JSON:
            return b'{"listing_id": "cut off'
        case Reason.SCHEMA_VIOLATION:
            return json.dumps({"listing_id": 7, "title": "a number for a name"}).encode()
        case Reason.TOMBSTONE:
            return None
        case Reason.TOO_LARGE:
            return _LARGE
        case Reason.NO_USABLE_INPUT:
            return listing(key, "\u200b \u200b", [])
        case Reason.OUTPUT_TOO_LARGE:
            return listing(key, "lamp", _long_urls(places))
        case Reason.MODEL_FAILED:
            return listing(key, FAILING_TITLE, [])
        case Reason.WORKER_CRASHED:
            return listing(key, KILLING_TITLE, [])
    raise ValueError(f"no recipe for {reason.value}")


_LARGE = listing("large", "x" * MAX_VALUE_BYTES, [])


def _long_urls(places: Places) -> list[str]:
    """URLs that fit into a listing, and together not into an event."""
    filler = "x" * (MAX_RECORD_BYTES // MAX_IMAGES)
    return [f"{places.plain}/pictures/{number}.jpg?{filler}" for number in range(MAX_IMAGES)]
