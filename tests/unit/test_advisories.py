"""An audit that could not look things up does not say that all is well."""

from __future__ import annotations

import json
from typing import Any

from tests.advisories import NONE_KNOWN, SOME_KNOWN, UNKNOWN, read_report

SOUND = {"name": "sound", "version": "1.0", "vulns": []}
WEAK = {"name": "weak", "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"]}, {"id": "CVE-2"}]}
SKIPPED = {"name": "skipped", "skip_reason": "Dependency not found"}


def _report(*dependencies: dict[str, Any]) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_all_looked_up_and_none_weak() -> None:
    """The only way to a zero."""
    assert read_report(_report(SOUND, SOUND), "").exit_code == NONE_KNOWN


def test_weak_packages_are_named_with_their_remedy() -> None:
    """Also when others could not be looked up."""
    verdict = read_report(_report(SOUND, WEAK, SKIPPED), "")
    assert verdict.exit_code == SOME_KNOWN
    assert "weak 1.0: CVE-1, mended in 1.1, CVE-2, not mended yet" in str(verdict)


def test_packages_that_were_skipped_are_not_sound() -> None:
    """pip-audit skips what it cannot find and ends with 0; here that is no all-clear."""
    verdict = read_report(_report(SOUND, SKIPPED), "No known vulnerabilities found")
    assert verdict.exit_code == UNKNOWN and "skipped" in str(verdict)
    assert "nothing can be said" in str(read_report(_report(SKIPPED), ""))


def test_no_answer_is_not_sound() -> None:
    """A database that was not reached: the last line of the complaint is passed on."""
    verdict = read_report("", "Traceback\nConnectionError: no route")
    assert verdict.exit_code == UNKNOWN and "no route" in str(verdict)
    assert read_report(_report(), "").exit_code == UNKNOWN
