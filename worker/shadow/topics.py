"""Reads live and shadow topics and compares them: the shadow's side is held in memory, the live side passes by."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from worker.errors import FatalError
from worker.kafka.topic_reader import TopicReader
from worker.shadow.compare import Comparison, Source, Told, told_of


def compare_topics(client: Mapping[str, Any], topics: Mapping[str, str], num_examples: int) -> Comparison:
    """``topics``: each live topic and its shadow. About 1 kB of memory per event of the shadow run.

    Of several results for one record the last counts, on either side. Raises FatalError when a topic cannot be read.
    """
    found = Comparison(num_examples)
    reader = TopicReader(client, "hangtag-compare")
    try:
        for live, shadow in topics.items():
            if reader.exists(shadow):
                _compare(reader, live, shadow, found)
    finally:
        reader.close()
    return found


def _compare(reader: TopicReader, live: str, shadow: str, found: Comparison) -> None:
    wanted = dict(_told(reader, shadow))
    newest: dict[Source, Told] = {source: told for source, told in _told(reader, live) if source in wanted}
    for source, told in wanted.items():
        if source in newest:
            found.add(newest[source], told)
        else:
            found.num_without_live += 1


def _told(reader: TopicReader, topic: str) -> Iterator[tuple[Source, Told]]:
    for message in reader.read(topic, reader.ranges(topic)):
        try:
            told = told_of(json.loads(message.value() or b""))
        except (ValueError, KeyError, TypeError) as error:
            place = f"{topic}, partition {message.partition()}, offset {message.offset()}"
            raise FatalError(f"{place}: not an event of hangtag's ({error!r}); is the prefix right?") from error
        if told is not None:
            yield told
