"""Applies a batch of changes inside one transaction, and says what it changed. Runs in the thread that publishes.

What is needed of the database is read for the whole batch at once, and written the same way, in the order of the keys.
"""

import hashlib
import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import PurePosixPath
from typing import TypeAlias

from central.catalogue.sqlite.live import Delta
from central.catalogue.sqlite.parts import ENTRY_BYTES, Part, Parts, pack
from central.catalogue.words import indexed_text
from central.domain import Change, FileFacts
from central.errors import BadInputError
from protos.agreed import KINDS, entry_key, kind_of, path_digest

_KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}
# Keys asked for in one statement.
_CHUNK = 250

# Content id and size.
_Content: TypeAlias = tuple[bytes, int]


def content_key(secret: bytes, content_id: bytes, size: int) -> int:
    """48 bits of the id, 15 of the size: all sizes that are claimed for an id are neighbours."""
    of_size = hashlib.blake2b(size.to_bytes(8), digest_size=2, key=secret).digest()
    return id_key(secret, content_id) | int.from_bytes(of_size) >> 1


def id_key(secret: bytes, content_id: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content_id, digest_size=6, key=secret).digest()) << 15


def last_key(first: int) -> int:
    """The last key of all sizes of an id, whose first one `id_key` gives."""
    return first | 0x7FFF


def name_key(digest: bytes) -> int:
    return int.from_bytes(digest[:4], signed=True)


def give_up_parts(connection: sqlite3.Connection, member: int) -> bool:
    """Takes a member's entries from it, and leaves their holders and names to the cleaner. False: there were none."""
    moved = connection.execute(
        "INSERT INTO gone (member, data) SELECT member, data FROM part WHERE member = ?", (member,)
    ).rowcount
    connection.execute("DELETE FROM part WHERE member = ?", (member,))
    return moved > 0


def left_to_clean(connection: sqlite3.Connection, member: int) -> int:
    """Entries that the member gave up and that are not yet removed."""
    row = connection.execute("SELECT sum(length(data)) FROM gone WHERE member = ?", (member,)).fetchone()
    return (row[0] or 0) // ENTRY_BYTES


def chunks(items: Iterable[int], size: int = _CHUNK) -> Iterator[list[int]]:
    remaining = iter(items)
    while chunk := list(islice(remaining, size)):
        yield chunk


class BatchWriter:
    """Applies changes; `delta` afterwards tells the difference between before and after the batch."""

    def __init__(self, connection: sqlite3.Connection, member: int, anew: bool, secret: bytes) -> None:
        self._connection = connection
        self._run = connection.execute
        self._member = member
        self._secret = secret
        self._anew = anew
        self.gave_up = anew and give_up_parts(connection, member)
        self._parts = Parts(connection, member)
        # Difference so far, by name: +1 gained, -1 lost, 0 both; with its content.
        self._steps: dict[int, int] = {}
        self._content_of: dict[int, int] = {}
        # Of names that were lost.
        self._key_of: dict[int, int] = {}
        self._had: set[int] = set()
        self._touched: set[int] = set()
        # Contents with the same id and other sizes, where there are such.
        self._rivals: list[set[int]] = []
        self.texts: list[str] = []
        self.last_name = 0
        # Bytes of the paths that the batch tells, by key and by name.
        self._bytes_at: dict[int, int] = {}
        self._bytes: dict[int, int] = {}
        # What the batch adds to the member's entries, and to the bytes of their paths.
        self.entries = 0
        self.text_bytes = 0

    def apply(self, changes: tuple[Change, ...], keys_removed: Sequence[int] = ()) -> None:
        """Raises BadInputError when the member would then claim two sizes of one content."""
        last = {change.path: change.file for change in changes}
        digests = {path: path_digest(path) for path in last}
        contents = self._contents([file for file in last.values() if file is not None])
        put = []
        removed = list(keys_removed)
        for path, file in last.items():
            key = entry_key(path, digests[path])
            self._bytes_at[key] = len(path.encode())
            if file is None:
                removed.append(key)
            else:
                put.append((contents[file.content_id, file.size], path, key, file))
        put.sort(key=lambda item: item[0])
        self._touch(put, removed)
        for key in removed:
            self._remove(key)
        new_names: list[tuple[int, int, int, int, int, str]] = []
        indexed: list[tuple[int, str]] = []
        first_new = self._next_number("name")
        for content, path, key, file in put:
            name = self._name(content, path, digests[path], file)
            if name is None:
                name = first_new + len(new_names)
                kind = _KIND_NUMBERS[kind_of(PurePosixPath(path).name)]
                new_names.append((name, content, name_key(digests[path]), kind, file.modified, path))
                indexed.append((name, indexed_text(path, kind, file.size)))
                self.texts.append(path)
            self._bytes[name] = self._bytes_at[key]
            self._put(key, name, content)
        self.last_name = first_new + len(new_names) - 1
        self._check_sizes()
        many = self._many
        many("INSERT INTO name (number, content, path_key, kind, modified, path) VALUES (?, ?, ?, ?, ?, ?)", new_names)
        many("INSERT INTO name_words (rowid, words) VALUES (?, ?)", indexed)
        self._save()

    def _many(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        for start in range(0, len(rows), _CHUNK):
            self._connection.executemany(statement, rows[start : start + _CHUNK])

    def _touch(self, put: Sequence[tuple[int, str, int, FileFacts]], removed: list[int]) -> None:
        """Notes which of the contents that will change hands the member has before."""
        touched = {content for content, _, _, _ in put}
        for key in [key for _, _, key, _ in put] + removed:
            part = self._parts.of(key)
            place = part.find(key)
            if place >= 0:
                touched.add(part.contents[place])
        self._touched = touched
        self._had = self._parts.held(touched)

    def _remove(self, key: int) -> None:
        part = self._parts.of(key)
        place = part.find(key)
        if place >= 0:
            self._lose(part, place)
            part.remove(place)
            self.entries -= 1

    def _put(self, key: int, name: int, content: int) -> None:
        part = self._parts.of(key)
        place = part.find(key)
        if place < 0:
            self.entries += 1
        elif part.names[place] == name:
            return
        else:
            self._lose(part, place)
        self._parts.put(key, name, content)
        self._step(name, content, 1)

    def _lose(self, part: Part, place: int) -> None:
        name = part.names[place]
        self._key_of[name] = part.keys[place]
        told = self._bytes_at.get(part.keys[place])
        if told is not None:
            self._bytes[name] = told
        self._step(name, part.contents[place], -1)

    def _step(self, name: int, content: int, step: int) -> None:
        self._steps[name] = self._steps.get(name, 0) + step
        self._content_of[name] = content

    def _contents(self, files: Iterable[FileFacts]) -> dict[_Content, int]:
        """The number of each content; new ones are made."""
        keys = {(file.content_id, file.size): 0 for file in files}
        for content_id, size in keys:
            keys[content_id, size] = content_key(self._secret, content_id, size)
        found: dict[_Content, int] = {}
        for chunk in chunks(sorted(set(keys.values()))):
            marks = ",".join("?" * len(chunk))
            rows = self._run(
                "SELECT c.content_id, c.size, c.number FROM content_key k JOIN content c ON c.number = k.content"
                f" WHERE k.key IN ({marks})",
                chunk,
            )
            for content_id, size, number in rows.fetchall():
                found[content_id, size] = number
        missing = [content for content in keys if content not in found]
        if missing:
            first = self._next_number("content")
            found.update(zip(missing, range(first, first + len(missing)), strict=True))
            many = self._many
            many(
                "INSERT INTO content (number, content_id, size) VALUES (?, ?, ?)",
                [(found[content], *content) for content in missing],
            )
            many(
                "INSERT INTO content_key (key, content) VALUES (?, ?)",
                sorted((keys[content], found[content]) for content in missing),
            )
        self._rivals = self._rivals_among({content_id for content_id, _ in keys})
        return found

    def _rivals_among(self, content_ids: set[bytes]) -> list[set[int]]:
        rivals = []
        for key in sorted(id_key(self._secret, content_id) for content_id in content_ids):
            rows = self._run("SELECT content FROM content_key WHERE key BETWEEN ? AND ?", (key, last_key(key)))
            if len(contents := {row[0] for row in rows.fetchall()}) > 1:
                rivals.append(contents)
        return rivals

    def _check_sizes(self) -> None:
        """An id stands for bytes, so one size is a lie; a member has no way to bury the true one under many."""
        held = self._parts.held(set().union(*self._rivals)) if self._rivals else set()
        if any(len(contents & held) > 1 for contents in self._rivals):
            raise BadInputError("a content has one size; publish it with that size only")

    def _next_number(self, table: str) -> int:
        """Numbers are never used twice: AUTOINCREMENT remembers the highest that there ever was."""
        row = self._run("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return (row[0] if row else 0) + 1

    def _name(self, content: int, path: str, digest: bytes, file: FileFacts) -> int | None:
        rows = self._run(
            "SELECT number, modified, path FROM name WHERE content = ? AND path_key = ?", (content, name_key(digest))
        )
        for number, modified, known in rows.fetchall():
            if known == path:
                if modified != file.modified:
                    self._run("UPDATE name SET modified = ? WHERE number = ?", (file.modified, number))
                return int(number)
        return None

    def _save(self) -> None:
        self._parts.save()
        many = self._many
        lost = sorted(name for name, step in self._steps.items() if step < 0)
        gained = [name for name, step in self._steps.items() if step > 0]
        self.text_bytes = sum(map(self._bytes.__getitem__, gained)) - self._bytes_of(lost)
        if lost:
            self._leave_to_cleaner(lost)
        many(
            "INSERT OR IGNORE INTO holder (name, member) VALUES (?, ?)",
            [(name, self._member) for name in sorted(gained)],
        )

    def _leave_to_cleaner(self, lost: list[int]) -> None:
        """Their holders lie all over a large table: who publishes does not wait for that."""
        self.gave_up = True
        data = pack(
            array("Q", (self._key_of[name] for name in lost)),
            array("I", lost),
            array("I", (self._content_of[name] for name in lost)),
        )
        self._run("INSERT INTO gone (member, data) VALUES (?, ?)", (self._member, data))

    def _bytes_of(self, names: list[int]) -> int:
        """Of the paths of names that are in the database."""
        total = sum(self._bytes.get(name, 0) for name in names)
        for chunk in chunks(name for name in names if name not in self._bytes):
            marks = ",".join("?" * len(chunk))
            rows = self._run(f"SELECT sum(length(CAST(path AS BLOB))) FROM name WHERE number IN ({marks})", chunk)
            total += rows.fetchone()[0] or 0
        return total

    def delta(self) -> Delta:
        has = self._parts.held(self._touched)
        return Delta(
            gained=[(name, self._content_of[name]) for name, step in self._steps.items() if step > 0],
            lost=[(name, self._content_of[name]) for name, step in self._steps.items() if step < 0],
            gained_contents=sorted(has - self._had),
            lost_contents=sorted(self._had - has),
            anew=self._anew,
        )
