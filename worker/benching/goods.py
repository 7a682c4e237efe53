"""What a bench is fed with: listings with one photo each, no two pictures and no two titles the same."""

from __future__ import annotations

import json
from dataclasses import dataclass

from worker.demo.photos import enlarged
from worker.demo.samples import load_pictures

SIDE = 800  # pixels, as shops serve them


@dataclass(frozen=True, slots=True)
class Goods:
    """One listing."""

    key: str
    title: str
    url: str

    @property
    def value(self) -> bytes:
        """As a ``listing.created`` event."""
        return json.dumps({"listing_id": self.key, "title": self.title, "image_urls": [self.url]}).encode()


def photos(count: int) -> dict[str, bytes]:
    """So many JPEGs, by name: the demo's photos with another grain each, so that none was seen before."""
    bodies = [body for name, body in sorted(load_pictures().items()) if not name.startswith("card-")]
    return {f"{number:05d}.jpg": enlarged(bodies[number % len(bodies)], SIDE) for number in range(count)}


def goods(base_url: str, first: int, count: int) -> list[Goods]:
    """Listings of the photos from ``first`` on."""
    return [
        Goods(f"bench-{number}", f"oak chair number {number}, navy", f"{base_url}/pictures/{number:05d}.jpg")
        for number in range(first, first + count)
    ]
