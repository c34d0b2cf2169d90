"""The catalogue against a plain model, over any order of batches, arrivals, departures, cleaning and restarts."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from catalogues import IMPLEMENTATIONS, Opened
from central_kit import INDEX, batch, content_id
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from central.catalogue.words import split_words
from central.domain import Acknowledged, Range, SearchQuestion, SearchRow
from protos.agreed import MAX_KEY, entries_digest, entry_key, kind_of, path_digest

MEMBERS = range(1, 4)
OTHER_INDEX = bytes(16)
PATHS = st.sampled_from(
    [
        "Music/sol.mp3",
        "Music/sol luna.mp3",
        "Luna/sol.txt",
        "Luna/mar/solar.flac",
        "mar/mar.mp3",
        "Música/Sól.mp3",
        "x/amaro.mp3",
    ]
)
CONTENTS = st.one_of(st.none(), st.integers(1, 4))
CHANGES = st.lists(st.tuples(PATHS, CONTENTS), max_size=6)
QUESTIONS = ("sol", "luna", "so", "mar sol", "sol m", "musica", "nada")


class CatalogueMachine(RuleBasedStateMachine):
    """`self.entries[member][path]` is the content; `self.held[member]` what is acknowledged."""

    implementation: Callable[[Path, int], Opened]

    @initialize(window=st.integers(1, 4))
    def begin(self, window: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="barrio-catalogue-"))
        self.window = window
        self.entries: dict[int, dict[str, int]] = {member: {} for member in MEMBERS}
        self.held: dict[int, Acknowledged] = {}
        self.live: set[int] = set()
        self.open()

    def open(self) -> None:
        self.opened = self.implementation(self.folder, self.window)
        self.catalogue = self.opened.catalogue

    @rule(member=st.sampled_from(MEMBERS), changes=CHANGES)
    def publish_on(self, member: int, changes: list[tuple[str, int | None]]) -> None:
        held = self.held.get(member)
        if held is None:
            return
        made = batch(held.sequence, changes, index=held.index_id)
        result = self.catalogue.publish(member, made)
        assert (result.acknowledged, result.resync) == (made.last, False)
        self.apply(member, changes)
        self.held[member] = Acknowledged(held.index_id, made.last)

    @rule(member=st.sampled_from(MEMBERS), changes=CHANGES, index=st.sampled_from([INDEX, OTHER_INDEX]))
    def publish_anew(self, member: int, changes: list[tuple[str, int | None]], index: bytes) -> None:
        made = batch(0, changes, index=index)
        result = self.catalogue.publish(member, made)
        assert (result.acknowledged, result.resync) == (made.last, False)
        self.entries[member] = {}
        self.apply(member, changes)
        self.held[member] = Acknowledged(index, made.last)

    @rule(member=st.sampled_from(MEMBERS), off=st.integers(1, 3), same=st.booleans(), changes=CHANGES)
    def publish_with_a_hole(self, member: int, off: int, same: bool, changes: list[tuple[str, int | None]]) -> None:
        held = self.held.get(member)
        index = held.index_id if held and same else b"another index id"
        sequence = held.sequence if held else 0
        result = self.catalogue.publish(member, batch(sequence + off, changes, index=index))
        assert result.resync
        assert result.acknowledged == (sequence if held and same else 0)

    @rule(
        member=st.sampled_from(MEMBERS), changes=CHANGES, gone=st.lists(PATHS, max_size=3), mark=st.binary(max_size=2)
    )
    def repair(self, member: int, changes: list[tuple[str, int | None]], gone: list[str], mark: bytes) -> None:
        """Whatever is held; what is put is never taken away by its key."""
        gone = [path for path in gone if path not in dict(changes)]
        keys = tuple(entry_key(path, path_digest(path)) for path in gone)
        made = replace(batch(0, changes), mark=mark, repair=True, removed=keys)
        result = self.catalogue.publish(member, made)
        assert (result.acknowledged, result.resync, result.mark) == (made.last, False, mark)
        self.apply(member, [*changes, *((path, None) for path in gone)])
        self.held[member] = Acknowledged(INDEX, made.last, mark)
        if held := self.held.get(member):
            wrong = replace(batch(held.sequence, [], index=held.index_id), held_mark=b"no mark of ours")
            assert self.catalogue.publish(member, wrong).resync

    @invariant()
    def comparing_says_the_truth(self) -> None:
        for member, held in self.entries.items():
            pairs = sorted((entry_key(p, path_digest(p)), content_id(c)[-8:]) for p, c in held.items())
            cuts = [0, *(key for key, _ in pairs[1::2]), MAX_KEY + 1]
            for first, end in pairwise(cuts):
                mine = b"".join(key.to_bytes(8) + check for key, check in pairs if first <= key < end)
                assert self.catalogue.compare(member, Range(first, end - 1, entries_digest(mine))).same
                found = self.catalogue.compare(member, Range(first, end - 1, b""))
                assert (found.same, found.entries, found.through) == (False, mine, end - 1)

    def apply(self, member: int, changes: list[tuple[str, int | None]]) -> None:
        for path, content in changes:
            if content is None:
                self.entries[member].pop(path, None)
            else:
                self.entries[member][path] = content

    @rule(member=st.sampled_from(MEMBERS))
    def arrive(self, member: int) -> None:
        self.catalogue.set_live(member, True)
        self.live.add(member)

    @rule(member=st.sampled_from(MEMBERS))
    def depart(self, member: int) -> None:
        self.catalogue.set_live(member, False)
        self.live.discard(member)

    @rule(member=st.sampled_from(MEMBERS))
    def withdraw(self, member: int) -> None:
        self.catalogue.withdraw(member)
        self.entries[member] = {}
        self.held.pop(member, None)
        self.live.discard(member)

    @rule()
    def clean(self) -> None:
        while self.catalogue.clean():
            pass
        names = {(path, content) for held in self.entries.values() for path, content in held.items()}
        totals = self.catalogue.totals()
        assert totals.names == len(names)
        assert totals.contents == len({content for _, content in names})
        assert totals.entries == sum(map(len, self.entries.values()))

    @rule()
    def restart(self) -> None:
        self.opened.close()
        self.live.clear()
        self.open()

    @rule()
    def build_tiers(self) -> None:
        self.catalogue.build_tiers()

    @rule()
    def raise_popular(self) -> None:
        self.catalogue.raise_popular()

    @invariant()
    def acknowledged_is_what_was_said(self) -> None:
        assert {m: a for m in MEMBERS if (a := self.catalogue.acknowledged(m)) is not None} == self.held

    @invariant()
    def searches_say_the_truth(self) -> None:
        for text in QUESTIONS:
            for limit in (1, 2, 50):
                self.check_rows(text, self.all_pages(text, limit))

    def all_pages(self, text: str, limit: int) -> list[SearchRow]:
        rows: list[SearchRow] = []
        cursor = ""
        while True:
            page = self.catalogue.search(SearchQuestion(text, limit=limit, cursor=cursor))
            assert len(page.rows) <= limit
            assert page.rows or not page.next_cursor
            rows += page.rows
            cursor = page.next_cursor
            if not cursor:
                return rows

    def check_rows(self, text: str, rows: list[SearchRow]) -> None:
        live = {member: self.entries[member] for member in self.live}
        *whole, last = split_words(text)

        def fits(path: str) -> bool:
            words = split_words(path)
            by_words = all(w in words for w in whole) and any(w.startswith(last) for w in words)
            return by_words or all(
                any(piece in w for w in words) if len(piece) > 2 else any(w.startswith(piece) for w in words)
                for piece in [*whole, last]
            )

        expected = {content for held in live.values() for path, content in held.items() if fits(path)}
        assert sorted(row.content_id for row in rows) == [content_id(number) for number in sorted(expected)]
        for row in rows:
            number = int.from_bytes(row.content_id)
            holders = {member for member, held in live.items() if number in held.values()}
            assert row.holders == len(holders)
            paths = {path for held in live.values() for path, content in held.items() if content == number}
            shown = f"{row.path}/{row.name}"
            assert shown in paths
            assert fits(shown)
            assert set(row.names) == {path.rpartition("/")[2] for path in paths} - {row.name}
            assert row.kind == kind_of(row.name)

    @invariant()
    def locating_says_the_truth(self) -> None:
        found = self.catalogue.locate(tuple(content_id(number) for number in range(6)), 64)
        assert [f.content_id for f in found] == [content_id(number) for number in range(6)]
        for number, place in enumerate(found):
            holders = {member for member in self.live if number in self.entries[member].values()}
            assert set(place.holders) == holders
            assert len(place.holders) == len(holders)
            assert place.size == (100 if holders else 0)
            names = {
                path.rpartition("/")[2]
                for member in self.live
                for path, content in self.entries[member].items()
                if content == number
            }
            assert (place.name in names) if names else True

    def teardown(self) -> None:
        self.opened.close()
        shutil.rmtree(self.folder)


# Each process takes a while to start.
EXAMPLES = {"sqlite with a scribe's process": 12}


@pytest.mark.parametrize("name", IMPLEMENTATIONS)
def test_the_catalogue_is_the_model(name: str) -> None:
    examples = EXAMPLES.get(name, 60)
    machine = type("Machine", (CatalogueMachine,), {"implementation": staticmethod(IMPLEMENTATIONS[name])})
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=25, deadline=None))
