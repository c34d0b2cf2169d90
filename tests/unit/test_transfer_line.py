"""The line of waiting transfers beside a naive one that sorts everything."""

from hypothesis import given
from hypothesis import strategies as st

from peer_core.transfer.line import Line

UNITS = st.sampled_from("abcd")
MEMBERS = st.integers(0, 11)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("place"), UNITS, st.tuples(st.integers(0, 2), st.integers(0, 5).map(float))),
        st.tuples(st.just("close"), UNITS, st.none()),
        st.tuples(st.just("join"), MEMBERS, st.none()),
        st.tuples(st.just("leave"), MEMBERS, st.none()),
        st.tuples(st.just("take"), st.none(), st.none()),
    ),
    max_size=80,
)


@given(STEPS)
def test_the_first_is_always_the_one_that_sorting_finds(steps: list[tuple[str, object, object]]) -> None:
    line = Line()
    keys: dict[str, tuple[int, float]] = {}
    waiting: set[int] = set()

    def unit_of(member: int) -> str:
        return "abcd"[member % 4]

    def expected() -> str | None:
        ready = [(keys[unit_of(m)], unit_of(m), m) for m in waiting if unit_of(m) in keys]
        return str(min(ready)[2]) if ready else None

    for step, subject, key in steps:
        if step == "place":
            keys[subject] = key  # type: ignore[index, assignment]
            line.place(subject, key)  # type: ignore[arg-type]
        elif step == "close":
            keys.pop(subject, None)  # type: ignore[arg-type]
            line.close(subject)  # type: ignore[arg-type]
        elif step == "join":
            waiting.add(subject)  # type: ignore[arg-type]
            line.join(unit_of(subject), subject, str(subject))  # type: ignore[arg-type]
        elif step == "leave":
            waiting.discard(subject)  # type: ignore[arg-type]
            line.leave(str(subject))
        else:
            first = line.first()
            if first is not None:
                line.leave(first)
                waiting.discard(int(first))
        assert line.first() == expected()
