"""What the listing of a folder says, as one digest. Pure but for the listing; any thread."""

import marshal
import os
from collections.abc import Iterator
from contextlib import contextmanager

from blake3 import blake3

SEAL_BYTES = 16

_BY_DESCRIPTOR = os.scandir in os.supports_fd and os.name != "nt"
_FLAGS = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
# The last one in which equal values are always equal bytes.
_FORMAT = 2


@contextmanager
def listing(place: str) -> Iterator[Iterator["os.DirEntry[str]"]]:
    """The entries of a folder; they can be asked while it is open. Raises OSError.

    Asked through the open folder, the system need not go the whole way to each; their `path` is their name then.
    """
    if not _BY_DESCRIPTOR:
        with os.scandir(place) as entries:
            yield entries
        return
    folder = os.open(place, _FLAGS)
    try:
        with os.scandir(folder) as entries:
            yield entries
    finally:
        os.close(folder)


def told(name: str, status: os.stat_result) -> tuple[str | int, ...]:
    """What the listing says of a regular file: all that decides whether it is what it was, and may be read."""
    return name, status.st_size, status.st_mtime_ns, status.st_ino, status.st_mode, status.st_uid, status.st_gid


def seal(said: list[str | int]) -> bytes:
    """`said`: what was `told` of each regular file, in the order of the listing."""
    return blake3(marshal.dumps(said, _FORMAT)).digest(SEAL_BYTES)
