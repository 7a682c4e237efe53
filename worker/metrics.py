"""Every metric: name, unit, labels and meaning, in one table.

Labels hold values from closed or small sets only: stages, outcomes, reasons, partitions. Never a URL, a host, a listing
or a title: they are secrets, and each new one would be a new time series for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric as MetricFamily
from prometheus_client.registry import Collector

PREFIX = "hangtag_"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Kind = Literal["counter", "gauge", "histogram"]
Snapshot = dict[str, float | dict[str, float]]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric as an operator reads of it. ``name`` is the exposed one; a histogram adds ``_bucket`` and the like.

    ``attribute`` is its place in ``Metrics``, empty for what is measured of the process itself. ``starts_with`` lists
    label values that are there from the start, so that a rate is 0 before it is 1.
    """

    attribute: str
    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    meaning: str
    starts_with: tuple[tuple[str, ...], ...] = field(default=())
    buckets: tuple[float, ...] = field(default=())


def _counter(name: str, unit: str, meaning: str, labels: tuple[str, ...] = (), *starts: tuple[str, ...]) -> MetricRow:
    return MetricRow(name, f"{PREFIX}{name}_total", "counter", unit, labels, meaning, starts)


def _gauge(name: str, unit: str, meaning: str, *labels: str) -> MetricRow:
    return MetricRow(name, PREFIX + name, "gauge", unit, labels, meaning)


def _histogram(name: str, unit: str, meaning: str, buckets: tuple[float, ...], *labels: str) -> MetricRow:
    return MetricRow(name, PREFIX + name, "histogram", unit, labels, meaning, buckets=buckets)


def _process(name: str, kind: Kind, unit: str, meaning: str) -> MetricRow:
    return MetricRow("", f"{PREFIX}process_{name}", kind, unit, (), meaning)


_OUTCOME = ("outcome",)
_LOOKUPS = (
    *(("process", outcome) for outcome in ("hit", "miss")),
    *(("redis", outcome) for outcome in ("hit", "miss", "bad_value", "timeout", "error", "breaker_open")),
    ("flight", "hit"),
)
# Each is there from the start: else the first burst of a rule would be a series that appears, which is no increase.
_GUARD_RULES = tuple(
    (rule,)
    for rule in (
        "scheme", "no_host", "credentials", "port", "address", "downgrade", "odd_address", "url_malformed",
        "url_too_long",
    )
)  # fmt: skip

TABLE: tuple[MetricRow, ...] = (
    _counter("consumed_records", "records", "Input records taken from Kafka."),
    _counter(
        "finished_listings",
        "listings",
        "Listings whose results or dead letter are committed.",
        _OUTCOME,
        ("tagged",),
        ("dead_letter",),
    ),
    _counter("dead_letters", "records", "Dead letters, by the contract's reason and stage.", ("reason", "stage")),
    _counter("output_events", "events", "Events produced, by kind of topic.", ("topic_kind",)),
    _histogram("stage_seconds", "seconds", "Time one listing, picture or batch spends in a stage.", _SECONDS, "stage"),
    _histogram(
        "listing_seconds",
        "seconds",
        "From a listing's start to its commit; without those of a backfill beside it.",
        _SECONDS,
    ),
    _histogram("batch_listings", "listings", "Listings in a batch given to the model.", _SIZES),
    _histogram("batch_pictures", "pictures", "Pictures in a batch given to the model.", _SIZES),
    _gauge("in_flight", "listings", "Listings or pictures that a stage holds now.", "stage"),
    _gauge("in_flight_bytes", "bytes", "Bytes of records and pictures that admission counts now."),
    _gauge("in_flight_pixels", "pixels", "Decoded pixels that admission counts now."),
    _gauge("memory_bytes", "bytes", "Memory of the container, decoder processes included; 0 without a limit."),
    _gauge("memory_limit_bytes", "bytes", "What the container may hold before the kernel kills; 0 without a limit."),
    _counter(
        "cache_lookups",
        "titles",
        "Titles looked up: in the process, in Redis, or in a batch that was being computed.",
        ("tier", "outcome"),
        *_LOOKUPS,
    ),
    _counter(
        "cache_writes",
        "vectors",
        "New title vectors for Redis: stored, failed, or dropped because writes had piled up.",
        _OUTCOME,
        ("stored",),
        ("failed",),
        ("dropped",),
    ),
    _counter("fetch_outcomes", "pictures", "Picture downloads, by how they ended.", _OUTCOME),
    _counter("fetch_bytes", "bytes", "Bytes of picture bodies read from the wire."),
    _counter("fetch_wire_bytes", "bytes", "Bytes read from image hosts, headers, TLS and refused bodies included."),
    _counter(
        "fetch_refused", "urls", "URLs and addresses refused by the fetch guard, by its rule.", ("rule",), *_GUARD_RULES
    ),
    _counter("decode_outcomes", "pictures", "Pictures given to the decoder, by how they ended.", _OUTCOME),
    _counter("decoder_restarts", "processes", "Decoder processes replaced after they died or were stopped."),
    _counter(
        "read_pictures",
        "pictures",
        "Pictures by what OCR made of them: text, empty, failed, skipped as the model sees no text, shared as the same "
        "picture was being read already, or known from a read before, remembered here or recalled from Redis.",
        _OUTCOME,
        *((outcome,) for outcome in ("text", "empty", "failed", "skipped", "shared", "remembered", "recalled")),
    ),
    _gauge("ocr_broken", "bool", "1 while OCR fails on every picture: then listings with such become dead letters."),
    _counter(
        "read_lookups",
        "pictures",
        "Pictures asked for in Redis before they are read.",
        _OUTCOME,
        *((outcome,) for outcome in ("hit", "miss", "bad_value", "timeout", "error", "breaker_open")),
    ),
    _counter(
        "transactions",
        "transactions",
        "Kafka transactions, by outcome.",
        _OUTCOME,
        ("committed",),
        ("aborted",),
        ("unknown",),
        ("fatal",),
    ),
    _histogram("transaction_seconds", "seconds", "Time from begin to the outcome of a transaction.", _SECONDS),
    _gauge("partition_lag", "records", "Records between the committed offset and the log's end.", "partition"),
    _gauge("committed_offset", "offset", "Offset last committed.", "partition"),
    _gauge("oldest_unfinished_seconds", "seconds", "Age in the worker of the oldest listing not yet finished."),
    _gauge(
        "committed_offset_age_seconds",
        "seconds",
        "Time since the committed offset last moved, while there is lag; 0 without.",
        "partition",
    ),
    _gauge("parked_listings", "listings", "Listings that only wait: for a slow image host or an earlier one of a key."),
    _gauge("paused_partitions", "partitions", "Assigned partitions paused for want of room."),
    _counter("unstuck_partitions", "partitions", "Partitions resumed because they brought nothing though they should."),
    _gauge("quarantined_partitions", "partitions", "Partitions whose records run alone after deaths of the process."),
    _gauge("storm_open", "bool", "1 while intake rests because nearly everything ended as a dead letter."),
    _counter(
        "redone_device_seconds", "seconds", "Device time of listings given up before they were known to be published."
    ),
    _gauge("assigned_partitions", "partitions", "Partitions assigned to this worker."),
    _counter("rebalances", "rebalances", "Assignments and revocations of partitions."),
    _counter("producer_rebuilds", "producers", "Producers thrown away and rebuilt after an unknown outcome."),
    _counter("device_busy_seconds", "seconds", "Time the device spent on batches."),
    _gauge("backfill_running", "bool", "1 while a backfill shares this worker (run --backfill)."),
    _gauge("backfill_resting", "bool", "1 while it stands back for live traffic: for its p99, or its lag.", "reason"),
    _gauge("backfill_lag", "records", "Offsets of the backfill's plan that are not done, by whoever does them."),
    _counter(
        "backfill_listings",
        "listings",
        "Its listings whose results or dead letter are committed; not among finished_listings.",
        _OUTCOME,
        ("tagged",),
        ("dead_letter",),
    ),
    _histogram("backfill_batch_seconds", "seconds", "Device time of its batches, at most the cap.", _SECONDS),
    _gauge("ready", "bool", "1 while /readyz answers 200."),
    _gauge(
        "engine_info",
        "info",
        "Always 1; what model and OCR run on, and to how many pictures batches are filled up, in its labels.",
        *("model_engine", "model_buckets", "ocr_engine"),
    ),
    _gauge("build_info", "info", "Always 1; what runs, in its labels.", "version", "model_revision", "device"),
)

_PROCESS: tuple[MetricRow, ...] = (
    _process("cpu_seconds_total", "counter", "seconds", "CPU time of this process, user and system."),
    _process("resident_memory_bytes", "gauge", "bytes", "Resident memory of this process."),
    _process("virtual_memory_bytes", "gauge", "bytes", "Virtual memory of this process."),
    _process("start_time_seconds", "gauge", "seconds", "When this process started, in Unix time."),
    _process("open_fds", "gauge", "files", "Open file descriptors of this process."),
    _process("max_fds", "gauge", "files", "Most file descriptors this process may open."),
)


def describe() -> list[MetricRow]:
    """Every metric that ``render`` can show, in the table's order; the documentation is written from this."""
    return [*TABLE, *_PROCESS]


class Metrics:
    """All metrics of one worker, in a registry of their own; safe from any thread.

    Each attribute is a prometheus_client metric: ``metrics.transactions.labels("committed").inc()``.
    """

    consumed_records: Counter
    finished_listings: Counter  # outcome: tagged | dead_letter
    dead_letters: Counter  # reason, stage
    output_events: Counter  # topic_kind: attributes | scenes | texts | dead_letter
    stage_seconds: Histogram  # stage
    listing_seconds: Histogram
    batch_listings: Histogram
    batch_pictures: Histogram
    in_flight: Gauge  # stage
    in_flight_bytes: Gauge
    in_flight_pixels: Gauge
    memory_bytes: Gauge
    memory_limit_bytes: Gauge
    cache_lookups: Counter  # tier: process | redis | flight
    # outcome: hit | miss, and of Redis also bad_value | timeout | error | breaker_open
    cache_writes: Counter  # outcome: stored | failed | dropped
    fetch_outcomes: Counter  # outcome
    fetch_bytes: Counter
    fetch_wire_bytes: Counter
    fetch_refused: Counter  # rule
    decode_outcomes: Counter  # outcome
    decoder_restarts: Counter
    read_pictures: Counter  # outcome: text | empty | failed | skipped | shared | remembered | recalled
    ocr_broken: Gauge
    read_lookups: Counter  # outcome: hit | miss | bad_value | timeout | error | breaker_open
    transactions: Counter  # outcome: committed | aborted | unknown | fatal
    transaction_seconds: Histogram
    partition_lag: Gauge  # partition
    committed_offset: Gauge  # partition
    oldest_unfinished_seconds: Gauge
    committed_offset_age_seconds: Gauge  # partition
    parked_listings: Gauge
    paused_partitions: Gauge
    unstuck_partitions: Counter
    quarantined_partitions: Gauge
    storm_open: Gauge
    redone_device_seconds: Counter
    assigned_partitions: Gauge
    rebalances: Counter
    producer_rebuilds: Counter
    device_busy_seconds: Counter
    backfill_running: Gauge
    backfill_resting: Gauge  # reason: p99 | lag
    backfill_lag: Gauge
    backfill_listings: Counter  # outcome: tagged | dead_letter
    backfill_batch_seconds: Histogram
    ready: Gauge
    engine_info: Gauge  # model_engine, model_buckets, ocr_engine
    build_info: Gauge  # version, model_revision, device

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._stages: dict[str, Histogram] = {}  # looking a child up by its label costs as much as timing it
        for row in TABLE:
            setattr(self, row.attribute, _build(row, self._registry))
        ProcessCollector(namespace=PREFIX.rstrip("_"), registry=self._registry)

    def stage(self, name: str) -> AbstractContextManager[object]:
        """Time one passage through a stage: ``with metrics.stage("fetch"): ...``."""
        seconds = self._stages.get(name)
        if seconds is None:
            seconds = self._stages[name] = self.stage_seconds.labels(name)
        return _Passage(seconds)

    def set_build(self, version: str, model_revision: str, device: str) -> None:
        """Say what runs; replaces what was said before."""
        self.build_info.clear()
        self.build_info.labels(version, model_revision, device).set(1)

    def set_engines(self, model_engine: str, model_buckets: str, ocr_engine: str) -> None:
        """Say what model and OCR run on; replaces what was said before."""
        self.engine_info.clear()
        self.engine_info.labels(model_engine, model_buckets, ocr_engine).set(1)

    def forget_partition(self, partition: int) -> None:
        """Drop the gauges of a partition that is no longer ours; its last values would stand for ever."""
        for gauge in (self.partition_lag, self.committed_offset, self.committed_offset_age_seconds):
            if (str(partition),) in _label_values(gauge):
                gauge.remove(str(partition))

    def render(self) -> bytes:
        """All metrics in Prometheus' text format, for ``CONTENT_TYPE``."""
        return generate_latest(_WithoutCreationTimes(self._registry))

    def snapshot(self) -> Snapshot:
        """Plain numbers by attribute, for the demo's table and for tests.

        Without labels a number; with labels a dict from the label's value (several joined by ``/``) to its number.
        A histogram stands as two entries, ``<attribute>_count`` and ``<attribute>_sum``.
        """
        found: Snapshot = {}
        for row in TABLE:
            found.update(_plain(row, getattr(self, row.attribute)))
        return found


class _Passage:
    """Times what is done inside of ``with``."""

    __slots__ = ("_began", "_seconds")

    def __init__(self, seconds: Histogram) -> None:
        self._seconds = seconds
        self._began = perf_counter()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._seconds.observe(perf_counter() - self._began)


class _WithoutCreationTimes(Collector):
    """prometheus_client adds a ``_created`` series to each counter; a third more lines that nobody reads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[MetricFamily]:
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


def _build(row: MetricRow, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
    metric: Counter | Gauge | Histogram
    if row.kind == "histogram":
        metric = Histogram(row.name, row.meaning, row.labels, registry=registry, buckets=row.buckets)
    elif row.kind == "gauge":
        metric = Gauge(row.name, row.meaning, row.labels, registry=registry)
    else:
        metric = Counter(row.name, row.meaning, row.labels, registry=registry)
    for values in row.starts_with:
        metric.labels(*values)
    return metric


def _samples(metric: Collector) -> Iterator[tuple[str, tuple[str, ...], float]]:
    for family in metric.collect():
        for sample in family.samples:
            yield sample.name, tuple(sample.labels.values()), sample.value


def _label_values(metric: Collector) -> set[tuple[str, ...]]:
    return {labels for _, labels, _ in _samples(metric)}


def _plain(row: MetricRow, metric: Collector) -> Snapshot:
    wanted = {row.name: row.attribute}
    if row.kind == "histogram":
        wanted = {row.name + suffix: row.attribute + suffix for suffix in ("_count", "_sum")}
    samples = list(_samples(metric))
    return {key: _numbers(row, (s[1:] for s in samples if s[0] == name)) for name, key in wanted.items()}


def _numbers(row: MetricRow, samples: Iterable[tuple[tuple[str, ...], float]]) -> float | dict[str, float]:
    by_label = {"/".join(labels): value for labels, value in samples}
    return by_label if row.labels else by_label[""]
