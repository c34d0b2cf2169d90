"""Fixtures of the tests of offers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import Bench
from ends import End, two_ends


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


@pytest.fixture
def ends(tmp_path: Path) -> Iterator[tuple[End, End]]:
    made = two_ends(tmp_path)
    yield made
    for end in made:
        end.close()
