"""A comparison as one HTML page that needs nothing else. What listings say is escaped: it is data, never markup."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from worker.shadow.compare import Change, Comparison, Example, Value

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1d2733 }
table { border-collapse: collapse; margin: 0 0 1.5rem; width: 100% }
th, td { border-bottom: 1px solid #d8dee6; padding: .3rem .6rem; text-align: left; overflow-wrap: anywhere }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
h3 { margin-bottom: .3rem } .score { color: #6b7785 }
@media (prefers-color-scheme: dark) { body { background: #14191f; color: #dfe6ee } th, td { border-color: #333d48 } }
"""


def to_page(found: Comparison, prefix: str) -> str:
    """The whole page."""
    live, shadow = (", ".join(sorted(names)) or "none" for names in found.revisions)
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>{escape(prefix)} against live</title><style>{_STYLE}</style>",
        f"<h1>{escape(prefix)} against live</h1>",
        f"<p>{found.num_compared:,} pairs of events of the same records; {found.num_without_live:,} events of the",
        f"shadow run have no live counterpart. Model revisions: live {escape(live)}; shadow {escape(shadow)}.</p>",
        *_counts(found),
        *_examples(found),
    ]
    return "\n".join(parts) + "\n"


def _counts(found: Comparison) -> Iterator[str]:
    heads = "".join(f"<th class=number>{change.value}" for change in Change)
    yield f"<table><tr><th>tag{heads}"
    for name, counts in sorted(found.counts.items()):
        cells = "".join(f"<td class=number>{counts[change]:,}" for change in Change)
        yield f"<tr><td>{escape(name)}{cells}"
    yield "</table>"


def _examples(found: Comparison) -> Iterator[str]:
    for (name, change), examples in sorted(found.examples.items(), key=lambda item: (item[0][0], item[0][1].value)):
        if examples:
            yield f"<h3>{escape(name)}, {change.value}</h3><table><tr><th>listing<th>live<th>shadow"
            yield from map(_example, examples)
            yield "</table>"


def _example(one: Example) -> str:
    return f"<tr><td>{escape(one.listing_id)}<td>{_value(one.live)}<td>{_value(one.shadow)}"


def _value(value: Value) -> str:
    if value.text is None:
        return "&ndash;"
    score = "" if value.score is None else f" <span class=score>{value.score:.2f}</span>"
    return escape(value.text) + score
