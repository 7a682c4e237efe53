"""Pictures in the report: each different one inlined once, small, and drawn with its boxes wherever it is shown."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from PIL import Image, ImageOps

MAX_SIDE = 360  # pixels of an inlined picture
QUALITY = 78


@dataclass(frozen=True, slots=True)
class Inlined:
    """A picture that the page holds: its element's name and its size in pixels."""

    name: str
    width: int
    height: int


@dataclass(slots=True)
class Album:
    """The pictures of one page. ``images`` are original bytes by URL; bytes that are no picture are left out."""

    images: Mapping[str, bytes]
    _inlined: dict[bytes, Inlined | None] = field(default_factory=dict)
    _symbols: list[str] = field(default_factory=list)

    def find(self, url: str) -> Inlined | None:
        """The picture of this URL, put on the page at its first use; None if there is none."""
        body = self.images.get(url)
        if body is None:
            return None
        if body not in self._inlined:
            self._inlined[body] = self._inline(body)
        return self._inlined[body]

    def definitions(self) -> str:
        """The hidden element that holds every picture used so far."""
        return (
            f'<svg width="0" height="0" class="hidden" aria-hidden="true"><defs>{"".join(self._symbols)}</defs></svg>'
        )

    def _inline(self, body: bytes) -> Inlined | None:
        try:
            picture = ImageOps.exif_transpose(Image.open(io.BytesIO(body))).convert("RGB")
        except OSError:
            return None
        picture.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
        packed = io.BytesIO()
        picture.save(packed, "JPEG", quality=QUALITY, optimize=True)
        inlined = Inlined(f"picture-{len(self._symbols)}", *picture.size)
        data = base64.b64encode(packed.getvalue()).decode()
        size = f'width="{inlined.width}" height="{inlined.height}"'
        self._symbols.append(f'<image id="{inlined.name}" {size} href="data:image/jpeg;base64,{data}"/>')
        return inlined


def draw(inlined: Inlined, label: str, lines: Iterable[Mapping[str, Any]], regions: Iterable[Mapping[str, Any]]) -> str:
    """A picture with a box around each line of text and each region that speaks for a tag."""
    boxes = "".join(_box(inlined, line["polygon"], f"text {line['role']}", _line_label(line)) for line in lines)
    boxes += "".join(_box(inlined, region["polygon"], "region", region["label"]) for region in regions)
    return (
        f'<svg class="picture" viewBox="0 0 {inlined.width} {inlined.height}" role="img" aria-label="{escape(label)}">'
        f'<use href="#{inlined.name}"/>{boxes}</svg>'
    )


def _line_label(line: Mapping[str, Any]) -> str:
    return f"{line['role']}: {line['text']} ({line['score']:.2f})"


def _box(inlined: Inlined, polygon: Sequence[Sequence[float]], kind: str, label: str) -> str:
    points = " ".join(f"{x * inlined.width:.1f},{y * inlined.height:.1f}" for x, y in polygon)
    return f'<polygon class="box {escape(kind)}" points="{points}"><title>{escape(label)}</title></polygon>'
