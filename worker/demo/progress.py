"""Pure: how far the demo is, and what it came to."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from schemas.topics import Topics
from worker.demo.endings import Ending, OutputEvent

NUM_ROWS = 12
MAX_TITLE_CHARS = 200
Snapshot = Mapping[str, float | Mapping[str, float]]


def printable(text: str) -> str:
    """``text`` without characters that could steer a terminal; titles come from strangers."""
    return "".join(char if char.isprintable() else "�" for char in text)


@dataclass(frozen=True, slots=True)
class TagCell:
    """The best value of one tag."""

    label: str
    score: float
    status: str


@dataclass(frozen=True, slots=True)
class Row:
    """One listing that ended. ``reason`` and ``detail`` are empty for results, ``tags`` for dead letters."""

    listing: str
    title: str
    tags: Mapping[str, TagCell]
    num_lines: int
    prices: tuple[str, ...]
    reason: str = ""
    detail: str = ""


@dataclass(slots=True)
class DemoProgress:
    """What the view shows while the demo runs; lives on the event loop. ``titles`` are the samples' by key."""

    num_listings: int
    titles: Mapping[str, str]
    topics: Topics
    phase: str = "starting"
    num_ended: int = 0
    num_tagged: int = 0
    events: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    rows: deque[Row] = field(default_factory=lambda: deque(maxlen=NUM_ROWS))

    def add(self, event: OutputEvent, ending: Ending | None) -> Row | None:
        """Count one output; the listing's row if it ended with it."""
        self.events[event.topic] += 1
        if ending is None:
            return None
        self.num_ended += 1
        if ending.reason is None:
            self.num_tagged += 1
        else:
            self.reasons[ending.reason] += 1
        row = row_of(ending, self.titles.get(ending.key, ""), self.topics)
        self.rows.append(row)
        return row


def row_of(ending: Ending, title: str, topics: Topics) -> Row:
    """What the table says of a listing."""
    key, shown = printable(ending.key), printable(title)[:MAX_TITLE_CHARS]
    if ending.reason is not None:
        detail = printable(ending.events[0].headers.get("__dlq.errors.message", ""))
        return Row(key, shown, {}, 0, (), ending.reason, detail)
    values = {event.topic: event.value for event in ending.events}
    attributes, texts = values[topics.attributes], values[topics.texts]
    tags = attributes["attributes"] | {"category": attributes["category"], "scene": values[topics.scenes]["scene"]}
    prices = tuple(f"{price['amount']} {price['currency'] or '?'}" for price in texts["prices"])
    num_lines = sum(len(image["lines"]) for image in texts["images"])
    return Row(key, shown, {name: cell for name, tag in tags.items() if (cell := _cell(tag))}, num_lines, prices)


def _cell(tag: Mapping[str, Any]) -> TagCell | None:
    if not tag["values"]:
        return None
    best = tag["values"][0]
    return TagCell(printable(best["label"]), best["score"], tag["status"])


@dataclass(frozen=True, slots=True)
class StageTime:
    """Time that a stage took: of one listing, picture or batch, whichever it works on."""

    times: int
    mean_seconds: float
    total_seconds: float


@dataclass(frozen=True, slots=True)
class Summary:
    """What the demo came to. ``missing`` are the listings that did not end: none, if all went well."""

    listings: int
    tagged: int
    dead_letters: Mapping[str, int]
    events: Mapping[str, int]
    cache: Mapping[str, int]
    batches: int
    listings_per_batch: float
    pictures_per_batch: float
    stages: Mapping[str, StageTime]
    seconds: float
    copies: int
    missing: tuple[str, ...]

    @property
    def cache_hits(self) -> int:
        """Titles whose vector was not computed again."""
        return sum(count for name, count in self.cache.items() if name.endswith("/hit"))

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a JSON line."""
        return {"type": "summary", **asdict(self), "exactly_once": "not shown here: the embedded broker cannot"}


def summarise(progress: DemoProgress, snapshot: Snapshot, seconds: float, copies: int, missing: list[str]) -> Summary:
    """The summary of a run: ``snapshot`` is the worker's own metrics, ``seconds`` from first listing to last."""
    batches = _number(snapshot, "batch_listings_count")
    counts, sums = _by_label(snapshot, "stage_seconds_count"), _by_label(snapshot, "stage_seconds_sum")
    stages = {name: StageTime(int(n), sums[name] / n, sums[name]) for name, n in counts.items() if n}
    return Summary(
        listings=progress.num_listings,
        tagged=progress.num_tagged,
        dead_letters=dict(progress.reasons.most_common()),
        events=dict(sorted(progress.events.items())),
        cache={name: int(count) for name, count in _by_label(snapshot, "cache_lookups").items() if count},
        batches=int(batches),
        listings_per_batch=_number(snapshot, "batch_listings_sum") / max(batches, 1),
        pictures_per_batch=_number(snapshot, "batch_pictures_sum") / max(batches, 1),
        stages=stages,
        seconds=seconds,
        copies=copies,
        missing=tuple(missing),
    )


def _number(snapshot: Snapshot, name: str) -> float:
    value = snapshot[name]
    return sum(value.values()) if isinstance(value, Mapping) else value


def _by_label(snapshot: Snapshot, name: str) -> Mapping[str, float]:
    value = snapshot[name]
    return value if isinstance(value, Mapping) else {"": value}
