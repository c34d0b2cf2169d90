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
