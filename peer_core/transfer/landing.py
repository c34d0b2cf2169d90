"""Where many small files land together: names chosen, all bytes on the disk, then the names given. One thread, one job.

What each folder costs is paid once: it is made and resolved when its first file comes.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from peer_core.errors import BadInputError, StorageError
from peer_core.safe_names import safe_name
from peer_core.transfer.finishing import free_names, part_beside, sync_folder
from peer_core.transfer.part_file import storage_error
from peer_core.transfer.record import Record

# So many files are open at a time: all are written, then all are synced, which most systems do for many at once.
OPEN_AT_ONCE = 64
_FLAGS = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_TRUNC
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)


class Landing:
    """`write`, then the records are to be saved, then `give_name` each, then `sync`."""

    def __init__(self) -> None:
        # Each folder that is there, by its path with links resolved.
        self._roots: dict[Path, Path] = {}
        self._named: set[Path] = set()

    def write(self, arrived: Sequence[tuple[Record, bytes]]) -> list[bool]:
        """Chooses a name for each and writes its partial file, on the disk. False: that one cannot be; the usual job
        says why."""
        written: list[bool] = []
        for start in range(0, len(arrived), OPEN_AT_ONCE):
            written += self._written(arrived[start : start + OPEN_AT_ONCE])
        return written

    def _written(self, arrived: Sequence[tuple[Record, bytes]]) -> list[bool]:
        opened: list[tuple[int, Path] | None] = []
        try:
            for record, data in arrived:
                opened.append(self._begin(record, data))
        finally:
            whole = [each is not None and _synced(*each) for each in opened]
        return whole

    def _begin(self, record: Record, data: bytes) -> tuple[int, Path] | None:
        """The open file with its bytes, not yet synced."""
        try:
            path = self._free_name(record)
            part = part_beside(path, record.id)
            file = _open(part)
        except (BadInputError, StorageError):
            return None
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(file, view) :]
        except OSError:
            os.close(file)
            _drop(part)
            return None
        record.part, record.path = part, path
        return file, part

    def _free_name(self, record: Record) -> Path:
        """Raises BadInputError, StorageError."""
        root = self._roots.get(record.folder)
        if root is None:
            root = _made(record.folder)
            self._roots[record.folder] = root
        path = root / safe_name(record.name)
        # What is not there is no link that leads elsewhere, either.
        return next(free_names(record.folder, record.name)) if os.path.lexists(path) else path

    def named(self, path: Path) -> None:
        """It got its name; its folder is to be synced."""
        self._named.add(path.parent)

    def sync(self) -> None:
        for folder in self._named:
            sync_folder(folder)
        self._named.clear()


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return folder.resolve()
    except OSError as error:
        raise storage_error(folder, error) from error


def _open(part: Path) -> int:
    """Raises StorageError."""
    try:
        try:
            return os.open(part, _FLAGS, 0o666)
        except FileNotFoundError:
            # Its folder was taken away meanwhile.
            part.parent.mkdir(parents=True, exist_ok=True)
            return os.open(part, _FLAGS, 0o666)
    except OSError as error:
        raise storage_error(part, error) from error


def _synced(file: int, part: Path) -> bool:
    try:
        os.fsync(file)
    except OSError:
        _drop(part)
        return False
    finally:
        os.close(file)
    return True


def _drop(part: Path) -> None:
    with suppress(OSError):
        part.unlink(missing_ok=True)
