"""The database file: private, versioned, backed up before it changes, and left alone when it cannot be used."""

import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from central import database as module
from central.database import Database
from central.errors import OverloadedError, StorageError
from central.members import clean_name

NEWEST = module._migrations()[-1][0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "central.sqlite"


def test_it_is_private_and_says_whose_it_is(path: Path) -> None:
    Database.create(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA application_id").fetchone()[0] == module.APPLICATION_ID
    assert connection.execute("PRAGMA user_version").fetchone()[0] == NEWEST
    assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    connection.close()


@pytest.mark.parametrize("spoil", ["garbage", "foreign", "newer", "cut"])
def test_a_file_that_cannot_be_used_is_named_and_left_alone(path: Path, spoil: str) -> None:
    if spoil == "garbage":
        path.write_bytes(b"no database at all" * 1000)
    elif spoil == "foreign":
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE recipe (x)")
        connection.close()
    else:
        Database.create(path).close()
        if spoil == "newer":
            connection = sqlite3.connect(path)
            connection.execute("PRAGMA user_version = 99")
            connection.close()
        else:
            path.write_bytes(path.read_bytes()[:10_000])
    before = path.read_bytes()
    for way in (Database.create, Database.open):
        with pytest.raises(StorageError, match=str(path)):
            way(path)
    assert path.read_bytes() == before


def test_opening_does_not_make_one(path: Path) -> None:
    with pytest.raises(StorageError, match="barrio-central serve"):
        Database.open(path)
    assert not path.exists()


def test_a_step_up_keeps_a_backup_and_the_data(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Database.create(path)
    with first.write() as connection:
        connection.execute("INSERT INTO setting VALUES ('k', 'v')")
    first.close()
    steps = [*module._migrations(), (NEWEST + 1, "CREATE TABLE later (x)")]
    monkeypatch.setattr(module, "_migrations", lambda: steps)
    with pytest.raises(StorageError, match="older"):
        Database.open(path)
    second = Database.create(path)
    assert second.read().execute("SELECT value FROM setting WHERE key = 'k'").fetchall() == [("v",)]
    assert second.read().execute("SELECT count(*) FROM later").fetchone() == (0,)
    second.close()
    backup = path.with_name(f"central.sqlite.v{NEWEST}.backup")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    kept = sqlite3.connect(backup)
    assert kept.execute("SELECT value FROM setting").fetchall() == [("v",)]
    assert kept.execute("PRAGMA user_version").fetchone() == (NEWEST,)
    kept.close()


def test_a_step_that_fails_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Database.create(path).close()
    steps = [*module._migrations(), (NEWEST + 1, "CREATE TABLE later (x); CREATE TABLE member (x)")]
    monkeypatch.setattr(module, "_migrations", lambda: steps)
    with pytest.raises(StorageError):
        Database.create(path)
    monkeypatch.undo()
    opened = Database.open(path)
    assert opened.read().execute("SELECT 1 FROM sqlite_master WHERE name = 'later'").fetchone() is None
    opened.close()


def test_a_transaction_is_whole_or_nothing(path: Path) -> None:
    database = Database.create(path)
    with pytest.raises(RuntimeError), database.write() as connection:
        connection.execute("INSERT INTO setting VALUES ('a', 'b')")
        raise RuntimeError
    with database.write() as connection:
        connection.execute("INSERT INTO setting VALUES ('c', 'd')")
    assert database.read().execute("SELECT key FROM setting").fetchall() == [("c",)]
    database.close()


def test_what_another_connection_commits_is_noticed(path: Path) -> None:
    database = Database.create(path)
    other = Database.open(path)
    seen = database.data_version()
    assert database.data_version() == seen
    with other.write() as connection:
        connection.execute("INSERT INTO setting VALUES ('a', 'b')")
    assert database.data_version() != seen
    other.close()
    database.close()


def test_a_writer_that_waits_too_long_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUSY_SECONDS", 0.1)
    database = Database.create(path)
    other = Database.open(path)
    with database.write():
        with pytest.raises(OverloadedError, match="busy"), other.write():
            pass
        told = []

        def second() -> None:
            try:
                with database.write():
                    pass
            except OverloadedError as error:
                told.append(error)

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        assert told
    other.close()
    database.close()


def test_readers_of_ended_threads_are_closed_too(path: Path) -> None:
    database = Database.create(path)
    connections = []
    thread = threading.Thread(target=lambda: connections.append(database.read()))
    thread.start()
    thread.join()
    database.close()
    with pytest.raises(sqlite3.ProgrammingError):
        connections[0].execute("SELECT 1")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "x" * 65,
        "a\nb",
        "a\x00",
        "gpj.\u202eexe",
        "\u200d",
        "a\u2028b",
        "An\u200ba",
        "Ana\u2060",
        "Ana\u200d",
        "A\u00adna",
        "a \u200d b",
        "\u3164",
        "Ana\u3164",
        "\u115fAna",
        "A\u1160na",
        "Ana\uffa0",
        "Ana\u2800",
        "A\u034fna",
        "A\u17b5na",
    ],
)
def test_names_that_cannot_be_shown_are_refused(name: str) -> None:
    with pytest.raises(Exception, match="name"):
        clean_name(name)


def test_names_are_tidied() -> None:
    assert clean_name("  Jose\u0301  ") == "José"
    for name in ("👩‍💻 laptop", "می\u200cخواهم", "❤️\u200d🔥", "한글", "ភាសា"):
        assert clean_name(name) == name
