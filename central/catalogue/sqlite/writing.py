"""Applies a batch of changes inside one transaction, and says what it changed. Runs in the thread that publishes."""

import hashlib
import sqlite3
from pathlib import PurePosixPath

from central.catalogue.sqlite.live import Delta
from central.catalogue.words import indexed_text
from central.domain import Change, FileFacts
from protos.agreed import KINDS, kind_of

_KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}


def path_key(path: str) -> int:
    """A 64-bit hash, as SQLite's signed integer. Collisions matter within one member only, and to it alone."""
    return int.from_bytes(hashlib.blake2b(path.encode(), digest_size=8).digest(), signed=True)


def forget_all(connection: sqlite3.Connection, member: int) -> None:
    """Deletes a member's entries. Their names stay until they are cleaned, for the batches that name them again."""
    connection.execute("INSERT OR IGNORE INTO orphan (name) SELECT name FROM entry WHERE member = ?", (member,))
    connection.execute("DELETE FROM entry WHERE member = ?", (member,))


class BatchWriter:
    """Applies changes in order; `delta` afterwards tells the difference between before and after the batch."""

    def __init__(self, connection: sqlite3.Connection, member: int, anew: bool) -> None:
        self._run = connection.execute
        self._connection = connection
        self._member = member
        self._anew = anew
        # Difference so far, by name: +1 gained, -1 lost, 0 both; with its content.
        self._names: dict[int, int] = {}
        self._content_of: dict[int, int] = {}
        # Whether the member had the content before the batch.
        self._had: dict[int, bool] = {}
        self._indexed: list[tuple[int, str]] = []
        self.entries = 0
        if anew:
            forget_all(connection, member)

    def apply(self, changes: tuple[Change, ...]) -> None:
        for change in changes:
            if change.file is None:
                self._remove(path_key(change.path))
            else:
                self._put(change.path, change.file)
        if self._indexed:
            self._connection.executemany("INSERT INTO name_words (rowid, words) VALUES (?, ?)", self._indexed)

    def _remove(self, key: int) -> None:
        row = self._run(
            "DELETE FROM entry WHERE member = ? AND path_key = ? RETURNING name, content", (self._member, key)
        ).fetchall()
        if row:
            self._lose(*row[0])
            self.entries -= 1

    def _put(self, path: str, file: FileFacts) -> None:
        key = path_key(path)
        content, new = self._content(file)
        if content not in self._had:
            self._had[content] = not new and not self._anew and self._has(content)
        name = None if new else self._name(content, key, path)
        old = self._run(
            "SELECT name, content FROM entry WHERE member = ? AND path_key = ?", (self._member, key)
        ).fetchone()
        if name is None:
            name = self._new_name(content, key, path, file)
        elif old is not None and old[0] == name:
            self._run(
                "UPDATE name SET modified = ? WHERE number = ? AND modified <> ?", (file.modified, name, file.modified)
            )
            return
        if old is None:
            self.entries += 1
        else:
            self._lose(*old)
        self._run(
            "INSERT OR REPLACE INTO entry (member, path_key, name, content) VALUES (?, ?, ?, ?)",
            (self._member, key, name, content),
        )
        self._names[name] = self._names.get(name, 0) + 1
        self._content_of[name] = content

    def _lose(self, name: int, content: int) -> None:
        self._had.setdefault(content, True)
        self._names[name] = self._names.get(name, 0) - 1
        self._content_of[name] = content
        self._run("INSERT OR IGNORE INTO orphan (name) VALUES (?)", (name,))

    def _content(self, file: FileFacts) -> tuple[int, bool]:
        """The number of the content, and whether it is new."""
        key = (file.content_id, file.size)
        row = self._run("SELECT number FROM content WHERE content_id = ? AND size = ?", key).fetchone()
        if row is not None:
            return row[0], False
        number = self._run("INSERT INTO content (content_id, size) VALUES (?, ?)", key).lastrowid
        assert number is not None
        return number, True

    def _name(self, content: int, key: int, path: str) -> int | None:
        row = self._run(
            "SELECT number FROM name WHERE content = ? AND path_key = ? AND path = ?", (content, key, path)
        ).fetchone()
        return None if row is None else int(row[0])

    def _new_name(self, content: int, key: int, path: str, file: FileFacts) -> int:
        kind = _KIND_NUMBERS[kind_of(PurePosixPath(path).name)]
        number = self._run(
            "INSERT INTO name (content, path_key, kind, modified, path) VALUES (?, ?, ?, ?, ?)",
            (content, key, kind, file.modified, path),
        ).lastrowid
        assert number is not None
        self._indexed.append((number, indexed_text(path, kind, file.size)))
        return number

    def _has(self, content: int) -> bool:
        return bool(
            self._run(
                "SELECT 1 FROM entry WHERE content = ? AND member = ? LIMIT 1", (content, self._member)
            ).fetchall()
        )

    def delta(self) -> Delta:
        gained = [(name, self._content_of[name]) for name, step in self._names.items() if step > 0]
        lost = [(name, self._content_of[name]) for name, step in self._names.items() if step < 0]
        has = {} if self._anew else {content: self._has(content) for content in self._had}
        return Delta(
            gained=gained,
            lost=lost,
            gained_contents=[c for c, now in has.items() if now and not self._had[c]],
            lost_contents=[c for c, now in has.items() if not now and self._had[c]],
            anew=self._anew,
        )
