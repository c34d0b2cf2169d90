"""Fixtures of whole barrios."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from world import World


@pytest.fixture
def make_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """`make_world(heartbeat=seconds)`."""
    worlds: list[World] = []

    def make(heartbeat: float = 1.0) -> World:
        worlds.append(World(tmp_path / f"world{len(worlds)}", heartbeat))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
