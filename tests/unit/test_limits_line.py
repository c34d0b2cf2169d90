"""Upload slots and the line before them, in virtual time."""

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from peer_core.limits.line import GRACE_SECONDS, LINGER_SECONDS, MOST_RETRY, OVERTIME_SECONDS, TURN_SECONDS, UploadLine


class World:
    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.now = 0.0
        self.line = UploadLine(lambda: self.slots, lambda: self.now)


def test_without_a_limit_all_are_served() -> None:
    line = World(0).line
    assert [line.enter(f"peer {n}") for n in range(500)] == [None] * 500
    for number in range(500):
        line.leave(f"peer {number}")


def test_a_slot_is_a_peers_for_all_its_connections() -> None:
    world = World(1)
    assert [world.line.enter("ana") for _ in range(20)] == [None] * 20
    place = world.line.enter("eva")
    assert place is not None and place.position == 1 and place.retry_seconds == 1
    assert world.line.waiting == 1
    for _ in range(20):
        world.line.leave("ana")
    assert world.line.enter("eva") is not None, "the slot is kept for a moment, for the next request"
    world.now += LINGER_SECONDS
    assert world.line.enter("eva") is None
    assert world.line.waiting == 0


def test_the_line_is_kept_in_order() -> None:
    world = World(1)
    assert world.line.enter("ana") is None
    places = [world.line.enter(name) for name in ("eva", "leo", "mia")]
    assert [p.position for p in places if p] == [1, 2, 3]
    world.line.leave("ana")
    world.now += LINGER_SECONDS
    last = world.line.enter("mia")
    assert last is not None and last.position == 2, "the slot that is free is for the first in line"
    assert world.line.enter("eva") is None


def test_who_does_not_come_back_loses_its_place() -> None:
    world = World(1)
    assert world.line.enter("ana") is None
    assert world.line.enter("eva") is not None
    world.now += 1 + GRACE_SECONDS + 0.1
    place = world.line.enter("leo")
    assert place is not None and place.position == 1


def test_slots_go_round_while_others_wait() -> None:
    world = World(1)
    assert world.line.enter("ana") is None
    world.now += TURN_SECONDS + 1
    assert world.line.enter("ana") is None, "nobody waits"
    assert world.line.enter("eva") is not None
    refused = world.line.enter("ana")
    assert refused is not None and refused.position == 2
    world.line.leave("ana")
    world.line.leave("ana")
    world.now += LINGER_SECONDS
    assert world.line.enter("eva") is None
    assert world.line.enter("ana") is not None


def test_who_reads_slowly_keeps_its_answer_and_nobody_waiting() -> None:
    world = World(1)
    assert world.line.enter("slow") is None
    while world.now < TURN_SECONDS + OVERTIME_SECONDS:
        assert world.line.enter("eva") is not None
        world.now += 1
    assert world.line.enter("eva") is None
    assert world.line.enter("ana") is not None, "one slot, and one that is lent"
    world.line.leave("slow")
    assert world.line.enter("slow") is not None


def test_new_numbers_of_slots_count_at_once() -> None:
    world = World(2)
    assert world.line.enter("ana") is None and world.line.enter("eva") is None
    assert world.line.enter("leo") is not None
    world.slots = 3
    assert world.line.enter("leo") is None
    world.slots = 1
    assert world.line.enter("mia") is not None
    world.slots = 0
    assert world.line.enter("mia") is None


@given(st.integers(1, 4), st.integers(1, 12), st.integers(0, 2**32))
def test_never_more_than_the_slots_and_everybody_gets_a_turn(slots: int, peers: int, seed: int) -> None:
    chance = random.Random(seed)
    world = World(slots)
    names = [f"peer {n}" for n in range(peers)]
    ends: dict[str, float] = {}
    asks = dict.fromkeys(names, 0.0)
    turns: Counter[str] = Counter()
    while world.now < TURN_SECONDS * (peers + 2) * 2:
        world.now += 0.5
        for name in names:
            if name in ends and world.now >= ends[name]:
                del ends[name]
                world.line.leave(name)
            if name not in ends and world.now >= asks[name]:
                place = world.line.enter(name)
                if place is None:
                    ends[name] = world.now + chance.uniform(0.5, 8)
                    turns[name] += 1
                else:
                    assert 1 <= place.position <= peers
                    assert 1 <= place.retry_seconds <= MOST_RETRY
                    asks[name] = world.now + place.retry_seconds
        assert len(ends) <= slots
    assert len(turns) == peers, "somebody never got a turn"
