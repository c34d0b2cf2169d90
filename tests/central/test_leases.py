"""Leases against a plain model, over any order of events and any passing of time."""

import random
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from central.leases import Leases

MEMBER = st.integers(0, 5)
ADDRESSES = st.sampled_from([(), ("https://a:1",), ("https://b:2", "https://c:3")])
EVENT = st.one_of(
    st.tuples(st.just("take"), MEMBER, ADDRESSES, st.floats(0.1, 5)),
    st.tuples(st.just("renew"), MEMBER, ADDRESSES, st.floats(0.1, 5)),
    st.tuples(st.just("end"), MEMBER),
    st.tuples(st.just("expire")),
    st.tuples(st.just("pass"), st.floats(0, 3)),
)


@example([("take", 0, (), 2.0), ("take", 0, (), 1.0), ("pass", 1.0), ("expire",)], random.Random(1))
@given(st.lists(EVENT, max_size=60), st.randoms(use_true_random=False))
def test_leases_do_what_a_plain_table_of_ends_does(events: list[tuple], rng: random.Random) -> None:
    leases = Leases()
    model: dict[int, tuple[float, tuple[str, ...]]] = {}
    now = 100.0
    for event in events:
        match event:
            case ("take", member, addresses, seconds):
                assert leases.take(member, addresses, now, seconds) == (member not in model)
                model[member] = (now + seconds, addresses)
            case ("renew", member, addresses, seconds):
                held = member in model and model[member][0] > now
                assert leases.renew(member, addresses, now, seconds) == held
                if held:
                    model[member] = (now + seconds, addresses or model[member][1])
            case ("end", member):
                assert leases.end(member) == (model.pop(member, None) is not None)
            case ("expire",):
                over = {member for member, (until, _) in model.items() if until <= now}
                ended = leases.expire(now)
                assert sorted(ended) == sorted(over)
                model = {member: lease for member, lease in model.items() if member not in over}
            case ("pass", seconds):
                now += seconds
        assert len(leases) == len(model)
        for member in range(6):
            lease = leases.get(member)
            assert (lease and (lease.until, lease.addresses)) == model.get(member)
            assert (member in leases) == (member in model)
        barred = {0, 3}
        fit = {member for member, (_, addresses) in model.items() if addresses and member not in barred}
        drawn = leases.draw(2, barred, rng)
        assert len(drawn) == len(set(drawn)) == min(2, len(fit))
        assert set(drawn) <= fit


def test_a_lease_ends_at_its_end_and_not_before() -> None:
    leases = Leases()
    leases.take(1, (), 10.0, 5.0)
    assert leases.expire(14.999) == []
    assert leases.expire(15.0) == [1]
    assert leases.expire(15.0) == []


def test_renewing_for_ever_does_not_grow_the_queue() -> None:
    leases = Leases()
    for second in range(1000):
        leases.take(1, (), float(second), 5.0)
        leases.renew(1, (), float(second), 5.0)
        leases.end(2)
        leases.take(2, (), float(second), 5.0)
        leases.expire(float(second))
    assert len(leases._queue) <= 2


def test_everybody_is_drawn_sooner_or_later() -> None:
    leases = Leases()
    for member in range(30):
        leases.take(member, ("https://a:1",), 0.0, 5.0)
    rng = random.Random(1)
    assert {m for _ in range(100) for m in leases.draw(3, {7}, rng)} == set(range(30)) - {7}


def test_drawing_few_of_many_looks_at_few() -> None:
    leases = Leases()
    for member in range(10_000):
        leases.take(member, ("https://a:1",), 0.0, 5.0)
    sizes: list[int] = []

    class Counting(random.Random):
        def sample(self, population: Any, k: int, **more: Any) -> list[Any]:
            sizes.append(k)
            return super().sample(population, k, **more)

    rng = Counting(1)
    for _ in range(200):
        assert len(leases.draw(16, {5, 6}, rng)) == 16
    assert max(sizes) == 18
