"""Pure: evidence marked in a text. Spans count code points, as Python's strings do."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

Span = tuple[int, int, str]  # start, end, what it speaks for


def spans_of(tags: Mapping[str, Mapping[str, Any]], kind: str) -> list[Span]:
    """Where ``kind`` (``title`` or ``description``) holds evidence, and for which tag."""
    return [
        (evidence["start"], evidence["end"], name)
        for name, tag in tags.items()
        for evidence in tag["evidence"]
        if evidence["kind"] == kind
    ]


def mark(text: str, spans: Sequence[Span]) -> str:
    """``text`` as HTML, each stretch with evidence in a ``mark`` that names its tags. Spans may overlap."""
    inside = [(max(start, 0), min(end, len(text)), name) for start, end, name in spans]
    edges = sorted({0, len(text), *(edge for start, end, _ in inside if start < end for edge in (start, end))})
    return "".join(
        _stretch(text[start:end], {name for low, high, name in inside if low <= start and end <= high})
        for start, end in itertools.pairwise(edges)
    )


def _stretch(text: str, names: Iterable[str]) -> str:
    shown = ", ".join(sorted(name.replace("_", " ") for name in names))
    return f'<mark title="evidence for {escape(shown)}">{escape(text)}</mark>' if shown else escape(text)
