"""Where settings come from: command line, environment, file, in this order of precedence.

Each source becomes a flat layer, dotted key to `Given`; layers are laid over one another, mappings such as
``kafka.client`` property by property. Nothing here knows a single setting: the keys are read off the model that
`load_layers` is given.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from worker.errors import HangtagError
from worker.masking import is_secret, masked, masked_text

ENV_PREFIX = "HANGTAG_"
NESTING = "__"
FILE_SUFFIX = "_file"

_OWN_SERVICE = re.compile(r"(SERVICE|PORT)(_.+)?")
_OTHER_SERVICE = re.compile(r"[A-Z0-9_]+?_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_\d+_(TCP|UDP|SCTP)(_.+)?)?)")
_SERVICE_VALUE = re.compile(r"(tcp|udp|sctp)://.+|\d+|tcp|udp|sctp|[0-9a-f:.]+", re.IGNORECASE)


class SettingsError(HangtagError):
    """Settings that cannot be used: exit code 2. One line per key, with its value, its source and what is allowed."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value as somebody gave it, and where: ``HANGTAG_HTTP__PORT``, ``--set``, ``hangtag.toml``."""

    value: object
    source: str


Layer = dict[str, Given]
Keys = Mapping[str, FieldInfo]


def leaf_keys(model: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    """Dotted key to field, of all settings in a model of nested groups."""
    found: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        group = _group(field)
        found.update(leaf_keys(group, f"{prefix}{name}.") if group else {prefix + name: field})
    return found


def load_layers(
    model: type[BaseModel],
    config: Path | None,
    overrides: Mapping[str, Any],
    environ: Mapping[str, str],
    warn: Callable[[str], None],
) -> Layer:
    """All sources as one layer, the strongest on top. Raises SettingsError for what cannot be read or is unknown."""
    keys = leaf_keys(model)
    weakest_first = (
        _file_layer(config) if config else {},
        _environment_layer(environ, warn),
        {key: Given(value, "--set") for key, value in overrides.items()},
    )
    merged: Layer = {}
    for layer in weakest_first:
        for key, given in _settle(layer, keys).items():
            merged[key] = _laid_over(merged.get(key), given)
    return merged


def nested(layer: Layer) -> dict[str, Any]:
    """A layer as nested mappings, as the model reads it."""
    tree: dict[str, Any] = {}
    for key, given in layer.items():
        *groups, name = key.split(".")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
        branch[name] = given.value
    return tree


def explain(error: ValidationError, layer: Layer) -> str:
    """What is wrong, one line per key. Secrets are masked."""
    return "\n".join(_explain_one(found, layer) for found in error.errors(include_url=False, include_input=False))


# ---- sources --------------------------------------------------------------------------------------------------------


def _file_layer(path: Path) -> Layer:
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"--config {path}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise SettingsError(f"--config {path}: not a TOML file in UTF-8: {error}") from error
    return {key: Given(value, str(path)) for key, value in tree.items()}


def _environment_layer(environ: Mapping[str, str], warn: Callable[[str], None]) -> Layer:
    layer: Layer = {}
    for name, value in sorted(environ.items()):
        if not name.startswith(ENV_PREFIX):
            continue
        if _is_from_kubernetes(name.removeprefix(ENV_PREFIX), value):
            warn(f"{name} is ignored: Kubernetes sets it for a Service; settings look like HANGTAG_HTTP__PORT")
        else:
            layer[name.removeprefix(ENV_PREFIX).lower().replace(NESTING, ".")] = Given(value, name)
    return layer


def _is_from_kubernetes(name: str, value: str) -> bool:
    """Variables for the Service ``hangtag`` go by name; for others, such as ``hangtag-redis``, the value decides too."""
    if NESTING in name:
        return False
    if _OWN_SERVICE.fullmatch(name):
        return True
    if name.endswith("_PORT") and "SERVICE" not in name and "://" not in value:
        return False  # HANGTAG_HTTP_PORT=9100 is a slip for HANGTAG_HTTP__PORT
    return _OTHER_SERVICE.fullmatch(name) is not None and _SERVICE_VALUE.fullmatch(value) is not None


# ---- from what was given to what the model reads --------------------------------------------------------------------


def _settle(layer: Layer, keys: Keys) -> Layer:
    """Groups taken apart into keys, files read, text of structured values parsed; unknown keys refused."""
    settled: Layer = {}
    for key, given in _take_apart(layer, keys):
        stem = key.removesuffix(FILE_SUFFIX)
        if key not in keys and stem != key and stem in keys:
            key, given = stem, _read_file(given)
        if key not in keys:
            raise SettingsError(_unknown(key, given, keys))
        if key in settled:
            sources = " and ".join(sorted({settled[key].source, given.source}))
            raise SettingsError(f"{key}: given twice, by {sources}; keep one")
        settled[key] = _parsed(key, given, keys[key])
    return settled


def _take_apart(layer: Layer, keys: Keys) -> Iterator[tuple[str, Given]]:
    """``kafka = {…}`` as one entry per key; also a whole group given as a JSON object."""
    for key, given in layer.items():
        if not any(known.startswith(f"{key}.") for known in keys):
            yield key, given
            continue
        value = _json(key, given) if isinstance(given.value, str) else given.value
        if not isinstance(value, Mapping):
            raise SettingsError(
                f"{key} (from {given.source}): a group of settings, so it must be a table or JSON object"
            )
        inner = {f"{key}.{name}": Given(part, given.source) for name, part in value.items()}
        yield from _take_apart(inner, keys)


def _read_file(given: Given) -> Given:
    path = Path(str(given.value))
    try:
        return Given(path.read_text(encoding="utf-8").rstrip("\r\n"), f"{given.source}={path}")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SettingsError(f"{given.source}: the file {path} cannot be read: {reason}") from error


def _parsed(key: str, given: Given, field: FieldInfo) -> Given:
    """Text for a mapping is a JSON object; for a list it is JSON or comma-separated."""
    if not isinstance(given.value, str):
        return given
    kind = get_origin(field.annotation)
    if kind is dict:
        return Given(_json(key, given) if given.value else {}, given.source)
    if kind is tuple and not given.value.lstrip().startswith("["):
        return Given([part.strip() for part in given.value.split(",") if part.strip()], given.source)
    return Given(_json(key, given), given.source) if kind is tuple else given


def _json(key: str, given: Given) -> object:
    try:
        return json.loads(str(given.value))
    except ValueError as error:
        where = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "its text"
        raise SettingsError(f"{key} (from {given.source}): must be JSON; the fault is at {where}") from error


def _laid_over(below: Given | None, above: Given) -> Given:
    if below is None or not (isinstance(below.value, Mapping) and isinstance(above.value, Mapping)):
        return above
    return Given({**below.value, **above.value}, f"{below.source}, {above.source}")


# ---- messages -------------------------------------------------------------------------------------------------------


def _unknown(key: str, given: Given, keys: Keys) -> str:
    near = suggestion(key, list(keys))
    hint = f"did you mean {near!r}?" if near else "'hangtag config show' lists all"
    return f"{key} (from {given.source}): there is no such setting; {hint}"


def suggestion(wrong: str, known: Sequence[str]) -> str | None:
    """The known name that ``wrong`` was probably meant to be."""
    as_words = {name.replace(".", "_"): name for name in known}
    near = difflib.get_close_matches(wrong.replace(".", "_"), as_words, n=1, cutoff=0.75)
    by_ending = [name for name in known if name.rpartition(".")[2] == wrong.rpartition(".")[2]]
    return as_words[near[0]] if near else (by_ending[0] if len(by_ending) == 1 else None)


def _explain_one(found: Any, layer: Layer) -> str:
    place = ".".join(str(part) for part in found["loc"])
    key = next((known for known in layer if place == known or place.startswith(f"{known}.")), None)
    message = masked_text(found["msg"].removeprefix("Value error, ").replace("Input should", "must"))
    if key is None:
        return f"{place}: {message}" if place else message
    given = layer[key]
    shown = "" if place != key or isinstance(given.value, Mapping) else f" = {masked(key, given.value)!r}"
    secret = " (hidden)" if shown and is_secret(key) else ""
    return f"{place}{shown}{secret} (from {given.source}): {message}"


def _group(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
