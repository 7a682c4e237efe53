"""Which event stands on which topic, and what the topic is called unless the settings say otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from schemas.base import Event
from schemas.enriched import AttributesTagged, SceneTagged, TextRead
from schemas.listing import ListingCreated


@dataclass(frozen=True, slots=True)
class EventTopic:
    """One row of the table: an event, the setting that names its topic, and the topic's default name."""

    setting: str
    default_topic: str
    event: type[Event]
    direction: Literal["in", "out"]

    @property
    def event_type(self) -> str:
        """The event's type with its version, as in ``ce_type``."""
        return self.event.event_type


INPUT = EventTopic("kafka.input_topic", "listings.created", ListingCreated, "in")
ATTRIBUTES = EventTopic("kafka.attributes_topic", "listings.attributes", AttributesTagged, "out")
SCENES = EventTopic("kafka.scenes_topic", "listings.scenes", SceneTagged, "out")
TEXTS = EventTopic("kafka.texts_topic", "listings.texts", TextRead, "out")

EVENT_KINDS = ("attributes", "scenes", "texts")  # what comes of a listing, in this order
EVENT_TOPICS = (INPUT, ATTRIBUTES, SCENES, TEXTS)


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one worker by their names."""

    input: str = INPUT.default_topic
    attributes: str = ATTRIBUTES.default_topic
    scenes: str = SCENES.default_topic
    texts: str = TEXTS.default_topic
    dead_letter: str = f"dlq.hangtag.{INPUT.default_topic}"

    @property
    def of_events(self) -> tuple[tuple[EventTopic, str], ...]:
        """Each event with the name of its topic, in the order of `EVENT_TOPICS`."""
        return tuple(zip(EVENT_TOPICS, (self.input, self.attributes, self.scenes, self.texts), strict=True))


def default_dead_letter_topic(group_id: str, input_topic: str) -> str:
    """The dead-letter topic's name, unless the settings give one."""
    return f"dlq.{group_id}.{input_topic}"
