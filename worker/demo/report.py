"""Writes ``report.html``: one file that needs nothing else, pictures included, with a filter and no network."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from schemas.topics import Topics
from worker.demo.endings import OutputEvent
from worker.demo.report_card import Card, card_of, render
from worker.demo.report_pictures import Album
from worker.demo.samples import DATA, Sample

MAX_CARDS = 400
STATUSES = ("accepted", "suggested", "abstained", "not_applicable")
_KINDS = {
    "tagged": "tagged",
    "dead": "dead letters",
    "conflict": "pictures and words disagree",
    "text": "with text read",
    "price": "with prices read",
    "failed": "with a failed picture",
    "several": "with several pictures",
}
_PLACEHOLDER = re.compile(r"%%([A-Z_]+)%%")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the page's head."""

    label: str
    value: str


def write_report(
    path: Path,
    samples: Sequence[Sample],
    events: Iterable[OutputEvent],
    images: Mapping[str, bytes],
    topics: Topics,
    figures: Sequence[Figure] = (),
) -> None:
    """Write the page. ``images`` are picture bytes by URL; at most ``MAX_CARDS`` listings are shown.

    Raises OSError when ``path`` cannot be written.
    """
    cards = _cards(samples, events, topics)
    album = Album(images)
    shown = "".join(render(card, album) for card in cards[:MAX_CARDS])
    path.write_text(_page(cards, shown, album.definitions(), figures), encoding="utf-8")


def _cards(samples: Sequence[Sample], events: Iterable[OutputEvent], topics: Topics) -> list[Card]:
    names = {topics.attributes: "attributes", topics.scenes: "scenes", topics.texts: "texts"}
    results: dict[str, dict[str, Any]] = defaultdict(dict)
    dead: dict[str, Mapping[str, str]] = {}
    for event in events:
        if event.topic in names:
            results[event.key][names[event.topic]] = event.value
        elif event.topic == topics.dead_letter:
            dead[event.key] = event.headers
    keys = [(sample.key.decode(), sample) for sample in samples]
    return [card_of(key, sample.note, sample.value, results[key], dead.get(key)) for key, sample in keys]


def _page(cards: Sequence[Card], shown: str, pictures: str, figures: Sequence[Figure]) -> str:
    script = _asset("report.js")
    left_out = max(0, len(cards) - MAX_CARDS)
    more = f"<p class=lead>{left_out} more listings are in <code>events.jsonl</code> only.</p>" if left_out else ""
    parts = {
        "STYLE": _asset("report.css"),
        "SCRIPT": script,
        "SCRIPT_DIGEST": _digest(script),
        "PICTURES": pictures,
        "LEFT_OUT": more,
        "TILES": _tiles(cards, figures),
        "OVERVIEW": _status_table(cards) + _reason_table(cards),
        "FILTER": _filter(cards),
        "CARDS": shown,
    }
    # one pass, so that a title holding a placeholder's name is not filled in
    return _PLACEHOLDER.sub(lambda found: parts[found[1]], _asset("report.html"))


def _asset(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """For the page's policy: only our own script runs, so that a hostile title stays one even if escaping failed."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _tiles(cards: Sequence[Card], figures: Sequence[Figure]) -> str:
    own = (
        Figure("listings", f"{len(cards):,}"),
        Figure("tagged", f"{sum(card.attributes is not None for card in cards):,}"),
        Figure("dead letters", f"{sum(card.dead_letter is not None for card in cards):,}"),
        Figure("lines of text read", f"{sum(card.num_lines for card in cards):,}"),
        Figure("prices read", f"{sum(len(card.prices) for card in cards):,}"),
    )
    tiles = "".join(f"<div><dt>{escape(f.label)}</dt><dd>{escape(f.value)}</dd></div>" for f in (*own, *figures))
    return f'<dl class="tiles">{tiles}</dl>'


def _status_table(cards: Sequence[Card]) -> str:
    counts = Counter((name, tag["status"]) for card in cards for name, tag in card.tags.items())
    rows = "".join(_row(_words(name), [counts[name, status] for status in STATUSES]) for name in _tag_names(cards))
    heads = "".join(f'<th scope="col"><span class="pill {s}">{_words(s)}</span></th>' for s in STATUSES)
    head = f'<thead><tr><th scope="col">tag</th>{heads}</tr></thead>'
    return f"<section><h2>Tags by status</h2><table>{head}<tbody>{rows}</tbody></table></section>"


def _reason_table(cards: Sequence[Card]) -> str:
    dead = Counter((card.dead_letter or {}).get("hangtag.dlq.reason", "unknown") for card in cards if card.dead_letter)
    failed = Counter(image["error"]["reason"] for card in cards for image in card.failed_images)
    rows = "".join(_row(reason, [dead[reason], failed[reason]]) for reason in sorted(dead.keys() | failed.keys()))
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("reason", "dead letters", "single pictures"))
    head = f"<thead><tr>{heads}</tr></thead>"
    return f"<section><h2>What could not be used</h2><table>{head}<tbody>{rows}</tbody></table></section>"


def _row(name: str, counts: Iterable[int]) -> str:
    cells = "".join(f"<td>{count:,}</td>" for count in counts)
    return f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'


def _filter(cards: Sequence[Card]) -> str:
    tags = {name: _words(name) for name in _tag_names(cards)}
    statuses = {status: _words(status) for status in STATUSES}
    return (
        '<form name="filter" role="search" aria-label="Filter the listings">'
        '<label>Words<input name="words" type="search" placeholder="title or id"></label>'
        f"{_select('kind', 'Listings', _KINDS)}{_select('tag', 'Tag', tags)}{_select('status', 'Status', statuses)}"
        '<button type="reset">Show all</button><output aria-live="polite"></output></form>'
    )


def _select(name: str, label: str, options: Mapping[str, str]) -> str:
    shown = "".join(f'<option value="{escape(key)}">{escape(text)}</option>' for key, text in options.items())
    return f'<label>{label}<select name="{name}"><option value="">any</option>{shown}</select></label>'


def _tag_names(cards: Sequence[Card]) -> list[str]:
    return list(dict.fromkeys(name for card in cards for name in card.tags))


def _words(name: str) -> str:
    return name.replace("_", " ")
