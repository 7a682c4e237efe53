"""Does librdkafka take the properties that an operator added? Asked at start, of clients that are thrown away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer


def find_wrong_property(
    consumer: Mapping[str, Any], producer: Mapping[str, Any], added: Mapping[str, Mapping[str, Any]]
) -> str | None:
    """What is wrong with the clients' properties, naming setting and property; None: nothing.

    ``added``: setting to the properties that it adds. The clients know no broker, so none is asked.
    """
    if not any(added.values()):
        return None
    alone = {"bootstrap.servers": "", "log_level": 0}
    words = _refusal(lambda: Consumer({**consumer, **alone}).close())
    words = words or _refusal(lambda: Producer({**producer, **alone}))
    return words and f"{_blamed(words, added)}: {words}"


def _refusal(build: Callable[[], object]) -> str | None:
    try:
        build()
    except KafkaException as error:
        return str(error.args[0].str()).strip().replace("Failed to create ", "librdkafka makes no ")
    except (TypeError, ValueError) as error:  # names that the Python client keeps for functions
        return str(error)
    return None


def _blamed(words: str, added: Mapping[str, Mapping[str, Any]]) -> str:
    """Setting and property. librdkafka names some by another name than the operator: then only the settings."""
    for key, properties in added.items():
        for name in sorted(properties, key=len, reverse=True):
            if name in words:
                return f"{key}, property {name}"
    return " or ".join(key for key, properties in added.items() if properties)
