"""The data folder: where it is, its lock (one running peer for each folder), and files written whole or not at all."""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

import platformdirs

from peer_core.errors import BadInputError, InUseError, StorageError
from peer_core.system_words import system_words

LOCAL_API_FILE = "local-api.json"


def default_data_dir() -> Path:
    """The platform's folder for data of one user, or BARRIO_DATA_DIR."""
    given = os.environ.get("BARRIO_DATA_DIR")
    return Path(given).expanduser() if given else Path(platformdirs.user_data_path("barrio", appauthor=False))


def prepare(folder: Path) -> Path:
    """Makes the folder, or takes one that is there, readable by its user alone. Raises BadInputError, StorageError."""
    if folder.exists() and not folder.is_dir():
        raise BadInputError(
            "{folder} is not a folder; choose another data folder with --data-dir.", "data-folder-file", folder=folder
        )
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        for left_over in folder.glob(".*.tmp"):
            left_over.unlink(missing_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise StorageError(
            "The data folder {folder} cannot be written ({reason}); check it.",
            "data-folder-closed",
            folder=folder,
            reason=system_words(error),
        ) from error
    return folder


def write_private(path: Path, data: bytes) -> None:
    """Replaces a file by one of mode 0600, whole or not at all, and on the disk when this returns."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    except OSError as error:
        raise StorageError(
            "{path} cannot be written ({reason}).", "file-unwritable", path=path, reason=system_words(error)
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise StorageError(
            "{path} cannot be written ({reason}); make room on the disk.",
            "file-unwritable-room",
            path=path,
            reason=system_words(error),
        ) from error


def write_json(path: Path, value: Any) -> None:
    write_private(path, json.dumps(value, indent=1, ensure_ascii=False).encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file, or None without the file. Raises StorageError when it is mangled."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(
            "{path} cannot be read ({reason}); mend it or take it away.", "file-unreadable", path=path, reason=error
        ) from error
    if not isinstance(value, dict):
        raise StorageError("{path} does not hold what it should; mend it or take it away.", "file-content", path=path)
    return value


class FolderLock:
    """Held for as long as a peer runs; the system lets go of it when the process dies, however it dies."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._file: IO[bytes] | None = None

    def take(self) -> None:
        """Raises InUseError when another process holds it."""
        try:
            # Private from the start: whoever can open it could hold it.
            file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        except OSError as error:
            raise StorageError(
                "{path} cannot be opened ({reason}); check whose file it is.",
                "file-not-opened",
                path=self._path,
                reason=system_words(error),
            ) from error
        try:
            _lock(file)
        except OSError as error:
            file.close()
            raise InUseError(
                "A Barrio already runs with the data folder {folder}; use it, or end it first.",
                "data-folder-in-use",
                folder=self._path.parent,
            ) from error
        self._file = file

    @classmethod
    def is_held(cls, folder: Path) -> bool:
        """Whether a peer runs with this folder now."""
        if not (folder / "lock").exists():
            return False
        probe = cls(folder)
        try:
            probe.take()
        except InUseError:
            return True
        except StorageError:
            return False
        probe.release()
        return False

    def release(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
