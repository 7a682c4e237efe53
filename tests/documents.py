"""What the pages for people show: commands, settings and links, so that a test can tell which have rotted."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
from typer.main import get_command

from tests.deploy_files import ROOT
from worker.cli import app

PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "docs/decisions/*.md", "schemas/released/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"  # it tells of what was
)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_PATH = re.compile(r"(worker|model|schemas|tests|deploy|docs|\.ci)/[\w./*-]*")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ANY_VALUE = "1"  # what stands for the … of a page
_FOLDERS, _A_FOLDER = ("DIR", "DATA", "OUT"), "."  # what stands for a folder, and one that is there
_OUR_PROGRAMS = ("hangtag", "make")


def commands(page: Path) -> list[str]:
    """Command lines of a page: those of its plain blocks, and its code spans that begin with one of our programs."""
    text = page.read_text(encoding="utf-8")
    blocks = [body for language, body in _BLOCK.findall(text) if language in ("", "sh", "bash")]
    lines = [line.strip() for body in blocks for line in body.replace("\\\n", " ").splitlines()]
    spans = [span for span in _spans(text) if span.split()[0] in _OUR_PROGRAMS and " " in span]
    return [line for line in (*lines, *spans) if line]


def paths(page: Path) -> list[str]:
    """Files and folders of the repository in a page's code spans."""
    return [span for span in _spans(page.read_text(encoding="utf-8")) if _PATH.fullmatch(span)]


def settings_named(page: Path, groups: Sequence[str]) -> set[str]:
    """Keys of settings in a page's code spans, such as ``kafka.group_id``."""
    key = re.compile(rf"^((?:{'|'.join(groups)})\.[a-z_]+)(?:\s*=.*)?$(?<!\.py)")
    return {found[1] for span in _spans(page.read_text(encoding="utf-8")) if (found := key.match(span))}


def links(page: Path) -> list[str]:
    """Where a page's links lead, other sites left out."""
    return [one for one in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in one]


def ours(line: str) -> Iterator[list[str]]:
    """The calls of ``hangtag`` in a command line, also behind ``kubectl exec`` and the like, each as its arguments."""
    words = shlex.split(line.replace("…", _ANY_VALUE), comments=True)
    ends = [place for place, word in enumerate(words) if word in ("|", "&&", ";", ">")] + [len(words)]
    for place, word in enumerate(words):
        after = words[place - 1] if place else ""
        if word == "hangtag" and after in ("", "--", "worker", "&&", ";", "|", *_assignments(words[:place])):
            yield [
                _A_FOLDER if word in _FOLDERS else word for word in words[place + 1 : min(e for e in ends if e > place)]
            ]


def check_arguments(arguments: Sequence[str]) -> None:
    """Parse them as ``hangtag`` does, running nothing; a command's bare name is right without what it needs.

    Raises what the parser raises, a ClickException.
    """
    command: Any = get_command(app)
    context: Any = None
    name, rest = "hangtag", list(arguments)
    while rest:
        for parameter in command.params:
            parameter.callback = None  # --version prints and exits
        context = command.make_context(name, rest, parent=context)
        if not hasattr(command, "resolve_command"):
            return
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest) if rest else ("", None, [])


def command_names() -> set[str]:
    """The commands that ``hangtag --help`` lists."""
    listed: Any = get_command(app)
    return set(listed.list_commands(typer.Context(listed)))


def _spans(text: str) -> list[str]:
    return [span for span in _SPAN.findall(_BLOCK.sub("", text)) if span.strip()]


def _assignments(words: Sequence[str]) -> list[str]:
    return [word for word in words if re.match(r"^[A-Z_]+=", word)]
