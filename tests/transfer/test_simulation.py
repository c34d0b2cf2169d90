"""Fifty peers in virtual time, with the real crews and pickers: churn, liars, slow ones; the same each time."""

import os
import random
import statistics
from types import SimpleNamespace

import pytest
from swarm import PIECE, Node, Swarm

from peer_core.transfer import source
from peer_core.transfer.bitmap import Bitmap

PIECES = 160
SIZE = PIECES * PIECE
SEEDS = range(int(os.environ.get("BARRIO_SWARMS", "2")))


def everything() -> Bitmap:
    return Bitmap(PIECES, b"\xff" * (PIECES // 8))


def in_virtual_time(swarm: Swarm, monkeypatch: pytest.MonkeyPatch) -> Swarm:
    monkeypatch.setattr(source, "time", SimpleNamespace(monotonic=lambda: swarm.now))
    monkeypatch.setattr(source, "MOST_RUN_BYTES", 4 * PIECE)
    return swarm


def downloaders(count: int, chance: random.Random, **same: float) -> list[Node]:
    fast = {"up": 20.0 * PIECE, "down": 60.0 * PIECE} | same
    return [Node(f"d{number}", joins_at=chance.uniform(0, 5), **fast) for number in range(count)]


@pytest.mark.parametrize("seed", SEEDS)
def test_fifty_peers_with_churn_liars_and_slow_ones_all_complete(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(seed)
    honest = [Node(f"s{n}", 20.0 * PIECE, 1.0, present=everything()) for n in range(2)]
    liars = [Node(f"l{n}", 40.0 * PIECE, 1.0, lies=0.5, present=everything()) for n in range(4)]
    slow = [Node(f"x{n}", 0.05 * PIECE, 1.0, present=everything()) for n in range(4)]
    loading = downloaders(40, chance)
    swarm = in_virtual_time(Swarm(honest + liars + slow + loading, PIECES, seed), monkeypatch)
    back_at: dict[str, float] = {}

    def churn() -> None:
        for node in loading + honest[1:]:
            if node.online and chance.random() < 0.002:
                swarm.take_away(node)
                back_at[node.name] = swarm.now + chance.uniform(2, 15)
            elif not node.online and swarm.now >= back_at[node.name]:
                node.online, node.away = True, node.away + 1

    swarm.run(lambda: all(n.finished_at is not None for n in loading), 600, churn)
    assert sum(n.away for n in loading) > 3, "there was churn"
    for node in loading:
        assert sorted(node.wrote) == list(range(PIECES)), "each piece once, over all absences"
    for liar in liars:
        for victim, wrong in liar.wrong_to.items():
            sessions = 1 + swarm.nodes[victim].away
            assert wrong <= 2 * sessions, f"{victim} took {wrong} wrong pieces of {liar.name}"
    assert max(sum(n.wrong_to.get(d.name, 0) for n in liars) for d in loading) > 0, "there were lies"
    wrong = PIECE * sum(sum(liar.wrong_to.values()) for liar in liars)
    sent = sum(n.sent for n in swarm.nodes.values()) - wrong
    assert 40 * SIZE <= sent < 1.02 * 40 * SIZE, "but for lies, next to nothing is fetched twice"
    by_others = sum(n.sent for n in loading)
    assert by_others > 0.5 * 40 * SIZE, "downloaders gave each other the most of it"


def test_those_that_come_together_end_together(monkeypatch: pytest.MonkeyPatch) -> None:
    loading = downloaders(49, random.Random(5))
    holder = Node("seed", 20.0 * PIECE, 1.0, present=everything())
    swarm = in_virtual_time(Swarm([holder, *loading], PIECES, 5), monkeypatch)
    swarm.run(lambda: all(n.finished_at is not None for n in loading), 600)
    took = [n.finished_at - n.joins_at for n in loading if n.finished_at is not None]
    assert max(took) < 2 * statistics.median(took), "nobody is left behind"
    alone = 49 * SIZE / (20.0 * PIECE)
    assert max(took) < alone / 8, f"{max(took):.0f} s; from the seed alone it is {alone:.0f} s"
    assert swarm.nodes["seed"].sent < 5 * SIZE


def test_the_same_seed_gives_the_same_swarm(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = []
    for _ in range(2):
        loading = downloaders(12, random.Random(3))
        holder = Node("seed", 20.0 * PIECE, 1.0, present=everything())
        swarm = in_virtual_time(Swarm([holder, *loading], PIECES, 3), monkeypatch)
        swarm.run(lambda nodes=loading: all(n.finished_at is not None for n in nodes), 600)
        ends.append([(n.finished_at, n.wrote) for n in loading])
    assert ends[0] == ends[1]
