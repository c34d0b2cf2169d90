"""Token buckets and allowances in virtual time: never over the limit, nothing left lying, changes at once."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from peer_core.limits.allowance import MANY_PEERS, Allowance
from peer_core.limits.bucket import Bucket

RATES = st.floats(100, 1e9)
# Gaps between looks, in seconds, and the part of what is there that is taken.
STEPS = st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1)), min_size=1, max_size=60)


@given(RATES, STEPS)
def test_no_stretch_of_time_gets_more_than_the_rate_and_a_burst(rate: float, steps: list[tuple[float, float]]) -> None:
    bucket, now = Bucket(rate, 0.0), 0.0
    taken: list[tuple[float, int]] = []
    for gap, part in steps:
        now += gap
        count = int(bucket.room(now) * part)
        bucket.take(count)
        taken.append((now, count))
    sums = [0, *accumulate(count for _, count in taken)]
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            seconds = taken[last][0] - taken[first][0]
            assert sums[last + 1] - sums[first] <= rate * seconds + bucket.burst + 1


@given(RATES, st.integers(1, 200))
def test_who_waits_as_long_as_told_gets_the_whole_rate(rate: float, rounds: int) -> None:
    bucket, now, total = Bucket(rate, 0.0), 0.0, 0
    for _ in range(rounds):
        now += bucket.seconds_until_room(now) + 1e-6
        room = bucket.room(now)
        assert room >= bucket.quantum - 1
        bucket.take(room)
        total += room
    assert total >= rate * now - bucket.quantum - rounds


@given(RATES, RATES, st.floats(0, 10))
def test_a_new_rate_holds_at_once(before: float, after: float, seconds: float) -> None:
    bucket = Bucket(before, 0.0)
    bucket.change(after, 5.0)
    assert bucket.room(5.0) <= bucket.burst
    bucket.take(bucket.room(5.0))
    assert bucket.room(5.0 + seconds) <= after * seconds + bucket.quantum


def test_what_was_not_used_can_be_used_again() -> None:
    bucket = Bucket(10_000, 0.0)
    room = bucket.room(0.0)
    bucket.take(room)
    assert bucket.room(0.0) == 0
    bucket.give_back(room)
    assert bucket.room(0.0) == room
    bucket.give_back(10**9)
    assert bucket.room(0.0) == int(bucket.burst)


@given(st.floats(1000, 1e8), st.floats(1000, 1e8), STEPS)
def test_both_limits_hold(total: float, per_peer: float, steps: list[tuple[float, float]]) -> None:
    allowance, now = Allowance(), 0.0
    allowance.change(total, per_peer, 0.0)
    taken = {"ana": 0, "eva": 0}
    for number, (gap, part) in enumerate(steps):
        now += gap
        peer = ("ana", "eva")[number % 2]
        room = allowance.room(peer, now)
        assert room is not None
        allowance.take(peer, int(room * part), now)
        taken[peer] += int(room * part)
    assert sum(taken.values()) <= total * now + Bucket(total, 0).burst + 1
    assert max(taken.values()) <= per_peer * now + Bucket(per_peer, 0).burst + 1


def test_without_limits_nothing_is_held() -> None:
    allowance = Allowance()
    assert not allowance.limited and allowance.room("ana", 0.0) is None and allowance.total_room(0.0) is None
    allowance.change(0, 5000, 0.0)
    assert allowance.limited and allowance.room("ana", 0.0) == int(Bucket(5000, 0).burst)
    assert allowance.rate_for(3) == 5000
    allowance.change(6000, 5000, 0.0)
    assert allowance.rate_for(3) == 2000
    allowance.change(0, 0, 1.0)
    assert not allowance.limited and allowance.room("ana", 1.0) is None and allowance.rate_for(3) == 0


def test_peers_of_long_ago_cost_no_memory() -> None:
    allowance = Allowance()
    allowance.change(0, 5000, 0.0)
    for number in range(10 * MANY_PEERS):
        allowance.take(f"peer {number}", 100, float(number))
    assert len(allowance._peers) <= MANY_PEERS
