"""``make audit``: are weaknesses of the locked packages known? ``python -m tests.advisories PIP_AUDIT LOCK``.

Exit code 0: every package was looked up, none is known to be weak. 1: some are. 3: no advisory database was reached,
or it does not know some packages, so nothing can be said of those. pip-audit alone ends with 0 in that last case.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass

SERVICES = ("pypi", "osv")  # asked in turn until one knows every package
NONE_KNOWN, SOME_KNOWN, UNKNOWN = 0, 1, 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one database said. ``weak``: a line per package with advisories; ``unknown``: packages it does not know."""

    num_packages: int
    weak: tuple[str, ...]
    unknown: tuple[str, ...]
    complaint: str = ""

    @property
    def exit_code(self) -> int:
        """See the module."""
        if self.weak:
            return SOME_KNOWN
        return UNKNOWN if self.unknown or not self.num_packages else NONE_KNOWN

    def __str__(self) -> str:
        if not self.num_packages:
            return f"no answer: {self.complaint}"
        known = self.num_packages - len(self.unknown)
        few = ", ".join(self.unknown[:5])
        gap = f"; it does not know {len(self.unknown)} others: {few}, …" if self.unknown else ""
        found = "\n".join(("weaknesses are known:", *self.weak)) if self.weak else "no weaknesses are known"
        return f"looked up {known} of {self.num_packages} packages{gap}; {found if known else 'nothing can be said'}"


def read_report(report: str, complaints: str) -> Verdict:
    """pip-audit's JSON as a verdict; what is no JSON is a database that was not reached."""
    try:
        found = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        last = complaints.strip().splitlines()[-1:] or ["it said nothing"]
        return Verdict(0, (), (), last[0][:300])
    weak = tuple(
        f"  {one['name']} {one['version']}: " + ", ".join(f"{each['id']}, {_mended(each)}" for each in one["vulns"])
        for one in found
        if one.get("vulns")
    )
    return Verdict(len(found), weak, tuple(one["name"] for one in found if "skip_reason" in one))


def _mended(advisory: dict[str, list[str]]) -> str:
    versions = advisory.get("fix_versions")
    return f"mended in {' or '.join(versions)}" if versions else "not mended yet"


def main() -> int:
    """Ask the databases in turn, and say what is known and what is not."""
    program, lock = sys.argv[1:3]
    for service in SERVICES:
        asked = [program, "--requirement", lock, "--disable-pip", "--format", "json", "--progress-spinner", "off"]
        answer = subprocess.run(
            [*asked, "--vulnerability-service", service], capture_output=True, text=True, check=False
        )
        verdict = read_report(answer.stdout, answer.stderr)
        _say(f"{service}: {verdict}")
        if verdict.exit_code != UNKNOWN:
            return verdict.exit_code
    _say("THE AUDIT IS NOT COMPLETE: repeat it where an advisory database can be reached")
    return UNKNOWN


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201  # a command's own output


if __name__ == "__main__":
    sys.exit(main())
