"""Live counters in memory: for each name and each content, how many live members have it.

A member that comes or goes changes counters, and no row. Written under one lock; read without it, since reading one
item of an array is one step for all threads.
"""

import threading
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass

# Far more names than are renamed while a search runs.
RENAMED_KEPT = 20_000
# Live holders that make a content popular.
POPULAR = 5
# Contents that became popular and were not taken yet; more than that wait for the next building of the tiers.
RISEN_KEPT = 50_000


@dataclass(frozen=True)
class Delta:
    """What one batch changed for its member. Names as (name, content); contents that it has now, or has no more.

    `anew`: everything that the member had before is gone, whether named here or not.
    """

    gained: list[tuple[int, int]]
    lost: list[tuple[int, int]]
    gained_contents: list[int]
    lost_contents: list[int]
    anew: bool


class LiveCounters:
    """Numbers are rows of the database; they are never used twice, so a counter never means something else."""

    def __init__(self, popular: int = POPULAR) -> None:
        self.popular_from = popular
        self._lock = threading.Lock()  # held for every change
        self._names = array("I")
        self._contents = array("I")
        self._content_of = array("I")
        # By content, a name that had the most holders when it gained one: it outlasts many names of a single member.
        self._best = array("I")
        # Names of each member that was live since the start; each name once.
        self._held: dict[int, array[int]] = {}
        # Names lately given up by members that keep the content under another, with the generation of that.
        self._renamed: dict[int, int] = {}
        self.generation = 0
        self._live: set[int] = set()
        self._risen: dict[int, None] = {}

    def __len__(self) -> int:
        """Above all names that live members have."""
        return len(self._names)

    def take_risen(self, most: int) -> list[int]:
        """Contents that became popular since they were last asked for."""
        with self._lock:
            taken = [content for content, _ in zip(self._risen, range(most), strict=False)]
            for content in taken:
                del self._risen[content]
        return taken

    def content_counters(self) -> bytes:
        """Live holders by content, 32 bits each in this machine's order."""
        return self._contents.tobytes()

    def name(self, number: int) -> int:
        """Live members that share the content under this name."""
        try:
            return self._names[number]
        except IndexError:
            return 0

    def content(self, number: int) -> int:
        """Live members that have the content."""
        try:
            return self._contents[number]
        except IndexError:
            return 0

    def best_name(self, content: int) -> int:
        """A name of the content that many live members have, or had lately; 0: none."""
        try:
            return self._best[content]
        except IndexError:
            return 0

    def alive(self, names: list[int]) -> list[int]:
        """Those of `names` that live members have."""
        counters, size = self._names, len(self._names)
        return [name for name in names if name < size and counters[name]]

    def contents_of(self, names: list[int]) -> list[int]:
        """The contents of names that live members have had."""
        content_of = self._content_of
        return [content_of[name] for name in names]

    def renamed_among(self, names: Iterable[int], generation: int) -> bool:
        """Whether one was given up for another after `generation`: who began to read then misses that one."""
        if self.generation == generation:
            return False
        return any(self._renamed.get(name, 0) > generation and not self.name(name) for name in names)

    def is_live(self, member: int) -> bool:
        return member in self._live

    def knows(self, member: int) -> bool:
        return member in self._held

    def arrive(self, member: int, load: Callable[[], Iterable[tuple[int, int]]]) -> None:
        """`load` gives the member's (name, content) rows; called only the first time."""
        if member not in self._held:
            rows = list(load())
            with self._lock:
                self._remember(rows)
                self._held[member] = array("I", (name for name, _ in rows))
        with self._lock:
            if member not in self._live:
                self._live.add(member)
                self._count(self._held[member], 1)

    def depart(self, member: int) -> None:
        with self._lock:
            if member in self._live:
                self._live.discard(member)
                self._count(self._held[member], -1)

    def forget(self, member: int) -> None:
        """The member has no entries any more, live or not."""
        with self._lock:
            if member in self._live:
                self._count(self._held[member], -1)
            if member in self._held:
                self._held[member] = array("I")

    def correct(self, member: int, rows: Iterable[tuple[int, int]]) -> None:
        """The member has these (name, content) now, whatever was counted before."""
        rows = list(rows)
        with self._lock:
            held = self._held.get(member)
            if held is None:
                return
            self._remember(rows)
            fresh = self._held[member] = array("I", (name for name, _ in rows))
            if member in self._live:
                self._count(fresh, 1)
                self._rename(held, {content for _, content in rows})
                self._count(held, -1)

    def apply(self, member: int, delta: Delta) -> None:
        """After the batch is committed. What is gained counts before what is lost: a renamed content never vanishes."""
        with self._lock:
            held = self._held.get(member)
            if held is None:
                return
            live = member in self._live
            self._remember(delta.gained)
            if delta.anew:
                fresh = array("I", (name for name, _ in delta.gained))
                self._held[member] = fresh
                if live:
                    self._count(fresh, 1)
                    self._rename(held, {content for _, content in delta.gained})
                    self._count(held, -1)
                return
            if live:
                self._gain(name for name, _ in delta.gained)
                self._add(self._contents, delta.gained_contents, 1)
                self._note_risen(delta.gained_contents)
                self._rename((name for name, _ in delta.lost), {content for _, content in delta.gained})
                self._add(self._names, (name for name, _ in delta.lost), -1)
                self._add(self._contents, delta.lost_contents, -1)
            if delta.lost:
                gone = {name for name, _ in delta.lost}
                held = self._held[member] = array("I", (name for name in held if name not in gone))
            held.extend(name for name, _ in delta.gained)

    def _rename(self, lost: Iterable[int], contents: set[int]) -> None:
        self.generation += 1
        for name in lost:
            if self._content_of[name] in contents:
                self._renamed.pop(name, None)
                self._renamed[name] = self.generation
        while len(self._renamed) > RENAMED_KEPT:
            del self._renamed[next(iter(self._renamed))]

    def _remember(self, rows: list[tuple[int, int]]) -> None:
        if not rows:
            return
        _grow(self._names, max(name for name, _ in rows))
        _grow(self._content_of, max(name for name, _ in rows))
        _grow(self._contents, max(content for _, content in rows))
        _grow(self._best, max(content for _, content in rows))
        for name, content in rows:
            self._content_of[name] = content

    def _count(self, names: "array[int]", step: int) -> None:
        content_of = self._content_of
        if step > 0:
            self._gain(names)
        else:
            self._add(self._names, names, step)
        contents = {content_of[name] for name in names}
        self._add(self._contents, contents, step)
        if step > 0:
            self._note_risen(contents)

    def _gain(self, names: Iterable[int]) -> None:
        """One more live member has each of the names."""
        counters, content_of, best = self._names, self._content_of, self._best
        for name in names:
            counters[name] += 1
            content = content_of[name]
            if counters[name] > counters[best[content]]:
                best[content] = name

    def _note_risen(self, contents: Iterable[int]) -> None:
        counters = self._contents
        self._risen.update((c, None) for c in contents if counters[c] == self.popular_from)
        while len(self._risen) > RISEN_KEPT:
            del self._risen[next(iter(self._risen))]

    @staticmethod
    def _add(counters: "array[int]", numbers: Iterable[int], step: int) -> None:
        for number in numbers:
            counters[number] += step


def _grow(numbers: "array[int]", highest: int) -> None:
    """Makes room for `highest`, and a little more, so that a batch does not grow it row by row."""
    missing = highest + 1 - len(numbers)
    if missing > 0:
        numbers.frombytes(bytes((missing + len(numbers) // 8 + 1024) * numbers.itemsize))
