"""One SQLite file: its schema, one writer at a time, one reader connection for each thread.

Other processes (the command line) use the same file at the same time through SQLite's write-ahead log.
"""

import errno
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from central.errors import OverloadedError, StorageError

APPLICATION_ID = 0x42415252  # "BARR"
SQLITE_NEEDED = (3, 35)
BUSY_SECONDS = 10.0
# Pages; the default of 1000 makes publishing stall for checkpoints.
CHECKPOINT_PAGES = 6000


def _migrations() -> list[tuple[int, str]]:
    files = resources.files("central.migrations").iterdir()
    steps = [(int(f.name[:4]), f.read_text("utf-8")) for f in files if f.name.endswith(".sql")]
    return sorted(steps)


class Database:
    """Open with `create` or `open`; `close` when no thread uses it any more."""

    def __init__(self, path: Path, writer_cache_kib: int = 0) -> None:
        """`writer_cache_kib`: pages kept for writing; 0: as few as for reading."""
        self.path = path
        self._local = threading.local()
        self._lock = threading.Lock()  # guards _readers
        self._readers: list[sqlite3.Connection] = []
        self._writer_lock = threading.Lock()  # guards _writer
        self._watcher_lock = threading.Lock()  # guards _watcher
        if sqlite3.sqlite_version_info < SQLITE_NEEDED:
            raise StorageError(
                f"SQLite {'.'.join(map(str, SQLITE_NEEDED))} or newer is needed; this is {sqlite3.sqlite_version}"
            )
        with _storage_errors(path):
            self._writer = self._connect()
            try:
                if writer_cache_kib:
                    self._writer.execute(f"PRAGMA cache_size = -{writer_cache_kib}")
                self._check()
                self._watcher = self._connect()
                found = path.stat()
                self._file = (found.st_dev, found.st_ino)
            except BaseException:
                self._writer.close()
                raise

    @classmethod
    def create(cls, path: Path) -> "Database":
        """Opens the database for the server: makes it, or brings its schema up to date after a backup."""
        try:
            # Made private here: SQLite would use the process's mask.
            path.touch(mode=0o600, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"the database {path} cannot be made ({error.strerror}); choose another place"
            ) from error
        database = cls(path)
        try:
            with _storage_errors(path):
                database._migrate()
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def open(cls, path: Path) -> "Database":
        """Opens an existing database as it is. Raises StorageError when there is none, or its schema is old."""
        if not path.exists():
            raise StorageError(f"there is no barrio in {path.parent} yet; start it with: barrio-central serve")
        database = cls(path)
        if database._version() < _migrations()[-1][0]:
            database.close()
            raise StorageError(f"{path} is from an older Barrio; start barrio-central serve once to update it")
        return database

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute("PRAGMA cache_size = -16000")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        # Larger than what a checkpoint leaves: cutting the log each time holds up those who read it.
        connection.execute("PRAGMA journal_size_limit = 268435456")
        return connection

    def _check(self) -> None:
        application = self._writer.execute("PRAGMA application_id").fetchone()[0]
        tables = self._writer.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and application != APPLICATION_ID:
            raise StorageError(f"{self.path} is not a database of a Barrio central; move it away")
        if self._version() > _migrations()[-1][0]:
            raise StorageError(f"{self.path} is from a newer Barrio; update this program to use it")

    def _version(self) -> int:
        return int(self._writer.execute("PRAGMA user_version").fetchone()[0])

    def _migrate(self) -> None:
        if self._version() == 0:
            self._writer.execute("PRAGMA page_size = 8192")
        self._writer.execute("PRAGMA journal_mode = WAL")
        found = self._version()
        steps = [step for step in _migrations() if step[0] > found]
        if steps and found > 0:
            self._back_up(found)
        for number, script in steps:
            try:
                self._writer.executescript(
                    f"BEGIN IMMEDIATE; {script}; PRAGMA application_id = {APPLICATION_ID};"
                    f"PRAGMA user_version = {number}; COMMIT;"
                )
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def _back_up(self, version: int) -> None:
        backup = self.path.with_name(f"{self.path.name}.v{version}.backup")
        backup.unlink(missing_ok=True)
        backup.touch(mode=0o600)
        target = sqlite3.connect(backup)
        try:
            self._writer.backup(target)
        finally:
            target.close()

    @contextmanager
    def elsewhere(self) -> Iterator[None]:
        """Inside, another process writes at this one's order: nobody here tries to, and each has its turn.

        Raises OverloadedError when other writers keep the database for too long.
        """
        if not self._writer_lock.acquire(timeout=BUSY_SECONDS):
            raise OverloadedError("the central is busy writing; try again in a moment")
        try:
            yield
        finally:
            self._writer_lock.release()

    @contextmanager
    def write(self, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction, all or nothing. `durable`: it also survives a power cut right after.

        Raises OverloadedError when other writers keep the database for too long.
        """
        if not self._writer_lock.acquire(timeout=BUSY_SECONDS):
            raise OverloadedError("the central is busy writing; try again in a moment")
        try:
            self._writer.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            try:
                self._writer.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise OverloadedError("the central is busy writing; try again in a moment") from error
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
        finally:
            self._writer_lock.release()

    def read(self) -> sqlite3.Connection:
        """This thread's connection for reading. Fetch all rows at once: an unfinished statement holds the log."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only = 1")
            self._local.connection = connection
            with self._lock:
                self._readers.append(connection)
        return connection

    def data_version(self) -> int:
        """A number that changes whenever any process commits something; a few microseconds."""
        with self._watcher_lock:
            return int(self._watcher.execute("PRAGMA data_version").fetchone()[0])

    def check(self) -> None:
        """Reads a little. Raises StorageError when the file is gone or cannot be read."""
        try:
            found = self.path.stat()
            with self._watcher_lock:
                self._watcher.execute("SELECT count(*) FROM setting").fetchone()
        except OSError as error:
            raise StorageError(f"the database {self.path} is out of reach ({error.strerror})") from error
        except sqlite3.Error as error:
            raise storage_error(self.path, error) from error
        if (found.st_dev, found.st_ino) != self._file:
            raise StorageError(f"another file took the place of the database {self.path}; restart the central")

    def close(self) -> None:
        with self._lock:
            for reader in self._readers:
                reader.close()
            self._readers.clear()
        if hasattr(self, "_watcher"):
            self._watcher.close()
        self._writer.close()


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    """Turns what SQLite says about the file itself into a sentence."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise storage_error(path, error) from error


def is_full(error: BaseException) -> bool:
    """Whether there is no room on the disk."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, sqlite3.OperationalError) and "full" in str(error)


def storage_error(path: Path, error: sqlite3.Error) -> StorageError:
    """The sentence for a database that cannot be used; nothing in it was changed."""
    if is_full(error):
        return StorageError(f"the disk of {path} is full; make room there, nothing was lost")
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return StorageError(f"{path} is in use by another program; try again when that has ended")
    return StorageError(
        f"the database {path} cannot be used ({error}); it was left as it is: repair it or restore a backup"
    )
