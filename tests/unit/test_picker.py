"""The picker: every piece is fetched once, whatever the sources do."""

import random

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from peer_core.transfer.bitmap import Bitmap
from peer_core.transfer.picker import Picker, Run


@given(st.integers(0, 3000), st.integers(1, 8), st.integers(1, 12), st.randoms())
def test_honest_sources_fetch_each_piece_once(count: int, sources: int, longest: int, chance: random.Random) -> None:
    picker = Picker(count, Bitmap(count))
    keys = [str(n) for n in range(sources)]
    for key in keys:
        picker.add_source(key)
    fetched: list[int] = []
    while not picker.complete:
        key = chance.choice(keys)
        run = picker.next(key, longest)
        if run is None:
            continue
        assert 1 <= run.count <= longest
        for piece in range(run.first, run.first + run.count):
            fetched.append(piece)
            assert picker.arrived(key, piece)
    assert sorted(fetched) == list(range(count))


def test_rare_pieces_come_first() -> None:
    picker = Picker(4, Bitmap(4))
    common, rare = Bitmap(4), Bitmap(4)
    for piece in (0, 1, 2):
        common.add(piece)
    for piece in (0, 1, 2, 3):
        rare.add(piece)
    picker.add_source("a", common)
    picker.add_source("b", common)
    picker.add_source("c", rare)
    assert picker.next("c") == Run(3, 1)


def test_what_another_is_fetching_is_left_to_it() -> None:
    picker = Picker(4, Bitmap(4))
    picker.add_source("whole")
    picker.add_source("part", Bitmap(4))
    here, coming = Bitmap(4), Bitmap(4)
    here.add(0)
    coming.add(1)
    coming.add(3)
    picker.has_now("part", here, coming)
    assert picker.next("whole", 4) == Run(2, 1)
    assert picker.next("part", 4) == Run(0, 1), "what is coming there is not there yet"
    assert picker.next("part", 4) is None
    # It told wrongly, or gave up: in the end everything is taken.
    assert {picker.next("whole", 4), picker.next("whole", 4)} == {Run(1, 1), Run(3, 1)}


def test_who_hears_of_others_takes_no_longer_in_order() -> None:
    firsts = set()
    for seed in range(20):
        picker = Picker(1000, Bitmap(1000), random.Random(seed))
        picker.add_source("seed")
        assert picker.next("seed", 8) == Run(0, 8)
        picker.others_download()
        run = picker.next("seed", 8)
        assert run is not None
        firsts.add(run.first)
    assert len(firsts) > 15


def test_downloaders_of_a_rare_piece_take_different_ones() -> None:
    firsts = set()
    for seed in range(20):
        picker = Picker(1000, Bitmap(1000), random.Random(seed))
        picker.add_source("seed")
        picker.add_source("other", Bitmap(1000))
        run = picker.next("seed", 8)
        assert run is not None
        firsts.add(run.first)
    assert len(firsts) > 15
    alone = Picker(1000, Bitmap(1000))
    alone.add_source("seed")
    assert alone.next("seed", 8) == Run(0, 8), "in order, when nobody else downloads"


def test_a_stalled_source_is_helped_and_a_moving_one_is_not() -> None:
    picker = Picker(2, Bitmap(2))
    picker.add_source("slow")
    picker.add_source("fast")
    assert picker.next("slow") == Run(0, 1)
    assert picker.next("fast") == Run(1, 1)
    picker.arrived("fast", 1)
    assert picker.next("fast") is None
    picker.stalled("slow")
    assert picker.next("fast") == Run(0, 1)
    assert picker.next("fast") is None
    assert picker.arrived("fast", 0)
    assert not picker.arrived("slow", 0)
    assert picker.complete


def test_pieces_of_a_source_that_leaves_are_free_again() -> None:
    picker = Picker(8, Bitmap(8))
    picker.add_source("a")
    picker.add_source("b")
    first = picker.next("a", 4)
    assert first is not None
    picker.remove_source("a")
    again = picker.next("b", 4)
    assert again is not None
    assert again.first == first.first


def some(count: int, pieces: set[int]) -> Bitmap:
    made = Bitmap(count)
    for piece in pieces:
        made.add(piece)
    return made


class Downloads(RuleBasedStateMachine):
    """Sources come, go, stall, give up and deliver in any order."""

    COUNT = 24

    def __init__(self) -> None:
        super().__init__()
        self.picker = Picker(self.COUNT, Bitmap(self.COUNT), random.Random(1))
        self.runs: dict[str, list[int]] = {}
        self.here: set[int] = set()
        self.has: dict[str, set[int]] = {}
        self.told: dict[str, set[int]] = {}
        self.suspects: set[str] = set()
        self.next_key = 0

    @rule(partial=st.none() | st.sets(st.integers(0, COUNT - 1)))
    def come(self, partial: set[int] | None) -> None:
        self.picker.add_source(str(self.next_key), None if partial is None else some(self.COUNT, partial))
        if partial is not None:
            self.has[str(self.next_key)] = self.told[str(self.next_key)] = partial
        self.runs[str(self.next_key)] = []
        self.next_key += 1

    @precondition(lambda self: bool(self.runs))
    @rule(data=st.data(), pieces=st.sets(st.integers(0, COUNT - 1)), coming=st.sets(st.integers(0, COUNT - 1)))
    def learn(self, data: st.DataObject, pieces: set[int], coming: set[int]) -> None:
        """A partial source has other pieces by now, and fetches some."""
        key = data.draw(st.sampled_from(sorted(self.runs)))
        self.picker.has_now(key, some(self.COUNT, pieces), some(self.COUNT, coming))
        self.has[key], self.told[key] = pieces, pieces | coming

    @precondition(lambda self: bool(self.runs))
    @rule(data=st.data(), suspect=st.booleans())
    def suspect(self, data: st.DataObject, suspect: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.runs)))
        (self.picker.suspect if suspect else self.picker.clear)(key)
        self.suspects = self.suspects | {key} if suspect else self.suspects - {key}

    @precondition(lambda self: any(not r for r in self.runs.values()))
    @rule(data=st.data())
    def work(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from([k for k, r in self.runs.items() if not r]))
        run = self.picker.next(key, 5)
        if run is not None:
            pieces = list(range(run.first, run.first + run.count))
            assert not set(pieces) & self.here, "a piece that is here was asked for again"
            assert set(pieces) <= self.has.get(key, set(pieces)), "it does not have that"
            assert len(pieces) == 1 or key not in self.suspects
            self.runs[key] = pieces

    @precondition(lambda self: any(self.runs.values()))
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from([k for k, r in self.runs.items() if r]))
        piece = self.runs[key].pop(0)
        assert self.picker.arrived(key, piece) == (piece not in self.here)
        self.here.add(piece)

    @precondition(lambda self: bool(self.runs))
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.runs)))
        del self.runs[key]
        self.has.pop(key, None)
        self.told.pop(key, None)
        self.suspects.discard(key)
        self.picker.remove_source(key)

    @precondition(lambda self: bool(self.runs))
    @rule(data=st.data())
    def stall(self, data: st.DataObject) -> None:
        self.picker.stalled(data.draw(st.sampled_from(sorted(self.runs))))

    @precondition(lambda self: any(self.runs.values()))
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from([k for k, r in self.runs.items() if r]))
        pieces, self.runs[key] = self.runs[key], []
        self.picker.gave_back(key, Run(pieces[0], len(pieces)))

    @invariant()
    def complete_when_all_is_here(self) -> None:
        assert self.picker.complete == (len(self.here) == self.COUNT)

    @invariant()
    def rarity_is_what_partial_sources_told(self) -> None:
        counted = [sum(piece in told for told in self.told.values()) for piece in range(self.COUNT)]
        assert self.picker._rarity == (counted if self.told else [])

    def teardown(self) -> None:
        """A last honest source finishes whatever state the others left behind."""
        for key in list(self.runs):
            self.picker.remove_source(key)
        self.picker.add_source("last")
        while not self.picker.complete:
            run = self.picker.next("last", 5)
            assert run is not None
            for piece in range(run.first, run.first + run.count):
                assert piece not in self.here
                self.picker.arrived("last", piece)


TestDownloads = Downloads.TestCase


def test_who_is_alone_takes_long_runs_to_the_end() -> None:
    picker = Picker(10, Bitmap(10))
    picker.add_source("a")
    runs = [picker.next("a", 4), picker.next("a", 4), picker.next("a", 4)]
    assert runs == [Run(0, 4), Run(4, 4), Run(8, 2)]
    assert picker.next("a", 4) is None


def test_a_second_run_for_one_leaves_enough_for_the_others() -> None:
    picker = Picker(6, Bitmap(6))
    picker.add_source("a")
    assert picker.plenty
    picker.add_source("b")
    assert picker.plenty
    assert picker.next("a") == Run(0, 1)
    assert picker.next("b") == Run(1, 1)
    assert not picker.plenty
