"""Whatever happens to either end, the central holds what the index has, and only what differs is sent again."""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from holders import wait_until
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from publishing import Pair, copy_database

from central.catalogue.sqlite import comparing
from peer_core.directory import reconciling
from peer_core.directory.reconciling import Compared, differences
from peer_core.errors import CentralMisbehavedError
from peer_core.library.ledger import CHECK_END
from protos.agreed import MAX_KEY

PATHS = st.sampled_from([f"{folder}{name}" for folder in ("", "a/", "a/b/", "c/") for name in ("x", "y", "z", "ñ")])
CONTENTS = st.integers(1, 6)
FAULTS = st.lists(st.sampled_from(["", "before", "after"]), max_size=4)


class BothEnds(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.before = (reconciling.RANGE, comparing.MOST)
        # Small, so that few entries make several ranges and several answers to one.
        reconciling.RANGE, comparing.MOST = 4, 3
        self.root = Path(tempfile.mkdtemp(prefix="barrio-publishing-"))
        self.pair = Pair(self.root)
        self.copies: dict[str, list[Path]] = {"library": [], "central": []}
        self.pair.register()

    def teardown(self) -> None:
        try:
            self.agree([])
        finally:
            reconciling.RANGE, comparing.MOST = self.before
            self.pair.close()
            shutil.rmtree(self.root)

    @rule(path=PATHS, content=CONTENTS)
    def put(self, path: str, content: int) -> None:
        self.pair.index.put(path, content)

    @rule(paths=st.lists(PATHS, min_size=3, max_size=12), content=CONTENTS)
    def put_many(self, paths: list[str], content: int) -> None:
        for path in paths:
            self.pair.index.put(path, content)

    @rule(path=PATHS)
    def remove(self, path: str) -> None:
        self.pair.index.remove(path)

    @rule(path=PATHS, to=PATHS, content=CONTENTS)
    def rename(self, path: str, to: str, content: int) -> None:
        self.pair.index.put(to, content, moved_from=path)

    @rule()
    def wake(self) -> None:
        self.pair.publisher.wake()

    @rule()
    def register(self) -> None:
        self.pair.register()

    @rule(faults=FAULTS)
    def agree(self, faults: list[str]) -> None:
        self.pair.central.faults += faults
        self.pair.register()
        self.pair.quiet()
        assert self.pair.central.rows() == self.pair.index.rows()
        assert self.pair.publisher.pending() == 0

    @rule(faults=FAULTS)
    def trouble(self, faults: list[str]) -> None:
        self.pair.central.faults += faults

    @rule(end=st.sampled_from(["library", "central"]))
    def back_up(self, end: str) -> None:
        copies = self.copies[end]
        copies.append(self.root / f"{end}{len(copies)}")
        copy_database(self.root / f"{end}.sqlite", copies[-1])

    @rule(number=st.integers(0, 9), at_once=st.booleans())
    def restore_central(self, number: int, at_once: bool) -> None:
        """`at_once`: the peer goes on publishing before it registers again."""
        copies = self.copies["central"]
        self.replace_central(copies[number % len(copies)] if copies else None, at_once)

    @rule(at_once=st.booleans())
    def lose_central(self, at_once: bool) -> None:
        self.replace_central(None, at_once)

    def replace_central(self, copy: Path | None, at_once: bool) -> None:
        if at_once:
            self.pair.central.replace(copy)
            self.pair.publisher.wake()
            return
        self.pair.stop()
        self.pair.central.replace(copy)
        self.pair.start()
        self.sends_what_differs()

    @rule(number=st.integers(0, 9), then=st.lists(st.tuples(PATHS, CONTENTS), max_size=4))
    def restore_library(self, number: int, then: list[tuple[str, int]]) -> None:
        """And it changes before the central hears of it, so that numbers are given out again."""
        copies = self.copies["library"]
        self.replace_library(copies[number % len(copies)] if copies else None, then)

    @rule(then=st.lists(st.tuples(PATHS, CONTENTS), max_size=4))
    def lose_library(self, then: list[tuple[str, int]]) -> None:
        self.replace_library(None, then)

    def replace_library(self, copy: Path | None, then: list[tuple[str, int]]) -> None:
        self.pair.stop()
        self.pair.index.replace(copy)
        for path, content in then:
            self.pair.index.put(path, content)
        self.pair.start()
        self.sends_what_differs()

    def sends_what_differs(self) -> None:
        """From rest to rest: no more than what differs, or what changed since a state that both know."""
        self.pair.central.faults.clear()
        mine, theirs = self.pair.index.rows(), self.pair.central.rows()
        held = self.pair.central.catalogue.acknowledged(1)
        marks = self.pair.index.ledger.marks()
        differ = sum(mine.get(path) != theirs.get(path) for path in mine.keys() | theirs.keys())
        if held is not None and marks.get(held.mark) == held.sequence:
            differ = self.pair.index.ledger.count_after(held.sequence)
        sent = self.pair.central.entries_sent
        self.pair.register()
        self.pair.quiet()
        assert self.pair.central.rows() == mine
        assert self.pair.central.entries_sent - sent <= differ


TestBothEnds = BothEnds.TestCase
TestBothEnds.settings = settings(
    max_examples=int(os.environ.get("BARRIO_EXAMPLES", "15")), stateful_step_count=25, deadline=None
)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    made = Pair(tmp_path)
    yield made
    made.close()


def test_a_restored_central_forgets_what_was_deleted_since(pair: Pair, tmp_path: Path) -> None:
    pair.register()
    for number in range(20):
        pair.index.put(f"f{number}", number + 1)
    pair.quiet()
    copy_database(pair.central.path, tmp_path / "copy")
    pair.index.remove("f3")
    pair.quiet()
    wait_until(lambda: pair.index.row("f3") is None)  # the tombstone is forgotten
    sent = pair.publisher.sent
    pair.central.replace(tmp_path / "copy")
    pair.register()
    pair.quiet()
    assert "s/f3" not in pair.central.rows()
    assert pair.publisher.sent - sent == 1


def test_a_content_is_never_missing_while_it_is_reconciled(pair: Pair, tmp_path: Path) -> None:
    pair.central.catalogue.set_live(1, True)
    pair.register()
    for number in range(60):
        pair.index.put(f"old/{number:03}", number + 1)
    pair.quiet()
    kept = set(pair.index.rows().values())
    pair.stop()
    pair.index.replace(None)
    for number in range(60):
        pair.index.put(f"new/{number:03}", number + 1)
    missing: set[bytes] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            missing.update(f.content_id for f in pair.central.catalogue.locate(tuple(kept), 1) if not f.holders)

    watcher = threading.Thread(target=watch)
    watcher.start()
    time.sleep(0.05)
    pair.start()
    pair.register()
    pair.quiet()
    ended.set()
    watcher.join()
    assert not missing
    assert all(path.startswith("s/new/") for path in pair.central.rows())


def test_a_lost_library_of_the_same_files_sends_nothing(pair: Pair) -> None:
    pair.register()
    for number in range(50):
        pair.index.put(f"f{number}", number + 1)
    pair.quiet()
    pair.stop()
    pair.index.replace(None)
    for number in range(50):
        pair.index.put(f"f{number}", number + 1)
    pair.start()
    pair.register()
    pair.quiet()
    assert pair.publisher.sent == 0
    assert pair.central.rows() == pair.index.rows()


def test_a_central_of_before_marks_is_published_to_by_numbers(pair: Pair) -> None:
    from dataclasses import replace

    pair.index.put("a", 1)
    told = replace(pair.central.register(b"", 0), compares=False)
    pair.publisher.registered(told)
    pair.quiet()
    pair.index.put("b", 2)
    pair.quiet()
    assert pair.central.rows() == pair.index.rows()
    assert pair.index.ledger.marks() == {}


def test_pending_is_exact_at_rest_and_before_the_central_is_reached(pair: Pair) -> None:
    pair.register()
    for number in range(10):
        pair.index.put("same", number + 1)
    pair.quiet()
    pair.stop()
    pair.start()
    assert pair.publisher.pending() == 0
    for number in range(10):
        pair.index.put("same", number + 1)
    assert pair.publisher.pending() == 1


ENTRY = b"\0" * 7 + b"\x05" + b"c" * 8


@pytest.mark.parametrize(
    "answer",
    [
        Compared(False, ENTRY[:-1], MAX_KEY),
        Compared(False, ENTRY * 2, MAX_KEY),
        Compared(False, ENTRY, 4),
        Compared(False, b"\xff" * 16, MAX_KEY),
        Compared(False, b"", MAX_KEY + 1),
    ],
)
def test_a_central_that_compares_nonsense_is_not_believed(answer: Compared) -> None:
    with pytest.raises(CentralMisbehavedError):
        differences([], lambda first, last, digest: answer, lambda: None)
    assert len(ENTRY) == CHECK_END


def test_an_answer_that_does_not_go_on_is_not_believed() -> None:
    answers = iter([Compared(False, b"", 10), Compared(False, b"", 10)])
    with pytest.raises(CentralMisbehavedError):
        differences([], lambda first, last, digest: next(answers), lambda: None)
