"""The local stack of deploy/compose.yaml asks its containers where they listen."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tests.deploy_files import DEPLOY, port_of

_DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")


def checked_services() -> dict[str, dict[str, str]]:
    """Services of our image whose health is checked, and their variables, with the defaults of what can be replaced."""
    stack: dict[str, Any] = yaml.safe_load(_DEFAULT.sub(r"\1", (DEPLOY / "compose.yaml").read_text(encoding="utf-8")))
    ours = {name: one for name, one in stack["services"].items() if one["image"].startswith("hangtag:")}
    return {name: one["environment"] for name, one in ours.items() if not one.get("healthcheck", {}).get("disable")}


@pytest.mark.parametrize("service", checked_services())
@pytest.mark.parametrize("command", ["run", "replay"])
def test_the_health_check_asks_where_the_process_listens(service: str, command: str) -> None:
    """Whether it runs what the file says or, as ``docker compose run`` makes it, a replay."""
    environ = checked_services()[service]
    asked = int(environ.get("HANGTAG_HTTP__PORT", "9100"))  # as deploy/image/alive does
    assert port_of(command, environ) == asked
