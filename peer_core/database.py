"""A SQLite file of the data folder: opening, checking, migrating, connections for one writer and many readers.

Any thread; a write waits for the one before it, which is short by agreement, and a read waits for nobody.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from peer_core.errors import DataVersionError, StorageError
from peer_core.system_words import system_words

BUSY_SECONDS = 5.0

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@dataclass(frozen=True)
class Kind:
    """What a file is: its application id, the package of its migrations, and words for a person.

    `name` as in "is not a Barrio NAME"; `when_damaged` says what to do, and what is safe all the same.
    """

    application_id: int
    migrations: str
    name: str
    when_damaged: str

    def scripts(self) -> list[str]:
        """The SQL scripts in order; script N (from 1) leads to version N."""
        folder = resources.files(self.migrations)
        files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
        return [file.read_text("utf-8") for file in files]


def storage_error(path: Path, kind: Kind, error: sqlite3.Error) -> StorageError:
    """The sentence for a person, by SQLite's result code."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return StorageError(
            "The disk that holds {path} is full; free some space, and Barrio goes on by itself.",
            "database-disk-full",
            path=path,
        )
    if code in _DAMAGED:
        return StorageError(
            "The {what} {path} is damaged; {advice}",
            "database-damaged",
            what=kind.name,
            path=path,
            advice=kind.when_damaged,
        )
    if code == sqlite3.SQLITE_BUSY:
        return StorageError(
            "Another program keeps {path} locked; close it, and Barrio goes on by itself.", "database-locked", path=path
        )
    return StorageError(
        "The {what} {path} cannot be used ({reason}); check the disk and the permissions.",
        "database-unusable",
        what=kind.name,
        path=path,
        reason=error,
    )


def migrate(connection: sqlite3.Connection, path: Path, kind: Kind, scripts: Sequence[str]) -> None:
    """Brings a database to the newest version, after a copy `NAME.vN.backup` of an older one.

    Raises DataVersionError, and StorageError when the file belongs to another program.
    """
    application, version, tables = connection.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema) "
        "FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if application != kind.application_id and (application or version or tables):
        raise StorageError(
            "{path} is not a Barrio {what}; move that file away and start again.",
            "database-foreign",
            path=path,
            what=kind.name,
        )
    if version > len(scripts):
        raise DataVersionError(
            "{path} was written by a newer Barrio (version {version}, this one knows {known}); update "
            "Barrio, or choose another data folder.",
            "database-newer",
            path=path,
            version=version,
            known=len(scripts),
        )
    if 0 < version < len(scripts):
        _back_up(connection, path.with_name(f"{path.name}.v{version}.backup"))
    for number, script in enumerate(scripts[version:], version + 1):
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE; {script}; PRAGMA application_id = {kind.application_id}; "
                f"PRAGMA user_version = {number}; COMMIT;"
            )
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _back_up(connection: sqlite3.Connection, target: Path) -> None:
    unfinished = target.with_name(target.name + ".tmp")
    unfinished.unlink(missing_ok=True)
    with closing(sqlite3.connect(unfinished)) as copy:
        connection.backup(copy)
    unfinished.replace(target)


class Database:
    """Connections to one migrated file. After `close` every use raises StorageError."""

    def __init__(self, path: Path, kind: Kind, scripts: Sequence[str] | None = None) -> None:
        """`scripts`: other migrations than the packaged ones, to test upgrades. Raises StorageError."""
        self.path = path
        self.kind = kind
        # A second lock keeps the order: a thread that writes batch after batch lets a waiting one in between.
        self._turn = threading.Lock()
        self._write_lock = threading.Lock()
        self._pool_lock = threading.Lock()
        # Under _pool_lock.
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite gives the files beside it the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._writer = self._connect()
        except OSError as error:
            raise StorageError(
                "The folder {folder} cannot be used ({reason}); choose another.",
                "database-folder",
                folder=path.parent,
                reason=system_words(error),
            ) from error
        except sqlite3.Error as error:
            raise storage_error(path, kind, error) from error
        try:
            migrate(self._writer, path, kind, kind.scripts() if scripts is None else scripts)
            self._writer.execute("PRAGMA journal_mode = WAL")
            # A number that the central acknowledged must not be given out again after a power cut.
            self._writer.execute("PRAGMA synchronous = FULL")
            self._writer.execute("PRAGMA cache_size = -16384")
            self._writer.execute("PRAGMA journal_size_limit = 67108864")
        except sqlite3.Error as error:
            self._writer.close()
            raise storage_error(path, kind, error) from error
        except StorageError:
            self._writer.close()
            raise

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA foreign_keys = ON")
        return connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, alone; undone when the block raises. Raises StorageError."""
        with self._turn:
            self._write_lock.acquire()
        try:
            self._check_open()
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise storage_error(self.path, self.kind, error) from error
        finally:
            self._write_lock.release()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own, for one short query. Raises StorageError."""
        with self._pool_lock:
            self._check_open()
            connection = self._idle.pop() if self._idle else None
        try:
            if connection is None:
                connection = self._connect()
            yield connection
        except sqlite3.Error as error:
            raise storage_error(self.path, self.kind, error) from error
        finally:
            if connection is not None:
                self._give_back(connection)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._pool_lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StorageError("The {what} is closed; start Barrio again.", "database-closed", what=self.kind.name)

    def close(self) -> None:
        """Closes every connection; those in use, when their query ends."""
        with self._pool_lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        with self._turn, self._write_lock:
            self._writer.close()
