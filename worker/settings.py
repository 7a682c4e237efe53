"""Every setting with its default, bounds and meaning. Frozen, validated once; see `worker.sources` for where from."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import datetime
from itertools import combinations
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from schemas.topics import Topics, default_dead_letter_topic
from worker.decoding.confine import PATIENCE
from worker.kafka.properties import check_properties
from worker.masking import is_secret, passwords_of, split_redis_url

MIB = 1 << 20
TopicName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,249}$")]
Properties = dict[str, str | int | float | bool]


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(_Group):
    """The broker, the group and the topics."""

    bootstrap_servers: str = Field("localhost:9092", min_length=1, description="brokers to ask first, host:port,…")
    group_id: str = Field("hangtag", min_length=1, max_length=200, description="consumer group")
    group_protocol: Literal["classic", "consumer"] = Field("classic", description="consumer is KIP-848")
    delivery: Literal["exactly_once", "at_least_once"] = Field("exactly_once", description="how results are published")
    instance: str = Field(
        default_factory=socket.gethostname,
        min_length=1,
        max_length=200,
        description="this worker's name across restarts",
    )
    transaction_timeout_seconds: float = Field(10, ge=1, le=900, description="longest wait for a dead worker")
    start_at: Literal["earliest", "latest"] | AwareDatetime = Field(
        "earliest", description="where nothing is committed yet: earliest, latest, or an RFC 3339 time"
    )
    static_membership: bool = Field(
        False, description="keep this instance's partitions over a restart (classic protocol only)"
    )
    wait_seconds: float = Field(60, ge=0, le=3600, description="how long a start waits for broker and topics")
    input_topic: TopicName = Field("listings.created", description="listings come from here")
    attributes_topic: TopicName = Field("listings.attributes", description="attribute events go here")
    scenes_topic: TopicName = Field("listings.scenes", description="scene events go here")
    texts_topic: TopicName = Field("listings.texts", description="OCR events go here")
    dead_letter_topic: TopicName | None = Field(None, description="default: dlq.<group_id>.<input_topic>")
    replay_topic: TopicName = Field("hangtag.replays", description="compacted topic of replay plans")
    max_record_bytes: int | None = Field(
        None,
        ge=10_000,
        description="largest output record on any topic; default: what the broker says each topic takes",
    )
    client: Properties = Field({}, description="librdkafka properties of all clients")
    consumer: Properties = Field({}, description="librdkafka properties of the consumer")
    producer: Properties = Field({}, description="librdkafka properties of the producer")

    @field_validator("client", "consumer", "producer", mode="before")
    @classmethod
    def _check_properties(cls, properties: Any) -> Any:
        check_properties(properties)
        return properties

    @model_validator(mode="after")
    def _refuse_loops(self) -> Self:
        if self.static_membership and self.group_protocol == "consumer":
            raise ValueError(
                "kafka.static_membership needs kafka.group_protocol classic: under KIP-848 a restart would be fenced"
            )
        outputs = ("attributes_topic", "scenes_topic", "texts_topic", "dead_letter_topic", "replay_topic")
        named = {"input_topic": self.input_topic, **{name: getattr(self, name) for name in outputs}}
        named["dead_letter_topic"] = self.topics.dead_letter
        for (one, topic), (other, same) in combinations(named.items(), 2):
            if topic == same:
                why = "the worker would feed itself" if one == "input_topic" else "each needs a topic of its own"
                raise ValueError(f"kafka.{one} and kafka.{other} are both {topic}: {why}")
        return self

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Without librdkafka properties, which may hold passwords."""
        hidden = ("client", "consumer", "producer")
        return ((name, value) for name, value in super().__repr_args__() if name not in hidden)

    @property
    def topics(self) -> Topics:
        """All topics by name."""
        dead_letter = self.dead_letter_topic or default_dead_letter_topic(self.group_id, self.input_topic)
        return Topics(self.input_topic, self.attributes_topic, self.scenes_topic, self.texts_topic, dead_letter)

    @property
    def start_time(self) -> str | datetime:
        """``start_at`` as the consumer takes it."""
        return self.start_at


class RedisSettings(_Group):
    """The shared cache."""

    url: SecretStr = Field(
        SecretStr(""), description="redis://user:password@host:6379/0; empty: an in-process cache only"
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        if text and not text.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("the URL must begin with redis://, rediss:// (TLS) or unix://")
        try:
            if text:
                split_redis_url(text)
        except ValueError as error:
            form = "redis://user:password@host:6379/0, with # / ? @ in a password as %23 %2F %3F %40"
            raise ValueError(f"{error}; write {form}") from None
        return url


class FetchSettings(_Group):
    """Downloading pictures."""

    allow_endpoints: tuple[str, ...] = Field((), description="exact IP:port pairs allowed although not public")
    timeout_seconds: float = Field(8, gt=0, le=300, description="one picture, whole download")
    max_bytes: int = Field(10 * MIB, ge=1024, le=1024 * MIB, description="one picture's body")
    max_redirects: int = Field(3, ge=0, le=20, description="redirects followed per picture")
    give_up_seconds: float = Field(120, ge=0, le=3600, description="longest wait for a host that stays dead")
    max_host_rate: float = Field(0, ge=0, description="requests a second to one host, a backfill's too; 0: no limit")

    @field_validator("allow_endpoints")
    @classmethod
    def _check_endpoints(cls, endpoints: tuple[str, ...]) -> tuple[str, ...]:
        from worker.fetching.guard import parse_endpoint

        for endpoint in endpoints:
            parse_endpoint(endpoint)
        return endpoints


class DecodeSettings(_Group):
    """Turning picture bytes into pixels, in processes of their own."""

    max_pixels: int | None = Field(None, ge=1, le=400_000_000, description="default: 50 MP for JPEG, 24 MP otherwise")
    num_processes: int | None = Field(
        None, ge=1, le=64, description="decoder processes, one more kept as a spare; default: by the cores there are"
    )
    memory_bytes: int = Field(1024 * MIB, ge=256 * MIB, description="address space of one decoder process")
    seconds: float = Field(4, gt=0, le=120, description="processor time of one picture; ten times that by the clock")
    avif: bool = Field(False, description="decode AVIF too; its codecs are younger than the others'")
    confine: Literal["full", "limits"] = Field(
        "full",
        description="full: resource limits and a filter on system calls (seccomp); limits: for kernels without seccomp",
    )


class OcrSettings(_Group):
    """Reading text in pictures."""

    enabled: bool = Field(True, description="false: no OCR, several times the rate")
    skip_without_text: bool = Field(
        True, description="read only where the model and OCR's scout see text; false: look everywhere in every picture"
    )
    max_side: int = Field(1536, ge=256, le=4096, description="longest side of the copy that OCR reads, pixels")
    num_threads: int | None = Field(None, ge=1, le=256, description="default: by the cores there are")
    engine: Literal["auto", "onnxruntime", "openvino"] = Field(
        "auto", description="auto: onnxruntime; openvino needs hangtag[openvino]"
    )


class CacheSettings(_Group):
    """What is remembered: title vectors, and what was read in pictures."""

    digest_key: SecretStr = Field(SecretStr(""), description="secret against forged cache values")
    process_items: int = Field(50_000, ge=0, description="vectors kept in this process, 768 bytes each; 1,024 at least")
    read_texts: bool = Field(True, description="keep what was read in pictures in Redis too, by content hash")
    ttl_days: float = Field(30, gt=0, le=3650, description="time to live in Redis")
    budget_ms: float = Field(50, ge=1, le=5000, description="longest wait for Redis per batch")


class ModelSettings(_Group):
    """The model and the device."""

    checkpoint: str = Field("", description="folder; empty: the shipped one")
    precision_targets: dict[str, float] = Field({}, description="per attribute, 0.95 each unless given")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:N")
    engine: Literal["auto", "torch", "openvino"] = Field(
        "auto", description="auto: OpenVINO on a CPU where hangtag[openvino] is installed, else torch"
    )
    precision: Literal["auto", "fp32", "bf16", "int8"] = Field(
        "auto", description="auto: int8 where the checkpoint says that no tag suffers, else bf16 where the CPU has it"
    )
    num_threads: int | None = Field(None, ge=1, le=256, description="default: by the cores there are")

    @field_validator("precision_targets")
    @classmethod
    def _check_targets(cls, targets: dict[str, float]) -> dict[str, float]:
        from model.prompts import TRAINED

        allowed = (*TRAINED, *_prompted()) if targets.keys() - set(TRAINED) else TRAINED
        for name, target in targets.items():
            if name not in allowed or not 0 < target <= 1:
                raise ValueError(f"{name}={target}: names are {', '.join(allowed)}; a target is above 0 and at most 1")
        return targets


def _prompted() -> tuple[str, ...]:
    """The attributes that the taxonomy declares by prompts."""
    from model.errors import ModelError
    from model.taxonomy import load_taxonomy

    try:
        return tuple(load_taxonomy().prompts)
    except ModelError as error:
        raise ValueError(str(error)) from error


class BatchSettings(_Group):
    """Micro-batches for the device."""

    max_listings: int = Field(16, ge=1, le=1024, description="listings per batch")


class LimitSettings(_Group):
    """What may be in flight at once."""

    max_listings: int = Field(256, ge=1, description="listings")
    max_bytes: int = Field(512 * MIB, ge=MIB, description="bytes of records and pictures")
    max_pixels: int = Field(64 * MIB, ge=MIB, description="decoded pixels")


class BackfillSettings(_Group):
    """A replay that shares the device with live traffic (``run --backfill``), and when it stands back."""

    name: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,100}$", description="the replay's name; empty: none")
    max_batch_ms: float = Field(
        100, ge=1, le=60_000, description="device time of one of its batches, for which live waits"
    )
    share: float = Field(1.0, gt=0, le=1, description="largest share of the device's time that it takes")
    rate: float = Field(0.0, ge=0, description="its listings a second in this process; 0: no limit")
    max_live_p99_ms: float = Field(
        5000, ge=0, description="it rests while live listings take longer; 0: never for that"
    )
    max_live_lag: int = Field(1000, ge=0, description="it rests while more live records wait to be started; 0: never")


class HttpSettings(_Group):
    """Probes and metrics."""

    host: str = Field("0.0.0.0", description="address to listen on")  # noqa: S104  # probes come from outside the pod
    port: int = Field(9100, ge=0, le=65535, description="/metrics, /livez, /readyz, /startupz; 0: any free port")


class LogSettings(_Group):
    """What is logged and how."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severity logged")
    format: Literal["auto", "json", "console"] = Field("auto", description="auto: console on a terminal, else JSON")


class TraceSettings(_Group):
    """OpenTelemetry traces; needs the extra ``otel``."""

    endpoint: str = Field(
        "",
        pattern=r"^(https?://[^@\s]+)?$",  # a password would be shown: it belongs into OTEL_EXPORTER_OTLP_HEADERS
        description="OTLP over HTTP, http://collector:4318/v1/traces; empty: none",
    )
    sample_ratio: float = Field(0.01, ge=0, le=1, description="share traced where the producer did not decide")


class ShutdownSettings(_Group):
    """Stopping."""

    drain_seconds: float = Field(20, ge=0, le=600, description="after SIGTERM, time to finish what the device started")


class HealthSettings(_Group):
    """Liveness."""

    stall_seconds: float = Field(
        300, ge=10, description="/livez fails when nothing moved for so long with work in flight"
    )


class StormSettings(_Group):
    """When nearly everything ends as a dead letter, intake rests and single records probe."""

    ratio: float = Field(0.9, ge=0, le=1, description="share of the last outcomes that opens the breaker; 0: off")
    window: int = Field(200, ge=10, le=100_000, description="outcomes that the share is taken over")
    consecutive: int = Field(100, ge=0, description="dead letters in a row that open it; 0: off")
    probe_seconds: float = Field(5, gt=0, le=600, description="wait before the first probe; doubles up to a minute")


class Settings(_Group):
    """Everything that can be set."""

    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    redis: RedisSettings = Field(default_factory=RedisSettings)
    fetch: FetchSettings = Field(default_factory=FetchSettings)
    decode: DecodeSettings = Field(default_factory=DecodeSettings)
    ocr: OcrSettings = Field(default_factory=OcrSettings)
    cache: CacheSettings = Field(default_factory=CacheSettings)
    model: ModelSettings = Field(default_factory=ModelSettings)
    batch: BatchSettings = Field(default_factory=BatchSettings)
    limits: LimitSettings = Field(default_factory=LimitSettings)
    backfill: BackfillSettings = Field(default_factory=BackfillSettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    trace: TraceSettings = Field(default_factory=TraceSettings)
    shutdown: ShutdownSettings = Field(default_factory=ShutdownSettings)
    health: HealthSettings = Field(default_factory=HealthSettings)
    storm: StormSettings = Field(default_factory=StormSettings)

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        """Limits that only make sense in relation to each other."""
        drain, give_up, stall = self.shutdown.drain_seconds, self.fetch.give_up_seconds, self.health.stall_seconds
        consumer = {**self.kafka.client, **self.kafka.consumer}
        longest = float(consumer.get("max.poll.interval.ms", 300_000)) / 4000
        if drain > longest:
            raise ValueError(
                f"shutdown.drain_seconds is {drain:g}; draining happens inside a poll, so it may take a quarter of "
                f"max.poll.interval.ms at most: {longest:g} s"
            )
        if give_up >= stall:
            raise ValueError(
                f"fetch.give_up_seconds is {give_up:g} and health.stall_seconds {stall:g}: a single dead image host "
                "would look like a stalled worker; make the second the larger"
            )
        if (hung := PATIENCE * self.decode.seconds) >= stall:
            raise ValueError(
                f"decode.seconds is {self.decode.seconds:g}, so a decoder may be waited for {hung:g} s, and "
                f"health.stall_seconds is {stall:g}: a single one that hangs would look like a stalled worker; make "
                "the second larger"
            )
        return self

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be seen, as it stands: for whoever masks it in logs."""
        url = self.redis.url.get_secret_value()
        added = (*self.kafka.client.items(), *self.kafka.consumer.items(), *self.kafka.producer.items())
        hidden = [str(value) for name, value in added if is_secret(name) and not isinstance(value, bool)]
        return tuple(filter(None, (url, *passwords_of(url), self.cache.digest_key.get_secret_value(), *hidden)))


def keys() -> dict[str, Any]:
    """Every key, dotted, with pydantic's description of the field."""
    return {
        f"{group}.{name}": field
        for group, outer in Settings.model_fields.items()
        for name, field in outer.annotation.model_fields.items()  # type: ignore[union-attr]  # each group is a model
    }
