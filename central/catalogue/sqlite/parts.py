"""A member's entries, packed: sorted arrays of some hundred entries in one row each. Used inside one transaction.

Keys of files in one folder are neighbours, so a batch of changes touches few parts of a large share.
"""

import sqlite3
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

# Entries of a part before it is cut in two.
LARGEST = 1024
ENTRY_BYTES = 16


class Part:
    """Sorted `keys` with the name and the content of each."""

    def __init__(self, number: int | None, first: int, data: bytes = b"") -> None:
        self.number = number
        self.first = first
        self.dirty = number is None
        self.keys, self.names, self.contents = unpack(data)

    def pack(self) -> bytes:
        return pack(self.keys, self.names, self.contents)

    def find(self, key: int) -> int:
        """The place of the key, or -1."""
        place = bisect_left(self.keys, key)
        return place if place < len(self.keys) and self.keys[place] == key else -1

    def put(self, key: int, name: int, content: int) -> None:
        place = bisect_left(self.keys, key)
        if place < len(self.keys) and self.keys[place] == key:
            self.names[place], self.contents[place] = name, content
        else:
            self.keys.insert(place, key)
            self.names.insert(place, name)
            self.contents.insert(place, content)
        self.dirty = True

    def remove(self, place: int) -> None:
        del self.keys[place], self.names[place], self.contents[place]
        self.dirty = True

    def cut(self) -> "Part":
        """Gives its upper half away."""
        half = len(self.keys) // 2
        upper = Part(None, self.keys[half])
        upper.keys, upper.names, upper.contents = self.keys[half:], self.names[half:], self.contents[half:]
        del self.keys[half:], self.names[half:], self.contents[half:]
        self.dirty = True
        return upper


def pack(keys: "array[int]", names: "array[int]", contents: "array[int]") -> bytes:
    """What `unpack` reads."""
    if sys.byteorder == "big":
        return b"".join(_swapped(a) for a in (keys, names, contents))
    return keys.tobytes() + names.tobytes() + contents.tobytes()


def unpack(data: bytes) -> "tuple[array[int], array[int], array[int]]":
    """Keys, names, contents."""
    count = len(data) // ENTRY_BYTES
    keys, names, contents = array("Q"), array("I"), array("I")
    keys.frombytes(data[: 8 * count])
    names.frombytes(data[8 * count : 12 * count])
    contents.frombytes(data[12 * count :])
    if sys.byteorder == "big":
        for numbers in (keys, names, contents):
            numbers.byteswap()
    return keys, names, contents


def _swapped(numbers: "array[int]") -> bytes:
    copy = numbers[:]
    copy.byteswap()
    return copy.tobytes()


def has_entry(connection: sqlite3.Connection, member: int, key: int, name: int) -> bool:
    """Whether the member's entry of that key has that name."""
    row = connection.execute(
        "SELECT data FROM part WHERE member = ? AND first <= ? ORDER BY first DESC LIMIT 1", (member, key)
    ).fetchone()
    if row is None:
        return False
    keys, names, _ = unpack(row[0])
    place = bisect_left(keys, key)
    return place < len(keys) and keys[place] == key and names[place] == name


class Parts:
    """All parts of one member; `save` writes those that changed."""

    def __init__(self, connection: sqlite3.Connection, member: int) -> None:
        self._connection = connection
        self._member = member
        rows = connection.execute("SELECT number, first, data FROM part WHERE member = ? ORDER BY first", (member,))
        self._parts = [Part(*row) for row in rows.fetchall()] or [Part(None, 0)]
        self._firsts = [part.first for part in self._parts]

    def of(self, key: int) -> Part:
        return self._parts[bisect_right(self._firsts, key) - 1]

    def put(self, key: int, name: int, content: int) -> None:
        place = bisect_right(self._firsts, key) - 1
        part = self._parts[place]
        part.put(key, name, content)
        if len(part.keys) > LARGEST:
            upper = part.cut()
            self._parts.insert(place + 1, upper)
            self._firsts.insert(place + 1, upper.first)

    def held(self, contents: set[int]) -> set[int]:
        """Those of `contents` that some entry has."""
        found: set[int] = set()
        for part in self._parts:
            found |= contents.intersection(part.contents)
        return found

    def without(self, names: Iterable[int]) -> set[int]:
        """Those of `names` that no entry has."""
        left = set(names)
        for part in self._parts:
            left.difference_update(part.names)
        return left

    def names(self) -> "array[int]":
        every = array("I")
        for part in self._parts:
            every.extend(part.names)
        return every

    def pairs(self) -> Iterator[tuple[int, int]]:
        """(name, content) of each entry."""
        for part in self._parts:
            yield from zip(part.names, part.contents, strict=True)

    def save(self) -> None:
        run = self._connection.execute
        for part in self._parts:
            if not part.dirty:
                continue
            part.dirty = False
            if part.number is None:
                if part.keys:
                    run(
                        "INSERT INTO part (member, first, data) VALUES (?, ?, ?)",
                        (self._member, part.first, part.pack()),
                    )
            elif part.keys or part.first == 0:
                run("UPDATE part SET data = ? WHERE number = ?", (part.pack(), part.number))
            else:
                run("DELETE FROM part WHERE number = ?", (part.number,))
