"""Every setting: name, default, bounds and meaning. Frozen, validated once.

From the strongest to the weakest: command line (``--set``), environment (``HANGTAG_KAFKA__GROUP_ID``), the TOML file
given with ``--config``, the default. Only `worker.app` and the commands read settings; stages receive values.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from schemas.base import UtcTime
from schemas.topics import ATTRIBUTES, INPUT, SCENES, TEXTS, Topics, default_dead_letter_topic
from worker.masking import masked
from worker.settings_kafka import Properties, check_cross_topics
from worker.settings_sources import SettingsError as SettingsError
from worker.settings_sources import explain, leaf_keys, load_layers, nested
