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

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held for every change
        self._names = array("I")
        self._contents = array("I")
        self._content_of = array("Q")
        # Names of each member that was live since the start; each name once.
        self._held: dict[int, array[int]] = {}
        # Names lately given up by members that keep the content under another, with the generation of that.
        self._renamed: dict[int, int] = {}
        self.generation = 0
        self._live: set[int] = set()

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

    def content_of(self, name: int) -> int:
        """The content of a name that some live member has had."""
        return self._content_of[name]

    def renamed_since(self, name: int, generation: int) -> bool:
        """Whether the name was given up for another one after `generation`: who began to read then misses that one."""
        return self._renamed.get(name, 0) > generation

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
                self._held[member] = array("Q", (name for name, _ in rows))
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
                self._held[member] = array("Q")

    def apply(self, member: int, delta: Delta) -> None:
        """After the batch is committed. What is gained counts before what is lost: a renamed content never vanishes."""
        with self._lock:
            held = self._held.get(member)
            if held is None:
                return
            live = member in self._live
            self._remember(delta.gained)
            if delta.anew:
                fresh = array("Q", (name for name, _ in delta.gained))
                self._held[member] = fresh
                if live:
                    self._count(fresh, 1)
                    self._rename(held, {content for _, content in delta.gained})
                    self._count(held, -1)
                return
            if live:
                self._add(self._names, (name for name, _ in delta.gained), 1)
                self._add(self._contents, delta.gained_contents, 1)
                self._rename((name for name, _ in delta.lost), {content for _, content in delta.gained})
                self._add(self._names, (name for name, _ in delta.lost), -1)
                self._add(self._contents, delta.lost_contents, -1)
            if delta.lost:
                gone = {name for name, _ in delta.lost}
                held = self._held[member] = array("Q", (name for name in held if name not in gone))
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
        for name, content in rows:
            self._content_of[name] = content

    def _count(self, names: "array[int]", step: int) -> None:
        content_of = self._content_of
        self._add(self._names, names, step)
        self._add(self._contents, {content_of[name] for name in names}, step)

    @staticmethod
    def _add(counters: "array[int]", numbers: Iterable[int], step: int) -> None:
        for number in numbers:
            counters[number] += step


def _grow(numbers: "array[int]", highest: int) -> None:
    """Makes room for `highest`, and a little more, so that a batch does not grow it row by row."""
    missing = highest + 1 - len(numbers)
    if missing > 0:
        numbers.frombytes(bytes((missing + len(numbers) // 8 + 1024) * numbers.itemsize))
