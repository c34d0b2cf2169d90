"""The data folder: private files made private from the start, one server at a time, and where that server listens."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from central.errors import StorageError

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> bool:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


LOCK_FILE = "serve.lock"
_LOCK_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
RUNNING_FILE = "serve.json"
DATABASE_FILE = "central.sqlite"
AUTHORITY_FOLDER = "authority"


def make_folder(path: Path) -> None:
    """Makes a folder that only its owner can enter. Raises StorageError when it cannot be made or written."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"the data folder {path} cannot be made ({error.strerror}); choose another") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise StorageError(f"the data folder {path} cannot be written; check who owns it")


def write_private(path: Path, data: bytes) -> None:
    """Puts `data` at `path` in one step, readable by the owner alone (on Windows: by the folder's rights)."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextmanager
def serve_lock(folder: Path, patience: float = 3.0) -> Iterator[int]:
    """Held by the one server of this folder; the system lets go of it when the process ends, however it ends.

    Gives the open file: processes that inherit it hold the lock too (on POSIX).
    Waits up to `patience` seconds, since `is_served` of another process holds it for a moment. Raises StorageError.
    """
    with _own_lock_file(folder / LOCK_FILE) as file:
        deadline = time.monotonic() + patience
        while not _lock(file):
            if time.monotonic() >= deadline:
                raise StorageError(f"a central already serves from {folder}; stop it first, or choose another folder")
            time.sleep(0.05)
        yield file.fileno()


def _own_lock_file(path: Path) -> IO[bytes]:
    """Private, since whoever can open it could hold it."""
    try:
        handle = os.open(path, _LOCK_FLAGS | os.O_CREAT, 0o600)
        if make_private := getattr(os, "fchmod", None):
            # One of an earlier version can be read by everybody. Another user's stays as that user made it.
            with suppress(PermissionError):
                make_private(handle, 0o600)
        return os.fdopen(handle, "r+b")
    except OSError as error:
        raise StorageError(f"{path} cannot be opened ({error.strerror or error}); check whose file it is") from error


def is_served(folder: Path) -> bool:
    """Whether a server runs from this folder now."""
    try:
        with os.fdopen(os.open(folder / LOCK_FILE, _LOCK_FLAGS), "r+b") as file:
            return not _lock(file)
    except OSError:
        return False


@dataclass(frozen=True)
class Running:
    """Where the running server listens, each "HOST:PORT"."""

    pid: int
    directory: str
    enrol: str
    http: str

    def write(self, folder: Path) -> None:
        write_private(folder / RUNNING_FILE, json.dumps(asdict(self)).encode())


def running(folder: Path) -> Running | None:
    """The server that runs from this folder now, or None."""
    if not is_served(folder):
        return None
    try:
        return Running(**json.loads((folder / RUNNING_FILE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
