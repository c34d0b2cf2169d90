"""Fixtures of the central's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from central_kit import Central


@pytest.fixture
def central(tmp_path: Path) -> Iterator[Central]:
    """A server in this process, on loopback, with real TLS."""
    running = Central(tmp_path / "central")
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages end early when rows take long, as on a busy machine; who counts the rows of one must not meet that."""
    monkeypatch.setattr("central.catalogue.sqlite.searching.LOOKING_SECONDS", 1.0)
    monkeypatch.setattr("central.catalogue.sqlite.searching.ADDING_SECONDS", 1.0)
