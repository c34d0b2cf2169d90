"""What changes the index, in short transactions that number each change. Any thread; one at a time."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from peer_core.content import Manifest
from peer_core.database import Database
from peer_core.library.index import share_rows
from peer_core.library.records import (
    FileState,
    Found,
    Gone,
    Hashed,
    Outcome,
    Sealed,
    ShareRow,
    Signature,
    Step,
    Unreadable,
    Withheld,
)

_FORGET_ROWS = 1000


class _Batch:
    """One open transaction and the numbers that it gives out."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        (self._sequence,) = db.execute("SELECT sequence FROM library").fetchone()
        self._first = self._sequence
        self._folders: dict[tuple[int, str], int] = {}

    def finish(self) -> None:
        if self._sequence != self._first:
            self.db.execute("UPDATE library SET sequence = ?", (self._sequence,))

    def _next(self) -> int:
        self._sequence += 1
        return int(self._sequence)

    def folder(self, share: int, path: str) -> int:
        known = self._folders.get((share, path))
        if known is None:
            self.db.execute("INSERT INTO folders (share, path) VALUES (?, ?) ON CONFLICT DO NOTHING", (share, path))
            (known,) = self.db.execute("SELECT id FROM folders WHERE share = ? AND path = ?", (share, path)).fetchone()
            self._folders[share, path] = known
        return int(known)

    def content(self, manifest: Manifest) -> int:
        content_id = manifest.content_id
        made = self.db.execute(
            "INSERT INTO contents (content_id, size, hashes) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (content_id, manifest.size, manifest.hashes),
        )
        if made.rowcount == 1 and made.lastrowid is not None:
            return made.lastrowid
        (row,) = self.db.execute("SELECT id FROM contents WHERE content_id = ?", (content_id,)).fetchone()
        return int(row)

    def put(self, folder: int, name: str, signature: Signature, content: int | None) -> None:
        """A file is there; with a content it is shared from now on, without it waits and what was shared ends."""
        state = FileState.PENDING if content is None else FileState.SHARED
        number = 0 if content is None else self._sequence + 1
        made = self.db.execute(
            "INSERT INTO files (folder, name, size, mtime_ns, device, inode, state, content, sequence) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (folder, name) DO NOTHING",
            (folder, name, *signature, state, content, number),
        )
        if made.rowcount == 1:
            self._sequence = max(self._sequence, number)
            return
        row = self.db.execute(
            "SELECT id, state, sequence, size, mtime_ns, inode FROM files WHERE folder = ? AND name = ?", (folder, name)
        ).fetchone()
        file, old_state, sequence, *old = row
        if old_state == FileState.SHARED and old == [signature.size, signature.mtime_ns, signature.inode]:
            return  # Somebody else was quicker: a scan's news is older than an adopted download.
        if content is not None or old_state == FileState.SHARED:
            sequence = self._next()
        self.set(file, signature, state, content, sequence)

    def set(self, file: int, signature: Signature, state: FileState, content: int | None, sequence: int) -> None:
        self.db.execute(
            "UPDATE files SET size = ?, mtime_ns = ?, device = ?, inode = ?, state = ?, content = ?, sequence = ? "
            "WHERE id = ?",
            (*signature, state, content, sequence, file),
        )

    def share(self, file: int, signature: Signature, content: int) -> None:
        """What waited is shared from now on; nothing happens when it does not wait any more."""
        made = self.db.execute(
            "UPDATE files SET size = ?, mtime_ns = ?, device = ?, inode = ?, state = ?, content = ?, sequence = ? "
            "WHERE id = ? AND state = 0",
            (*signature, FileState.SHARED, content, self._sequence + 1, file),
        )
        self._sequence += made.rowcount

    def is_as_before(self, file: int, signature: Signature) -> bool:
        """False when another file took the entry since it was looked up, as when two trade places."""
        row = self.db.execute("SELECT size, mtime_ns, device, inode FROM files WHERE id = ?", (file,)).fetchone()
        return bool(row == signature)

    def withhold(self, file: int, by_rules: bool) -> None:
        self._leave(file, FileState.LEFT_OUT if by_rules else FileState.WITHHELD)

    def end(self, file: int, unless_after: int | None = None) -> None:
        """The file is gone; an entry that the central knows stays as a tombstone, any other is deleted."""
        row = self.db.execute("SELECT sequence FROM files WHERE id = ?", (file,)).fetchone()
        if row is None or (unless_after is not None and row[0] > unless_after):
            return
        if row[0] == 0:
            self.db.execute("DELETE FROM files WHERE id = ?", (file,))
        else:
            self._leave(file, FileState.GONE)

    def _leave(self, file: int, state: FileState) -> None:
        row = self.db.execute("SELECT state, sequence FROM files WHERE id = ?", (file,)).fetchone()
        if row is not None and row[0] != state:
            sequence = self._next() if row[0] == FileState.SHARED else row[1]
            self.db.execute("UPDATE files SET state = ?, sequence = ? WHERE id = ?", (state, sequence, file))


class Writing:
    """Each method is one short transaction, or several. All raise StorageError, and then nothing of it happened."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # Shares

    def add_share(
        self,
        path: Path,
        choose_name: Callable[[list[ShareRow]], str],
        exclude: Sequence[str] = (),
        hidden: bool = False,
    ) -> ShareRow:
        """`choose_name` sees the present shares inside the transaction, and may raise to refuse.

        A removed share of that name comes back to life with what is still known of its files.
        """
        with self._database.write() as db:
            name = choose_name(share_rows(db))
            db.execute(
                "INSERT INTO shares (name, path, exclude, hidden, rules) VALUES (?, ?, ?, ?, 1) "
                "ON CONFLICT (name) DO UPDATE "
                "SET path = excluded.path, removed = 0, available = 1, device = 0, inode = 0, "
                "exclude = excluded.exclude, hidden = excluded.hidden, rules = rules + 1",
                (name, str(path), "\n".join(exclude), hidden),
            )
            row = next(row for row in share_rows(db) if row.name == name)
            db.execute("UPDATE folders SET seal = NULL WHERE share = ? AND seal IS NOT NULL", (row.id,))
            return row

    def remove_share(self, name: str) -> int | None:
        """Takes it out of all answers at once; its id, or None when there is no such share.

        Its entries end when the worker comes to it.
        """
        with self._database.write() as db:
            row = db.execute("SELECT id FROM shares WHERE name = ? AND removed = 0", (name,)).fetchone()
            if row is None:
                return None
            db.execute("UPDATE shares SET removed = 1 WHERE id = ?", row)
            return int(row[0])

    def set_reachable(self, share: int, available: bool, device: int = 0, inode: int = 0) -> None:
        """Notes the state of a share's root; its ids are kept while it is away."""
        with self._database.write() as db:
            db.execute("UPDATE shares SET available = ? WHERE id = ? AND available <> ?", (available, share, available))
            if available:
                db.execute(
                    "UPDATE shares SET device = ?, inode = ? WHERE id = ? AND (device <> ? OR inode <> ?)",
                    (device, inode, share, device, inode),
                )

    def set_rules(self, share: int, exclude: Sequence[str], hidden: bool) -> None:
        with self._database.write() as db:
            db.execute(
                "UPDATE shares SET exclude = ?, hidden = ?, rules = rules + 1 WHERE id = ?",
                ("\n".join(exclude), hidden, share),
            )
            db.execute("UPDATE folders SET seal = NULL WHERE share = ? AND seal IS NOT NULL", (share,))

    def set_walked(self, share: int, rules: int) -> None:
        """The whole share was seen by the rules of that number."""
        with self._database.write() as db:
            db.execute("UPDATE shares SET walked = ? WHERE id = ?", (rules, share))

    def set_paused(self, paused: bool) -> None:
        with self._database.write() as db:
            db.execute("UPDATE library SET paused = ?", (paused,))

    # Files

    def apply(self, share: ShareRow, steps: Sequence[Step], removed: bool = False) -> bool:
        """A scan's findings; False, and nothing is done, when the share was removed (or added again) meanwhile."""
        with self._database.write() as db:
            same = "SELECT 1 FROM shares WHERE id = ? AND path = ? AND removed = ?"
            if db.execute(same, (share.id, str(share.path), removed)).fetchone() is None:
                return False
            batch = _Batch(db)
            for step in steps:
                match step:
                    case Found():
                        if step.moved_from is not None and batch.is_as_before(step.moved_from, step.signature):
                            batch.end(step.moved_from)
                        batch.put(batch.folder(share.id, step.folder), step.name, step.signature, step.content)
                    case Withheld():
                        batch.withhold(step.file, step.by_rules)
                    case Gone():
                        batch.end(step.file, step.unless_after)
                    case Sealed():
                        db.execute(
                            "UPDATE folders SET seal = ? "
                            "WHERE id = ? AND (SELECT rules FROM shares WHERE id = folders.share) = ?",
                            (step.seal, step.folder, step.rules),
                        )
            batch.finish()
            return True

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """The hasher's results; one for an entry that does not wait any more is dropped."""
        with self._database.write() as db:
            batch = _Batch(db)
            for outcome in outcomes:
                if isinstance(outcome, Hashed):
                    batch.share(outcome.file, outcome.signature, batch.content(outcome.manifest))
                elif isinstance(outcome, Unreadable):
                    db.execute(
                        "UPDATE files SET state = ? WHERE id = ? AND state = 0", (FileState.FAILED, outcome.file)
                    )
                elif db.execute("SELECT 1 FROM files WHERE id = ? AND state = 0", (outcome.file,)).fetchone():
                    batch.end(outcome.file)
            batch.finish()

    def adopt(self, share: int, folder: str, name: str, signature: Signature, manifest: Manifest) -> None:
        """A file whose manifest is known already."""
        with self._database.write() as db:
            if db.execute("SELECT 1 FROM shares WHERE id = ? AND removed = 0 AND available = 1", (share,)).fetchone():
                batch = _Batch(db)
                batch.put(batch.folder(share, folder), name, signature, batch.content(manifest))
                batch.finish()

    # Keeping it small

    def forget_tombstones(self, up_to: int) -> None:
        """Entries that are no more, and whose end (change `up_to` or before) the central knows."""
        while True:
            with self._database.write() as db:
                rows = db.execute(
                    "SELECT id, state FROM files WHERE sequence > 0 AND sequence <= ? AND state <> 1 "
                    "ORDER BY sequence LIMIT ?",
                    (up_to, _FORGET_ROWS),
                ).fetchall()
                db.executemany("DELETE FROM files WHERE id = ?", [(r[0],) for r in rows if r[1] == FileState.GONE])
                db.executemany(
                    "UPDATE files SET sequence = 0 WHERE id = ?", [(r[0],) for r in rows if r[1] != FileState.GONE]
                )
            if len(rows) < _FORGET_ROWS:
                return

    def drop_contents(self, contents: Sequence[int]) -> None:
        """Those of them that no entry has."""
        with self._database.write() as db:
            db.executemany(
                "DELETE FROM contents WHERE id = ? AND NOT EXISTS (SELECT 1 FROM files WHERE content = contents.id)",
                [(c,) for c in contents],
            )

    def drop_empty(self) -> None:
        """Folders without entries, and removed shares without folders. Ends a sweep."""
        with self._database.write() as db:
            db.execute("UPDATE library SET swept = sequence")
            db.execute("DELETE FROM folders WHERE NOT EXISTS (SELECT 1 FROM files WHERE folder = folders.id)")
            db.execute(
                "DELETE FROM shares WHERE removed = 1 AND NOT EXISTS (SELECT 1 FROM folders WHERE share = shares.id)"
            )
