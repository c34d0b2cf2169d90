"""The index's file: made, brought up to date, refused when foreign, newer or damaged, and a full disk."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from peer_core.database import Database
from peer_core.errors import DataVersionError, StorageError
from peer_core.library.index import KIND
from peer_core.library.library import Library

if TYPE_CHECKING:
    from tests.library.conftest import Room


def test_a_new_database_is_marked(room: Room) -> None:
    with closing(sqlite3.connect(room.database)) as db:
        assert db.execute("PRAGMA application_id").fetchone() == (KIND.application_id,)
        assert db.execute("PRAGMA user_version").fetchone() == (len(KIND.scripts()),)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_two_databases_are_two_indexes(new_room: Callable[[], Room]) -> None:
    assert new_room().library.index_id != new_room().library.index_id


def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite"
    Database(path, KIND).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 999")
    before = path.read_bytes()
    with pytest.raises(DataVersionError, match="update Barrio"):
        Library(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", ["text", "header", "cut"])
def test_a_damaged_database_is_named(new_room: Callable[[], Room], damage: str) -> None:
    room = new_room().start()
    room.write("a", b"a")
    room.share()
    room.library.stop()
    data = room.database.read_bytes()
    match damage:
        case "text":
            room.database.write_text("this is no database" * 1000)
        case "header":
            room.database.write_bytes(b"\0" * 100 + data[100:])
        case "cut":
            room.database.write_bytes(data[:5000])
    with pytest.raises(StorageError) as caught:
        Library(room.database)
    assert str(room.database) in caught.value.message
    assert "damaged" in caught.value.message


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE theirs (x)")
    with pytest.raises(StorageError, match="not a Barrio library"):
        Library(path)


def test_a_folder_that_cannot_hold_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be used"):
        Library(tmp_path / "file" / "library.sqlite")
    with pytest.raises(StorageError, match="cannot be used"):
        Library(tmp_path)


def test_an_older_database_is_copied_and_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite"
    first = KIND.scripts()[:1]
    database = Database(path, KIND, first)
    with database.write() as db:
        db.execute("UPDATE library SET sequence = 7")
    database.close()
    upgraded = Database(path, KIND, [*first, "ALTER TABLE shares ADD COLUMN note TEXT;"])
    with upgraded.read() as db:
        assert db.execute("SELECT sequence FROM library").fetchone() == (7,)
        assert db.execute("SELECT count(note) FROM shares").fetchone() == (0,)
    upgraded.close()
    with closing(sqlite3.connect(tmp_path / "library.sqlite.v1.backup")) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT sequence FROM library").fetchone() == (7,)


def test_a_failed_upgrade_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite"
    first = KIND.scripts()[:1]
    Database(path, KIND, first).close()
    with pytest.raises(StorageError):
        Database(path, KIND, [*first, "CREATE TABLE half (x); INSERT INTO nowhere VALUES (1);"])
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").fetchone() == (0,)


def test_a_full_disk_undoes_the_transaction(tmp_path: Path) -> None:
    database = Database(tmp_path / "library.sqlite", KIND)
    with pytest.raises(StorageError, match="full"), database.write() as db:
        db.execute("PRAGMA max_page_count = 1")
        db.execute("INSERT INTO contents (content_id, size, hashes) VALUES (x'00', 1, zeroblob(10000000))")
    with database.write() as db:
        db.execute("PRAGMA max_page_count = 100000")
        db.execute("INSERT INTO contents (content_id, size, hashes) VALUES (x'00', 1, zeroblob(10000))")
    database.close()


def test_nothing_is_lost_while_the_disk_is_full(room: Room) -> None:
    resource = pytest.importorskip("resource")
    for i in range(3000):
        room.write(f"{i}", b"%d" % i)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (256 << 10, hard))
    try:
        room.library.add_share(room.folder)
        room.until(lambda: room.library.trouble() is not None)
        (problem,) = room.library.share("folder").problems
        assert problem.path == str(room.database)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    room.quiet()
    room.until(lambda: room.library.trouble() is None)
    assert room.library.share("folder").files == 3000
    assert len(room.listen(500)) == 3000


def test_a_waiting_writer_gets_its_turn(tmp_path: Path) -> None:
    database = Database(tmp_path / "library.sqlite", KIND)
    stop = threading.Event()

    def write_on_and_on() -> None:
        while not stop.is_set():
            with database.write() as db:
                db.execute("UPDATE library SET sequence = sequence + 1")

    writer = threading.Thread(target=write_on_and_on)
    writer.start()
    try:
        for _ in range(20):
            with database.write() as db:
                (before,) = db.execute("SELECT sequence FROM library").fetchone()
    finally:
        stop.set()
        writer.join()
    database.close()
    # One turn each, give or take: a starved writer would see thousands.
    assert before < 500


def test_the_index_belongs_to_one_program_at_a_time(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("peer_core.database.BUSY_SECONDS", 0.05)
    room.restart()
    room.until(lambda: not room.library.shares())
    with closing(sqlite3.connect(room.database, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="locked"):
            room.library.add_share(room.folder)
        db.execute("ROLLBACK")
    room.share()
