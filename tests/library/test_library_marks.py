"""Marks of what changed: nothing is lost when they are merged and collapsed, and nobody waits for ever."""

import json

from hypothesis import given
from hypothesis import strategies as st

from peer_core.library.marks import Marks, Quiet, covers, merged, reduced
from peer_core.library.records import Done, Report
from peer_core.library.reports import heard_report, told_report
from peer_core.library.types import Problem
from peer_core.library.wire import heard_marks, line, parse, told_marks

FOLDER = st.lists(st.sampled_from(["a", "b", "c\udcff", "ñ"]), max_size=4).map("/".join)
MARKS = st.one_of(st.none(), st.dictionaries(FOLDER, st.booleans(), max_size=12))


def sees(marks: Marks, folder: str) -> bool:
    """Whether the entries of a folder are looked at."""
    if marks is None or folder in marks:
        return True
    parts = folder.split("/")
    return any(marks.get("/".join(parts[:i])) for i in range(len(parts)))


@given(MARKS, MARKS, FOLDER)
def test_merged_marks_see_what_both_see(one: Marks, other: Marks, folder: str) -> None:
    assert sees(merged(one, other), folder) == (sees(one, folder) or sees(other, folder))


@given(MARKS, FOLDER, st.integers(1, 5))
def test_reduced_marks_see_all_and_are_few(marks: Marks, folder: str, most: int) -> None:
    few = reduced(marks, most)
    assert few is None or len(few) <= most
    assert sees(few, folder) or not sees(marks, folder)
    enough = reduced(marks, 1000)
    assert sees(enough, folder) == sees(marks, folder)
    if sees(few, folder) and folder:
        assert covers(few, folder + "/file")


def test_a_storm_becomes_the_folder_around_it() -> None:
    storm = {f"music/{i}/{j}": False for i in range(20) for j in range(20)} | {"other/x": False}
    assert reduced(storm, 100) == {**{f"music/{i}": True for i in range(20)}, "other/x": False}
    assert reduced(storm, 3) == {"music": True, "other": True}
    assert reduced({str(i): False for i in range(300)}) is None
    assert reduced({"": False, "a": True, "a/b": False}) == {"": False, "a": True}


@given(st.lists(st.tuples(st.sampled_from([1, 2]), FOLDER, st.booleans(), st.floats(0.0, 1.0)), min_size=1))
def test_quiet_is_waited_for_and_not_for_ever(events: list[tuple[int, str, bool, float]]) -> None:
    quiet = Quiet(0.5, 2.0)
    now = 100.0
    marked: dict[int, tuple[float, float]] = {}
    for share, folder, deep, pause in events:
        now += pause
        for taken in quiet.take(now):
            first, last = marked.pop(taken)
            assert now >= min(first + 2.0, last + 0.5)
        assert all(now < min(first + 2.0, last + 0.5) for first, last in marked.values())
        quiet.mark(share, folder, deep, now)
        marked[share] = marked.get(share, (now, now))[0], now
        due = quiet.due()
        assert due is not None
        assert due <= now + 0.5
    assert set(quiet.take(now + 0.5)) == set(marked)
    assert quiet.due() is None
    quiet.mark_whole(1, now)
    quiet.mark(1, "a", False, now)
    assert quiet.take(now + 1) == {1: None}


@given(MARKS, st.integers(0, 1 << 60))
def test_the_line_between_the_processes_carries_any_name(marks: Marks, number: int) -> None:
    carried = parse(line({"ask": told_marks({7: marks})}))
    assert heard_marks(carried["ask"]) == {7: marks}
    report = Report(
        ticket=number, trouble="full", done={7: Done(1, number, -2)}, problems={7: (Problem("a\ufffd", "gone"),)}
    )
    assert heard_report(json.loads(json.dumps(told_report(report)))) == report
