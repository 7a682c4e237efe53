"""What the pages show exists: commands, make targets, files, settings, links."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from tests.deploy_files import DEPLOY, ROOT, anchors
from tests.documents import PAGES, check_arguments, command_names, commands, links, ours, paths, settings_named
from worker.settings import Settings, keys

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SUITES = {path.stem for path in (ROOT / "tests" / "reliability").glob("*.py")}
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
SHOWN = [(page.relative_to(ROOT).as_posix(), line) for page in PAGES for line in commands(page)]
CALLS = [(page, call) for page, line in SHOWN for call in ours(line)]


def named(page: Path) -> str:
    """A page's name in a test's id."""
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize(("page", "call"), CALLS, ids=[f"{page}: {' '.join(call)}" for page, call in CALLS])
def test_commands_are_understood(page: str, call: list[str]) -> None:
    """The command's own parser takes each call as it stands on the page."""
    check_arguments(call)


def test_there_are_commands_to_check() -> None:
    """The pages are read: the README alone shows many."""
    assert sum(page == "README.md" for page, _ in CALLS) >= 10


@pytest.mark.parametrize(
    "call", [["replay", "--form", "-7d"], ["topics", "make"], ["tag", "-o", "out.jsonl"], ["--verbose", "run"]]
)
def test_a_wrong_command_is_found(call: list[str]) -> None:
    """The check above can fail: an option, a command or an argument that is not there."""
    with pytest.raises(Exception, match=r"(?i)no such|missing"):
        check_arguments(call)


def test_every_command_is_shown() -> None:
    """The README names each command of the program."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [name for name in command_names() if not re.search(rf"\b{name}\b", text)]


@pytest.mark.parametrize("line", [line for _, line in SHOWN if line.split()[0] == "make"])
def test_make_targets_are_there(line: str) -> None:
    """Targets and variables of each ``make`` stand in the Makefile."""
    for word in shlex.split(line, comments=True)[1:]:
        name, is_variable, value = word.partition("=")
        assert name != "SUITES" or set(value.split()) <= SUITES, value
        assert f"$({name})" in MAKEFILE or f"$(if $({name})" in MAKEFILE if is_variable else name in TARGETS, word


@pytest.mark.parametrize("line", [line for _, line in SHOWN if line.startswith("docker compose")])
def test_the_stack_has_the_services(line: str) -> None:
    """Compose files and services that a page names are there."""
    words = shlex.split(line, comments=True)
    assert words[2] == "-f"
    stack = yaml.safe_load((ROOT / words[3]).read_text())["services"]
    verb, *rest = [word for word in words[4:] if not word.startswith("-")]
    wanted = rest[:1] if verb in ("exec", "run") else rest
    assert set(wanted) <= stack.keys()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_paths_are_there(page: Path) -> None:
    """Files and folders that a page names exist; a star stands for any."""
    assert not [path for path in paths(page) if not any(ROOT.glob(path.rstrip("/")))]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_settings_are_there(page: Path) -> None:
    """Each setting that a page names exists."""
    groups = list(Settings.model_fields)
    assert settings_named(page, groups) <= keys().keys()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_variables_are_there(page: Path) -> None:
    """Each environment variable of ours that a page names is a setting's."""
    known = {f"HANGTAG_{key.replace('.', '__').upper()}" for key in keys()} | {"HANGTAG_CONFIG", "HANGTAG_IMAGE"}
    found = re.findall(r"\bHANGTAG_[A-Z0-9_]+\b", page.read_text(encoding="utf-8"))
    assert {name.removesuffix("_FILE") for name in found} - {"HANGTAG_"} <= known


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    """Each file exists that a page links to, and each section."""
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_manifests_are_where_pages_say() -> None:
    """``kubectl apply -k`` names folders of ours."""
    found = re.findall(r"apply -k (\S+)", "\n".join(line for _, line in SHOWN))
    assert found
    assert all((ROOT / folder / "kustomization.yaml").is_file() for folder in found)
    assert all((ROOT / folder).is_relative_to(DEPLOY) for folder in found)
