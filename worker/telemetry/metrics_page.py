"""Pure: the metrics' documentation as Markdown, from their table."""

from __future__ import annotations

from worker.metrics import MetricRow, describe

_HEAD = """\
# Metrics

Served at `/metrics` on port 9100, in Prometheus' text format. `hangtag metrics` prints this page, and a test compares
the two. Labels come from closed or small sets: never a URL, a host, a listing or a title.

A histogram adds `_bucket`, `_sum` and `_count` to its name.

| Metric | Kind | Unit | Labels | Meaning |
|---|---|---|---|---|
"""


def page() -> str:
    """The whole page, ending in a line break."""
    return _HEAD + "".join(_line(row) for row in describe())


def series() -> set[str]:
    """Every name that a query may use, those that histograms add included."""
    names = set()
    for row in describe():
        names |= (
            {row.name + suffix for suffix in ("_bucket", "_sum", "_count")} if row.kind == "histogram" else {row.name}
        )
    return names


def _line(row: MetricRow) -> str:
    labels = ", ".join(f"`{label}`" for label in row.labels) or "–"
    return f"| `{row.name}` | {row.kind} | {row.unit} | {labels} | {row.meaning} |\n"
