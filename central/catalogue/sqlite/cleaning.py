"""Background work on the catalogue: names that nobody has any more go, with their contents. Run by the housekeeper.

The functions that write run where the scribe is, inside one transaction; the classes choose what is due.
"""

import sqlite3
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from central.catalogue.sqlite.parts import Parts, has_entry, unpack
from central.catalogue.sqlite.writing import content_key
from central.catalogue.words import indexed_text
from central.database import Database
from central.locks import KeyedLocks

# Names looked at in one transaction, so that publishing never waits long.
STEP = 500
# So few entries are looked for one by one; for more, all that the member has is read.
FEW = 64
# A peer that publishes all anew names most of it again within this time.
PATIENCE_SECONDS = 60


# Pieces that the index of words may lie in, and pages that are merged in one transaction.
SEGMENTS = 6
_MERGED_PAGES = 300


class Merger:
    """Brings the index of words, which grows in many small pieces, into few: searches read each of them."""

    def __init__(self, database: Database, scribe: "Cleaning") -> None:
        self._database = database
        self._scribe = scribe
        self._merging = False

    def step(self) -> bool:
        """Merges a little; True when there is more."""
        if not self._merging:
            segments = "SELECT count(DISTINCT segid) FROM name_words_idx"
            if self._database.read().execute(segments).fetchone()[0] <= SEGMENTS:
                return False
        self._merging = self._scribe.merge_words(self._merging)
        return self._merging


class Reclaiming:
    """Members of whom `holder` may still have rows of names that they gave up. Any thread."""

    def __init__(self, database: Database) -> None:
        rows = database.read().execute("SELECT DISTINCT member FROM gone").fetchall()
        self._lock = threading.Lock()  # guards _members
        self._members = {row[0] for row in rows}

    def __contains__(self, member: int) -> bool:
        return member in self._members

    def add(self, member: int) -> None:
        with self._lock:
            self._members.add(member)

    def remove(self, member: int) -> None:
        with self._lock:
            self._members.discard(member)


class Cleaning(Protocol):
    """What of the scribe is needed here."""

    def reclaim(self, number: int, member: int) -> bool: ...

    def forget_orphans(self, names: Sequence[int]) -> None: ...

    def merge_words(self, begun: bool) -> bool: ...


class Cleaner:
    """Finds its work in the tables `gone` and `orphan`, so nothing is forgotten over a restart."""

    def __init__(
        self,
        database: Database,
        members: KeyedLocks,
        reclaiming: Reclaiming,
        scribe: Cleaning,
        patience_seconds: int = PATIENCE_SECONDS,
    ) -> None:
        self._database = database
        self._members = members
        self._reclaiming = reclaiming
        self._scribe = scribe
        self._patience_seconds = patience_seconds

    def step(self) -> bool:
        """Cleans a little; True when there is more."""
        return self._reclaim() or self._clean_orphans()

    def _due(self, statement: str, most: int) -> list[tuple[int, ...]]:
        now = int(time.time())
        # What is from the future lay there when the clock was set back.
        run = self._database.read().execute
        return run(
            f"{statement} WHERE since <= ? OR since > ? LIMIT ?", (now - self._patience_seconds, now, most)
        ).fetchall()

    def _reclaim(self) -> bool:
        due = self._due("SELECT number, member FROM gone", 1)
        if not due:
            return False
        number, member = due[0]
        # Alone with the member: a batch that gives up more is either before this or notes it after.
        with self._members.of(member):
            if not self._scribe.reclaim(number, member):
                self._reclaiming.remove(member)
        return True

    def _clean_orphans(self) -> bool:
        names = [row[0] for row in self._due("SELECT name FROM orphan", STEP)]
        if not names:
            return False
        self._scribe.forget_orphans(names)
        return len(names) == STEP


def merge_words(connection: sqlite3.Connection, begun: bool) -> bool:
    """Merges some pages of the index; True when there is more."""
    before = connection.total_changes
    # A negative number begins: everything is to become one piece.
    pages = _MERGED_PAGES if begun else -_MERGED_PAGES
    connection.execute("INSERT INTO name_words (name_words, rank) VALUES ('merge', ?)", (pages,))
    # As SQLite's documentation says: fewer than two changes mean that nothing was left to do.
    return connection.total_changes - before >= 2


def reclaim(connection: sqlite3.Connection, secret: bytes, number: int, member: int) -> bool:
    """Removes one piece that the member gave up; True when it left more."""
    rows = connection.execute("DELETE FROM gone WHERE number = ? RETURNING data", (number,)).fetchall()
    keys, names, _ = unpack(rows[0][0]) if rows else unpack(b"")
    if len(names) <= FEW:
        left = zip(keys, names, strict=True)
        given_up = sorted(name for key, name in left if not has_entry(connection, member, key, name))
    else:
        given_up = sorted(Parts(connection, member).without(names))
    connection.executemany("DELETE FROM holder WHERE name = ? AND member = ?", [(name, member) for name in given_up])
    _forget(connection, secret, given_up)
    return connection.execute("SELECT 1 FROM gone WHERE member = ? LIMIT 1", (member,)).fetchone() is not None


def forget_orphans(connection: sqlite3.Connection, secret: bytes, names: Sequence[int]) -> None:
    _forget(connection, secret, names)
    connection.executemany("DELETE FROM orphan WHERE name = ?", [(name,) for name in names])


def _forget(connection: sqlite3.Connection, secret: bytes, names: Iterable[int]) -> None:
    """Deletes those of `names` that nobody has, and their contents when those were the last names."""
    run = connection.execute
    contents = set()
    unindexed = []
    for name in names:
        if run("SELECT 1 FROM holder WHERE name = ? LIMIT 1", (name,)).fetchone() is not None:
            continue
        row = run(
            "DELETE FROM name WHERE number = ? RETURNING content, kind, path,"
            " (SELECT size FROM content c WHERE c.number = name.content)",
            (name,),
        ).fetchall()
        if row:
            content, kind, path, size = row[0]
            contents.add(content)
            # A contentless index forgets a row only when it is given the very text that it was given before.
            unindexed.append((name, indexed_text(path, kind, size)))
    connection.executemany("INSERT INTO name_words (name_words, rowid, words) VALUES ('delete', ?, ?)", unindexed)
    for content in sorted(contents):
        if run("SELECT 1 FROM name WHERE content = ? LIMIT 1", (content,)).fetchone() is None:
            content_id, size = run(
                "DELETE FROM content WHERE number = ? RETURNING content_id, size", (content,)
            ).fetchall()[0]
            run(
                "DELETE FROM content_key WHERE key = ? AND content = ?",
                (content_key(secret, content_id, size), content),
            )
