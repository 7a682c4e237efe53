"""What would run here, by version: the program, the contract it speaks, the checkpoint it would load."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

from model.config import ModelConfig
from model.place import digest_of_all, locate
from schemas.export import CONTRACT_VERSION
from schemas.topics import EVENT_TOPICS


@dataclass(frozen=True, slots=True)
class Versions:
    """``schemas``: of the AsyncAPI document; ``events``: types with their versions; ``digest``: of the checkpoint."""

    program: str
    schemas: str
    events: tuple[str, ...]
    checkpoint: str
    digest: str


def find_versions(checkpoint: str) -> Versions:
    """With the checkpoint that ``model.checkpoint`` names; its files are not verified. Raises CheckpointError."""
    folder = locate(checkpoint)
    events = tuple(row.event_type for row in EVENT_TOPICS)
    name = ModelConfig.load(folder / "config.json").name
    return Versions(version("hangtag"), CONTRACT_VERSION, events, name, digest_of_all(folder))
