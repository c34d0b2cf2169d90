"""A publisher between a real index and a real catalogue, without a network between, for tests of their agreement."""

import shutil
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import cast

from central.catalogue.sqlite.parts import Parts
from central.catalogue.sqlite.store import SqliteCatalogue
from central.database import Database as CentralDatabase
from central.directory import check_batch, join_path
from central.domain import Batch, FileFacts, Range
from central.domain import Change as CentralChange
from peer_core.content import Manifest
from peer_core.database import Database
from peer_core.directory.central import CentralClient, Publication, Registration
from peer_core.directory.publisher import Publisher
from peer_core.directory.reconciling import Compared
from peer_core.directory.types import Pace
from peer_core.errors import CentralUnreachableError
from peer_core.library.index import KIND, Index
from peer_core.library.ledger import Ledger
from peer_core.library.records import Found, Gone, Signature
from peer_core.library.types import Change
from peer_core.library.writing import Writing

MEMBER = 1
PACE = Pace(1.0, 3, 0.001)


def copy_database(path: Path, target: Path) -> None:
    """A backup of a database that is in use."""
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def put_database(copy: Path | None, path: Path) -> None:
    """The backup takes the database's place; None: the database is lost."""
    for ending in ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    if copy is not None:
        shutil.copy(copy, path)


def held_rows(connection: sqlite3.Connection, member: int) -> dict[str, bytes]:
    """Content id by path (SHARE/FOLDERS/NAME) of all that the central's database holds of a member."""
    names = dict(connection.execute("SELECT number, path FROM name").fetchall())
    contents = dict(connection.execute("SELECT number, content_id FROM content").fetchall())
    return {names[name]: contents[content] for name, content in Parts(connection, member).pairs()}


class LocalCentral:
    """What the publisher calls, over a catalogue in this process. `faults`: what goes wrong with the next calls."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.calls = 0
        self.entries_sent = 0
        # "before": the call does not arrive; "after": its answer does not.
        self.faults: list[str] = []
        self._lock = threading.Lock()
        self.open()

    def open(self) -> None:
        self.database = CentralDatabase.create(self.path)
        self.catalogue = SqliteCatalogue(self.database, cleaning_patience=0)

    def close(self) -> None:
        self.catalogue.close()
        self.database.close()

    def replace(self, copy: Path | None) -> None:
        with self._lock:
            self.close()
            put_database(copy, self.path)
            self.open()

    def register(self, index_id: bytes, last: int) -> Registration:
        """As `central.directory.Directory.register` does."""
        held = self.catalogue.acknowledged(MEMBER)
        if held is None:
            return Registration(PACE, 0, None, b"", 0, True)
        known = held.index_id == index_id and held.sequence <= last
        return Registration(PACE, held.sequence if known else 0, None, held.mark, held.entries, True)

    def publish(
        self,
        index_id: bytes,
        previous: int,
        last: int,
        changes: list[Change],
        *,
        held_mark: bytes = b"",
        mark: bytes = b"",
        repair: bool = False,
        removed: list[int] | tuple[int, ...] = (),
    ) -> Publication:
        made = tuple(
            CentralChange(
                c.sequence,
                join_path(c.share, c.path),
                None if c.deleted else FileFacts(c.content_id, c.size, c.modified),
            )
            for c in changes
        )
        batch = Batch(index_id, previous, last, made, held_mark, mark, repair, tuple(removed))
        check_batch(batch)
        with self._lock:
            self.calls += 1
            fault = self.faults.pop(0) if self.faults else ""
            if fault == "before":
                raise CentralUnreachableError("It did not arrive.")
            result = self.catalogue.publish(MEMBER, batch)
            self.entries_sent += len(changes) + len(removed)
            if fault == "after":
                raise CentralUnreachableError("The answer did not arrive.")
        return Publication(result.acknowledged, result.resync, PACE, result.mark)

    def compare(self, first: int, last: int, digest: bytes) -> Compared:
        with self._lock:
            self.calls += 1
            found = self.catalogue.compare(MEMBER, Range(first, last, digest))
        return Compared(found.same, found.entries, found.through)

    def rows(self) -> dict[str, bytes]:
        """Content id by path of all that is held."""
        with self._lock:
            return held_rows(self.database.read(), MEMBER)


class LocalIndex:
    """An index without a disk, and the journal that the publisher reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inode = 0
        self.open()

    def open(self) -> None:
        self.database = Database(self.path, KIND)
        self.writing = Writing(self.database)
        self.index = Index(self.database)
        self.ledger = Ledger(self.database)
        shares = self.index.shares()
        self.share = shares[0] if shares else self.writing.add_share(Path("/nowhere/s"), lambda _: "s")

    def close(self) -> None:
        self.database.close()

    def replace(self, copy: Path | None) -> None:
        self.close()
        put_database(copy, self.path)
        self.open()

    # The journal

    @property
    def index_id(self) -> bytes:
        return self.index.index_id

    def last_sequence(self) -> int:
        return self.index.last_sequence()

    def changes_after(self, sequence: int, limit: int) -> list[Change]:
        return self.index.changes_after(sequence, limit)

    def forget_tombstones(self, up_to: int) -> None:
        self.writing.forget_tombstones(up_to)

    # Changes

    def put(self, path: str, content: int, moved_from: str | None = None) -> None:
        folder, _, name = path.rpartition("/")
        manifest = Manifest(content, 1 << 20, content.to_bytes(32))
        with self.database.write() as db:
            db.execute(
                "INSERT INTO contents (content_id, size, hashes) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (manifest.content_id, content, manifest.hashes),
            )
            (row,) = db.execute("SELECT id FROM contents WHERE content_id = ?", (manifest.content_id,)).fetchone()
        self.inode += 1
        signature = Signature(content, 10**18 + self.inode, 1, self.inode)
        steps: list[Found | Gone] = [Found(folder, name, signature, row)]
        old = self.row(moved_from) if moved_from is not None and moved_from != path else None
        if old is not None:
            steps.insert(0, Gone(old))
        assert self.writing.apply(self.share, steps)

    def remove(self, path: str) -> None:
        row = self.row(path)
        if row is not None:
            assert self.writing.apply(self.share, [Gone(row)])

    def row(self, path: str) -> int | None:
        folder, _, name = path.rpartition("/")
        with self.database.read() as db:
            found = db.execute(
                "SELECT f.id FROM files f JOIN folders d ON d.id = f.folder WHERE d.path = ? AND f.name = ?",
                (folder, name),
            ).fetchone()
        return None if found is None else int(found[0])

    def rows(self) -> dict[str, bytes]:
        with self.database.read() as db:
            found = db.execute(
                "SELECT d.path, f.name, c.content_id FROM files f JOIN folders d ON d.id = f.folder "
                "JOIN contents c ON c.id = f.content WHERE f.state = 1"
            ).fetchall()
        return {"s/" + (f"{folder}/" if folder else "") + name: content for folder, name, content in found}


class Pair:
    """Both ends; `restart` makes a new publisher, as a new process would."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.index = LocalIndex(root / "library.sqlite")
        self.central = LocalCentral(root / "central.sqlite")
        self.start()

    def start(self) -> None:
        self.publisher = Publisher(
            cast(CentralClient, self.central), self.index, lambda: (PACE.publish_batch, PACE.retry_seconds)
        )
        self.publisher.start()

    def stop(self) -> None:
        self.publisher.stop()

    def register(self) -> None:
        self.publisher.registered(self.central.register(self.index.index_id, self.index.last_sequence()))

    def quiet(self, seconds: float = 20.0) -> None:
        """Wakes the publisher, and waits until it has nothing to do."""
        deadline = time.monotonic() + seconds
        self.publisher.wake()
        while self.publisher.pending():
            assert time.monotonic() < deadline, "the publisher does not come to rest"
            time.sleep(0.0005)

    def close(self) -> None:
        self.stop()
        self.index.close()
        self.central.close()
