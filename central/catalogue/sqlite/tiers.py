"""Popular names in small indexes of their own, searched before the large one: a file beside the database.

*hot* holds names of contents with many live holders, *warm* those with a few, both in the order of popularity at the
time of building (`tier_writing.py`). A file is never changed but for contents that became hot since: they get places
before all others. Any thread may search; the housekeeper raises and retires.
"""

import sqlite3
import threading
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

HOT, WARM, REST = 0, 1, 2
TABLES = ("hot", "warm")
_CACHE = "PRAGMA cache_size = -4000"
SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE VIRTUAL TABLE hot USING fts5 (words, content = '', columnsize = 0, detail = none, tokenize = 'ascii');
CREATE VIRTUAL TABLE warm USING fts5 (words, content = '', columnsize = 0, detail = none, tokenize = 'ascii');
CREATE TABLE built (generation INTEGER NOT NULL, token TEXT NOT NULL);
CREATE TABLE member (tier INTEGER PRIMARY KEY, names BLOB NOT NULL);
CREATE TABLE place (names BLOB NOT NULL, contents BLOB NOT NULL);
CREATE TABLE risen (place INTEGER PRIMARY KEY, name INTEGER NOT NULL, content INTEGER NOT NULL);
"""


class PopularNames(Protocol):
    """What a search needs to know of the tiers; `REST` is the large index, which all names are in."""

    generation: int

    @property
    def floor(self) -> int:
        """The first place of the hot tier now; those that rise later are placed before it."""

    def find(self, tier: int, expression: str, after: int, upto: int, most: int) -> list[int]:
        """Places in a tier, in their order."""

    def size(self, tier: int) -> int:
        """The last place."""

    def name_at(self, tier: int, place: int) -> int: ...

    def tier_of_name(self, name: int, floor: int) -> int:
        """The first tier that the name is in; what rose above `floor` is where it was before."""

    def not_before(self, tier: int, names: list[int], floor: int) -> list[int]:
        """Those of `names` that are in no tier before `tier`."""

    def tier_of_content(self, content: int) -> int: ...


class NoTiers:
    """Before anything was built: everything is in the large index."""

    generation = 0
    floor = 0

    def find(self, tier: int, expression: str, after: int, upto: int, most: int) -> list[int]:
        return []

    def size(self, tier: int) -> int:
        return 0

    def name_at(self, tier: int, place: int) -> int:
        raise LookupError(place)

    def tier_of_name(self, name: int, floor: int) -> int:
        return REST

    def not_before(self, tier: int, names: list[int], floor: int) -> list[int]:
        return names

    def tier_of_content(self, content: int) -> int:
        return REST


class TierFile:
    """One generation. `retire` closes and deletes it when nobody uses it any more."""

    def __init__(self, path: Path) -> None:
        """Raises sqlite3.Error when the file is not whole."""
        self.path = path
        self._local = threading.local()
        self._lock = threading.Lock()  # guards all below up to the arrays
        self._connections: list[sqlite3.Connection] = []
        self._users = 0
        self._retired = False
        self._delete = False
        self._closed = False
        self._writer = self._connect()
        self.generation, self.token = self._writer.execute("SELECT generation, token FROM built").fetchone()
        # Names by place; tiers by name and by content. Written by the housekeeper only.
        self._names = {HOT: array("I"), WARM: array("I")}
        self._risen_names = array("I")
        self._tier_of_name = bytearray()
        self._tier_of_content = bytearray()
        # Place, and the tier before.
        self._risen: dict[int, tuple[int, int]] = {}
        self._load()

    def _load(self) -> None:
        for tier, names in self._writer.execute("SELECT tier, names FROM member").fetchall():
            self._names[tier].frombytes(names)
        of_names, of_contents = self._writer.execute("SELECT names, contents FROM place").fetchone()
        self._tier_of_name += of_names
        self._tier_of_content += of_contents
        rows = self._writer.execute("SELECT name, content FROM risen ORDER BY place DESC").fetchall()
        self._note_risen(rows)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        connection.execute(_CACHE)
        connection.execute("PRAGMA synchronous = OFF")
        with self._lock:
            self._connections.append(connection)
        return connection

    def _read(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        return connection

    @property
    def floor(self) -> int:
        return -len(self._risen_names)

    def find(self, tier: int, expression: str, after: int, upto: int, most: int) -> list[int]:
        return matching(self._read(), TABLES[tier], expression, after, upto, most)

    def size(self, tier: int) -> int:
        return len(self._names[tier])

    def name_at(self, tier: int, place: int) -> int:
        return self._risen_names[-place - 1] if place < 0 else self._names[tier][place - 1]

    def tier_of_name(self, name: int, floor: int) -> int:
        tier = self._tier_of_name[name] if name < len(self._tier_of_name) else REST
        if tier == HOT and name in self._risen:
            place, before = self._risen[name]
            return HOT if place >= floor else before
        return tier

    def not_before(self, tier: int, names: list[int], floor: int) -> list[int]:
        tiers, size = self._tier_of_name, len(self._tier_of_name)
        return [n for n in names if n >= size or tiers[n] >= tier or self.tier_of_name(n, floor) >= tier]

    def tier_of_content(self, content: int) -> int:
        return self._tier_of_content[content] if content < len(self._tier_of_content) else REST

    def risen_count(self) -> int:
        return len(self._risen_names)

    def raise_names(self, rows: list[tuple[int, int, str]]) -> None:
        """(name, content, indexed text), all names of a content in a row: they are hot from now on."""
        first = len(self._risen_names) + 1
        run = self._writer
        # Upwards, since the index writes a segment whenever a place is below the one before.
        placed = [(-first - place, *row) for place, row in enumerate(rows)][::-1]
        run.execute("BEGIN")
        run.executemany("INSERT INTO hot (rowid, words) VALUES (?, ?)", [(row[0], row[3]) for row in placed])
        run.executemany("INSERT INTO risen (place, name, content) VALUES (?, ?, ?)", [row[:3] for row in placed])
        run.execute("COMMIT")
        # Searches look no further than the floor that this moves.
        self._note_risen([(name, content) for name, content, _ in rows])

    def _note_risen(self, rows: Iterable[tuple[int, int]]) -> None:
        for name, content in rows:
            place = -len(self._risen_names) - 1
            self._risen[name] = (place, self._tier_of_name[name] if name < len(self._tier_of_name) else REST)
            mark(self._tier_of_name, (name,), HOT)
            mark(self._tier_of_content, (content,), HOT)
            self._risen_names.append(name)

    @contextmanager
    def used(self) -> Iterator["TierFile"]:
        """Inside, the file stays open."""
        with self._lock:
            self._users += 1
        try:
            yield self
        finally:
            with self._lock:
                self._users -= 1
            self._close_if_unused()

    def retire(self, delete: bool = True) -> None:
        self._delete = delete
        self._retired = True
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        with self._lock:
            if not self._retired or self._users or self._closed:
                return
            self._closed = True
            for connection in self._connections:
                connection.close()
        if self._delete:
            delete_file(self.path)


def delete_file(path: Path) -> None:
    """What another program still reads is left; the next start deletes it."""
    for suffix in ("", "-wal", "-shm"):
        with suppress(OSError):
            path.with_name(path.name + suffix).unlink(missing_ok=True)


def matching(
    connection: sqlite3.Connection, table: str, expression: str, after: int, upto: int, most: int
) -> list[int]:
    """Rows of an index in their order. One step of SQLite, during which other threads run."""
    row = connection.execute(
        f"SELECT group_concat(rowid) FROM (SELECT rowid FROM {table} WHERE {table} MATCH ? AND rowid > ?"
        " AND rowid <= ? ORDER BY rowid LIMIT ?)",
        (expression, after, upto, most),
    ).fetchone()
    return list(map(int, row[0].split(","))) if row[0] else []


def mark(tiers: bytearray, numbers: Iterable[int], tier: int) -> None:
    """Notes the tier of each number; those between that were never noted are in the rest."""
    for number in numbers:
        if number >= len(tiers):
            tiers.extend(bytes((REST,)) * (number + 1 - len(tiers) + len(tiers) // 8))
        tiers[number] = tier
