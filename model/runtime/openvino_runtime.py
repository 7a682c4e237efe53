"""OpenVINO, where it is installed (``hangtag[openvino]``), without what it would tell its makers.

Importing it sends an event to an analytics service, unless the package that sends it cannot be imported: then it takes
a stub of its own. A worker talks to nobody that its operator did not name, so that package is kept out.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

_TELEMETRY = "openvino_telemetry"


def has_openvino() -> bool:
    """Whether OpenVINO is installed."""
    return find_spec("openvino") is not None


def openvino_runtime() -> Any:
    """The package. Raises ImportError where it is not installed."""
    sys.modules.setdefault(_TELEMETRY, None)  # type: ignore[arg-type]  # None: 'import' of it fails
    import openvino

    return openvino


def open_core() -> Any:
    """OpenVINO's entrance: it compiles models and knows what the CPU can do."""
    return openvino_runtime().Core()
