"""Whom a peer asks: who did not help is left alone for a while, longer each time, unless it was nobody's fault."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from peer_core.directory import neighbours
from peer_core.directory.neighbours import AVOID_MOST_SECONDS, AVOID_SECONDS, Neighbours
from peer_core.directory.types import PeerRecord
from peer_core.errors import BarrioError, PeerMisbehavedError, PeerUnreachableError

BEA = PeerRecord("bea", "Bea", ("https://10.0.0.1:5",))


class Clock:
    now = 1000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(neighbours, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


@pytest.fixture
def room() -> Iterator[Neighbours]:
    nobody: Any = None
    made = Neighbours(nobody, nobody, [], lambda peer_id: False, lambda: 1.0)
    made._known = [BEA]
    yield made
    made.stop()


def good(room: Neighbours) -> bool:
    return room.current()[0].reachable


def test_who_did_not_help_is_asked_again_soon_and_later_each_time(clock: Clock, room: Neighbours) -> None:
    assert good(room)
    waited = []
    for _ in range(6):
        room.failed(BEA)
        began = clock.now
        while not good(room):
            # Other questions that fail meanwhile, for want of anybody better, change nothing.
            room.failed(BEA)
            clock.now += 0.5
        waited.append(clock.now - began)
    assert waited == [4, 8, 16, 32, 60, 60]
    room.answered(BEA)
    room.failed(BEA)
    clock.now += AVOID_SECONDS
    assert good(room)


def test_who_lies_is_left_alone_for_the_longest_time_at_once(clock: Clock, room: Neighbours) -> None:
    room.failed(BEA, lied=True)
    clock.now += AVOID_MOST_SECONDS - 1
    assert not good(room)
    clock.now += 1
    assert good(room)


@pytest.mark.parametrize(
    ("error", "seconds"),
    [(PeerMisbehavedError("x"), AVOID_MOST_SECONDS), (PeerUnreachableError("x"), AVOID_SECONDS)],
)
def test_only_who_lied_is_blamed_for_it(error: BarrioError, seconds: float, clock: Clock, room: Neighbours) -> None:
    """One that is only out of reach is told from one that answers what is not true, whatever it failed at before."""
    neighbours._Race(room, [BEA], bytes)._failed(BEA, error, error)
    assert room._unhelpful[BEA.peer_id] == neighbours._Avoided(clock.now + seconds, seconds)


def test_nobody_is_blamed_once_the_central_or_the_network_is_back(clock: Clock, room: Neighbours) -> None:
    room.failed(BEA)
    assert not good(room)
    room.forgive()
    assert good(room)
