"""Who is helped, let go, taken back, and when holders are looked for: with times and rates that are told."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_core.transfer.choosing import LocatePace, may_return, measure, to_help, to_let_go
from peer_core.transfer.types import SourceState

ACTIVE, IDLE, LOST = SourceState.ACTIVE, SourceState.IDLE, SourceState.LOST


@dataclass(eq=False)
class Worker:
    state: SourceState = ACTIVE
    received: int = 0
    rate: float = 0.0
    pace: float = 0.0
    gone: bool = False
    slow: bool = False
    failures: int = 0
    hired_at: float = 0.0
    piece_at: float = 100.0
    ended_at: float = 0.0
    run_bytes_left: int = 0
    ahead: int = 0
    leaving: bool = False
    finished: bool = True

    @property
    def alive(self) -> bool:
        return self.state is not LOST

    @property
    def bytes_left(self) -> int:
        return self.run_bytes_left + self.ahead

    def seconds_to_finish(self, now: float) -> float:
        return self.bytes_left / self.rate if self.state is ACTIVE and self.rate else 0.0


def test_nobody_is_helped_while_all_work() -> None:
    assert to_help([Worker(rate=1, run_bytes_left=1000), Worker(rate=1000)], 100) == []


def test_at_the_end_a_slow_one_is_helped_by_one_that_is_much_faster() -> None:
    slow = Worker(rate=1000, run_bytes_left=1000)
    assert to_help([slow, Worker(IDLE, pace=10_000)], 100) == [slow]
    assert to_help([slow, Worker(IDLE, pace=2_000)], 100) == [], "it would not be done much sooner"
    slow.run_bytes_left = 400
    assert to_help([slow, Worker(IDLE, pace=1e9)], 100) == [], "it is done in no time itself"
    slow.run_bytes_left = 2500
    assert to_help([slow, Worker(IDLE)], 100) == [slow], "nobody waits for more than two seconds"


def test_what_is_asked_for_ahead_counts_for_the_helper_too() -> None:
    near_the_end = Worker(rate=1000, run_bytes_left=0, ahead=1000)
    assert to_help([near_the_end, Worker(IDLE, pace=1000)], 100) == [], "the other one would take as long"
    assert to_help([near_the_end, Worker(IDLE, pace=10_000)], 100) == [near_the_end]


def test_one_that_brings_nothing_goes_first_and_then_one_far_slower_than_the_others() -> None:
    silent, slow, quick = Worker(piece_at=80), Worker(rate=10), [Worker(rate=r) for r in (90, 100, 110)]
    assert to_let_go([slow, silent, *quick], 100) is silent
    assert to_let_go([slow, *quick], 100) is slow
    slow.rate = 30
    assert to_let_go([slow, *quick], 100) is None
    slow.rate, slow.hired_at = 10, 95
    assert to_let_go([slow, *quick], 100) is None, "it has only just begun"
    assert to_let_go([], 100) is None


def test_whoever_was_let_go_for_being_slow_returns_late() -> None:
    assert may_return(Worker(LOST, ended_at=95), 100)
    assert not may_return(Worker(LOST, ended_at=95, slow=True), 100)
    assert may_return(Worker(LOST, ended_at=95, slow=True), 300)
    assert not may_return(Worker(LOST, ended_at=95, failures=3), 100)
    assert not may_return(Worker(LOST, ended_at=0, gone=True), 299)
    assert not may_return(Worker(SourceState.BANNED), 1e9)


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=50))
def test_a_measured_rate_stays_between_the_extremes(counts: list[int]) -> None:
    worker = Worker()
    for count in counts:
        measure(worker, count, 0.25)
    assert 0 <= worker.rate <= 4 * max(counts) * (1 + 1e-9)
    worker.state, pace = IDLE, worker.pace
    measure(worker, 0, 60)
    assert (worker.rate, worker.pace) == (0, pace), "what it can do is remembered while it has nothing to do"


@pytest.mark.parametrize(("alive", "seconds"), [(0, 4), (1, 4), (2, 15), (3, 15), (4, 30), (8, 30)])
def test_holders_are_looked_for_the_sooner_the_fewer_there_are(alive: int, seconds: float) -> None:
    pace = LocatePace(0)
    assert not pace.due(seconds - 0.1, alive)
    assert pace.due(seconds, alive)
    pace.located(seconds, 0)
    assert not pace.due(2 * seconds, alive), "in vain: twice as long"
    assert pace.due(3 * seconds, alive)
    pace.located(3 * seconds, 1)
    assert pace.due(4 * seconds, alive), "somebody was found: as before"
    for _ in range(2000):
        pace.located(0, 0)
    assert pace.due(60, alive)
