"""What ``hangtag dlq`` takes for a time and for a place."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from worker.cli import app


@pytest.mark.parametrize(
    "arguments", [("ls", "--since", "-999999d"), ("ls", "--until", "yesterday"), ("show", "0:²"), ("show", "7")]
)
def test_what_is_none_is_refused_before_anybody_is_asked(arguments: tuple[str, ...]) -> None:
    """As wrong usage, whatever number stands in it."""
    done = CliRunner().invoke(app, ["dlq", *arguments])
    assert done.exit_code == 2 and isinstance(done.exception, SystemExit)
