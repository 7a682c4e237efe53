"""Alerts, dashboard and metrics page name what exists, and alerts fire when they should."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.deploy_files import ALERTS, DEPLOY, ROOT, alert_rules, anchors, dashboard, metrics_in, tool
from worker.metrics import TABLE
from worker.telemetry.metrics_page import page, series

_MATCHER = re.compile(r'(\w+)(?:=~|!~|!=|=)"')
_SCRAPED = {"instance", "job"}


def panels() -> Iterator[dict[str, object]]:
    """The dashboard's panels that ask something."""
    yield from (panel for panel in dashboard()["panels"] if panel["type"] != "row")


def queries() -> list[str]:
    """Every query of dashboard and alerts, and the one behind the dashboard's list of workers."""
    asked = [target["expr"] for panel in panels() for target in panel["targets"]]  # type: ignore[attr-defined]
    listed = [one["query"]["query"] for one in dashboard()["templating"]["list"] if one["type"] == "query"]
    return [*asked, *listed, *(rule["expr"] for rule in alert_rules())]


def test_the_page_is_what_the_command_prints() -> None:
    """docs/metrics.md is up to date; if not: hangtag metrics > docs/metrics.md."""
    assert (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("query", queries())
def test_queries_name_metrics_and_labels_that_exist(query: str) -> None:
    """No panel stays empty and no alert silent because of a name that nobody exposes."""
    names = metrics_in(query)
    assert names
    assert names <= series()
    used = [row for row in TABLE if any(name.startswith(row.name) for name in names)]
    allowed = {label for row in used for label in row.labels} | _SCRAPED
    assert set(_MATCHER.findall(query)) <= allowed
    grouped = {word.strip() for group in re.findall(r"\bby \(([^)]*)\)", query) for word in group.split(",")}
    assert grouped <= allowed | {"le"}


@pytest.mark.parametrize("query", queries())
def test_counters_are_never_shown_raw(query: str) -> None:
    """A counter says something only by how fast it grows."""
    for counter in {row.name for row in TABLE if row.kind == "counter"} & metrics_in(query):
        raw = re.findall(rf"{counter}(?:\{{[^}}]*\}})?(?!\{{|\[)(?=[\s)]|$)", query)
        assert not raw, counter


def test_each_alert_leads_to_what_to_do() -> None:
    """Each has a severity, words, and a runbook section that exists."""
    known = anchors(ROOT / "docs" / "operating.md")
    for rule in alert_rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
        name, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert (name, anchor in known) == ("docs/operating.md", True), rule["alert"]


def test_alerts_fire_when_they_should_and_not_otherwise() -> None:
    """Prometheus' own tool runs the rules on made-up series; every alert is seen firing there."""
    promtool = tool("promtool", "prometheus")
    for command in (("check", "rules", ALERTS), ("test", "rules", ALERTS.with_name("alerts_test.yaml"))):
        done = subprocess.run([promtool, *command], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
    tried = ALERTS.with_name("alerts_test.yaml").read_text()
    for rule in alert_rules():
        assert re.search(rf"alertname: {rule['alert']}\n\s+eval_time: \w+\n\s+exp_alerts:\n", tried), rule["alert"]


def test_dashboard_panels_can_be_read() -> None:
    """Each panel has a title of its own, words, a unit and a place that no other takes."""
    found = list(panels())
    assert len({panel["title"] for panel in found}) == len(found)
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in found:
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]  # type: ignore[index]
        assert panel["datasource"]["uid"] == "${datasource}"  # type: ignore[index]
        at: dict[str, int] = panel["gridPos"]  # type: ignore[assignment]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_guard_rules_start_at_zero() -> None:
    """Every rule the fetch guard refuses by is there from the start: a first burst is an increase, not a new series."""
    refusals = "".join((ROOT / "worker" / "fetching" / name).read_text() for name in ("guard.py", "dial.py"))
    used = set(re.findall(r'RefusedError\(\s*"(\w+)"', refusals))
    row = next(row for row in TABLE if row.attribute == "fetch_refused")
    assert {values[0] for values in row.starts_with} == used


def test_the_stack_provisions_that_dashboard() -> None:
    """Grafana in the local stack loads the folder that the dashboard lies in."""
    provider = (DEPLOY / "grafana" / "provisioning" / "dashboards" / "hangtag.yaml").read_text()
    assert "path: /etc/hangtag/dashboards" in provider
    assert "./grafana/dashboards:/etc/hangtag/dashboards:ro" in (DEPLOY / "compose.yaml").read_text()
