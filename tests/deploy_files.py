"""What the tests of `deploy/` share: its files, and Prometheus' own tool to judge queries with."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers.packages import ensure
from worker.replay import replay_settings
from worker.replays.plan import Plan, Request
from worker.sources import load_settings

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "hangtag.json"
_METRIC = re.compile(r"\bhangtag_[a-z_]+")


def tool(program: str, package: str) -> str:
    """Its path. Where it cannot be had the test is skipped, with the remedy; in CI it fails."""
    try:
        return ensure(program, package)
    except RuntimeError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


def alert_rules() -> list[dict[str, Any]]:
    """Every alert."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """The dashboard."""
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def metrics_in(query: str) -> set[str]:
    """Names of our metrics in a PromQL query."""
    return set(_METRIC.findall(query))


def port_of(command: str, environ: Mapping[str, str]) -> int:
    """Where ``hangtag run`` or ``hangtag replay`` listens with these variables."""
    settings = load_settings(environ=environ)
    if command == "replay":
        kafka = settings.kafka
        asked = Request("earliest").completed()
        plan = Plan("any", kafka.input_topic, kafka.group_id, datetime.now(UTC), asked, ())
        settings = replay_settings(settings, plan)
    return settings.http.port


def anchors(page: Path) -> set[str]:
    """What a link may point to in a Markdown page: its headings, as forges turn them into anchors."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
