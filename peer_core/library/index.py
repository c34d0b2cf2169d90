"""What is asked of the index: shares, folders, what to hash, who holds a content, and the journal. Any thread.

Changing it is `writing`'s part.
"""

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from peer_core.content import Manifest, piece_size_for
from peer_core.database import Database, Kind
from peer_core.library.disk import LARGEST
from peer_core.library.marks import Marks
from peer_core.library.records import FileState, KnownRow, Match, PendingFile, ShareRow, Signature
from peer_core.library.types import Change, HeldFile
from protos.sentences import say

KIND = Kind(
    application_id=0x42_61_72_4C,
    migrations="peer_core.library.migrations",
    name=say("library", "database-library"),
    when_damaged=say(
        "move that file away, start again and add your folders anew. Your shared files are not affected.",
        "database-library-damaged",
    ),
)

_SHARE_COLUMNS = (
    "id, name, path, available, device, inode, files, bytes, pending, pending_bytes, unavailable, "
    "exclude, hidden, rules, walked"
)
_VARIABLES = 500
_COPIES = 32
DUPLICATES_SHARE = 20.0
SWEEP_PART = 16


def joined(folder: str, name: str) -> str:
    """A path within a share."""
    return f"{folder}/{name}" if folder else name


def share_rows(db: sqlite3.Connection, removed: bool = False) -> list[ShareRow]:
    rows = db.execute(f"SELECT {_SHARE_COLUMNS} FROM shares WHERE removed = ? ORDER BY name", (removed,))
    return [_share_row(*row) for row in rows]


def _share_row(
    id_: int,
    name: str,
    path: str,
    available: int,
    device: int,
    inode: int,
    files: int,
    size: int,
    pending: int,
    pending_size: int,
    unavailable: int,
    exclude: str,
    hidden: int,
    changes: int,
    walked: int,
) -> ShareRow:
    return ShareRow(
        id=id_,
        name=name,
        path=Path(path),
        available=bool(available),
        device=device,
        inode=inode,
        files=files,
        bytes=size,
        pending=pending,
        pending_bytes=pending_size,
        unavailable=unavailable,
        exclude=tuple(exclude.split("\n")) if exclude else (),
        hidden=bool(hidden),
        rules=changes,
        walked=walked,
    )


class Index:
    """Reads; each answer is consistent in itself, and none waits for a writer. All raise StorageError."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.read() as db:
            (index_id,) = db.execute("SELECT index_id FROM library").fetchone()
        self.index_id: bytes = index_id
        # Of `duplicates`: after which change, until when it does, and what was found. Exchanged whole, without a lock.
        self._duplicates = (-1, 0.0, 0, 0)

    def shares(self, removed: bool = False) -> list[ShareRow]:
        with self._database.read() as db:
            return share_rows(db, removed)

    def folders(self, share: int, marks: Marks = None) -> dict[str, tuple[int, bytes | None]]:
        """(id, seal) of the folders that have entries, by path: all, or those that are marked."""
        found: dict[str, tuple[int, bytes | None]] = {}
        columns = "SELECT path, id, seal FROM folders WHERE share = ?"
        with self._database.read() as db:
            if marks is None:
                found.update((row[0], row[1:]) for row in db.execute(columns, (share,)))
                return found
            for folder, deep in marks.items():
                found.update((row[0], row[1:]) for row in db.execute(f"{columns} AND path = ?", (share, folder)))
                if deep:
                    # Next to "/" in the order of characters is "0".
                    below = db.execute(f"{columns} AND path > ? AND path < ?", (share, f"{folder}/", f"{folder}0"))
                    found.update((row[0], row[1:]) for row in below)
        return found

    def files_in(self, folder: int) -> dict[str, KnownRow]:
        """All entries of one folder by name, whatever their state."""
        with self._database.read() as db:
            rows: Iterable[KnownRow] = db.execute(
                "SELECT size, mtime_ns, inode, state, id, device, content, name FROM files WHERE folder = ?", (folder,)
            )
            return {row[7]: row for row in rows}

    def known_inodes(self, inodes: Sequence[int]) -> set[int]:
        """Those of them that some file had when it was hashed."""
        found: set[int] = set()
        with self._database.read() as db:
            for start in range(0, len(inodes), _VARIABLES):
                some = inodes[start : start + _VARIABLES]
                rows = db.execute(
                    "SELECT DISTINCT inode FROM files WHERE content IS NOT NULL "
                    f"AND inode IN ({','.join('?' * len(some))})",
                    some,
                )
                found.update(row[0] for row in rows)
        return found

    def matches(self, signature: Signature) -> list[Match]:
        """Entries that were hashed when their file had this signature; some may have left the disk."""
        with self._database.read() as db:
            rows = db.execute(
                "SELECT f.id, f.state, f.content, s.path, d.path, f.name FROM files f "
                "JOIN folders d ON d.id = f.folder JOIN shares s ON s.id = d.share "
                "WHERE f.content IS NOT NULL AND f.inode = ? AND f.size = ? AND f.mtime_ns = ? AND f.device = ? "
                "LIMIT 16",
                (signature.inode, signature.size, signature.mtime_ns, signature.device),
            )
            return [Match._make(row) for row in rows]

    def pending(self, limit: int) -> list[PendingFile]:
        """What to hash next, in order: small first in steps of 16 MiB, newest first within a step."""
        with self._database.read() as db:
            rows = db.execute(
                "SELECT f.id, s.id, s.path, d.path, f.name, f.size, f.mtime_ns FROM files f "
                "JOIN folders d ON d.id = f.folder JOIN shares s ON s.id = d.share "
                "WHERE f.state = 0 AND s.removed = 0 AND s.available = 1 "
                "ORDER BY f.size >> 24, f.mtime_ns DESC LIMIT ?",
                (limit,),
            )
            return [
                PendingFile(id_, share, os.path.join(root, folder, name), joined(folder, name), size, mtime_ns)  # noqa: PTH118
                for id_, share, root, folder, name, size, mtime_ns in rows
            ]

    def holders(self, content_id: bytes) -> list[tuple[int, HeldFile]]:
        """(share id, file) for some entries with this content, as they were when they were indexed."""
        with self._database.read() as db:
            content = db.execute("SELECT id, size, hashes FROM contents WHERE content_id = ?", (content_id,)).fetchone()
            if content is None:
                return []
            rows = db.execute(
                "SELECT s.id, s.path, d.path, f.name, f.inode, f.mtime_ns FROM files f "
                "JOIN folders d ON d.id = f.folder JOIN shares s ON s.id = d.share "
                "WHERE f.content = ? AND f.state = 1 AND s.removed = 0 LIMIT ?",
                (content[0], _COPIES),
            ).fetchall()
        _, size, hashes = content
        manifest = Manifest(size, piece_size_for(size), hashes)
        return [
            (share, HeldFile(content_id, Path(root), Path(root, folder, name), inode, size, mtime_ns, manifest))
            for share, root, folder, name, inode, mtime_ns in rows
        ]

    def hashed(self, share: int, folder: str, name: str) -> tuple[Signature, Manifest] | None:
        """What a shared file was when it was hashed, by its place."""
        with self._database.read() as db:
            row = db.execute(
                "SELECT f.size, f.mtime_ns, f.device, f.inode, c.hashes FROM folders d JOIN files f ON f.folder = d.id "
                "JOIN contents c ON c.id = f.content WHERE d.share = ? AND d.path = ? AND f.name = ? AND f.state = 1",
                (share, folder, name),
            ).fetchone()
        if row is None:
            return None
        *signature, hashes = row
        return Signature(*signature), Manifest(row[0], piece_size_for(row[0]), hashes)

    def held(self, content_ids: Iterable[bytes]) -> set[bytes]:
        """Those of the contents that some entry has now."""
        found: set[bytes] = set()
        remaining = iter(content_ids)
        with self._database.read() as db:
            while some := list(islice(remaining, _VARIABLES)):
                found.update(
                    row[0]
                    for row in db.execute(
                        f"SELECT c.content_id FROM contents c WHERE c.content_id IN ({','.join('?' * len(some))}) "
                        "AND EXISTS (SELECT 1 FROM files f JOIN folders d ON d.id = f.folder "
                        "JOIN shares s ON s.id = d.share WHERE f.content = c.id AND f.state = 1 AND s.removed = 0)",
                        some,
                    )
                )
        return found

    def duplicates(self) -> tuple[int, int]:
        """Shared files whose content another one has too, beyond the first of each: how many, and their bytes.

        Counting takes a large library a while, so that it may be answered from the last time.
        """
        with self._database.read() as db:
            last, until, copies, size = self._duplicates
            now, started = self._sequence(db), time.monotonic()
            if last != now and started > until:
                copies, size = db.execute(
                    "SELECT coalesce(sum(n - 1), 0), coalesce(sum((n - 1) * size), 0) FROM ("
                    "SELECT count(*) AS n, min(size) AS size FROM files INDEXED BY files_by_content "
                    "WHERE content IS NOT NULL AND state = 1 GROUP BY content HAVING n > 1)"
                ).fetchone()
                ended = time.monotonic()
                self._duplicates = now, ended + DUPLICATES_SHARE * (ended - started), copies, size
        return copies, size

    def wants_sweeping(self) -> bool:
        """Whether enough has changed since the last sweep to go through all contents."""
        with self._database.read() as db:
            (changes,) = db.execute("SELECT sequence - swept FROM library").fetchone()
            (files,) = db.execute("SELECT coalesce(sum(files), 0) FROM shares").fetchone()
        return bool(changes > files // SWEEP_PART)

    def paused(self) -> bool:
        with self._database.read() as db:
            return bool(db.execute("SELECT paused FROM library").fetchone()[0])

    @staticmethod
    def _sequence(db: sqlite3.Connection) -> int:
        return int(db.execute("SELECT sequence FROM library").fetchone()[0])

    def last_sequence(self) -> int:
        with self._database.read() as db:
            return self._sequence(db)

    def changes_after(self, sequence: int, limit: int) -> list[Change]:
        """The newest change of each entry, in order; the two halves of a rename are not parted unless limit is 1."""
        with self._database.read() as db:
            rows = db.execute(
                "SELECT f.sequence, s.name, d.path, f.name, f.state, c.content_id, f.size, f.mtime_ns FROM files f "
                "JOIN folders d ON d.id = f.folder JOIN shares s ON s.id = d.share "
                "LEFT JOIN contents c ON c.id = f.content "
                "WHERE f.sequence > 0 AND f.sequence > ? ORDER BY f.sequence LIMIT ?",
                (min(sequence, LARGEST), limit + 1),
            ).fetchall()
        if len(rows) > limit:
            following = rows.pop()
            if len(rows) > 1 and _are_one_rename(rows[-1], following):
                rows.pop()
        return [
            Change(number, share, joined(folder, name), False, content_id, size, mtime_ns // 1_000_000_000)
            if state == FileState.SHARED
            else Change(number, share, joined(folder, name), True)
            for number, share, folder, name, state, content_id, size, mtime_ns in rows
        ]

    def orphans(self) -> Iterator[list[int]]:
        """Ids of contents that no entry has any more, some at a time."""
        last = 0
        while True:
            with self._database.read() as db:
                rows = db.execute(
                    "SELECT c.id, EXISTS (SELECT 1 FROM files f WHERE f.content = c.id) FROM contents c "
                    "WHERE c.id > ? ORDER BY c.id LIMIT 2000",
                    (last,),
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield [id_ for id_, used in rows if not used]


def _are_one_rename(old: Sequence[object], new: Sequence[object]) -> bool:
    """Of rows of `changes_after`: number, share, folder, name, state, content id."""
    return (
        old[4] == FileState.GONE
        and new[4] == FileState.SHARED
        and old[5] == new[5]
        and isinstance(old[0], int)
        and new[0] == old[0] + 1
    )
