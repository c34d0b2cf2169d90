"""Turns of sending in virtual time: limits hold, none are wasted, peers get the same whatever they open."""

import random
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_core.limits.bucket import Bucket
from peer_core.limits.policy import Limits
from peer_core.limits.turns import MANY_PEERS, TURN_BYTES, Turns

MIB = 1 << 20


@dataclass
class Connection:
    """Takes `appetite` bytes in one turn at most."""

    peer: str
    appetite: int = 1 << 30
    served: int = 0
    got: int = 0


class Loop:
    """A server's loop in virtual time: all connections always have bytes to send."""

    def __init__(self, connections: list[Connection], limits: Limits) -> None:
        self.connections = connections
        self.limits = limits
        self.turns: Turns[Connection] = Turns(lambda: self.limits)
        self.now = 0.0
        self.log: list[tuple[float, str, int]] = []

    def turn(self, seconds: float = 0.01) -> int:
        self.now += seconds
        self.turns.begin(self.now)
        ready: dict[str, list[Connection]] = {}
        for connection in self.connections:
            if connection.appetite and not self.turns.holds(connection.peer, self.now):
                ready.setdefault(connection.peer, []).append(connection)
        before = sum(c.got for c in self.connections)
        self.turns.serve(ready, self.now, self.send)
        return sum(c.got for c in self.connections) - before

    def run(self, seconds: float, step: float = 0.01) -> Counter[str]:
        end = self.now + seconds
        while self.now < end:
            self.turn(step)
        return self.by_peer()

    def send(self, connection: Connection, most: int) -> int:
        assert most > 0
        count = min(most, connection.appetite)
        connection.got += count
        self.log.append((self.now, connection.peer, count))
        return count

    def by_peer(self) -> Counter[str]:
        got: Counter[str] = Counter()
        for connection in self.connections:
            got[connection.peer] += connection.got
        return got


def fifty_against_two() -> list[Connection]:
    return [Connection("greedy") for _ in range(50)] + [Connection("modest") for _ in range(2)]


@pytest.mark.parametrize("rate", [0, 3000, 200_000, 50 * MIB])
def test_fifty_connections_get_no_more_than_two(rate: int) -> None:
    loop = Loop(fifty_against_two(), Limits(upload_rate=rate))
    got = loop.run(30)
    assert got["greedy"] == pytest.approx(got["modest"], rel=0.02)
    for peer in ("greedy", "modest"):
        shares = [c.got for c in loop.connections if c.peer == peer]
        assert max(shares) - min(shares) <= max(TURN_BYTES, 0.05 * max(shares)) and min(shares) > 0


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=8),
    st.integers(2000, 10**8),
    st.one_of(st.just(0), st.integers(1000, 10**8)),
    st.integers(0, 2**32),
)
def test_limits_hold_in_every_window(connections: list[int], rate: int, per_peer: int, seed: int) -> None:
    chance = random.Random(seed)
    made = [Connection(f"peer {n}") for n, count in enumerate(connections) for _ in range(count)]
    loop = Loop(made, Limits(upload_rate=rate, upload_rate_per_peer=per_peer))
    for _ in range(60):
        for connection in made:
            connection.appetite = chance.choice((0, 500, 1 << 30))
        loop.turn(chance.choice((0.001, 0.02, 0.3)))
    burst, own_burst = Bucket(rate, 0).burst, Bucket(per_peer or 1, 0).burst
    for first in range(0, len(loop.log), 7):
        own: Counter[str] = Counter()
        for when, peer, count in loop.log[first:]:
            own[peer] += count
            seconds = when - loop.log[first][0]
            assert own.total() <= rate * seconds + burst + 1
            if per_peer:
                assert own[peer] <= per_peer * seconds + own_burst + 1


@given(st.integers(1, 12), st.integers(5000, 10**7), st.integers(0, 2**32))
def test_the_rate_is_used_while_anybody_can_take_it(peers: int, rate: int, seed: int) -> None:
    chance = random.Random(seed)
    made = [Connection(f"peer {n}", chance.choice((1000, 1 << 30))) for n in range(peers)]
    made[0].appetite = 1 << 30
    loop = Loop(made, Limits(upload_rate=rate))
    got = loop.run(20)
    assert got.total() >= 0.98 * rate * 20 - Bucket(rate, 0).quantum


def test_what_a_slow_peer_leaves_goes_to_the_others() -> None:
    made = [Connection("slow", 2000), Connection("fast"), Connection("fast")]
    got = Loop(made, Limits(upload_rate=MIB)).run(20)
    assert got["slow"] > 0
    assert got.total() == pytest.approx(20 * MIB, rel=0.02)


def test_nobody_gathers_credit_by_waiting() -> None:
    made = [Connection("steady"), Connection("late", 0)]
    loop = Loop(made, Limits(upload_rate=MIB))
    loop.run(20)
    made[1].appetite = 1 << 30
    before = made[0].got
    loop.run(10)
    assert made[0].got - before == pytest.approx(made[1].got, rel=0.05)


def test_many_peers_at_a_small_limit_all_get_on_soon() -> None:
    made = [Connection(f"peer {n}") for n in range(20)]
    loop = Loop(made, Limits(upload_rate=2000))
    loop.run(6)
    assert all(c.got > 0 for c in made), "none may wait for as long as a downloader waits for a byte"
    got = loop.run(60)
    assert max(got.values()) - min(got.values()) <= 1000


def test_new_limits_hold_from_the_next_turn_on() -> None:
    loop = Loop([Connection("ana")], Limits())
    assert loop.turn() == TURN_BYTES
    loop.limits = Limits(upload_rate=100_000)
    got = loop.by_peer()["ana"]
    assert loop.run(5)["ana"] - got == pytest.approx(500_000, rel=0.06)
    loop.limits = Limits()
    assert loop.turn() == TURN_BYTES


def test_peers_of_long_ago_cost_no_memory() -> None:
    loop = Loop([], Limits())
    for number in range(3000):
        loop.connections = [Connection(f"peer {number}")]
        loop.turn()
    assert len(loop.turns._finished) <= MANY_PEERS
