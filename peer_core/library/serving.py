"""Opens a shared file for others: just the file that was hashed, inside its share, however paths changed since."""

import os
import stat
from collections.abc import Callable
from io import FileIO
from pathlib import Path

from peer_core.errors import NotFoundError
from peer_core.library.types import HeldFile


class ChangedError(NotFoundError):
    title = "The file has changed"
    status = 410


def open_held(held: HeldFile, resolved: Callable[[Path], Path] = Path.resolve) -> FileIO:
    """The open file. `resolved`: a path without links; who opens many at once looks at each folder once.

    Raises ChangedError when it is another one by now, lies elsewhere, or cannot be read.
    """
    try:
        if not resolved(held.path.parent).is_relative_to(resolved(held.root)):
            raise ChangedError("The file does not lie in its share any more.", "file-moved")
        # Without following a link, and without waiting should it be a pipe by now.
        flags = os.O_RDONLY
        for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_CLOEXEC"):
            flags |= getattr(os, name, 0)
        file = FileIO(os.open(held.path, flags))
    except OSError as error:
        raise ChangedError("The file cannot be read now.", "file-not-readable") from error
    # What was opened, not what the path says: a folder may be swapped for a link at any moment.
    if not is_unchanged(held, file):
        file.close()
        raise ChangedError("The file has changed since it was shared.", "file-changed")
    return file


def is_unchanged(held: HeldFile, file: FileIO) -> bool:
    """Whether an open file is still the one that was hashed."""
    try:
        status = os.fstat(file.fileno())
    except (OSError, ValueError):
        return False
    return is_same(held, status)


def is_same(held: HeldFile, status: os.stat_result) -> bool:
    """By size, time and, where file ids last, by file id."""
    same_id = held.inode in (0, status.st_ino)
    return (
        stat.S_ISREG(status.st_mode) and same_id and (status.st_size, status.st_mtime_ns) == (held.size, held.mtime_ns)
    )


def watcher(held: HeldFile, file: FileIO) -> Callable[[], bool]:
    """To be asked while the file is sent."""
    return lambda: is_unchanged(held, file)
