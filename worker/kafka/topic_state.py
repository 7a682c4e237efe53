"""Pure: a topic as it is planned, as it was found, and what of the difference does harm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_FOREVER = -1


@dataclass(frozen=True, slots=True)
class PlannedTopic:
    """A topic and the settings it should have."""

    name: str
    partitions: int
    replication_factor: int
    config: dict[str, str]

    @property
    def settings(self) -> str:
        """The settings in words, as a broker's tools write them."""
        return _words(self.config)


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """A topic that is there. ``config`` None: the broker does not tell this user."""

    partitions: int
    config: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What of a plan a topic does not meet: setting to what was found and what is wanted."""

    planned: PlannedTopic
    found: FoundTopic
    short: Mapping[str, tuple[str, str]]

    @property
    def found_settings(self) -> str | None:
        """The planned settings as they are; None: the broker does not tell."""
        config = self.found.config
        return None if config is None else _words({name: config.get(name, "") for name in self.planned.config})

    @property
    def words(self) -> str:
        """``retention.ms is 1000, planned is 604800000``, one after the other."""
        return "; ".join(f"{name} is {found}, planned is {wanted}" for name, (found, wanted) in self.short.items())

    def remedy(self, servers: str) -> str:
        """Commands of Kafka's own that make the topic as planned; empty: it is."""
        name = self.planned.name
        config = {key: wanted for key, (_, wanted) in self.short.items() if key != "partitions"}
        commands = []
        if config:
            added = _words(config).replace(" ", ",")
            commands.append(
                f"kafka-configs.sh --bootstrap-server {servers} --alter --entity-type topics --entity-name {name} "
                f"--add-config {added}"
            )
        if "partitions" in self.short:
            commands.append(
                f"kafka-topics.sh --bootstrap-server {servers} --alter --topic {name} "
                f"--partitions {self.planned.partitions}"
            )
        return "; ".join(commands)


def compare(planned: PlannedTopic, found: FoundTopic) -> Shortfall:
    """Shorter retention, smaller records, another clean-up, fewer partitions. More than planned does no harm."""
    short: dict[str, tuple[str, str]] = {}
    if found.partitions < planned.partitions:
        short["partitions"] = (str(found.partitions), str(planned.partitions))
    for name, wanted in planned.config.items():
        value = (found.config or {}).get(name)
        if value is not None and not _is_enough(name, value, wanted):
            short[name] = (value, wanted)
    return Shortfall(planned, found, short)


def _is_enough(name: str, found: str, wanted: str) -> bool:
    if not wanted.lstrip("-").isdigit():
        return found == wanted
    if name == "retention.ms" and _FOREVER in (int(found), int(wanted)):
        return int(found) == _FOREVER
    return int(found) >= int(wanted)


def _words(config: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(config.items()))
