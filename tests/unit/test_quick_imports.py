"""What is imported without the collector stays out of its sight; whatever happens, it works again afterwards."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest

from worker.machine.quick_imports import quick_imports


@pytest.fixture(autouse=True)
def nothing_frozen() -> Iterator[None]:
    """Other tests find the collector as it was: what was collected with them is out of its sight."""
    is_frozen = gc.get_freeze_count() > 0
    gc.unfreeze()
    yield
    gc.unfreeze()
    if is_frozen:
        gc.freeze()


def test_what_was_made_within_is_never_looked_at_again() -> None:
    """Collections go over what came later."""
    with quick_imports():
        assert not gc.isenabled()
        made = [[] for _ in range(1000)]  # type: ignore[var-annotated]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= len(made)
    assert not any(one is made for one in gc.get_objects())


def test_an_import_that_fails_leaves_the_collector_at_work() -> None:
    """The error is the caller's."""
    with pytest.raises(ImportError), quick_imports():
        raise ImportError
    assert gc.isenabled()


@pytest.mark.parametrize(("given", "found"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_waiting_threads_sleep_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, given: str | None, found: str
) -> None:
    """OpenMP reads it when torch is loaded."""
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_WAIT_POLICY", given)
    with quick_imports():
        assert os.environ["OMP_WAIT_POLICY"] == found
