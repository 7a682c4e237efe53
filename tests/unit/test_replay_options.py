"""What ``hangtag replay`` and ``compare`` take, before any broker is asked: none is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from worker.cli import app
from worker.errors import UsageError


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("replay --name spring --from foo", "--from 'foo' is no place in a topic"),
        ("replay --name spring --from 0:100,1:x", "--from '0:100,1:x' is no place in a topic"),
        ("replay --name spring --from -7d --to 2026-01-31T12:00:00", "--to '2026-01-31T12:00:00' has no zone"),
        ("replay --name spring --from -1h --to -2h", "which is before it"),
        ("replay --name spring --from 2999-01-01T00:00:00Z", "--from 2999-01-01T00:00:00.000Z lies ahead: nothing is"),
        ("replay --name spring --from latest --to earliest", "--from is latest, --to is earliest, which is before it"),
        ("replay --name spring --from -7d --partitions a", "--partitions 'a': give numbers separated by commas"),
        ("replay --name a/b --from -7d", "--name 'a/b': give 1 to 100 letters, digits"),
        ("replay --name a/b --input .", "--name 'a/b': give 1 to 100 letters, digits"),
        ("replay --name spring --from -7d --only foo", "--only foo: give one or more of attributes, scenes, texts"),
        ("replay --name spring --from -7d --where size~x", "--where 'size~x': give one of title~WORDS"),
        ("replay --name x --input . --from -7d", "--input takes all that lies there"),
        ("replay", "say --from to plan a replay, or --name to go on with one"),
        ("replay --dry-run", "say --from to plan a replay, or --name to go on with one"),
        ("compare --prefix=", "--prefix is empty: live results would be held against themselves"),
        ("compare --prefix try. --out none/page.html", "--out none/page.html: there is no folder none"),
    ],
)
def test_words_that_say_nothing_are_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, told: str
) -> None:
    """Exit code 2, with which a Job in Kubernetes is not started again; nobody waits for a broker first."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, command.split())
    assert done.exit_code == 2 and done.exception is not None and done.exception.__context__ is not None
    error = done.exception.__context__.__cause__
    assert isinstance(error, UsageError) and told in str(error)
