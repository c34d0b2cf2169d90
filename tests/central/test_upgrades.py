"""A database of each earlier schema (tests/data) is taken over whole: same files, same answers, a backup beside it."""

import shutil
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from central_kit import INDEX, batch, content_id

from central.catalogue.sqlite.store import SqliteCatalogue
from central.database import Database
from central.domain import Acknowledged, SearchQuestion

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return Path(shutil.copyfile(DATA / "central-schema-1.sqlite", tmp_path / "central.sqlite"))


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database.create(path)
    yield database
    database.close()


def test_the_file_is_of_that_schema() -> None:
    connection = sqlite3.connect(f"file:{DATA / 'central-schema-1.sqlite'}?mode=ro", uri=True)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert connection.execute("SELECT count(*) FROM entry").fetchone() == (43,)
    connection.close()


def test_schema_1_answers_as_before(database: Database, path: Path) -> None:
    catalogue = SqliteCatalogue(database, cleaning_patience=0)
    assert [catalogue.acknowledged(member) for member in (1, 2, 3)] == [
        Acknowledged(INDEX, 31),
        Acknowledged(INDEX, 13),
        Acknowledged(INDEX, 1),
    ]
    for member in (1, 2, 3):
        catalogue.set_live(member, True)
    songs = catalogue.search(SearchQuestion("cancion")).rows
    assert len(songs) == 30
    assert {row.name for row in songs if row.holders == 2} == {f"Canción {n:02}.mp3" for n in range(1, 11)}
    (song,) = catalogue.search(SearchQuestion('"cancion 01"')).rows
    assert (song.content_id, song.size, song.modified) == (content_id(1), 101, 1001)
    assert set(song.names) == {"Canción uno.mp3"}
    assert sorted(catalogue.locate((content_id(100),), 8)[0].holders) == [1, 3]
    assert catalogue.search(SearchQuestion("adios")).rows == ()
    while catalogue.clean():
        pass
    totals = catalogue.totals()
    assert (totals.entries, totals.contents, totals.names) == (43, 31, 33)
    assert database.read().execute("SELECT name FROM member ORDER BY number").fetchall() == [
        ("Ana",),
        ("Bruno",),
        ("Carla",),
    ]
    backup = path.with_name("central.sqlite.v1.backup")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    catalogue.close()


def test_schema_1_goes_on_where_it_was(database: Database) -> None:
    catalogue = SqliteCatalogue(database, cleaning_patience=0)
    catalogue.set_live(1, True)
    step = batch(31, [("Music/Canción 01.mp3", None), ("Music/Canción 31.mp3", 31), ("Docs/plaza.pdf", 100)])
    assert not catalogue.publish(1, step).resync
    names = {row.name for row in catalogue.search(SearchQuestion("cancion")).rows}
    assert names == {f"Canción {n:02}.mp3" for n in range(2, 32)}
    catalogue.withdraw(1)
    while catalogue.clean():
        pass
    assert catalogue.totals().entries == 12
    catalogue.close()


def test_an_upgrade_that_was_cut_off_is_finished(path: Path) -> None:
    # The schema is new, and Python's part of the step was never run.
    Database.create(path).close()
    for _ in range(2):
        database = Database.create(path)
        catalogue = SqliteCatalogue(database)
        catalogue.set_live(3, True)
        assert [row.name for row in catalogue.search(SearchQuestion("plaza")).rows] == ["plaza mayor.pdf"]
        catalogue.close()
        database.close()
