"""What the central holds of this index, as far as this peer knows, and all that it should hold. Any thread.

In the index's own file, so that a restored copy of it brings back what was known then, and the difference shows.
"""

import sqlite3
from collections.abc import Sequence
from itertools import pairwise

from peer_core.database import Database
from peer_core.library.disk import LARGEST
from peer_core.library.index import joined
from peer_core.library.types import Change
from protos.agreed import entry_key, path_digest

MOST_MARKS = 32
CHECK_BYTES = 8
# An entry of `entries`: key, check, then the row's id.
KEY_END = 8
CHECK_END = KEY_END + CHECK_BYTES
_CHUNK = 500


class Ledger:
    """All raise StorageError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def marks(self) -> dict[bytes, int]:
        """Names of states that the central may hold, with the newest change in each; oldest first."""
        with self._database.read() as db:
            return {mark: sequence for sequence, mark in db.execute("SELECT sequence, mark FROM sent ORDER BY id")}

    def note(self, sequence: int, mark: bytes) -> None:
        """To be called before a batch is sent that ends at `sequence` and is called `mark`."""
        with self._database.write() as db:
            db.execute("INSERT INTO sent (sequence, mark) VALUES (?, ?)", (sequence, mark))
            db.execute("DELETE FROM sent WHERE id <= (SELECT max(id) FROM sent) - ?", (MOST_MARKS,))

    def settle(self, mark: bytes) -> None:
        """The central holds that state, and none before it is gone on from any more; then tombstones may go."""
        with self._database.write() as db:
            db.execute("DELETE FROM sent WHERE mark <> ?", (mark,))

    def count_after(self, sequence: int) -> int:
        """Entries whose newest change comes after that number."""
        with self._database.read() as db:
            row = db.execute(
                "SELECT count(*) FROM files WHERE sequence > 0 AND sequence > ?", (min(sequence, LARGEST),)
            ).fetchone()
        return int(row[0])

    def entries(self) -> list[bytes]:
        """All that is shared, ordered by key: key (8 bytes), end of the content id (8), row (8); each key once."""
        with self._database.read() as db:
            rows = db.execute(
                "SELECT f.id, s.name, d.path, f.name, substr(c.content_id, -8) FROM files f "
                "JOIN folders d ON d.id = f.folder JOIN shares s ON s.id = d.share "
                "JOIN contents c ON c.id = f.content WHERE f.state = 1"
            )
            parts: list[list[bytes]] = [[] for _ in range(256)]
            for row in rows:
                entry = _entry(*row)
                parts[entry[0]].append(entry)
        # In parts: sorting a million at once would hold the interpreter, and with it the window, for most of a second.
        found: list[bytes] = []
        for part in parts:
            part.sort()
            found += part
        if any(one[:KEY_END] == two[:KEY_END] for one, two in pairwise(found)):
            return list({entry[:KEY_END]: entry for entry in found}.values())
        return found

    def changes_of(self, rows: Sequence[int]) -> list[Change]:
        """These entries as they are now, without numbers; those that are not shared any more are left out."""
        changes: list[Change] = []
        with self._database.read() as db:
            for start in range(0, len(rows), _CHUNK):
                changes += _changes(db, rows[start : start + _CHUNK])
        return changes


def _entry(row: int, share: str, folder: str, name: str, check: bytes) -> bytes:
    path = f"{share}/{joined(folder, name)}"
    return entry_key(path, path_digest(path)).to_bytes(8) + check + row.to_bytes(8)


def _changes(db: sqlite3.Connection, rows: Sequence[int]) -> list[Change]:
    found = db.execute(
        "SELECT s.name, d.path, f.name, c.content_id, f.size, f.mtime_ns FROM files f "
        "JOIN folders d ON d.id = f.folder JOIN shares s ON s.id = d.share JOIN contents c ON c.id = f.content "
        f"WHERE f.id IN ({','.join('?' * len(rows))}) AND f.state = 1",
        list(rows),
    )
    return [
        Change(0, share, joined(folder, name), False, content_id, size, mtime_ns // 1_000_000_000)
        for share, folder, name, content_id, size, mtime_ns in found
    ]
