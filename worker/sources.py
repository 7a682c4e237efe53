"""Where settings come from: command line over environment over file over default.

pydantic-settings is not used: it cannot name an unknown variable, read ``<KEY>_FILE`` for any key, or tell the
variables that Kubernetes injects for a Service from a typing mistake.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_origin

import structlog
from pydantic import SecretStr, ValidationError

from worker.masking import MASK, is_secret, mask
from worker.settings import Settings, keys

PREFIX = "HANGTAG_"
CONFIG_VARIABLE = "HANGTAG_CONFIG"

_PLAIN_KEY = re.compile(r"[\w.-]*")
_FROM_KUBERNETES = re.compile(r"HANGTAG_((?!.*__).*_)?(SERVICE_(HOST|PORT)(_.*)?|PORT_\d+_(TCP|UDP|SCTP).*)")

log = structlog.get_logger(__name__)


class SettingsError(Exception):
    """A setting that cannot be used. The message names the key, the value (masked if secret) and what is allowed."""


def load_settings(
    *, config: Path | None = None, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> Settings:
    """Settings from all sources; ``overrides`` are ``key=value``. Raises SettingsError, the operator's to mend."""
    flat = _from_file(config) if config else {}
    flat.update(_from_environment(os.environ if environ is None else environ))
    flat.update(_from_overrides(overrides))
    nested: dict[str, dict[str, Any]] = {}
    for key, value in flat.items():
        _check_known(key)
        group, name = key.split(".", 1)
        nested.setdefault(group, {})[name] = value
    try:
        return Settings.model_validate(nested)
    except ValidationError as error:
        raise SettingsError("\n".join(_describe(one) for one in error.errors())) from None


def masked(settings: Settings) -> dict[str, Any]:
    """All settings as plain values, dotted, secrets masked."""
    dumped = settings.model_dump(mode="json")
    return {f"{group}.{name}": mask(f"{group}.{name}", getattr(getattr(settings, group), name))
            for group, fields in dumped.items() for name in fields}  # fmt: skip


def _from_file(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # some editors put a mark in front
    except OSError as error:
        raise SettingsError(f"--config {path}: {error.strerror}; give a TOML file that can be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"--config {path}: not TOML: {error}") from error
    flat = {}
    for group, fields in found.items():
        if not isinstance(fields, dict):
            raise SettingsError(f"--config {path}: {group} stands outside a table; write [group] above key = value")
        flat.update({f"{group}.{name}": value for name, value in fields.items()})
    return flat


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    ignored: list[str] = []
    for variable in sorted(environ):
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE:
            continue
        if _is_from_kubernetes(variable, environ[variable]):
            ignored.append(variable)
            continue
        key = variable.removeprefix(PREFIX).lower().replace("__", ".", 1)
        if key.endswith("_file") and key not in keys():
            key, value = key.removesuffix("_file"), _read_value(variable, environ[variable])
        else:
            value = environ[variable]
        _check_known(key, variable)
        if key in flat:
            raise SettingsError(f"{variable}: {key} is given both as a value and as a file; keep one")
        flat[key] = _parsed(key, value)
    if ignored:
        log.warning("settings.variables_ignored", variables=ignored, why="Kubernetes sets them for Services")
    return flat


def _is_from_kubernetes(variable: str, value: str) -> bool:
    """What the cluster injects for Services named ``hangtag`` or ``hangtag-something``."""
    is_address = variable.endswith("_PORT") and "://" in value and "__" not in variable
    return is_address or _FROM_KUBERNETES.fullmatch(variable) is not None


def _read_value(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        shown = MASK if "://" in path else path  # a URL stands where its file should
        why = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise SettingsError(f"{variable}={shown}: cannot be read: {why}; it must name a text file") from error


def _from_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    flat = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            shown = key if _PLAIN_KEY.fullmatch(key) else MASK  # it may be a value whose key was forgotten
            raise SettingsError(f"--set {shown}: no value; write --set KEY=VALUE")
        _check_known(key)
        flat[key] = _parsed(key, value)
    return flat


def _parsed(key: str, value: str) -> Any:
    """Objects and lists are JSON in the environment; everything else is text that pydantic reads."""
    if not value.lstrip().startswith(("{", "[")):
        return (
            value.split(",")
            if value and key == "fetch.allow_endpoints"
            else value or ([] if "endpoints" in key else value)
        )
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        # The text itself is not shown: a password in it could not be told from the rest.
        raise SettingsError(f"{key}: not JSON: {error.msg} at character {error.pos}") from error


def _check_known(key: str, shown: str | None = None) -> None:
    known = keys()
    if key in known:
        return
    whole = next((name for name in known if _is_object(name) and key.replace("__", ".").startswith(f"{name}.")), None)
    if whole is not None:
        entry = key[len(whole) :].strip("._")
        raise SettingsError(f"{shown or key}: {whole} is set as a whole; {_object_form(whole, entry)}")
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "'hangtag config show' lists all keys"
    raise SettingsError(f"{shown or key}: no such setting; {hint}")


def _describe(error: Any) -> str:
    """One fault in a line. What is between settings names them itself, and has no value to show."""
    message = error["msg"].removeprefix("Value error, ")
    place = [str(part) for part in error["loc"]]
    key, value = ".".join(place[:2]), error["input"]
    if key not in keys():
        return str(message)
    if _is_object(key) and error["type"] == "dict_type":
        message = f"it is an object; {_object_form(key)}"
    if keys()[key].annotation is SecretStr:
        value = SecretStr(str(value))
    shown = MASK if any(map(is_secret, place)) else mask(key, value)
    entry = ".".join(["", *place[2:3]]) if _is_object(key) else ""
    return f"{key}{entry}={shown!r}: {message}"


def _is_object(key: str) -> bool:
    return get_origin(keys()[key].annotation) is dict


def _object_form(key: str, entry: str = "") -> str:
    if key == "model.precision_targets":
        example = f'{{"{entry or "color"}": 0.97}}'
    else:
        example = f'{{"{entry or "security.protocol"}": "…"}}'
    return f"write {key}={example}, a JSON object, or in a file [{key}] above its entries"
